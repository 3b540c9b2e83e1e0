"""Spend your bits: the roles of a mix as a bar against a budget, and the plane of bytes and KL divergence in
which the mix stands between those to beat.
"""

from collections.abc import Sequence
from itertools import groupby
from textwrap import wrap
from typing import NamedTuple

from ..words import size
from .labels import Label, beside
from .plane import Axis, frame, points_along, spread
from .style import (
    BITS_TONES,
    BLUE,
    GREEN,
    GREY,
    INK,
    MUTE,
    PAPER,
    SOFT,
    VERMILION,
    WIDTH,
    Picture,
    Table,
    ink_on,
)
from .svg import circle, hatching, line, page, polyline, quiet, rect, text

LEFT, RIGHT = 16, WIDTH - 16
BAR_TOP, BAR = 92, 38
PLOT_LEFT, PLOT_TOP, PLOT_BOTTOM = 76, 204, 436
FRONT = ("now", "best", "mix", "alike", "tried")        # kinds of marks, the foremost first


class BudgetPart(NamedTuple):
    """The matrices of one role: bytes, nominal bits (the tone), what stands on it ("v 4"), their types."""

    role: str
    nbytes: float
    bits: int
    words: str
    types: str


class BudgetMark(NamedTuple):
    """A mix in the plane.  kld: None while it is being measured.  kind: "alike" (all matrices in one type),
    "mix" (llama.cpp's), "tried" (yours, earlier), "best", "now".
    """

    name: str
    nbytes: float
    kld: float | None
    kind: str


def draw_budget(parts: Sequence[BudgetPart], budget: tuple[str, float], marks: Sequence[BudgetMark],
                lines: Sequence[tuple[str, str]], *, finding: str, subtitle: str,
                table: Table = ()) -> Picture:
    """A bar of all roles against the budget (name, bytes), the plane of bytes and KLD, and lines of (head,
    words) below.
    """
    body = [hatching(), *_bar(parts, budget), *_plane(marks, budget)]
    y = PLOT_BOTTOM + 60
    for head, words in lines:
        body.append(text(LEFT, y, head, size=12, bold=True))
        for part in wrap(words, 88):
            body.append(text(LEFT + 110, y, part, size=12))
            y += 19
    return page(y, body, finding=finding, subtitle=subtitle, table=table)


def _bar(parts: Sequence[BudgetPart], budget: tuple[str, float]) -> list[str]:
    name, limit = budget
    total = sum(part.nbytes for part in parts)
    scale = (RIGHT - LEFT) / max(total, 1.15 * limit)
    edge, x, shapes = LEFT + limit * scale, float(LEFT), []
    for part in parts:
        tone, width = BITS_TONES[part.bits], part.nbytes * scale
        shapes.append(rect(x, BAR_TOP, width - 1, BAR, tone, radius=0,
                           title=f"{part.role}: {part.types}, {size(part.nbytes)}"))
        fits = [words for words in (part.words, part.words.split(" ")[-1])
                if words and 6.6 * len(words) + 4 < width]
        shapes += [text(x + width / 2, BAR_TOP + BAR / 2 + 4, words, size=11, anchor="middle",
                        fill=ink_on(tone)) for words in fits[:1]]
        x += width
    over = total - limit
    said = f"{size(over)} too much"
    if over <= 0:
        said = f"{size(-over)} to spend" if over else "spent to the last byte"
    return [*shapes,
            rect(edge, BAR_TOP, x - edge, BAR, "url(#over)", radius=0, opacity=0.85, title="too much"),
            rect(LEFT - 3, BAR_TOP - 4, edge - LEFT + 3, BAR + 8, "none", stroke=INK, stroke_width=2,
                 radius=4),
            text(edge, BAR_TOP - 10, f"budget: {name}, {size(limit)}", size=12, bold=True, anchor="end"),
            *_groups(parts, scale),
            text(RIGHT, BAR_TOP + BAR + 24, said, size=12, bold=True, fill=VERMILION if over > 0 else INK,
                 anchor="end")]


def _groups(parts: Sequence[BudgetPart], scale: float) -> list[str]:
    """Below the bar: the first half of the roles' names, which neighbours share ("attn_")."""
    shapes, start, y = [], float(LEFT), BAR_TOP + BAR + 9
    for group, members in groupby(parts, key=_group):
        end = start + scale * sum(part.nbytes for part in members)
        if end - start > 6.2 * len(group) and group != "norms":
            shapes += [line(start + 1, y, end - 3, y, stroke=GREY),
                       quiet((start + end) / 2 - 1, y + 14, group, anchor="middle")]
        start = end
    return shapes


def _group(part: BudgetPart) -> str:
    first, rest, _ = part.role.partition("_")
    return first + "_" if rest and first != "token" else part.role


def _plane(marks: Sequence[BudgetMark], budget: tuple[str, float]) -> list[str]:
    """Bytes across, KLD down; what lies right of the budget's line is shaded."""
    name, limit = budget
    low, high = 0.6 * limit, 1.5 * limit
    near = sorted((mark for mark in marks if low <= mark.nbytes <= high), key=lambda m: FRONT.index(m.kind))
    known = [mark.kld for mark in near if mark.kld] or [0.001, 0.1]
    x = Axis(low / 1e6, high / 1e6, PLOT_LEFT, RIGHT)
    y = Axis(*spread(known, log=True, room=0.12), PLOT_BOTTOM, PLOT_TOP, log=True)
    edge = x(limit / 1e6)
    body = [rect(edge, PLOT_TOP, RIGHT - edge, PLOT_BOTTOM - PLOT_TOP, SOFT, radius=0),
            *frame(x, y, "size of the file, MB",
                   "KL divergence (log scale): lower is nearer to the unquantized model"),
            line(edge, PLOT_TOP - 4, edge, PLOT_BOTTOM, stroke=INK, width=2),
            quiet(edge + 6, PLOT_BOTTOM - 8, "over the budget")]
    points = [(mark, (x(mark.nbytes / 1e6), y(mark.kld))) for mark in near if mark.kld]
    keep_clear = [at for _, at in points]
    for kind, colour in (("alike", GREY), ("mix", BLUE)):
        path = sorted(at for mark, at in points if mark.kind == kind)
        keep_clear += points_along(path)
        body.append(polyline(path, stroke=colour, width=1))
    for mark in reversed(near):
        body += _mark(mark, x(mark.nbytes / 1e6), y)
    labels = [Label(mark.name, *at, 8 if mark.kind == "now" else 6,
                    bold=mark.kind in ("now", "best") or mark.name == name,
                    fill=MUTE if mark.kind == "alike" else INK)
              for mark, at in points if mark.kind != "tried"]
    return body + beside(labels, keep_clear, top=PLOT_TOP, bottom=PLOT_BOTTOM)


def _mark(mark: BudgetMark, x: float, axis: Axis) -> list[str]:
    if mark.kld is None:
        return [line(x, PLOT_TOP, x, PLOT_BOTTOM, stroke=INK, dash="4 4"),
                text(x - 6, PLOT_TOP + 14, "measuring…", size=12, bold=True, anchor="end")]
    y = axis(mark.kld) if mark.kld else PLOT_BOTTOM
    if mark.kind == "mix":
        return [rect(x - 5, y - 5, 10, 10, BLUE, radius=0)]
    if mark.kind == "now":
        return [circle(x, y, 8, INK), circle(x, y, 3.5, PAPER)]
    radius, fill = {"alike": (4.5, SOFT), "tried": (2.5, GREY), "best": (6, GREEN)}[mark.kind]
    return [circle(x, y, radius, fill, stroke=GREY if mark.kind == "alike" else "none")]
