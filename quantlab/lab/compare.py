"""The same prompt through several quantizations of one model: the lesson's function, a `Comparison` of one
prompt and one round.

Speed comes from the server's own counters, eval_count / eval_duration; loading the model and reading the
prompt are not in it. Whatever goes wrong with one model becomes its row: a comparison never stops at the
first missing tag.
"""

import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from .comparison import Comparison
from .names import full_name, with_tag
from .server import SECONDS, LabError, Server

NUM_PREDICT = 100
SAMPLE = 200            # characters of the answer under "response", as in the lesson; "text" has them all


def compare_quantizations(prompt: str, model_base: str, quants: Sequence[str], *, options: dict | None = None,
                          timeout: float = SECONDS, server: Server | None = None, or_recorded: bool = False,
                          cancel: threading.Event | None = None, on_progress: Callable[[str], None]
                          | None = None) -> list[dict]:
    """Ask each quantization the same thing; one row (a dict) each, in the order given.

    quants: suffixes as in the lesson ("3b-instruct-q4_K_M", "" or None for the default) or full names.
    options: Ollama's; num_predict is 100 unless given, temperature 0, seed 1 and num_ctx 2048 as in every
    `Comparison`.  timeout: seconds for each request.
    or_recorded: where no server answers, and under the reference profile, return the run that was recorded
    for this prompt; such rows say so under "recorded".
    Row: quantization, response (first 200 characters), tokens_per_second, time (seconds on the wall), and
    model, text, eval_count, load_seconds, wall_tokens_per_second, bytes, digest, quantization_level,
    done_reason, flags.  What failed has only quantization and error.
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
    with tempfile.TemporaryDirectory() as folder:
        made = Comparison([prompt], list(dict.fromkeys(with_tag(name) for _, name in names)), rounds=1,
                          options={"num_predict": NUM_PREDICT, **(options or {})}, server=server,
                          file=Path(folder) / "one.jsonl")
        try:
            stopped = made.run(cancel=cancel, patience=0, on_progress=on_progress
                               and (lambda now: on_progress(now.words))).stopped
        except LabError as error:
            stopped = str(error)
        rows = {row["model"]: row for row in made.rows()}
    return [lesson_row(quant, rows.get(with_tag(name)), stopped) for quant, name in names]


def lesson_row(quant: str, row: dict | None, stopped: str = "") -> dict:
    """A row of `Comparison.rows` under the lesson's keys.  row: None where nothing was asked, stopped: why.
    """
    if row is None or row["error"]:
        return {"quantization": quant, "error": stopped if row is None else row["error"]}
    if not row["text"].strip():
        return {"quantization": quant,
                "error":
                f"{row['model']} answered with nothing (reason: {row['done_reason'] or 'none given'})."}
    wall, count = row["wall_seconds"], row["eval_count"]
    return {"quantization": quant, "response": row["text"][:SAMPLE],
            "tokens_per_second": row["tokens_per_second"] or 0.0, "time": wall,
            "wall_tokens_per_second": count / wall if wall > 0 else 0.0,
            "quantization_level": row["quantization"],
            **{key: row[key] for key in ("model", "text", "eval_count", "load_seconds", "bytes", "digest",
                                         "done_reason", "flags")}}


def _as_list(quants: Sequence[str]) -> list[str]:
    if isinstance(quants, str):
        raise ValueError(f"quants is a list of texts: write [{quants!r}]")
    if not list(quants):
        raise ValueError("quants is empty: name at least one quantization, such as ['q4_K_M', 'q8_0']")
    return list(quants)
