"""Runs recorded earlier on a real server, for lessons where none answers, and for outputs that must repeat.

Made by tools/record_runs.py. Each file says when, on which machine and with which versions. Whoever shows a
recorded run shows `provenance` with it.

Comparisons that ship with the workbook: results files of real runs on a real server, read as if they were the
learner's own.
"""

import gzip
import json
from functools import cache
from importlib.resources import files

from ..profile import is_reference
from .compare import lesson_row
from .comparison import Comparison
from .names import with_tag
from .server import LabError, Server


@cache
def recorded(name: str) -> dict:
    """The recorded file `name` ("seeds", "clock", "custom", "own_file"): about, date, machine, versions, and
    its runs.

    ValueError names the files there are.
    """
    folder = files("quantlab").joinpath("data/recorded")
    there = sorted(entry.name.removesuffix(".json") for entry in folder.iterdir()
                   if entry.name.endswith(".json"))
    if name not in there:
        raise ValueError(f"no recorded run is called {name!r}; there are {', '.join(there)}")
    return json.loads(folder.joinpath(f"{name}.json").read_text(encoding="utf-8"))


def provenance(name: str) -> str:
    """One sentence: when and on what a file was recorded."""
    run = recorded(name)
    return f"Recorded on {run['date']} with Ollama {run['ollama']} on {run['machine']}."


def recorded_rows(prompt: str, names: list[tuple[str, str]], server: Server | None) -> tuple[Server | None,
                                                                                             list[dict]
                                                                                             | None]:
    """(server to ask, None) when one has any of the models and the profile is live; else (None, the recorded
    rows).

    names: pairs (quantization as given, full model name).  A prompt or model that was not recorded gives an
    error row.
    """
    if is_reference():
        return None, recorded_answers(prompt, names, "the reference profile shows recorded runs")
    server = server or Server()
    try:
        installed = {model["name"] for model in server.models()}
    except LabError as error:
        return (None,
                recorded_answers(prompt, names,
                                 f"no Ollama answers at {server.address}")) if error.kind == "down" else (
                                     server, None)
    wanted = {with_tag(name) for _, name in names}
    if wanted & installed or not wanted <= set(recorded_models()):
        return server, None
    return None, recorded_answers(prompt, names,
                                  f"none of these models is installed here: `ollama pull {names[0][1]}` "
                                  "would bring one")


def recorded_prompts() -> list[str]:
    """The prompts whose answers are recorded, in the order they were asked."""
    return [prompt.text for prompt in RecordedComparison("smollm2").plan.prompts]


def recorded_models() -> list[str]:
    """The models whose answers are recorded."""
    return list(RecordedComparison("smollm2").plan.models)


def recorded_answers(prompt: str, names: list[tuple[str, str]], reason: str) -> list[dict]:
    """Rows as `compare_quantizations` returns them, from the recorded comparison's first round; `reason` says
    why they are shown.
    """
    made = RecordedComparison("smollm2")
    run = {row["model"]: row for row in made.rows() if row["prompt"] == prompt.strip() and row["round"] == 0}
    note, rows = f"{made.provenance} It is shown because {reason}.", []
    for quant, name in names:
        if with_tag(name) in run:
            rows.append({**lesson_row(quant, run[with_tag(name)]), "recorded": note})
        else:
            what = f"{name} was not recorded" if run else f"this prompt was not recorded (recorded: {'; '.join(recorded_prompts())})"
            rows.append({"quantization": quant, "error": f"Nothing to show: {reason}, and {what}."})
    return rows


def seed_scores() -> dict[int, dict[str, int]]:
    """Right answers by seed and quantization in the run "seeds": {1: {"135m-instruct-q4_K_M": 6, ...}, ...}.
    """
    run = recorded("seeds")
    scores: dict[int, dict[str, int]] = {}
    for answer in run["runs"]:
        row = scores.setdefault(answer["seed"], {})
        row[answer["quantization"]] = row.get(answer["quantization"], 0) + is_right(answer["text"],
                                                                                    run["rules"][
                                                                                        answer["question"]])
    return scores


def is_right(text: str, words: list[str]) -> bool:
    """The rule of the run "seeds": right when any of the words is in the answer, in lower case."""
    return any(word in text.lower() for word in words)


NAMES = ("tiny", "smollm2")


class RecordedComparison(Comparison):
    """A `Comparison` whose calls were all made elsewhere: everything can be looked at and judged anew,
    nothing is asked.

    name: one of NAMES.  check, margin: as in `Comparison`; the metric is chosen when it is looked at.
    """

    def __init__(self, name: str = "tiny", *, check=None, margin: float | None = None):
        if name not in NAMES:
            raise ValueError(f"no recorded comparison is called {name!r}; there are {', '.join(NAMES)}")
        head, self._recorded = _lines(name)
        plan = head["plan"]
        super().__init__([{"prompt": p["text"], "expected": p["expected"]} for p in plan["prompts"]],
                         plan["models"], rounds=plan["rounds"], options=plan["options"], think=plan["think"],
                         file=f"recorded-{name}.jsonl", check=check, margin=margin)

    @property
    def records(self) -> list[dict]:
        return self._recorded

    @property
    def provenance(self) -> str:
        """One sentence: when and on what it was recorded."""
        session = next(record for record in self._recorded if record["kind"] == "session")
        return f"Recorded on {session['at'][:10]} with Ollama {session['ollama']} on a shared machine without a GPU ({session['machine']})."

    def run(self, **_more) -> Comparison:
        raise LabError(
            "This comparison was recorded elsewhere: to ask your own server, make a ql.Comparison.")

    diverge = run


@cache
def _lines(name: str) -> tuple[dict, list[dict]]:
    packed = files("quantlab").joinpath(f"data/recorded/lab_{name}.jsonl.gz").read_bytes()
    head, *records = (json.loads(line) for line in gzip.decompress(packed).decode().splitlines())
    return head, records
