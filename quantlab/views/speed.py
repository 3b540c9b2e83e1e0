"""Tokens a second as ranges on one axis: what memory allows at most, what is usual, and what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass

from .numbers import number
from .plane import Axis
from .style import BLUE, INK, LINE, MUTE, ORANGE, SMALL, VERMILION, Picture
from .svg import circle, line, page, rect, text

LEFT, RIGHT, TOP, STEP = 170, 500, 96, 30


@dataclass(frozen=True)
class SpeedRow:
    """One row: from `low` to `high` tokens a second is expected, more than `limit` is impossible; `measured`: what was found.

    split: some layers lie in main memory, so the bar has another colour.  words: stand at the right end.
    """

    label: str
    low: float
    high: float
    limit: float
    words: str
    split: bool = False
    measured: Sequence[float] = ()


def draw_speeds(rows: Sequence[SpeedRow], *, finding: str, subtitle: str, note: str = "") -> Picture:
    """A bar for what is expected, a tick for the limit, dots for what was measured.  The axis is logarithmic: equal steps, equal ratios."""
    values = [value for row in rows for value in (row.low, row.limit, *row.measured)]
    axis, bottom = Axis(min(values) / 1.25, max(values) * 1.25, LEFT, RIGHT, log=True), TOP + STEP * len(rows)
    body = []
    for value in axis.ticks():
        body += [line(axis(value), TOP - 12, axis(value), bottom, stroke=LINE),
                 text(axis(value), TOP - 18, number(value), size=SMALL, fill=MUTE, anchor="middle")]
    for i, row in enumerate(rows):
        y, tone = TOP + STEP * i, ORANGE if row.split else BLUE
        body += [text(16, y + 16, row.label, bold=True),
                 rect(axis(row.low), y + 4, max(axis(row.high) - axis(row.low), 3), 14, tone, title=row.words),
                 line(axis(row.limit), y + 1, axis(row.limit), y + 21, stroke=INK, width=2.5),
                 text(RIGHT + 14, y + 16, row.words, size=12)]
        body += [circle(axis(value), y + 11, 4.5, VERMILION, stroke=INK) for value in row.measured]
    body += _legend(rows, bottom + 20)
    if note:
        body.append(text(16, bottom + 44, note, size=SMALL, fill=MUTE))
    table = (("what", "expected, tokens/s", "at most", "measured", "remark"),
             *((row.label, f"{number(row.low, 3)} to {number(row.high, 3)}", number(row.limit, 3),
                ", ".join(number(value, 3) for value in row.measured) or "–", row.words) for row in rows))
    return page(bottom + (56 if note else 34), body, finding=finding, subtitle=subtitle, table=table)


def _legend(rows: Sequence[SpeedRow], y: float) -> list[str]:
    shapes, x = [], 16
    kinds = [(BLUE, "expected", any(not row.split for row in rows)),
             (ORANGE, "expected, some layers in main memory", any(row.split for row in rows)),
             ("", "| more is impossible", True), (VERMILION, "measured", any(row.measured for row in rows))]
    for colour, words, there in kinds:
        if there:
            if colour:
                shapes.append(circle(x + 5, y - 4, 4.5, colour, stroke=INK) if colour == VERMILION else rect(x, y - 10, 11, 11, colour))
            shapes.append(text(x + (17 if colour else 0), y, words, size=SMALL, fill=MUTE))
            x += (32 if colour else 16) + 6.6 * len(words)
    return shapes
