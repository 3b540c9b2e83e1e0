"""Which tensors bear few bits badly: layers across, roles down, the harm of each as a number on a tile; sums
at the margins.
"""

from collections.abc import Sequence
from typing import NamedTuple

from .style import INK, MUTE, SOFT, VERMILION, WIDTH, Picture, Table
from .svg import here, page, rect, text, touchable

# pixels: the grid's edges; where the bars of the roles begin, the longest of them
LEFT, RIGHT, BARS, MOST_BAR = 128, 600, 614, 70
TOP, HIGH, GAP, STRIP = 92, 34, 3, 87
# the lightest tile; the letters, which are easier to read on vermilion than white ones are
PALE, DARK = "#fdf3ea", "#1b1f24"
NEEDED = 40             # pixels of a tile that a number needs


class Tile(NamedTuple):
    """One tensor: its shade from 0 to 1, its number in words, the type to which a mix raises it ("": it does
    not), all in words.
    """

    shade: float
    words: str
    raised: str
    said: str


class Row(NamedTuple):
    """One role: a tile (or None) per layer, the number of its first cell, the sum (0 to 1 of the largest, and
    in words).

    alone: it stands outside the layers.
    """

    role: str
    first: int
    tiles: Sequence[Tile | None]
    total: tuple[float, str]
    alone: bool = False


class Focus(NamedTuple):
    """The chosen tensor: the number of its row and its column, and lines about it (the first one bold, and
    said aloud).
    """

    row: int
    column: int
    lines: Sequence[str]


def draw_sensitivity(rows: Sequence[Row], layers: Sequence[str], focus: Focus | None, notes: Sequence[str], *,
                     finding: str, subtitle: str, sums: tuple[str, str],
                     table: Table = ()) -> Picture:
    """The map, the chosen tensor in words, and notes below.

    layers: the sum of each layer in words.  sums: what the right and the lower margin are.  focus None: a map
    that nobody touches.
    """
    stack = [row for row in rows if not row.alone]
    tops = [TOP + (HIGH + GAP) * i + (44 if row.alone else 0) for i, row in enumerate(rows)]
    body = [text(BARS, TOP - 10, sums[0], size=11, fill=MUTE)]
    for row, top in zip(rows, tops, strict=True):
        tips = " ".join(f"{tile.said if tile else '-'}*1".replace(" ", "\u00a0") for tile in row.tiles)
        body.append(touchable(_row(row, top), first=row.first, cells=len(row.tiles), tips=tips))
        body += [text(LEFT - 8, top + HIGH / 2 + 4, row.role, size=12, anchor="end"),
                 rect(BARS, top + 8, MOST_BAR * row.total[0], HIGH - 16, VERMILION, radius=0),
                 text(BARS + MOST_BAR * row.total[0] + 5, top + HIGH / 2 + 4, row.total[1], size=11)]
    body += _axis(stack, layers, sums[1])
    y = max(tops[-1] + HIGH, TOP + (HIGH + GAP) * len(stack) + 40) + 14
    if focus is not None:
        body += _focus(focus, _step(rows[focus.row]), tops[focus.row], y)
        y += STRIP
    y += 22
    body += [text(16, y + 19 * i, words, size=12, fill=MUTE) for i, words in enumerate(notes)]
    return page(int(y + 19 * len(notes)), body, finding=finding, subtitle=subtitle, table=table, role="img"
                if focus is None else "group")


def _focus(focus: Focus, step: float, top: float, y: float) -> list[str]:
    """A frame round the chosen tile, whose row begins at `top`, and the lines about it at `y`."""
    frame = rect(LEFT + focus.column * step - 1.5, top - 1.5, max(step - 2, 3) + 3, HIGH + 3, "none",
                 stroke=INK, stroke_width=2.5)
    return [here(focus.lines[0], frame), rect(16, y, WIDTH - 32, STRIP, SOFT, radius=6),
            rect(16, y, 4, STRIP, INK, radius=0),
            *(text(32, y + 20 + 19 * i, words, size=13 if i == 0 else 12, bold=i == 0)
              for i, words in enumerate(focus.lines))]


def tone(shade: float) -> str:
    """From pale to vermilion, the colour of an error in every lesson."""
    ends = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in (PALE, VERMILION)]
    return "#" + "".join(f"{round(low + (high - low) * min(max(shade, 0), 1)):02x}" for low,
                         high in zip(*ends, strict=True))


def _step(row: Row) -> float:
    return (RIGHT - LEFT) / len(row.tiles)


def _row(row: Row, top: float) -> list[str]:
    step = _step(row)
    shapes = [rect(LEFT, top, RIGHT - LEFT, HIGH, "none", radius=0)]
    for i, tile in enumerate(row.tiles):
        if tile is None:
            continue
        x, wide, colour = LEFT + i * step, step - (2 if step > 12 else 1), tone(tile.shade)
        shapes.append(rect(x, top, wide, HIGH, colour, radius=3 if step > 12 else 0))
        if wide >= NEEDED:
            shapes.append(text(x + wide / 2, top + (15 if tile.raised else 21), tile.words, size=11,
                               fill=DARK, anchor="middle"))
        if tile.raised and wide >= NEEDED:
            shapes.append(text(x + wide / 2, top + 28, f"▲ {tile.raised}", size=9.5, fill=DARK,
                               anchor="middle", bold=True))
        elif tile.raised:
            shapes.append(text(x + wide / 2, top + 21, "▲", size=9, fill=DARK, anchor="middle"))
    return shapes


def _axis(stack: Sequence[Row], layers: Sequence[str], words: str) -> list[str]:
    """The layers' numbers under the stack, and what each layer sums up to where there is room for it."""
    if not stack:
        return []
    y, step = TOP + (HIGH + GAP) * len(stack) + 12, _step(stack[0])
    every = next(n for n in (1, 2, 4, 8, 16, 32, 64, 128) if n * step >= 24)
    shapes = [text(LEFT - 8, y, "layer", size=11, fill=MUTE, anchor="end")]
    shapes += [text(LEFT + (i + 0.5) * step - 1, y, i, size=11, fill=MUTE, anchor="middle")
               for i in range(0, len(stack[0].tiles), every)]
    if step >= NEEDED:
        shapes += [text(LEFT - 8, y + 17, words, size=11, fill=MUTE, anchor="end"),
                   *(text(LEFT + (i + 0.5) * step - 1, y + 17, total, size=11, anchor="middle")
                     for i, total in enumerate(layers))]
    return shapes
