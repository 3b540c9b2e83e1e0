"""One Q4_K super-block: its 144 bytes coloured by owner, and the eight grids of sixteen levels that they make."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from .style import INK, LINE, MEANING, MUTE, SOFT, WIDTH, Picture, ink_on
from .svg import circle, line, page, rect, text

#: letter on the tile -> (meaning of its colour, words)
OWNERS = {"d": ("scale", "d: scale of the scales, a float16"), "D": ("min", "dmin: scale of the minima, a float16"),
          "s": ("sub_scale", "8 sub-scales of 6 bits"), "m": ("sub_min", "8 sub-minima of 6 bits"),
          "b": ("sub_scale", "both: the rest of four of each"), "q": ("code", "256 codes of 4 bits, two in a byte")}
CELL, GRID_X, GRID_Y = 24, 16, 72
TEXT_X, LINES_Y, ROW = 424, 318, 23


class SubBlock(NamedTuple):
    """32 weights: their `scale` and `minimum` (0 to 63), the 16 `levels` and the weights before, as numbers."""

    scale: int
    minimum: int
    levels: Sequence[float]
    weights: Sequence[float]


def draw_super_block(owners: str, values: bytes, lit: Collection[int], subs: Sequence[SubBlock], chosen: int, weight: int, *,
                     finding: str, subtitle: str, sums: Sequence[str], table: tuple[tuple[str, ...], ...] = ()) -> Picture:
    """owners: one letter of OWNERS per byte.  values: the bytes.  lit: those of the chosen sub-block.  sums: lines of text.

    chosen, weight: index of the sub-block and of the weight in it.
    """
    body = [_cell(i, letter, values[i], i in lit) for i, letter in enumerate(owners)]
    body += _legend()
    body += [text(TEXT_X, 212 + 20 * i, words, size=12, bold=i == len(sums) - 2) for i, words in enumerate(sums)]
    ends = [number for sub in subs for number in (*sub.levels, *sub.weights)]
    low, high = min(ends), max(ends)
    scale = (WIDTH - 32 - 150) / (high - low or 1)
    for i, sub in enumerate(subs):
        body.append(_levels(i, sub, i == chosen, weight, lambda v: GRID_X + 150 + (v - low) * scale))
    y = LINES_Y + 8 * ROW - 8
    zero = GRID_X + 150 - low * scale
    body += [line(zero, LINES_Y - 12, zero, y - 8, dash="2 3"), text(zero, y + 4, "0", size=10, fill=MUTE, anchor="middle")]
    body += [text(x, y + 4, f"{value:.2f}", size=10, fill=MUTE, anchor=anchor)
             for x, value, anchor in ((GRID_X + 150, low, "start"), (WIDTH - 16, high, "end"))]
    return page(y + 14, body, finding=finding, subtitle=subtitle, table=table)


def _cell(i: int, letter: str, value: int, lit: bool) -> str:
    x, y = GRID_X + i % 16 * CELL, GRID_Y + i // 16 * CELL
    tone = MEANING[OWNERS[letter][0]]
    shade = rect(x, y, CELL - 3, CELL - 3, tone, stroke=INK if lit else "none", stroke_width=2, radius=3,
                 opacity=1 if lit or letter != "q" else 0.45, title=f"byte {i}: 0x{value:02x}")
    if letter == "b":
        shade += rect(x + 1, y + 11, CELL - 5, 9, MEANING["sub_min"], radius=2)
    words = "sm" if letter == "b" else letter
    return shade + text(x + 10.5, y + 15, words, size=11, anchor="middle", fill=ink_on(tone) if lit or letter != "q" else INK)


def _legend() -> list[str]:
    parts = []
    for i, (letter, (meaning, words)) in enumerate(OWNERS.items()):
        y = GRID_Y + i * 20
        tone = MEANING[meaning]
        parts += [rect(TEXT_X, y, 20, 15, tone, radius=3), text(TEXT_X + 28, y + 12, words, size=12)]
        if letter == "b":
            parts.append(rect(TEXT_X + 1, y + 8, 18, 6, MEANING["sub_min"]))
        parts.append(text(TEXT_X + 10, y + 11.5, "sm" if letter == "b" else letter, size=10, anchor="middle", fill=ink_on(tone)))
    return parts


def _levels(i: int, sub: SubBlock, chosen: bool, weight: int, place) -> str:
    y = LINES_Y + i * ROW
    parts = [rect(GRID_X - 6, y - 15, WIDTH - 20, ROW - 1, SOFT, radius=4)] if chosen else []
    parts.append(text(GRID_X, y, f"sub-block {i}: {sub.scale:2d}, {sub.minimum:2d}", size=12, bold=chosen))
    parts.append(line(place(sub.levels[0]), y, place(sub.levels[-1]), y, stroke=INK if chosen else LINE))
    parts += [line(place(v), y - 5, place(v), y, stroke=INK, width=1.5 if chosen else 0.7) for v in sub.levels]
    parts += [circle(place(v), y - 8, 2.4, MEANING["original"], opacity=0.8) for v in sub.weights]
    if chosen:
        parts.append(circle(place(sub.weights[weight]), y - 8, 5, "none", stroke=INK))
    return "".join(parts)
