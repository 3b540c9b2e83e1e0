"""Two pictures of a comparison: speed against time (does the machine drift?), and harm against speed with the bytes of each model."""

from collections.abc import Sequence
from typing import NamedTuple

from .numbers import number, size
from .plane import Axis, Label, along, beside, frame, spread
from .style import BLUE, GREEN, GREY, INK, MUTE, ORANGE, PAPER, PURPLE, SKY, SMALL, VERMILION, WIDTH, Picture, ink_on
from .svg import circle, page, polyline, text

LEFT, RIGHT, TOP, BOTTOM = 76, WIDTH - 150, 100, 330
TONES = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, GREY)
LARGEST = 17            # radius in pixels of the largest model's dot


class Series(NamedTuple):
    """One model over time.  calls: (minutes, tokens per second) of single calls; blocks: the same as means of a round."""

    name: str
    calls: Sequence[tuple[float, float]]
    blocks: Sequence[tuple[float, float]]


class Spot(NamedTuple):
    """A model: tokens per second, harm in the metric's unit, bytes, and whether no other is as good in all three and better in one."""

    name: str
    speed: float
    harm: float
    nbytes: float
    best: bool = True


def draw_speeds(series: Sequence[Series], *, finding: str, subtitle: str) -> Picture:
    """Single calls as small dots, each round of a model as a dot with the model's letter, its rounds joined by a line."""
    every = [point for one in series for point in (*one.calls, *one.blocks)]
    x = Axis(0, max(max(at for at, _ in every), 0.02) * 1.03, LEFT, RIGHT)
    y = Axis(*spread([0.0, *(speed for _, speed in every)]), BOTTOM, TOP)
    body, labels, clear = frame(x, y, "minutes since the first call", "tokens per second"), [], []
    for i, one in enumerate(series):
        tone, path = TONES[i % len(TONES)], [(x(at), y(speed)) for at, speed in one.blocks]
        body += [circle(x(at), y(speed), 2, tone, opacity=0.45) for at, speed in one.calls]
        body += [polyline(path, stroke=tone)] if len(path) > 1 else []
        clear += [*along(path), *path]
        for px, py in path:
            body += [circle(px, py, 8, tone, stroke=PAPER),
                     text(px, py + 4, _letter(i), size=SMALL, fill=ink_on(tone), anchor="middle", bold=True)]
        labels.append(Label(f"{_letter(i)}  {one.name}", *path[-1], radius=9))
    body += beside(labels, clear, right=WIDTH - 4, top=TOP - 12, bottom=BOTTOM)
    table = (("model", *(f"round {i + 1}" for i in range(max(len(one.blocks) for one in series)))),
             *((one.name, *(f"{speed:.1f}" for _, speed in one.blocks)) for one in series))
    return page(BOTTOM + 48, body, finding=finding, subtitle=subtitle, table=table)


def draw_trade(spots: Sequence[Spot], *, finding: str, subtitle: str, up: str) -> Picture:
    """Faster to the right, less harm below; a dot's area is the model's bytes.  Hollow: another model is as good in all three.

    up: what the upright axis measures.
    """
    most = max(spot.nbytes for spot in spots)
    x, y = Axis(*spread([spot.speed for spot in spots], room=0.12), LEFT, RIGHT), Axis(*spread([s.harm for s in spots]), BOTTOM, TOP)
    body, labels = frame(x, y, "tokens per second", up), []
    for spot in sorted(spots, key=lambda spot: -spot.nbytes):           # small ones lie on top
        radius = LARGEST * max(spot.nbytes / most, 0.02) ** 0.5
        body.append(circle(x(spot.speed), y(spot.harm), radius, BLUE if spot.best else PAPER, stroke=PAPER if spot.best else GREY))
        labels.append(Label(f"{spot.name}, {size(spot.nbytes)}", x(spot.speed), y(spot.harm), radius=radius, bold=spot.best,
                            fill=INK if spot.best else MUTE))
    body += beside(labels, right=WIDTH - 4, top=TOP - 12, bottom=BOTTOM)
    body.append(text(LEFT, BOTTOM + 54, "a dot's area: bytes; hollow: another one is as small, as fast and as good", size=SMALL, fill=MUTE))
    table = (("model", "tokens per second", up, "bytes"), *((s.name, f"{s.speed:.1f}", number(s.harm, 3), size(s.nbytes)) for s in spots))
    return page(BOTTOM + 66, body, finding=finding, subtitle=subtitle, table=table)


def _letter(i: int) -> str:
    return chr(ord("A") + i) if i < 26 else "*"
