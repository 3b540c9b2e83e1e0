"""Many sizes as bars against a line; what is too much is hatched."""

from collections.abc import Sequence
from typing import NamedTuple

from .style import GREY, INK, LINE, MUTE, SOFT, Picture, Table
from .svg import hatching, line, page, rect, swatches, text

LEFT = 16
# of the bars, unless names or words need more room; the words stand right of them
BARS_LEFT, BARS_RIGHT = 104, 500
ROW, THIN = 17, 13                    # a bar of a row and its visible height
MOST = 2.2                            # a bar longer than this many limits is cut, with an arrow


class BarPiece(NamedTuple):
    """A piece of a bar: what it is, how long (any unit, the same for all), its colour as #rrggbb."""

    name: str
    size: float
    colour: str


class Bar(NamedTuple):
    """One bar of a row. words: what stands to its right; claimed: not computed but said by somebody, drawn
    hollow.
    """

    parts: Sequence[BarPiece]
    words: str
    claimed: bool = False


class Row(NamedTuple):
    """A name and its bars."""

    label: str
    bars: Sequence[Bar]


def draw_bars(rows: Sequence[Row], *, finding: str, subtitle: str, legend: Sequence[tuple[str, str]] = (),
              most: float = MOST, limit: float = 0, limit_words: str = "", left: float = BARS_LEFT,
              right: float = BARS_RIGHT, table: Table = ()) -> Picture:
    """Rows of one or two bars with words to their right; `limit` is a vertical line, what passes it is
    hatched.

    most: how many limits the longest bar may be; a longer one is cut, with an arrow.
    legend: (colour or "" for hollow, words).  left, right: where the bars begin, and the longest ends, in
    pixels.
    """
    longest = max(sum(part.size for part in bar.parts) for row in rows for bar in row.bars)
    top = min(max(longest, limit), most * limit) if limit else longest
    scale = (right - left) / max(top, 1e-9)
    y = 104 if limit else 82
    body, first = [hatching()], y
    for row in rows:
        body.append(text(LEFT, y + ROW * len(row.bars) / 2 + 3, row.label, bold=True))
        for bar in row.bars:
            body += _bar(bar, y, scale, limit, left, right)
            y += ROW
        y += 12
    if limit:
        x = left + limit * scale
        body += [line(x, first - 10, x, y - 8, stroke=INK, width=2),
                 text(min(x, right - 3.2 * len(limit_words)), first - 16, limit_words, size=12,
                      anchor="middle", bold=True)]
    body += swatches(LEFT, y + 8, legend)
    return page(int(y + 22 if legend else y), body, finding=finding, subtitle=subtitle, table=table)


def _bar(bar: Bar, y: float, scale: float, limit: float, left: float, right: float) -> list[str]:
    """One bar from `left`; beyond the limit hatched unless it is hollow, beyond the picture cut and marked
    with an arrow.
    """
    shapes, start, most = [], 0.0, (right - left) / scale
    for part in bar.parts:
        first, end = min(start, most), min(start + part.size, most)
        fitting = max(first, min(end, limit)) if limit and not bar.claimed else end
        fill, stroke = (SOFT, GREY) if bar.claimed else (part.colour, "none")
        shapes += [rect(left + first * scale, y, (fitting - first) * scale, THIN, fill, stroke=stroke,
                        radius=0, title=f"{part.name} {part.size:.2f}"),
                   rect(left + fitting * scale, y, (end - fitting) * scale, THIN, "url(#over)", stroke=LINE,
                        radius=0)]
        start += part.size
    arrow = [text(right + 1, y + 11, "▸")] if start > most * 1.001 else []
    return [*shapes, *arrow,
            text(right + 18, y + 11, bar.words, size=12, fill=MUTE if bar.claimed else INK)]
