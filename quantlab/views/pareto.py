"""Size against quality: every type a point, families linked, what another one beats drawn faintly, the chosen one in words."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

from .plane import Axis, Label, along, beside, frame, spread
from .spots import here, touchable
from .style import BLUE, GREY, INK, MUTE, PAPER, SKY, SOFT, WIDTH, Picture
from .svg import circle, page, polyline, rect, text

LEFT, RIGHT, TOP, BOTTOM, STRIP = 76, WIDTH - 16, 104, 420, 106
BAND = 84               # pixels for what is within the noise


class Point(NamedTuple):
    """A type: its size and its quality in the axes' units, the family whose points are linked ("": none), and all of it in words.

    beaten: another type is as small and as good, and better in one of the two.  noise: no change that can be told from chance; such
    points stand in a band of their own, at three heights so that their names have room.
    """

    name: str
    x: float
    y: float
    family: str
    said: str
    beaten: bool = False
    noise: bool = False


class Scale(NamedTuple):
    """What the upright axis says: its words, whether it is logarithmic, and a value in words."""

    words: str
    log: bool
    told: Callable[[float], str]


def draw_pareto(points: Sequence[Point], chosen: int | None, lines: Sequence[str], x_words: str, scale: Scale, *, finding: str,
                subtitle: str, table: tuple[tuple[str, ...], ...] = ()) -> Picture:
    """Points in the order of their size; `chosen` is the number of one of them, `lines` say all its numbers (the first one bold).

    chosen None: a picture that nobody touches, without those lines.
    """
    ys = [point.y for point in points if not point.noise] or [1.0]
    band = BAND if any(point.noise for point in points) else 0
    x = Axis(*spread([point.x for point in points]), LEFT, RIGHT - 20)
    y = Axis(*spread(ys, scale.log), BOTTOM - band, TOP, scale.log)
    body = [rect(LEFT, BOTTOM - band, x.end - LEFT, band, SOFT, radius=0), *frame(x, y, x_words, scale.words, scale.told, BOTTOM)]
    if band:
        body += [text(LEFT + 6, BOTTOM - band + 15, "no change", size=11, fill=MUTE),
                 text(LEFT + 6, BOTTOM - band + 29, "beyond chance", size=11, fill=MUTE)]
    places = [(x(point.x), BOTTOM - 14 - 24 * (i % 3) if point.noise else y(point.y)) for i, point in enumerate(points)]
    links, keep_clear = _links(points, places)
    body += links
    for i, (point, (px, py)) in enumerate(zip(points, places, strict=True)):
        tip = f"{point.said}*1".replace(" ", "\u00a0")          # the mouse's words are cut at spaces: these are the ones that stay
        fill, stroke = (PAPER, GREY) if point.beaten else (BLUE, "none")
        shapes = [circle(px, py, 11, PAPER, opacity=0), circle(px, py, 4.5 if point.beaten else 5.5, fill, stroke=stroke)]
        body.append(touchable(shapes, first=i, cells=1, tips=tip))
    labels = [Label(point.name, *place, 7, bold=i == chosen, fill=MUTE if point.beaten and i != chosen else INK)
              for i, (point, place) in enumerate(zip(points, places, strict=True))]
    labels.sort(key=lambda label: (not label.bold, label.fill == MUTE))
    body += beside(labels, keep_clear, right=WIDTH - 4, top=TOP - 8, bottom=BOTTOM)
    y0 = BOTTOM + 52
    if chosen is None:
        return page(y0, body, finding=finding, subtitle=subtitle, table=table)
    body.append(here(points[chosen].said, circle(*places[chosen], 9, "none", stroke=INK)))
    body += [rect(16, y0, WIDTH - 32, STRIP, SOFT, radius=6), rect(16, y0, 4, STRIP, INK, radius=0),
             *(text(32, y0 + 20 + 19 * i, words, size=13 if i == 0 else 12, bold=i == 0) for i, words in enumerate(lines))]
    return page(y0 + STRIP + 8, body, finding=finding, subtitle=subtitle, table=table, role="group")


def _links(points: Sequence[Point], places: Sequence[tuple[float, float]]) -> tuple[list[str], list[tuple[float, float]]]:
    """Thin lines through each family, a wide one through what nothing beats, and points of both for labels to keep clear of."""
    front = [place for point, place in zip(points, places, strict=True) if not point.beaten and not point.noise]
    shapes, clear = [polyline(front, stroke=SKY, width=4)] if len(front) > 1 else [], along(front)
    members = [(point.family, place) for point, place in zip(points, places, strict=True) if not point.noise]
    members.sort(key=lambda pair: pair[0])
    for family, group in groupby(members, key=lambda pair: pair[0]):
        path = [place for _, place in group]
        if family and len(path) > 1:
            shapes.append(polyline(path, stroke=GREY, width=1))
            clear += along(path)
    return shapes, clear
