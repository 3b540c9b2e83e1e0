"""Size against quality: a dot for each type, smaller to the left, nearer to the original below. Both axes are logarithmic."""

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import NamedTuple

from .numbers import number, size
from .style import BLUE, GREY, INK, LINE, MUTE, PAPER, SMALL, WIDTH, Picture
from .svg import circle, line, page, polyline, text

LEFT, RIGHT, TOP, BOTTOM = 78, WIDTH - 24, 92, 372
DOT, LETTER, SMALLER, SPACE = 6, 8.2, 6.2, 5
#: Where a label may stand: pixels from its dot, and the side of the text that is there; the first place that is free is taken. Below and
#: to the left of the best types there are no others; the rest look for a place on the other side of the line.
BELOW = ((-11, 9, "end"), (-11, 20, "end"), (-14, 34, "end"), (-14, 48, "end"), (-14, 62, "end"))
ABOVE = ((11, -3, "start"), (11, -17, "start"), (14, -31, "start"), (14, -45, "start"), (14, -59, "start"), (14, -73, "start"))
FAR = 25                # pixels; a label farther off gets a line to its dot


class Dot(NamedTuple):
    """A type: its bytes, its divergence (0: no different from the original), words beside its name, and whether no other type
    is both smaller and nearer."""

    name: str
    nbytes: float
    kld: float
    words: str = ""
    best: bool = True


def draw_pareto(dots: Sequence[Dot], *, finding: str, subtitle: str, across: str = "bytes of all weights",
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
    ordered = sorted(dots, key=lambda dot: dot.best)        # the best lie on top
    for dot in ordered:
        body.append(circle(*at(dot), DOT, BLUE if dot.best else PAPER, stroke=INK if dot.best else GREY))
    for dot, label in zip(ordered, _labels(ordered, [at(dot) for dot in ordered]), strict=True):
        body += _label(dot, *at(dot), *label)
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
    """(x, y, anchor) for each label: the first place that touches no dot, no label and no edge, or the one that touches fewest."""
    taken = [(x - DOT - 2, y - DOT - 2, x + DOT + 2, y + DOT + 2) for x, y in places]
    chosen: dict[int, tuple[float, float, str]] = {}
    for i in sorted(range(len(dots)), key=lambda i: (not dots[i].best, places[i][1])):
        x, y = places[i]
        order = BELOW + ABOVE if dots[i].best and dots[i].kld > 0 else ABOVE + BELOW
        boxes = [(_box(dots[i], x + dx, y + dy, anchor), (x + dx, y + dy, anchor)) for dx, dy, anchor in order]
        box, chosen[i] = min(boxes, key=lambda found: _trouble(found[0], taken))
        taken.append(box)
    return [chosen[i] for i in range(len(dots))]


def _trouble(box: tuple[float, ...], taken: list[tuple[float, ...]]) -> int:
    return sum(_touch(box, other) for other in taken) + (box[0] < LEFT - 4) + (box[2] > WIDTH)


def _box(dot: Dot, x: float, y: float, anchor: str) -> tuple[float, float, float, float]:
    width = LETTER * len(dot.name) + (SPACE + SMALLER * len(dot.words) if dot.words else 0)
    left = x - width if anchor == "end" else x
    return left, y - 11, left + width, y + 3


def _touch(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _label(dot: Dot, dot_x: float, dot_y: float, x: float, y: float, anchor: str) -> list[str]:
    """The name and the words beside it; a thin line where they stand far from the dot."""
    shapes = [line(dot_x, dot_y, x - 2, y - 4, stroke=GREY)] if abs(y - dot_y) > FAR else []
    after = -(SMALLER * len(dot.words) + SPACE) if anchor == "end" and dot.words else 0
    shapes.append(text(x + after, y, dot.name, size=12, anchor=anchor, bold=dot.best, fill=INK if dot.best else MUTE))
    if dot.words:
        shapes.append(text(x if anchor == "end" else x + LETTER * len(dot.name) + SPACE, y, dot.words, size=10, anchor=anchor, fill=MUTE))
    return shapes
