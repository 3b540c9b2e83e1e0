"""Runs recorded earlier on a real server, for lessons where none answers, and for outputs that must repeat.

Made by tools/record.py (`make record`). Each file says when, on which machine and with which versions;
whoever shows a recorded run shows that with it. Single runs are JSON files; comparisons are results files,
read as if they were the learner's own.
"""

import gzip
import json
from functools import cache
from importlib.resources import files

from ..words import one_of
from .comparison import Comparison, arguments_of
from .server import LabError

RECORDED_COMPARISONS = ("tiny", "smollm2")


@cache
def recorded(name: str) -> dict:
    """The recorded file `name` ("seeds", "clock", "speed", ...): about, date, machine, versions, load,
    and its runs.

    ValueError names the files there are.
    """
    folder = files("quantlab").joinpath("data/recorded")
    there = sorted(entry.name.removesuffix(".json") for entry in folder.iterdir()
                   if entry.name.endswith(".json"))
    file = folder.joinpath(f"{one_of('recorded run', name, there)}.json")
    return json.loads(file.read_text(encoding="utf-8"))


def provenance(name: str) -> str:
    """One sentence: when and on what a file was recorded."""
    return _words(recorded(name))


def _words(head: dict) -> str:
    return (f"Recorded on {head['date']} with Ollama {head['ollama']} (variant {head['variant']}) on "
            f"{head['machine']}.")


def seed_scores() -> dict[int, dict[str, int]]:
    """Right answers by seed and quantization in the run "seeds": {1: {"135m-instruct-q4_K_M": 6, ...}, ...}.
    """
    run = recorded("seeds")
    scores: dict[int, dict[str, int]] = {}
    for answer in run["runs"]:
        row, quant = scores.setdefault(answer["seed"], {}), answer["quantization"]
        row[quant] = row.get(quant, 0) + is_right(answer["text"], run["rules"][answer["question"]])
    return scores


def is_right(text: str, words: list[str]) -> bool:
    """The rule of the run "seeds": right when any of the words is in the answer, in lower case."""
    return any(word in text.lower() for word in words)


class RecordedComparison(Comparison):
    """A `Comparison` whose calls were all made elsewhere: everything can be looked at and judged anew,
    nothing is asked.

    name: one of RECORDED_COMPARISONS.  check, margin: as in `Comparison`; the metric is chosen when it is
    looked at.
    """

    def __init__(self, name: str = "tiny", *, check=None, margin: float | None = None):
        name = one_of("recorded comparison", name, RECORDED_COMPARISONS)
        head, self._recorded = _unpacked(name)
        super().__init__(**arguments_of(head["plan"]), file=f"recorded-{name}.jsonl", check=check,
                         margin=margin)

    @property
    def records(self) -> list[dict]:
        return self._recorded

    @property
    def provenance(self) -> str:
        """One sentence: when and on what it was recorded."""
        return _words(next(record for record in self._recorded if record["kind"] == "recorded"))

    def _journal(self):
        raise LabError("This comparison was recorded elsewhere: to ask your own server, make a "
                       "ql.Comparison.")


@cache
def _unpacked(name: str) -> tuple[dict, list[dict]]:
    packed = files("quantlab").joinpath(f"data/recorded/lab_{name}.jsonl.gz").read_bytes()
    head, *records = (json.loads(line) for line in gzip.decompress(packed).decode().splitlines())
    return head, records
