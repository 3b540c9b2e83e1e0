"""One model against one card: whose bytes are whose. What is too much is hatched, what is only assumed is
hatched in grey.
"""

from collections.abc import Sequence
from typing import NamedTuple

from .style import GREEN, GREY, INK, SOFT, VERMILION, WIDTH, Picture, Table, ink_on
from .svg import hatching, line, page, quiet, rect, text

LEFT, RIGHT = 16, WIDTH - 16
BAR_TOP, BAR_HEIGHT = 94, 50
RULE_TOP, RULE_HEIGHT = 160, 12
TERMS_TOP, ROW = 206, 22
NAME, VALUE, WHY = LEFT + 20, 236, 252       # where the columns of the terms stand; values end at VALUE
# room is kept for so many, so that nothing moves while a handle does
WAYS = 6
MOST = 4                                    # a bar longer than so many cards is cut


class Term(NamedTuple):
    """An owner of bytes.  size: GiB; words: the same, to be read; why: where it comes from; between: (low,
    high) where it is assumed.
    """

    name: str
    size: float
    words: str
    why: str
    colour: str
    between: tuple[float, float] | None = None


def draw_memory_bar(terms: Sequence[Term], card: float, card_words: str, *, finding: str, subtitle: str,
                    rule: tuple[float, str] | None = None, ways: Sequence[tuple[str, str]] = (),
                    ways_title: str = "", table: Table = ()) -> Picture:
    """Terms side by side inside the outline of a card; below the rule's figure, each term in words, and what
    could be done.

    card, rule: GiB, and words for it.  ways: (what to do, what it brings), at most WAYS are drawn.
    """
    total = sum(term.size for term in terms)
    longest = min(max(card, total, rule[0] if rule else 0), MOST * card)
    scale = (RIGHT - LEFT - 14) / max(longest, 1e-9)
    edge = LEFT + card * scale
    body = [hatching(), hatching("assumed", GREY), *_bar(terms, scale, edge, longest)]
    if total < card:
        body += _free(LEFT + total * scale, edge, card - total)
    body.append(rect(LEFT, BAR_TOP - 6, edge - LEFT, BAR_HEIGHT + 12, "none", stroke=INK, stroke_width=2.5,
                     radius=5))
    body.append(_card_label(edge, card_words))
    if rule:
        body += _rule(rule, scale, longest)
    for i, term in enumerate(terms):
        body += _term(term, TERMS_TOP + ROW * i)
    y = TERMS_TOP + ROW * len(terms) + 18
    body.append(text(LEFT, y, ways_title, size=15, bold=True))
    for i, (head, words) in enumerate(ways[:WAYS]):
        body += [text(LEFT, y + 24 * (i + 1), f"✓ {head}", bold=True, fill=GREEN),
                 text(WHY, y + 24 * (i + 1), words, size=12)]
    return page(int(y + 24 * WAYS + 12), body, finding=finding, subtitle=subtitle, table=table)


def _bar(terms: Sequence[Term], scale: float, edge: float, longest: float) -> list[str]:
    """The terms from the left: filled inside the card, hatched beyond it, an arrow where the drawing ends
    before they do.
    """
    shapes, x, end = [], float(LEFT), LEFT + longest * scale
    for term in terms:
        stop = min(x + term.size * scale, end)
        inside = max(min(stop, edge) - x, 0)
        fill = "url(#assumed)" if term.between else term.colour
        shapes.append(rect(x, BAR_TOP, inside, BAR_HEIGHT, fill, radius=0, title=f"{term.name} {term.words}"))
        shapes.append(rect(max(x, edge), BAR_TOP, stop - max(x, edge), BAR_HEIGHT, "url(#over)",
                           stroke=VERMILION, radius=0, title=f"{term.name}: too much"))
        shapes += _on_bar(term, x, inside)
        if term.between and x < edge:              # beyond the card nothing hangs on it
            shapes += _whisker(x, term, scale, end)
        x = stop
    cut = LEFT + sum(term.size for term in terms) * scale > end + 1
    return [*shapes, text(end + 2, BAR_TOP + 31, "▸", size=15)] if cut else shapes


def _on_bar(term: Term, x: float, width: float) -> list[str]:
    """Name and size on a part that is wide enough for them; else only the name, or nothing: all stand below
    as well.
    """
    if term.between:
        return []
    for words in (f"{term.name} {term.words}", term.name):
        if width > 8.6 * len(words) + 16:
            return [text(x + 10, BAR_TOP + 30, words, bold=True, fill=ink_on(term.colour))]
    return []


def _whisker(x: float, term: Term, scale: float, end: float) -> list[str]:
    """From the low to the high end of an assumption, as a thin bracket across the middle of the bar."""
    low, high = (min(x + share * scale, end) for share in term.between or (0, 0))
    y = BAR_TOP + BAR_HEIGHT / 2
    return [line(low, y, high, y, stroke=INK, width=2), line(low, y - 5, low, y + 5, stroke=INK, width=2),
            line(high, y - 5, high, y + 5, stroke=INK, width=2)] if high - low > 2 else []


def _free(x: float, edge: float, room: float) -> list[str]:
    words = f"{room:.1f} GiB free"
    x += 14
    return [quiet((x + edge) / 2, BAR_TOP + 30, words, size=12,
                 anchor="middle")] if edge - x > 7.5 * len(words) + 30 else []


def _card_label(edge: float, words: str) -> str:
    """Above the right edge of the card; a card too narrow for its own name gets it from the left."""
    narrow = edge < LEFT + 8 * len(words)
    return text(LEFT if narrow else edge - 2, BAR_TOP - 12, words, size=12, anchor="start" if narrow
                else "end", bold=True)


def _rule(rule: tuple[float, str], scale: float, longest: float) -> list[str]:
    """What somebody claims, hollow, on the scale of the bar above."""
    width = min(rule[0], longest) * scale
    inside = width > 6.6 * len(rule[1]) + 12
    return [rect(LEFT, RULE_TOP, width, RULE_HEIGHT, SOFT, stroke=GREY, radius=0, title=rule[1]),
            quiet(LEFT + 6 if inside else LEFT + width + 8, RULE_TOP + 10, rule[1])]


def _term(term: Term, y: float) -> list[str]:
    fill = "url(#assumed)" if term.between else term.colour
    return [rect(LEFT, y - 10, 12, 12, fill, stroke=GREY if term.between else "none"),
            text(NAME, y, term.name, bold=True), text(VALUE, y, term.words, anchor="end", bold=True),
            quiet(WHY, y, term.why, size=12)]
