"""Words beside the points of a plane, which keep clear of the points, of lines and of each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .style import INK, MUTE, PAPER
from .svg import line, rect, text

WIDE = 0.62             # width of a letter as a share of the font's size
ROUNDS, LED = 3, 12     # in which labels look for a better place; points that are looked at along a line
# how far away words may stand: pixels to the side, lines up or down
FAR = ((16, -3), (16, 3), (34, -2), (34, 2), (26, -5), (26, 5), (46, -3.5), (46, 3.5), (40, -7), (40, 7),
       (14, 6), (14, -6))
Box = tuple[float, float, float, float]


class Berth(NamedTuple):
    """A place for words: (left, top, right, bottom), the line from its point to it, and what it costs that
    it is far away (0: beside the point, without a line).
    """

    box: Box
    way: Box
    far: float


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

    The first labels choose first; then each may move while the others stay.  obstacles: further points to
    keep clear of.
    """
    points = np.array([(label.x, label.y) for label in labels]).reshape(-1, 2)
    solid = np.array([(label.x - label.radius, label.y - label.radius, label.x + label.radius,
                       label.y + label.radius) for label in labels]).reshape(-1, 4)
    lines = np.array([(x - 3, y - 3, x + 3, y + 3) for x, y in obstacles]).reshape(-1, 4)
    places = [_places(label) for label in labels]
    alone = []
    for own, found in enumerate(places):
        boxes = np.array([place.box for place in found])
        outside = (boxes[:, 2] > right) | (boxes[:, 0] < 60) | (boxes[:, 1] < top) | (boxes[:, 3] > bottom)
        alone.append(2 * _shared(boxes, solid) + 0.7 * _shared(boxes, lines) + 1e4 * outside
                     + 150 * _strangers(boxes, points, own) + [place.far for place in found])
    every = [np.array([place.box for place in found]) for found in places]
    ways = [np.array([_led(place) for place in found]) for found in places]
    chosen: dict[int, int] = {}
    for own in [*range(len(labels))] * ROUNDS:
        others = [(every[i][k], ways[i][k]) for i, k in chosen.items() if i != own]
        chosen[own] = int(np.argmin(alone[own] + _in_the_way(every[own], ways[own], others)))
    taken = [found[chosen[own]] for own, found in enumerate(places)]
    shapes = []
    for own, label in enumerate(labels):
        if taken[own].far:
            shapes.append(line(*taken[own].way, stroke=MUTE))
        left, up, end, down = taken[own].box
        shapes.append(rect(left, up + 1, end - left, down - up - 2, PAPER, opacity=0.75, radius=0))
        shapes.append(text(left, (up + down) / 2 + 0.36 * label.size, label.words, size=label.size,
                           bold=label.bold, fill=label.fill))
    return shapes


def _led(place: "Berth") -> np.ndarray:
    """Points along the thin line to a place, (LED, 2); where there is none, no numbers."""
    x1, y1, x2, y2 = place.way if place.far else (np.nan,) * 4
    return np.linspace((x1, y1), (x2, y2), LED)


def _in_the_way(boxes: np.ndarray, ways: np.ndarray, others: Sequence[tuple[np.ndarray, np.ndarray]]
                ) -> np.ndarray:
    """What each place of a label costs where others stand as they do: words on words, lines through words."""
    if not others:
        return np.zeros(len(boxes))
    around = np.array([box for box, _ in others]) + np.array((-3, -1, 3, 1))
    led = np.array([way for _, way in others])
    through = _inside(ways[:, None], around).any(axis=2).sum(axis=1) + _inside(
        led[None], boxes[:, None]).any(axis=2).sum(axis=1)
    return 6 * _shared(boxes, around) + 200 * through


def _inside(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Whether each point (..., n, 2) lies in the box (..., 4) beside it."""
    within = (points > boxes[..., None, :2]) & (points < boxes[..., None, 2:])
    return np.asarray(within.all(axis=-1))


def _places(label: Label) -> list["Berth"]:
    """Where words may stand, the best first."""
    gap, size = label.radius + 4, label.size
    wide, half = WIDE * size * len(label.words) * (1.08 if label.bold else 1), 0.55 * size
    beside_it = [(side * gap, dy * size, side, 0) for dy in (0, -0.9, 0.9) for side in (1, -1)]
    over = [(0, -gap - 5, 0, 0), (0, gap + 6, 0, 0)]
    near = [(side * gap, dy * size, side, 0) for dy in (-1.8, 1.8) for side in (1, -1)]
    far = [(side * out, dy * size, side, 90 + out) for out, dy in FAR for side in (1, -1)]
    found = []
    for dx, dy, side, cost in [*beside_it, *over, *near, *far]:
        left, y = label.x + dx - (0 if side > 0 else wide if side < 0 else wide / 2), label.y + dy
        way = (label.x, label.y, min(max(label.x, left - 2), left + wide + 2), y)
        found.append(Berth((left, y - half, left + wide, y + half), way, cost))
    return found


def _strangers(boxes: np.ndarray, points: np.ndarray, own: int) -> np.ndarray:
    """How many other points are about as near to each box as its own: words there would seem to be theirs."""
    away = np.maximum(np.maximum(boxes[:, None, :2] - points, points - boxes[:, None, 2:]), 0)
    distance = np.hypot(away[..., 0], away[..., 1])
    return (distance < distance[:, own, None] + 2).sum(axis=1) - 1


def _shared(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Square pixels that each box shares with the others; a box is (left, top, right, bottom)."""
    low, high = np.maximum(boxes[:, None, :2], others[:, :2]), np.minimum(boxes[:, None, 2:], others[:, 2:])
    return np.maximum(high - low, 0).prod(axis=2).sum(axis=1)
