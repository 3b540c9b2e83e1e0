"""A plane with two axes, for every picture of size against quality: ticks, grid lines, and labels that keep
clear of each other.

An axis may be logarithmic: then equal steps are equal ratios, and the ticks are 1, 2 and 5 times a power of
ten (or the powers alone).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, hypot, log10

import numpy as np

from ..words import number
from .style import INK, MUTE
from .svg import line, quiet, text

WIDE = 0.62             # width of a letter as a share of the font's size


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


@dataclass(frozen=True)
class Label:
    """Words to stand beside a point at (x, y), which has this radius."""

    words: str
    x: float
    y: float
    radius: float = 5
    size: float = 11
    bold: bool = False
    fill: str = INK


def beside(labels: Sequence[Label], obstacles: Sequence[tuple[float, float]] = (), right: float = 744,
           top: float = 66, bottom: float = 1e9) -> list[str]:
    """The words of each label to the right, left, above or below of its point: where they meet the fewest
    points and other words; where all that is taken, further away with a thin line.

    The first labels choose first.  obstacles: further points to keep clear of.
    """
    circles = [(label.x - label.radius, label.y - label.radius, label.x + label.radius,
                label.y + label.radius) for label in labels]
    solid = np.array(circles + [(x - 3, y - 3, x + 3, y + 3) for x, y in obstacles]).reshape(-1, 4)
    words = np.empty((0, 4))
    shapes, points = [], np.array([(label.x, label.y) for label in labels]).reshape(-1, 2)
    for own, label in enumerate(labels):
        wide = WIDE * label.size * len(label.words) * (1.08 if label.bold else 1)
        half = 0.55 * label.size
        places = [(x if to_right else x - wide / 2 if to_right is None else x - wide, y, far)
                  for x, y, to_right, far in _places(label)]
        boxes = np.array([(x, y - half, x + wide, y + half) for x, y, _ in places])
        outside = (boxes[:, 2] > right) | (boxes[:, 0] < 60) | (boxes[:, 1] < top) | (boxes[:, 3] > bottom)
        best = int(np.argmin(_shared(boxes, solid) + 4 * _shared(boxes, words) + 60
                             * _strangers(boxes, points, own) + 1e4 * outside
                             + [90 * far for _, _, far in places]))
        words = np.vstack([words, boxes[best] + (-3, 0, 3, 0)])
        x, y, far = places[best]
        if far:
            shapes.append(line(label.x, label.y, min(max(label.x, x - 2), x + wide + 2), y, stroke=MUTE))
        shapes.append(text(x, y + 0.36 * label.size, label.words, size=label.size, bold=label.bold,
                           fill=label.fill))
    return shapes


def _places(label: Label) -> list[tuple[float, float, bool | None, bool]]:
    """Where words may stand, the best first: (x, y, whether x is their left end (None: their middle), whether
    a line must lead there).
    """
    gap, size = label.radius + 4, label.size
    beside_it = [(label.x + side * gap, label.y + dy * size, side > 0, False) for dy in (0, -0.9, 0.9)
                 for side in (1, -1)]
    over = [(label.x, label.y - gap - 5, None, False), (label.x, label.y + gap + 6, None, False)]
    near = [(label.x + side * gap, label.y + dy * size, side > 0, False) for dy in (-1.8, 1.8)
            for side in (1, -1)]
    far = [(label.x + side * out, label.y + dy * size, side > 0, True)
           for out, dy in ((16, -3), (16, 3), (34, -2), (34, 2), (26, -5), (26, 5)) for side in (1, -1)]
    return [*beside_it, *over, *near, *far]


def points_along(path: Sequence[tuple[float, float]], step: float = 10) -> list[tuple[float, float]]:
    """Points every few pixels of a line, for labels to keep clear of."""
    points = []
    for (x1, y1), (x2, y2) in pairwise(path):
        n = max(int(hypot(x2 - x1, y2 - y1) / step), 1)
        points += [(x1 + (x2 - x1) * i / n, y1 + (y2 - y1) * i / n) for i in range(1, n)]
    return points


def _strangers(boxes: np.ndarray, points: np.ndarray, own: int) -> np.ndarray:
    """How many other points are about as near to each box as its own: words there would seem to be theirs."""
    away = np.maximum(np.maximum(boxes[:, None, :2] - points, points - boxes[:, None, 2:]), 0)
    distance = np.hypot(away[..., 0], away[..., 1])
    return (distance < distance[:, own, None] + 2).sum(axis=1) - 1


def _shared(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Square pixels that each box shares with the others; a box is (left, top, right, bottom)."""
    low, high = np.maximum(boxes[:, None, :2], others[:, :2]), np.minimum(boxes[:, None, 2:], others[:, 2:])
    return np.maximum(high - low, 0).prod(axis=2).sum(axis=1)
