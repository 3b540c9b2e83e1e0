"""Comparisons that ship with the workbook: results files of real runs on a real server, read as if they were the learner's own."""

import gzip
import json
from functools import cache
from importlib.resources import files

from .comparison import Comparison
from .server import LabError

NAMES = ("tiny", "smollm2")


class RecordedComparison(Comparison):
    """A `Comparison` whose calls were all made elsewhere: everything can be looked at and judged anew, nothing is asked.

    name: one of NAMES.  check, margin: as in `Comparison`; the metric is chosen when it is looked at.
    """

    def __init__(self, name: str = "tiny", *, check=None, margin: float | None = None):
        if name not in NAMES:
            raise ValueError(f"no recorded comparison is called {name!r}; there are {', '.join(NAMES)}")
        head, self._recorded = _lines(name)
        plan = head["plan"]
        super().__init__([{"prompt": p["text"], "expected": p["expected"]} for p in plan["prompts"]], plan["models"],
                         rounds=plan["rounds"], options=plan["options"], think=plan["think"], file=f"recorded-{name}.jsonl", check=check,
                         margin=margin)

    @property
    def records(self) -> list[dict]:
        return self._recorded

    @property
    def provenance(self) -> str:
        """One sentence: when and on what it was recorded."""
        session = next(record for record in self._recorded if record["kind"] == "session")
        return f"Recorded on {session['at'][:10]} with Ollama {session['ollama']} on a shared machine without a GPU ({session['machine']})."

    def run(self, **_more) -> Comparison:
        raise LabError("This comparison was recorded elsewhere: to ask your own server, make a ql.Comparison.")

    diverge = run


@cache
def _lines(name: str) -> tuple[dict, list[dict]]:
    packed = files("quantlab").joinpath(f"data/recorded/lab_{name}.jsonl.gz").read_bytes()
    head, *records = (json.loads(line) for line in gzip.decompress(packed).decode().splitlines())
    return head, records
