"""What is bought with bytes, as points on a plane: types by size and quality, models by speed over time (does
the machine drift?), models by speed and harm.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

from ..words import number, size
from .labels import Label, beside
from .plane import Axis, frame, points_along, spread
from .style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MUTE,
    PAPER,
    PURPLE,
    SKY,
    SMALL,
    SOFT,
    VERMILION,
    WIDTH,
    Picture,
    Table,
    ink_on,
)
from .svg import circle, here, page, panel, polyline, quiet, rect, text, touchable

LEFT, RIGHT, TOP, BOTTOM, STRIP = 76, WIDTH - 16, 104, 420, 106
BAND = 84               # pixels for what is within the noise
Pixel = tuple[float, float]


class Point(NamedTuple):
    """A type: its size and its quality in the axes' units, the family whose points are linked ("": none), and
    all of it in words.

    beaten: another type is as small and as good, and better in one of the two.  noise: no change that can be
    told from chance; such points stand in a band of their own, at three heights so that their names have
    room.
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


def draw_pareto(points: Sequence[Point], chosen: int | None, lines: Sequence[str], x_words: str, scale: Scale,
                *, finding: str, subtitle: str, table: Table = ()) -> Picture:
    """Points in the order of their size; `chosen` is the number of one of them, `lines` say all its numbers
    (the first one bold).

    chosen None: a picture that nobody touches, without those lines.
    """
    ys = [point.y for point in points if not point.noise] or [1.0]
    band = BAND if any(point.noise for point in points) else 0
    x = Axis(*spread([point.x for point in points]), LEFT, RIGHT - 20)
    y = Axis(*spread(ys, scale.log), BOTTOM - band, TOP, scale.log)
    body = [rect(LEFT, BOTTOM - band, x.end - LEFT, band, SOFT, radius=0),
            *frame(x, y, x_words, scale.words, scale.told, BOTTOM)]
    if band:
        body += [quiet(LEFT + 6, BOTTOM - band + 15, "no change"),
                 quiet(LEFT + 6, BOTTOM - band + 29, "beyond chance")]
    places = [(x(point.x), BOTTOM - 14 - 24 * (i % 3) if point.noise else y(point.y))
              for i, point in enumerate(points)]
    links, keep_clear = _links(points, places)
    body, labels = body + links, []
    for i, (point, (px, py)) in enumerate(zip(points, places, strict=True)):
        # the mouse's words are cut at spaces: these are the ones that stay
        tip = f"{point.said}*1".replace(" ", "\u00a0")
        fill, stroke = (PAPER, GREY) if point.beaten else (BLUE, "none")
        shapes = [circle(px, py, 11, PAPER, opacity=0),
                  circle(px, py, 4.5 if point.beaten else 5.5, fill, stroke=stroke)]
        body.append(touchable(shapes, first=i, cells=1, tips=tip))
        labels.append(Label(point.name, px, py, 7, bold=i == chosen,
                            fill=MUTE if point.beaten and i != chosen else INK))
    labels.sort(key=lambda label: (not label.bold, label.fill == MUTE))
    body += beside(labels, keep_clear, right=WIDTH - 4, top=TOP - 8, bottom=BOTTOM)
    y0 = BOTTOM + 52
    if chosen is None:
        return page(y0, body, finding=finding, subtitle=subtitle, table=table)
    body.append(here(points[chosen].said, circle(*places[chosen], 9, "none", stroke=INK)))
    body += panel(lines, y0, STRIP)
    return page(y0 + STRIP + 8, body, finding=finding, subtitle=subtitle, table=table, role="group")


def _links(points: Sequence[Point], places: Sequence[Pixel]) -> tuple[list[str], list[Pixel]]:
    """Thin lines through each family, a wide one through what nothing beats, and points of both for labels to
    keep clear of.
    """
    moved = [(point, place) for point, place in zip(points, places, strict=True) if not point.noise]
    front = [place for point, place in moved if not point.beaten]
    shapes, clear = [polyline(front, stroke=SKY, width=4)] if len(front) > 1 else [], points_along(front)
    moved.sort(key=lambda pair: pair[0].family)
    for family, group in groupby(moved, key=lambda pair: pair[0].family):
        path = [place for _, place in group]
        if family and len(path) > 1:
            shapes.append(polyline(path, stroke=GREY, width=1))
            clear += points_along(path)
    return shapes, clear


CHART_RIGHT, CHART_TOP, CHART_BOTTOM = WIDTH - 150, 100, 330
TONES = (BLUE, VERMILION, GREEN, PURPLE, SKY, GREY)         # of models, beside a letter
LARGEST_DOT = 17        # radius in pixels of the largest model's dot


class Series(NamedTuple):
    """One model over time.  calls: (minutes, tokens per second) of single calls; blocks: the same as means of
    a round.
    """

    name: str
    calls: Sequence[tuple[float, float]]
    blocks: Sequence[tuple[float, float]]


class Spot(NamedTuple):
    """A model: tokens per second, harm in the metric's unit, bytes, and whether no other is as good in all
    three and better in one.
    """

    name: str
    speed: float
    harm: float
    nbytes: float
    best: bool = True


def draw_drift(series: Sequence[Series], *, finding: str, subtitle: str) -> Picture:
    """Single calls as small dots, each round of a model as a dot with the model's letter, its rounds joined
    by a line.
    """
    every = [point for one in series for point in (*one.calls, *one.blocks)]
    x = Axis(0, max(max(at for at, _ in every), 0.02) * 1.03, LEFT, CHART_RIGHT)
    y = Axis(*spread([0.0, *(speed for _, speed in every)]), CHART_BOTTOM, CHART_TOP)
    body, labels, clear = frame(x, y, "minutes since the first call", "tokens per second"), [], []
    for i, one in enumerate(series):
        tone, path = TONES[i % len(TONES)], [(x(at), y(speed)) for at, speed in one.blocks]
        body += [circle(x(at), y(speed), 2, tone, opacity=0.45) for at, speed in one.calls]
        body += [polyline(path, stroke=tone)] if len(path) > 1 else []
        clear += [*points_along(path), *path]
        for px, py in path:
            body += [circle(px, py, 8, tone, stroke=PAPER),
                     text(px, py + 4, _letter(i), size=SMALL, fill=ink_on(tone), anchor="middle", bold=True)]
        labels.append(Label(f"{_letter(i)}  {one.name}", *path[-1], radius=9))
    body += beside(labels, clear, right=WIDTH - 4, top=CHART_TOP - 12, bottom=CHART_BOTTOM)
    table = (("model", *(f"round {i + 1}" for i in range(max(len(one.blocks) for one in series)))),
             *((one.name, *(f"{speed:.1f}" for _, speed in one.blocks)) for one in series))
    return page(CHART_BOTTOM + 48, body, finding=finding, subtitle=subtitle, table=table)


def draw_trade(spots: Sequence[Spot], *, finding: str, subtitle: str, up: str,
               told: Callable[[float], str] = number) -> Picture:
    """Faster to the right, less harm below; a dot's area is the model's bytes.  Hollow: another model is as
    good in all three.

    up: what the upright axis measures; told: a value of it in words.
    """
    most = max(spot.nbytes for spot in spots)
    x = Axis(*spread([spot.speed for spot in spots], room=0.12), LEFT, CHART_RIGHT)
    y = Axis(*spread([spot.harm for spot in spots]), CHART_BOTTOM, CHART_TOP)
    body, labels = frame(x, y, "tokens per second", up, told), []
    for spot in sorted(spots, key=lambda spot: -spot.nbytes):           # small ones lie on top
        radius = LARGEST_DOT * max(spot.nbytes / most, 0.02) ** 0.5
        fill, stroke = (BLUE, PAPER) if spot.best else (PAPER, GREY)
        body.append(circle(x(spot.speed), y(spot.harm), radius, fill, stroke=stroke))
        labels.append(Label(f"{spot.name}, {size(spot.nbytes)}", x(spot.speed), y(spot.harm), radius=radius,
                            bold=spot.best, fill=INK if spot.best else MUTE))
    body += beside(labels, right=WIDTH - 4, top=CHART_TOP - 12, bottom=CHART_BOTTOM)
    body.append(quiet(LEFT, CHART_BOTTOM + 54,
                     "a dot's area: bytes; hollow: another one is as small, as fast and as good"))
    table = (("model", "tokens per second", up, "bytes"),
             *((s.name, f"{s.speed:.1f}", told(s.harm), size(s.nbytes)) for s in spots))
    return page(CHART_BOTTOM + 66, body, finding=finding, subtitle=subtitle, table=table)


def _letter(i: int) -> str:
    return chr(ord("A") + i) if i < 26 else "*"
