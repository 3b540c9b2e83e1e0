"""How far a long piece of work is: `Progress` says it, `progress_display` puts it where the user looks, a
terminal's line or a notebook's bar.
"""

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from ..profile import is_reference

BETWEEN = 0.2       # seconds between two pictures


class Cancelled(RuntimeError):
    """The user stopped the work."""


@dataclass(frozen=True)
class Progress:
    """Weights (or another `unit`) done and in all, the tensor just done, seconds since the start and to go
    (None: not known yet).
    """

    done: int
    total: int
    tensor: str
    seconds: float
    left: float | None
    unit: str = "weights"

    def __str__(self) -> str:
        if self.done == self.total:
            count = f"{self.total / 1e6:,.0f} million" if self.unit == "weights" else f"{self.total:,}"
            return f"{count} {self.unit} in {_clock(self.seconds)}"
        to_go = "" if self.left is None else f", {_clock(self.left)} to go"
        return f"{100 * self.done // max(self.total, 1):3d} %  {self.tensor}{to_go}"


class Clock:
    """Estimates what is left from the speed of each kind of work so far: a K-quant takes ten times as long as
    Q8_0.

    left: kind -> weights to go.
    """

    def __init__(self, left: dict[str, int], unit: str = "weights"):
        self.left, self.unit, self.total = left, unit, sum(left.values())
        self.start = self.last = time.monotonic()
        self.spent: defaultdict[str, float] = defaultdict(float)
        self.done: Counter[str] = Counter()

    def tick(self, kind: str, n: int, tensor: str) -> Progress:
        """`n` more weights of a kind are done; 0: only time has passed."""
        now = time.monotonic()
        self.spent[kind] += now - self.last
        self.done[kind] += n
        self.left[kind] -= n
        self.last = now
        done, seconds = self.done.total(), now - self.start
        pace = {kind: self.spent[kind] / n for kind, n in self.done.items() if n}
        left = None
        if done and seconds > 2 * BETWEEN:
            left = sum(n * pace.get(kind, seconds / done) for kind, n in self.left.items())
        return Progress(done, self.total, tensor, seconds, left, self.unit)


def watched(left: dict[str, int], unit: str, progress: Callable[[Progress], object] | str | None,
            cancel) -> Callable[[str, int, str], None]:
    """A function to call after each piece with its kind, how many of `unit` it was, and words: tells
    `progress`, heeds `cancel`.

    left: kind -> how many there are.  progress: called with each Progress; "show" for `progress_display()`.
    Raises Cancelled when `progress` returns False or `cancel.is_set()`, and ValueError at once for a progress
    that cannot be called and a cancel that cannot be asked.
    """
    report = progress_display() if progress == "show" else progress
    if report is not None and not callable(report):
        raise ValueError(f'progress={progress!r} cannot be: a function is needed, "show", or None')
    if cancel is not None and not hasattr(cancel, "is_set"):
        raise ValueError(f"cancel={cancel!r} cannot be: a threading.Event is needed")
    clock = Clock(left, unit=unit)

    def tick(kind: str, n: int, words: str) -> None:
        now = clock.tick(kind, n, words)
        if (report is not None and report(now) is False) or (cancel is not None and cancel.is_set()):
            raise Cancelled(f"stopped after {now.done:,} of {now.total:,} {unit}")
    return tick


def progress_display() -> Callable[[Progress], None]:
    """Something to call with each Progress: a bar in a notebook, a line in a terminal; elsewhere (a log, a
    test) nothing is shown.

    Nor is it under the reference profile, whose outputs must repeat.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if is_reference():
        return lambda progress: None
    if shell is not None and getattr(shell, "kernel", None) is not None:
        return _sparing(_Bar())
    return _sparing(_line) if sys.stderr.isatty() else lambda progress: None


def _sparing(draw: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """Draws five times a second at most, and always at the end."""
    last = 0.0

    def sometimes(progress: Progress) -> None:
        nonlocal last
        if progress.seconds - last >= BETWEEN or progress.done == progress.total:
            last = progress.seconds
            draw(progress)
    return sometimes


def _line(progress: Progress) -> None:
    end = "\n" if progress.done == progress.total else ""
    print(f"\r{str(progress)[:79]:<79}", end=end, file=sys.stderr, flush=True)


class _Bar:
    """A native progress bar with words beside it, replaced in place: no widget, so it also stays in a saved
    notebook.
    """

    def __init__(self):
        self.place = None

    def __call__(self, progress: Progress) -> None:
        from IPython.display import HTML, display

        words = escape(str(progress))
        picture = HTML(
            f'<label>{words} <progress value="{progress.done}" max="{progress.total}"></progress></label>')
        if self.place is None:
            self.place = display(picture, display_id=True)
        else:
            self.place.update(picture)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60) if seconds >= 60 else (0, seconds)
    if minutes:
        return f"{minutes} min {seconds:.0f} s"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
