"""The lesson's function: one prompt through several quantizations of one model, a `Comparison` of one prompt
and one round; or, where no server can be asked, what was recorded.

Speed comes from the server's own counters, eval_count / eval_duration; loading the model and reading the
prompt are not in it. Whatever goes wrong with one model becomes its row: a comparison never stops at the
first missing tag.
"""

import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from ..models.store import name_key
from ..profile import is_reference
from .comparison import Comparison
from .names import full_name, with_tag
from .records import RecordedComparison
from .server import REQUEST_SECONDS, LabError, Server

NUM_PREDICT = 100
SAMPLE = 200            # characters of the answer under "response", as in the lesson; "text" has them all


def compare_quantizations(prompt: str, model_base: str, quants: Sequence[str], *, options: dict | None = None,
                          timeout: float = REQUEST_SECONDS, server: Server | None = None,
                          or_recorded: bool = False, cancel: threading.Event | None = None,
                          on_progress: Callable[[str], None] | None = None) -> list[dict]:
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
    if isinstance(quants, str):
        raise ValueError(f"quants is a list of texts: write [{quants!r}]")
    if not list(quants):
        raise ValueError("quants is empty: name at least one quantization, such as ['q4_K_M', 'q8_0']")
    names = [(quant or "default", full_name(model_base, quant or "")) for quant in quants]
    wrong = {name: why for _, name in names if (why := _why_no_name(name))}
    asked: dict[str, str] = {}          # one model under two spellings is asked once, under the first
    for _, name in names:
        if name not in wrong:
            asked.setdefault(name_key(name), with_tag(name))
    names = [(quant, asked.get(name_key(name), name)) for quant, name in names]
    server = server or Server(timeout=timeout)
    if or_recorded and (reason := _why_recorded(list(asked.values()), server)):
        return _recorded_rows(prompt, names, reason)
    rows, stopped = _asked(prompt, list(asked.values()), options, server, cancel, on_progress)
    return [_lesson_row(quant, rows.get(name), wrong.get(name, stopped)) for quant, name in names]


def _why_no_name(name: str) -> str:
    """Why Ollama would not take a text for a model's name; "" where it does."""
    try:
        with_tag(name)
    except ValueError as error:
        return str(error)
    return ""


def _asked(prompt: str, models: list[str], options: dict | None, server: Server,
           cancel: threading.Event | None,
           on_progress: Callable[[str], None] | None) -> tuple[dict[str, dict], str]:
    """(the rows of a `Comparison` by model, why it ended early)."""
    if not models:
        return {}, ""
    with tempfile.TemporaryDirectory() as folder:
        made = Comparison([prompt], models, rounds=1,
                          options={"num_predict": NUM_PREDICT, **(options or {})}, server=server,
                          file=Path(folder) / "one.jsonl")
        tell = on_progress or (lambda words: None)
        try:
            stopped = made.run(cancel=cancel, patience=0, on_progress=lambda now: tell(now.words)).stopped
        except LabError as error:
            stopped = str(error)
        return {row["model"]: row for row in made.rows()}, stopped


def _lesson_row(quant: str, row: dict | None, stopped: str = "") -> dict:
    """A row of `Comparison.rows` under the lesson's keys.  row: None where nothing was asked, stopped: why.
    """
    if row is None or row["error"]:
        return {"quantization": quant, "error": stopped if row is None else row["error"]}
    if not row["text"].strip():
        why = f"{row['model']} answered with nothing (reason: {row['done_reason'] or 'none given'})."
        return {"quantization": quant, "error": why}
    wall, count = row["wall_seconds"], row["eval_count"]
    same = ("model", "text", "eval_count", "load_seconds", "bytes", "digest", "done_reason", "flags")
    return {"quantization": quant, "response": row["text"][:SAMPLE],
            "tokens_per_second": row["tokens_per_second"] or 0.0, "time": wall,
            "wall_tokens_per_second": count / wall if wall > 0 else 0.0,
            "quantization_level": row["quantization"], **{key: row[key] for key in same}}


def _why_recorded(names: Sequence[str], server: Server) -> str:
    """Why recorded rows are shown instead of asking; "" where the server is to be asked: it has one of the
    models, or they were not all recorded.
    """
    if is_reference():
        return "the reference profile shows recorded runs"
    try:
        installed = server.installed(names)
    except LabError as error:
        return f"no Ollama answers at {server.address}" if error.kind == "down" else ""
    if installed or not set(names) <= set(RecordedComparison("smollm2").plan.models):
        return ""
    return f"none of these models is installed here: `ollama pull {names[0]}` would bring one"


def _recorded_rows(prompt: str, names: Sequence[tuple[str, str]], reason: str) -> list[dict]:
    """The lesson's rows from the recorded comparison's first round; `reason` says why they are shown.

    names: pairs (quantization as given, full model name).  What was not recorded gives an error row.
    """
    made = RecordedComparison("smollm2")
    run = {row["model"]: row for row in made.rows() if row["prompt"] == prompt.strip() and row["round"] == 0}
    known = "; ".join(one.text for one in made.plan.prompts)
    rows = []
    for quant, name in names:
        if name in run:
            note = f"{made.provenance} It is shown because {reason}."
            rows.append({**_lesson_row(quant, run[name]), "recorded": note})
        else:
            what = f"{name} was not recorded" if run else f"this prompt was not recorded (recorded: {known})"
            rows.append({"quantization": quant, "error": f"Nothing to show: {reason}, and {what}."})
    return rows
