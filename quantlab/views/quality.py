"""Size against quality: a dot for each type, smaller to the left, nearer to the original below. Both axes are logarithmic."""

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import NamedTuple

from .numbers import number, size
from .style import BLUE, GREY, INK, LINE, MUTE, PAPER, SMALL, WIDTH, Picture
from .svg import circle, line, page, polyline, text

LEFT, RIGHT, TOP, BOTTOM = 78, WIDTH - 24, 92, 372
DOT, LETTER, LEADING = 6, 7.9, 14
#: Where a label may stand: pixels from its dot, and the side of the text that is there; the first place that is free is taken.
PLACES = ((11, 4, "start"), (-11, 4, "end"), (9, -12, "start"), (-9, -12, "end"), (9, 20, "start"), (-9, 20, "end"), (0, -15, "middle"),
          (0, 26, "middle"), (16, -28, "start"), (-16, -28, "end"), (16, 38, "start"), (-16, 38, "end"))


class Dot(NamedTuple):
    """A type: its bytes, its divergence (0: no different from the original), a second line for its label, and whether no other type
    is both smaller and nearer."""

    name: str
    nbytes: float
    kld: float
    words: str = ""
    best: bool = True


def draw_pareto(dots: Sequence[Dot], *, finding: str, subtitle: str, across: str = "bytes of all weights, each step a factor",
                up: str = "KL divergence from the original, nats per token", table: tuple[tuple[str, ...], ...] = ()) -> Picture:
    """The types as dots, those worth having joined by a line; what has no divergence at all stands on a line of its own below.

    across, up: what the axes measure.
    """
    positive = [dot.kld for dot in dots if dot.kld > 0] or [0.001, 0.1]
    low, high = floor(log10(min(positive))), max(ceil(log10(max(positive))), floor(log10(min(positive))) + 1)
    least, most = min(dot.nbytes for dot in dots) / 1.12, max(dot.nbytes for dot in dots) * 1.25

    def at(dot: Dot) -> tuple[float, float]:
        y = BOTTOM - (log10(dot.kld) - low) / (high - low) * (BOTTOM - TOP) if dot.kld > 0 else BOTTOM + 34
        return LEFT + log10(dot.nbytes / least) / log10(most / least) * (RIGHT - LEFT), y

    body = [*_axis_up(low, high, up, any(dot.kld == 0 for dot in dots)), *_axis_across(least, most, across)]
    front = sorted((dot for dot in dots if dot.best and dot.kld > 0), key=lambda dot: dot.nbytes)
    if len(front) > 1:
        body.append(polyline([at(dot) for dot in front], stroke=BLUE))
    places = [at(dot) for dot in dots]
    for dot, (x, y) in zip(dots, places, strict=True):
        body.append(circle(x, y, DOT, BLUE if dot.best else PAPER, stroke=INK if dot.best else GREY))
    for dot, label in zip(dots, _labels(dots, places), strict=True):
        body += _label(dot, *label)
    body.append(text(LEFT, BOTTOM + 82, "filled: no other type here is both smaller and nearer to the original", size=SMALL, fill=MUTE))
    return page(BOTTOM + 94, body, finding=finding, subtitle=subtitle, table=table)


def _axis_up(low: int, high: int, words: str, zero: bool) -> list[str]:
    shapes = [text(16, TOP - 14, words, size=SMALL, fill=MUTE)]
    for power in range(low, high + 1):
        y = BOTTOM - (power - low) / (high - low) * (BOTTOM - TOP)
        shapes += [line(LEFT, y, RIGHT, y), text(LEFT - 8, y + 4, number(10.0**power, 1), size=SMALL, fill=MUTE, anchor="end")]
    if zero:
        shapes += [line(LEFT, BOTTOM + 34, RIGHT, BOTTOM + 34, dash="3 4"),
                   text(LEFT - 8, BOTTOM + 38, "0", size=SMALL, fill=MUTE, anchor="end")]
    return shapes


def _axis_across(least: float, most: float, words: str) -> list[str]:
    """Ticks at 1, 1.5, 2, 3, 5 and 7 times a power of ten."""
    shapes, y = [], BOTTOM + 44
    for power in range(floor(log10(least)), ceil(log10(most)) + 1):
        for step in (1, 1.5, 2, 3, 5, 7):
            if least <= (value := step * 10.0**power) <= most:
                x = LEFT + log10(value / least) / log10(most / least) * (RIGHT - LEFT)
                shapes += [line(x, y, x, y + 5, stroke=LINE), text(x, y + 18, size(value), size=SMALL, fill=MUTE, anchor="middle")]
    return [line(LEFT, y, RIGHT, y), *shapes, text(RIGHT, BOTTOM + 82, words, size=SMALL, fill=MUTE, anchor="end")]


def _labels(dots: Sequence[Dot], places: Sequence[tuple[float, float]]) -> list[tuple[float, float, str]]:
    """(x, y, anchor) for each label: the first of PLACES that touches no dot, no label and no edge."""
    taken = [(x - DOT - 2, y - DOT - 2, x + DOT + 2, y + DOT + 2) for x, y in places]
    chosen = []
    for dot, (x, y) in zip(dots, places, strict=True):
        boxes = [(_box(dot, x + dx, y + dy, anchor), (x + dx, y + dy, anchor)) for dx, dy, anchor in PLACES]
        free = [(box, label) for box, label in boxes
                if box[0] > LEFT - 4 and box[2] < WIDTH and not any(_touch(box, other) for other in taken)]
        box, label = (free or boxes)[0]
        taken.append(box)
        chosen.append(label)
    return chosen


def _box(dot: Dot, x: float, y: float, anchor: str) -> tuple[float, float, float, float]:
    width = max(LETTER * len(dot.name), 6.2 * len(dot.words))
    left = x - {"start": 0, "middle": width / 2, "end": width}[anchor]
    return left, y - 11, left + width, y + (LEADING if dot.words else 0) + 2


def _touch(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _label(dot: Dot, x: float, y: float, anchor: str) -> list[str]:
    ink = INK if dot.best else MUTE
    shapes = [text(x, y, dot.name, size=12, anchor=anchor, bold=dot.best, fill=ink)]
    return [*shapes, text(x, y + LEADING - 1, dot.words, size=10, anchor=anchor, fill=MUTE)] if dot.words else shapes
