"""Where a model's bits are: layers across, roles down, a tile for each tensor with its bits; the bytes of
each role as a bar beside its row, the sizes of the files below.

Two files share a row, one over the other, so that a layer of one stands on the same layer of the other. The
rows carry `data-first` (the number of their first cell in reading order) and `data-cells`, so that a click
finds its tensor.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from .style import BITS_TONES, BLUE, INK, MEANING, MUTE, SKY, SOFT, WIDTH, Picture, Table, ink_on
from .svg import characters, here, page, panel, quiet, rect, text, tiles, touchable

# all in pixels
LEFT, RIGHT, BARS, MOST_BAR = 128, 588, 602, 74        # edges of the grid; where bars begin, the longest
TOP, GAP, STRIP = 70, 3, 84                            # top, space between rows, height of the strip of words
FULL, HALF, THIN = 22, 15, 7                           # heights: a row of matrices, half of one, vectors
NEEDED, NEEDED_TWO = 9.5, 13                           # what one digit needs on a tile, and what two need


class MapTile(NamedTuple):
    """One tensor: nominal `bits` (its colour and digits), its `qtype`, whether the other file differs."""

    bits: int
    qtype: str
    differs: bool = False


class MapRow(NamedTuple):
    """One role.  first: number of the row's first cell.  tiles: a tensor (or None) per layer, one list for
    each file.  sizes: (bytes, in words), one for each file.  alone: outside the layers.  thin: vectors, not
    matrices.
    """

    role: str
    first: int
    tiles: Sequence[Sequence[MapTile | None]]
    sizes: Sequence[tuple[float, str]]
    alone: bool = False
    thin: bool = False

    @property
    def height(self) -> int:
        return THIN if self.thin else FULL if len(self.tiles) == 1 else 2 * HALF + 1


class MapSize(NamedTuple):
    """A file: its name, its bytes, and both in words."""

    name: str
    nbytes: float
    words: str


class MapFocus(NamedTuple):
    """The chosen tensor: the number of its row and column, a sentence for the ear, and lines for the eye (the
    first one bold).
    """

    row: int
    column: int
    said: str
    lines: Sequence[str]


def draw_model_map(rows: Sequence[MapRow], files: Sequence[MapSize], focus: MapFocus, *, finding: str,
                   subtitle: str, full: float, note: str, table: Table = ()) -> Picture:
    """Layers across, roles down, then the tensors outside the layers, the chosen tensor in words, and a bar
    for each file.

    full: bytes at the bars' end.  note: what that is.
    """
    tops, y = _tops(rows)
    most = max((size for row in rows for size, _ in row.sizes), default=0) or 1
    body = []
    for row, top in zip(rows, tops, strict=True):
        body.append(touchable(_row(row, top), first=row.first, cells=len(row.tiles[0]), tips=_tips(row)))
        body += [_label(row, top), *_bars(row, top, most)]
    body += _axis(rows, tops)
    body += [_framed(rows[focus.row], tops[focus.row], focus), *panel(focus.lines, y, STRIP)]
    y += STRIP + 8
    for file, tone in zip(files, (BLUE, SKY), strict=False):
        body += _size_bar(y, file, full, tone)
        y += 30
    body.append(quiet(LEFT, y + 10, note, size=12))
    return page(int(y + 20), body, finding=finding, subtitle=subtitle, table=table, role="group")


def _tops(rows: Sequence[MapRow]) -> tuple[list[float], float]:
    """(where each row begins, where the last one ends); the layers' numbers stand between the stack and what
    is alone.
    """
    tops, y, stacked = [], float(TOP), False
    for row in rows:
        if row.alone and stacked:
            y += 19
        stacked = not row.alone
        tops.append(y)
        y += row.height + GAP
    return tops, y + (26 if stacked else 8)


def _step(row: MapRow) -> float:
    """Pixels from a tile to the next; one that stands alone is as wide as all layers."""
    count = len(row.tiles[0])
    return (RIGHT - LEFT) / count if row.alone else min((RIGHT - LEFT) / count, 60)


def _label(row: MapRow, top: float) -> str:
    size = 9 if row.thin else 12 if len(row.role) < 16 else 10
    return text(LEFT - 8, top + row.height / 2 + size * 0.36, row.role, size=size, anchor="end", fill=MUTE
                if row.thin else INK)


def _row(row: MapRow, top: float) -> list[str]:
    """The tiles of one role; where two files stand, equal pairs are pale and unequal ones underlined."""
    step, height = _step(row), row.height if len(row.tiles) == 1 else (row.height - 1) / 2
    shapes = [rect(LEFT, top, step * len(row.tiles[0]), row.height, "none", radius=0)]
    for i, side in enumerate(row.tiles):
        y = top + i * (height + 1)
        shapes += _tiles(side, y, height, step, pale=len(row.tiles) > 1, thin=row.thin)
        if not row.thin:
            shapes += _digits(side, y + height / 2, step, row.alone, pale=len(row.tiles) > 1)
    if len(row.tiles) > 1:
        unequal = [LEFT + i * step for i, pair in enumerate(zip(*row.tiles, strict=True))
                   if any(t and t.differs for t in pair)]
        shapes += [tiles(unequal, top + row.height, step - _space(step), 2, INK, radius=0)] if unequal else []
    return shapes


def _space(step: float) -> float:
    return 2 if step > 12 else 1 if step > 4 else 0


def _tiles(side: Sequence[MapTile | None], y: float, height: float, step: float, pale: bool,
           thin: bool) -> list[str]:
    """One shape for each tone: a browser paints a few paths sooner than hundreds of boxes. Vectors, which
    stay as they are, are grey.
    """
    places: dict[tuple[str, bool], list[float]] = {}
    for i, tile in enumerate(side):
        if tile:
            tone = MEANING["original"] if thin else BITS_TONES.get(tile.bits, SOFT)
            places.setdefault((tone, pale and not tile.differs), []).append(LEFT + i * step)
    radius = 3 if step > 9 and height > 9 else 0
    return [tiles(xs, y, step - _space(step), height, tone, radius=radius, opacity=0.35 if faded else 1)
            for (tone, faded), xs in places.items()]


def _digits(side: Sequence[MapTile | None], middle: float, step: float, alone: bool, pale: bool) -> list[str]:
    """The bits on the tiles; narrow ones share a digit with equal neighbours; what stands alone says its
    whole type.
    """
    places: dict[str, list[tuple[float, str]]] = {}             # ink -> (place, character)
    at = 0
    for tile, group in groupby(side) if step < NEEDED else ((tile, [tile]) for tile in side):
        count = len(list(group))
        x, width, at = LEFT + (at + count / 2) * step - _space(step) / 2, count * step, at + count
        if not tile:
            continue
        words = tile.qtype if alone else str(tile.bits or "?")
        if width < (NEEDED if len(words) == 1 else NEEDED_TWO):
            continue
        tone = BITS_TONES.get(tile.bits, SOFT)
        ink = INK if pale and not tile.differs else ink_on(tone)
        pitch = 7.5 if alone else 6
        places.setdefault(ink, []).extend((x + (i - (len(words) - 1) / 2) * pitch, letter)
                                          for i, letter in enumerate(words))
    return [characters(found, middle + 4, 11 if alone else 10, ink) for ink, found in places.items()]


def _tips(row: MapRow) -> str:
    """What the mouse is told: the types in layer order, equal ones once ("Q6_K*4 Q4_K*2"), one list a file.
    """
    return "|".join(" ".join(f"{qtype}*{len(list(group))}"
                             for qtype, group in groupby(tile.qtype if tile else "-" for tile in side))
                    for side in row.tiles)


def _bars(row: MapRow, top: float, most: float) -> list[str]:
    """What the role takes in all layers together."""
    if row.thin:
        return []
    height = row.height / len(row.sizes)
    shapes = []
    for i, (size, words) in enumerate(row.sizes):
        y, width = top + i * height, MOST_BAR * size / most
        shapes += [rect(BARS, y + 2, width, height - 4, SKY if i else BLUE, radius=0),
                   text(BARS + width + 5, y + height / 2 + 4, words, size=11 if len(row.sizes) == 1 else 10)]
    return shapes


def _axis(rows: Sequence[MapRow], tops: Sequence[float]) -> list[str]:
    stack = [(row, top) for row, top in zip(rows, tops, strict=True) if not row.alone]
    if not stack:
        return []
    (row, top), count = stack[-1], len(stack[-1][0].tiles[0])
    y, step = top + row.height + 14, _step(row)
    every = next(n for n in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024) if n * step >= 28)
    return [quiet(LEFT - 8, y, "layer", anchor="end"),
            *(quiet(LEFT + (i + 0.5) * step, y, i, size=10, anchor="middle")
              for i in range(0, count, every))]


def _framed(row: MapRow, top: float, focus: MapFocus) -> str:
    step = _step(row)
    x, width = LEFT + focus.column * step, max(step - _space(step), 3)
    return here(focus.said, rect(x - 1.5, top - 1.5, width + 3, row.height + 3, "none", stroke=INK,
                                 stroke_width=2.5))


def _size_bar(y: float, file: MapSize, full: float, tone: str) -> list[str]:
    end = LEFT + (WIDTH - 16 - LEFT) * min(file.nbytes / full, 1) if full else LEFT
    inside = end - LEFT > 8.2 * len(file.words)
    return [text(LEFT - 8, y + 17, file.name, size=12, anchor="end"),
            rect(LEFT, y, WIDTH - 16 - LEFT, 24, SOFT, radius=3),
            rect(LEFT, y, end - LEFT, 24, tone, radius=3),
            text(LEFT + 10 if inside else end + 8, y + 17, file.words, bold=True, fill=ink_on(tone) if inside
                 else INK)]
