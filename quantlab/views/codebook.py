"""Levels that are not evenly spaced, and codebooks: what a code can mean, and how well eight weights are met by one entry."""

from collections.abc import Sequence
from typing import NamedTuple

from .numbers import number
from .style import BLUE, GREEN, GREY, INK, LINE, MEANING, MUTE, SMALL, SOFT, VERMILION, Picture
from .svg import circle, line, page, polyline, rect, text

LEFT, RIGHT = 112, 740


class Ruler(NamedTuple):
    """A format's levels, the largest of them 1 or -1, and what is said beside them."""

    name: str
    levels: Sequence[float]
    words: str


def draw_rulers(counts: Sequence[float], rulers: Sequence[Ruler], *, finding: str, subtitle: str,
                table: tuple[tuple[str, ...], ...] = ()) -> Picture:
    """A histogram of weights from -1 to 1 (counts: its bars) above the levels of several formats."""
    def at(value: float) -> float:
        return LEFT + (value + 1.08) / 2.16 * (RIGHT - LEFT)

    tallest, width = max(counts), (at(1) - at(-1)) / len(counts)
    body = [rect(at(-1) + i * width, 150 - 62 * n / tallest, width - 1, 62 * n / tallest, GREY, radius=0) for i, n in enumerate(counts)]
    body += [text(LEFT - 8, 146, "real weights", size=12, anchor="end"), line(LEFT, 150, RIGHT, 150, stroke=INK)]
    for i, ruler in enumerate(rulers):
        y = 186 + 50 * i
        body += [text(LEFT - 8, y + 5, ruler.name, anchor="end", bold=True), line(at(-1), y, at(1), y, stroke=LINE)]
        body += [rect(at(level) - 1.5, y - 9, 3, 18, MEANING["code"], radius=1) for level in ruler.levels]
        body.append(text(at(-1), y + 25, ruler.words, size=SMALL, fill=MUTE))
    body += [text(at(v), 168 + 50 * len(rulers) + 14, words, size=SMALL, fill=MUTE, anchor="middle")
             for v, words in ((-1, "− largest"), (0, "0"), (1, "+ largest"))]
    return page(194 + 50 * len(rulers), body, finding=finding, subtitle=subtitle, table=table)


def draw_entry(before: Sequence[float], stored: Sequence[float], turned: int, index_bits: str, sign_bits: str, errors: Sequence[float],
               rank: int, lines: Sequence[tuple[str, str]], *, finding: str, subtitle: str,
               table: tuple[tuple[str, ...], ...] = ()) -> Picture:
    """Eight weights and the codebook entry that stands for them.

    before, stored: eight numbers each.  turned: which one's sign had to be turned over (-1: none).  index_bits, sign_bits: "0"/"1" text.
    errors: of the entries from the best on, as shares of the weights themselves; `rank` is the one shown.
    """
    reach = max(abs(v) for v in [*before, *stored]) or 1.0
    middle, unit = 172, 72 / reach
    body = [line(16, middle, 470, middle, stroke=INK)]
    for i, (x, q) in enumerate(zip(before, stored, strict=True)):
        left = 24 + 56 * i
        for k, (value, colour) in enumerate(((x, GREY), (q, VERMILION if i == turned else GREEN))):
            top = middle - max(value, 0) * unit
            body.append(rect(left + 20 * k, top, 18, abs(value) * unit, colour, title=f"{('before', 'stored')[k]} {number(value)}"))
        body.append(text(left + 19, middle + 92, i, size=SMALL, fill=MUTE, anchor="middle"))
    body += [rect(16, 280, 11, 11, GREY), text(32, 290, "before", size=12), rect(96, 280, 11, 11, GREEN), text(112, 290, "stored", size=12)]
    if turned >= 0:
        body += [rect(180, 280, 11, 11, VERMILION), text(196, 290, f"stored with the wrong sign: weight {turned}", size=12)]
    body += [*_bits(500, 92, "entry", index_bits, MEANING["code"]), *_bits(500, 142, "signs", sign_bits, BLUE)]
    for i, (what, value) in enumerate(lines):
        body += [text(500, 206 + 20 * i, what, size=12, fill=MUTE), text(744, 206 + 20 * i, value, size=12, anchor="end", bold=True)]
    return page(390, [*body, *_ranking(errors, rank)], finding=finding, subtitle=subtitle, table=table)


def _bits(x: float, y: float, words: str, bits: str, colour: str) -> list[str]:
    shapes = [text(x, y - 6, f"{words}, {len(bits)} bits", size=SMALL, fill=MUTE)]
    for i, bit in enumerate(bits):
        shapes += [rect(x + 22 * i, y, 20, 24, colour, radius=3),
                   text(x + 22 * i + 10, y + 17, bit, size=12, fill="#ffffff", anchor="middle", bold=True)]
    return shapes


def _ranking(errors: Sequence[float], rank: int) -> list[str]:
    """The errors of all entries, best first: a curve with a mark."""
    left, right, top, bottom = 60, 740, 312, 366
    most = max(errors)

    def at(i: int) -> tuple[float, float]:
        return left + i / (len(errors) - 1) * (right - left), bottom - errors[i] / most * (bottom - top)

    return [rect(left, top, right - left, bottom - top, SOFT), polyline([at(i) for i in range(0, len(errors), max(1, len(errors) // 256))]),
            circle(*at(rank), 5, GREEN, stroke=INK), text(left - 6, bottom, "0 %", size=SMALL, fill=MUTE, anchor="end"),
            text(left - 6, top + 8, f"{100 * most:.0f} %", size=SMALL, fill=MUTE, anchor="end"),
            text(left, bottom + 16, f"all {len(errors)} entries, the best first: how far they are off", size=SMALL, fill=MUTE)]
