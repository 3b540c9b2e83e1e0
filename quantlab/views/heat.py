"""A table whose cells say by colour, sign and number whether something fits, is split, or does not."""

from collections.abc import Sequence
from typing import NamedTuple

from .style import GREEN, INK, MUTE, ORANGE, SOFT, WIDTH, Picture, ink_on
from .svg import hatching, page, rect, text

LEFT, TOP, ROW, GAP = 104, 96, 30, 3
RIGHT = WIDTH - 96                      # what a row is marked with stands right of it
TONES = {"fits": GREEN, "splits": ORANGE}
SIGNS = {"fits": "✓ ", "splits": "", "no": "✗ "}


class Cell(NamedTuple):
    """kind: "fits", "splits" or "no"; words: a number; tip: the sentence that the mouse is told."""

    kind: str
    words: str
    tip: str


def draw_heat(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[Cell]]], *, finding: str, subtitle: str, head: str,
              legend: Sequence[tuple[str, str]], marked: str = "", mark: str = "", table: tuple[tuple[str, ...], ...] = ()) -> Picture:
    """Rows by columns of cells.  head: what the columns are; marked: the label of the row that `mark` points at; legend: (kind, words)."""
    step = (RIGHT - LEFT) / len(columns)
    body = [hatching(), text(16, TOP - 10, head, size=12, fill=MUTE)]
    body += [text(LEFT + (i + 0.5) * step, TOP - 10, words, size=12, anchor="middle", bold=True) for i, words in enumerate(columns)]
    for j, (label, cells) in enumerate(rows):
        y = TOP + j * ROW
        body.append(text(LEFT - 10, y + 19, label, anchor="end", bold=label == marked))
        for i, cell in enumerate(cells):
            body += _cell(cell, LEFT + i * step, y, step)
        if label == marked:
            body += [rect(LEFT - 2, y - 2, RIGHT - LEFT + 1, ROW + 1, "none", stroke=INK, stroke_width=2.5, radius=4),
                     text(RIGHT + 8, y + 19, f"◂ {mark}", size=12, bold=True)]
    y, x = TOP + len(rows) * ROW + 22, LEFT
    for kind, words in legend:
        body += [*_cell(Cell(kind, "", ""), x, y - 13, 26, 18), text(x + 32, y, words, size=12, fill=MUTE)]
        x += 50 + 7.2 * len(words)
    return page(y + 16, body, finding=finding, subtitle=subtitle, table=table)


def _cell(cell: Cell, x: float, y: float, width: float, height: float = ROW) -> list[str]:
    middle, tone = x + (width - GAP) / 2, TONES.get(cell.kind)
    words = f"{SIGNS[cell.kind]}{cell.words}".strip()
    shapes = [rect(x, y, width - GAP, height - GAP, tone or "url(#over)", radius=3, title=cell.tip, opacity=1 if tone else 0.55)]
    if tone is None and cell.words:
        shapes.append(rect(middle - 4.2 * len(words) - 4, y + 4, 8.4 * len(words) + 8, height - GAP - 8, SOFT, radius=3))
    ink = ink_on(tone) if tone else INK
    return [*shapes, text(middle, y + 19, words, size=12, anchor="middle", fill=ink)] if cell.words else shapes
