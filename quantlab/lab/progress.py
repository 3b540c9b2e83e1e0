"""How far a run or a replay is, for a bar and a line of words."""

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Told before each call, and at the end of a run.  done, total: calls.  model, prompt: of the next call, "" at the end.
    eta_seconds: None until a call was timed.  what, doing: the nouns and verbs of `words`, a line to show."""

    done: int
    total: int
    model: str
    prompt: str
    eta_seconds: float | None
    what: str = "calls"
    doing: str = "Asking"

    @property
    def words(self) -> str:
        if not self.model:
            return f"All {self.total} {self.what} are there."
        left = "" if self.eta_seconds is None else f", about {duration(self.eta_seconds)} left"
        return f"{self.done} of {self.total} {self.what}{left}. {self.doing} {self.model}: {' '.join(self.prompt.split())[:60]}"


def eta(began: float, done: int, wanted: int) -> float | None:
    """Seconds for what is left of `wanted`, at the pace since `began` (time.monotonic); None while nothing is done."""
    return (time.monotonic() - began) / done * (wanted - done) if done else None


def duration(seconds: float) -> str:
    """Seconds for a person: "40 s", "3 min", "1.5 h"."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
