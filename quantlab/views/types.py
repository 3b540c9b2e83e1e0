"""File types side by side: how large each one is, what the lesson says, and which tensor types one of them mixes."""

from collections.abc import Sequence
from typing import NamedTuple

from .style import BITS_TONES, GREY, INK, MUTE, PAPER, SMALL, SOFT, VERMILION, WIDTH, Picture, ink_on
from .svg import page, rect, text

LEFT, RIGHT = 16, WIDTH - 16
BARS_LEFT, BARS_RIGHT = 92, 424
ROW, THICK = 25, 15
COLUMNS = (("computed", 504), ("lesson", 566), ("difference", 636), ("bits per weight", RIGHT - 2))


class Size(NamedTuple):
    """A file type: pieces are (tensor type, its bits, size), in the unit of `claim`; the words fill the columns."""

    name: str
    pieces: Sequence[tuple[str, int, float]]
    claim: float
    words: Sequence[str]


class Piece(NamedTuple):
    """One line of the mix: "193 × Q4_K", its whole bits, its share of the bytes from 0 to 1, and two columns of words."""

    name: str
    bits: int
    share: float
    size: str
    where: str


def draw_types(sizes: Sequence[Size], chosen: int, pieces: Sequence[Piece], pieces_title: str, *, finding: str, subtitle: str,
               table: tuple[tuple[str, ...], ...] = ()) -> Picture:
    """Rows of sizes, a hollow mark where the lesson puts each; below them the tensor types of the chosen row."""
    most = max(max(sum(size for *_, size in row.pieces), row.claim) for row in sizes)
    scale, y = (BARS_RIGHT - BARS_LEFT) / most, 94
    body = [text(x, 82, words, size=SMALL, fill=MUTE, anchor="end") for words, x in COLUMNS]
    for i, row in enumerate(sizes):
        if i == chosen:
            body.append(rect(LEFT - 8, y - 4, RIGHT - LEFT + 16, ROW - 2, SOFT, radius=4))
        body += _row(row, y, scale, i == chosen)
        y += ROW
    body += [_mark(LEFT + 8, y + 4), text(LEFT + 20, y + 14, "where the lesson's table puts it", size=SMALL, fill=MUTE)]
    return page(y + 168, [*body, *_mix(pieces, pieces_title, y + 46)], finding=finding, subtitle=subtitle, table=table)


def _row(row: Size, y: float, scale: float, chosen: bool) -> list[str]:
    shapes, x = [text(LEFT - 2, y + 12, row.name, bold=chosen)], BARS_LEFT
    for name, bits, size in row.pieces:
        shapes.append(rect(x, y, size * scale, THICK, BITS_TONES[bits], radius=0, title=f"{name} {size:.2f}"))
        x += size * scale
    shapes.append(_mark(BARS_LEFT + row.claim * scale, y))
    return shapes + [text(x, y + 12, words, size=12, anchor="end", bold=chosen, fill=MUTE if column == "lesson" else INK)
                     for (column, x), words in zip(COLUMNS, row.words, strict=True)]


def _mark(x: float, y: float) -> str:
    """A hollow pointer standing on x: a claim, not a measurement."""
    return rect(x - 2.5, y - 3, 5, THICK + 6, PAPER, stroke=VERMILION, stroke_width=1.5, radius=2)


def _mix(pieces: Sequence[Piece], title: str, y: float) -> list[str]:
    """The bytes of one file as a single bar, cut by tensor type, with a line for each type."""
    shapes, x = [text(LEFT, y, title, bold=True)], LEFT
    for piece in pieces:
        width, tone = piece.share * (RIGHT - LEFT), BITS_TONES[piece.bits]
        shapes.append(rect(x, y + 10, width, 22, tone, radius=0, title=piece.name))
        if width > 9 * len(piece.name):
            shapes.append(text(x + 8, y + 26, piece.name, size=12, bold=True, fill=ink_on(tone)))
        x += width
    for i, piece in enumerate(pieces):
        line_y = y + 52 + 19 * i
        shapes += [rect(LEFT, line_y - 9, 10, 10, BITS_TONES[piece.bits], stroke=GREY), text(LEFT + 17, line_y, piece.name, size=12),
                   text(LEFT + 140, line_y, piece.size, size=12), text(LEFT + 390, line_y, piece.where, size=12, fill=MUTE)]
    return shapes
