"""The same prompt through several quantizations of one model: the lesson's function, with the clock read rightly.

Speed comes from the server's own counters, eval_count / eval_duration; loading the model and reading the prompt are not in it.
Whatever goes wrong with one model becomes its row: a comparison never stops at the first missing tag.
"""

import threading
import time
from collections.abc import Callable, Sequence

from .names import full_name, missing_words, with_tag
from .server import LabError, Server

NUM_PREDICT = 100
SAMPLE = 200            # characters of the answer under "response", as in the lesson; "text" has them all
LOOP = 30               # equal pieces in a row: Ollama ends such an answer itself


def compare_quantizations(prompt: str, model_base: str, quants: Sequence[str], *, options: dict | None = None,
                          timeout: float = 300, server: Server | None = None, warm_up: bool = True,
                          or_recorded: bool = False, cancel: threading.Event | None = None,
                          on_progress: Callable[[str], None] | None = None) -> list[dict]:
    """Ask each quantization the same thing; one row (a dict) each, in the order given.

    quants: suffixes as in the lesson ("3b-instruct-q4_K_M", "" or None for the default) or full names.  options: Ollama's
    (temperature, seed, num_thread, ...); num_predict is 100 unless given.  timeout: seconds for each request.
    warm_up: load the model before the clock starts.  or_recorded: where no server answers, and under the reference
    profile, return the run that was recorded for this prompt; such rows say so under "recorded".
    Row: quantization, response (first 200 characters), tokens_per_second, time (seconds on the wall), and model,
    text, eval_count, load_seconds, wall_tokens_per_second, bytes, digest, quantization_level, done_reason, flags.
    What failed has only quantization and error.
    """
    if not isinstance(prompt, str) or not prompt.strip():
        raise ValueError("the prompt is empty: write what the models shall answer")
    names = [(quant or "default", full_name(model_base, quant or "")) for quant in _as_list(quants)]
    if or_recorded:
        from .records import recorded_rows

        server, rows = recorded_rows(prompt, names, server)
        if rows is not None:
            return rows
    server = server or Server(timeout=timeout)
    wanted = {"num_predict": NUM_PREDICT, **(options or {})}
    try:
        installed = {model["name"]: model for model in server.models()}
    except LabError as error:
        return [{"quantization": quant, "error": str(error)} for quant, _ in names]
    rows = []
    for quant, name in names:
        if on_progress:
            on_progress(f"Asking {name} ({len(rows) + 1} of {len(names)})")
        rows.append(_row(server, quant, name, prompt, wanted, warm_up, installed, cancel))
    _mark_twins(rows)
    return rows


def _row(server, quant, name, prompt, options, warm_up, installed, cancel) -> dict:
    """One quantization's row, or its error."""
    try:
        if cancel is not None and cancel.is_set():
            raise LabError("Cancelled.", "cancelled")
        if warm_up:
            server.generate(name, "", options=_loading(options))
        start = time.perf_counter()
        answer = server.generate(name, prompt, options=options, cancel=cancel)
        return measured_row(quant, name, answer, time.perf_counter() - start, installed.get(with_tag(name), {}))
    except LabError as error:
        words = missing_words(name, tuple(installed)) if error.kind == "missing" else str(error)
        return {"quantization": quant, "error": words}


def measured_row(quant: str, name: str, answer: dict, seconds: float, facts: dict) -> dict:
    """The row of one answer of `Server.generate`.  seconds: on the wall.  facts: the model's entry in the server's list.

    LabError when there is no answer in it.
    """
    text, count = answer["response"], int(answer.get("eval_count") or 0)
    if not text.strip():
        raise LabError(f"{name} answered with nothing (reason: {answer.get('done_reason') or 'none given'}).", "empty")
    return {
        "quantization": quant, "response": text[:SAMPLE], "tokens_per_second": per_second(count, answer.get("eval_duration")),
        "time": seconds, "model": name, "text": text, "eval_count": count,
        "wall_tokens_per_second": count / seconds if seconds > 0 else 0.0,
        "load_seconds": (answer.get("load_duration") or 0) / 1e9,
        "prompt_seconds": (answer.get("prompt_eval_duration") or 0) / 1e9,
        "bytes": facts.get("size"), "digest": facts.get("digest"), "quantization_level": facts.get("quantization_level"),
        "done_reason": answer.get("done_reason"), "flags": _flags(answer),
    }


def per_second(count: int, nanoseconds: int | None) -> float:
    """Tokens per second from the server's counters; 0.0 when it sent none."""
    return count / nanoseconds * 1e9 if nanoseconds else 0.0


def _flags(answer: dict) -> list[str]:
    flags, tail = [], answer.get("pieces", [])[-LOOP:]
    if answer.get("done_reason") == "length":
        flags.append("cut at num_predict")
    if (len(tail) == LOOP and len(set(tail)) == 1) or not answer.get("done", True):
        flags.append("degenerate loop" if len(set(tail)) == 1 else "ended without a last message")
    return flags


def _mark_twins(rows: list[dict]) -> None:
    """Two names for one file are not two quantizations."""
    seen = {}
    for row in rows:
        digest = row.get("digest")
        if digest and digest in seen:
            row["flags"].append(f"same file as {seen[digest]}")
        elif digest:
            seen[digest] = row["quantization"]


def _loading(options: dict) -> dict:
    """Options that decide how a model is loaded; others would not matter for an empty prompt."""
    return {key: value for key, value in options.items() if key.startswith("num_") and key != "num_predict"}


def _as_list(quants: Sequence[str]) -> list[str]:
    if isinstance(quants, str):
        raise ValueError(f"quants is a list of texts: write [{quants!r}]")
    if not list(quants):
        raise ValueError("quants is empty: name at least one quantization, such as ['q4_K_M', 'q8_0']")
    return list(quants)
