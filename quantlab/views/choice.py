"""File types as candidates for a card: a bar, a verdict and a reason for each, and below them what was weighed."""

from collections.abc import Sequence
from typing import NamedTuple

from .style import GREEN, INK, MEANING, MUTE, SMALL, WIDTH, Picture
from .svg import hatching, line, page, rect, text

LEFT, RIGHT = 16, WIDTH - 16
BARS_LEFT, BARS_RIGHT = 104, 320
TOP, ROW, THICK = 112, 26, 15
MOST = 1.6          # a bar longer than this many cards is cut, with an arrow


class Line(NamedTuple):
    """A candidate: weights and KV cache in the unit of the card; its total in words, whether it fits, the reason."""

    name: str
    weights: float
    kv: float
    total: str
    fits: bool
    reason: str


def draw_choice(lines: Sequence[Line], chosen: str, card: float, card_words: str, notes: Sequence[tuple[str, str]], *, finding: str,
                subtitle: str, table: tuple[tuple[str, ...], ...] = ()) -> Picture:
    """One row per candidate against the line of the card; notes are (head, sentence) below."""
    longest = max(row.weights + row.kv for row in lines)
    scale = (BARS_RIGHT - BARS_LEFT) / max(card, min(longest, MOST * card))
    edge = BARS_LEFT + card * scale
    body, y = [hatching(), text(edge, 80, card_words, size=SMALL, bold=True, anchor="end" if edge > 200 else "start")], TOP
    body.append(text(BARS_RIGHT + 78, 98, "needed", size=SMALL, fill=MUTE, anchor="end"))
    for row in lines:
        body += _row(row, y, scale, edge, row.name == chosen)
        y += ROW
    body.append(line(edge, 86, edge, y - 4, stroke=INK, width=2))
    body += [rect(LEFT, y + 5, 11, 11, MEANING["weights"]), text(LEFT + 17, y + 15, "weights", size=SMALL, fill=MUTE),
             rect(LEFT + 80, y + 5, 11, 11, MEANING["kv_cache"]), text(LEFT + 97, y + 15, "KV cache", size=SMALL, fill=MUTE)]
    y += 22
    for head, words in notes:
        y += 23
        body += [text(LEFT, y, head, size=12, bold=True), text(LEFT + 112, y, words, size=12)]
    return page(y + 16, body, finding=finding, subtitle=subtitle, table=table)


def _row(row: Line, y: float, scale: float, edge: float, chosen: bool) -> list[str]:
    sign, ink = ("✓ ", GREEN) if chosen else ("", INK if row.fits else MUTE)
    shapes, x = [text(LEFT, y + 12, sign + row.name, bold=chosen, fill=ink)], BARS_LEFT
    for size, colour in ((row.weights, MEANING["weights"]), (row.kv, MEANING["kv_cache"])):
        end = min(x + size * scale, BARS_RIGHT)
        inside = min(end, max(edge, x))
        shapes += [rect(x, y, inside - x, THICK, colour, radius=0), rect(inside, y, end - inside, THICK, "url(#over)", radius=0)]
        cut, x = x + size * scale > BARS_RIGHT + 0.5, end
    if cut:
        shapes.append(text(BARS_RIGHT + 1, y + 12, "▸"))
    return [*shapes, text(BARS_RIGHT + 78, y + 12, row.total, size=12, anchor="end", bold=chosen, fill=INK if row.fits else MUTE),
            text(BARS_RIGHT + 92, y + 12, row.reason, size=12, bold=chosen, fill=ink)]
