"""A plane with two axes, for every picture of size against quality: ticks and grid lines.

An axis may be logarithmic: then equal steps are equal ratios, and the ticks are 1, 2 and 5 times a power of
ten (or the powers alone).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, hypot, log10

from ..words import number
from .style import INK
from .svg import line, quiet


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` on the pixels from `start` to `end`; `log`: equal ratios are equal lengths
    (both ends above 0).
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value; what lies outside is put on the nearest end."""
        share = (self._scaled(max(value, self.low)) - self._scaled(self.low)) / (
            self._scaled(self.high) - self._scaled(self.low)
        )
        return self.start + min(max(share, 0), 1) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values between the ends, at most about eight."""
        if self.log:
            powers = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
            for factors in ((1, 2, 5), (1,)):
                found = [f * 10.0**p for p in powers for f in factors if self.low <= f * 10.0**p <= self.high
                         * 1.0001]
                if len(found) <= 9:
                    break
            return found
        rough = (self.high - self.low) / 7
        step = next(f * 10 ** floor(log10(rough)) for f in (1, 2, 5, 10)
                    if f * 10 ** floor(log10(rough)) >= rough)
        return [step * i for i in range(ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9) + 1)]

    def _scaled(self, value: float) -> float:
        return log10(value) if self.log else value


def spread(values: Sequence[float], log: bool = False, room: float = 0.06) -> tuple[float, float]:
    """Ends for an axis that holds all values, with a little room; equal values get room, too."""
    low, high = min(values), max(values)
    if log:
        ratio = max(high / low, 1.5) ** room
        return low / ratio, high * ratio
    rest = room * (high - low) or max(abs(high), 1) * room
    return low - rest, high + rest


def frame(x: Axis, y: Axis, x_words: str, y_words: str, told=number,
          bottom: float | None = None) -> list[str]:
    """Grid lines with their numbers, and what the axes say. told: a value of the y axis in words.  bottom:
    where the x axis lies.
    """
    shapes, bottom = [], y.start if bottom is None else bottom
    for value in y.ticks():
        shapes += [line(x.start, y(value), x.end, y(value)),
                   quiet(x.start - 8, y(value) + 4, told(value), anchor="end")]
    for value in x.ticks():
        shapes += [line(x(value), bottom, x(value), bottom + 5, stroke=INK),
                   quiet(x(value), bottom + 18, number(value), anchor="middle")]
    return [*shapes, line(x.start, bottom, x.end, bottom, stroke=INK),
            quiet(16, y.end - 12, y_words, size=12),
            quiet(x.end, bottom + 34, x_words, size=12, anchor="end")]


def points_along(path: Sequence[tuple[float, float]], step: float = 10) -> list[tuple[float, float]]:
    """Points every few pixels of a line, for labels to keep clear of."""
    points = []
    for (x1, y1), (x2, y2) in pairwise(path):
        n = max(int(hypot(x2 - x1, y2 - y1) / step), 1)
        points += [(x1 + (x2 - x1) * i / n, y1 + (y2 - y1) * i / n) for i in range(1, n)]
    return points
