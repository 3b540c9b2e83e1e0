"""A recital: what a model goes on to write after famous words, marked from its first wrong word on, above
what it should have written; below, a tile for each passage: a tick, or how far the model came. Whatever a
model wrote is only ever drawn as text.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..words import printable
from .style import INK, LINE, MEANING, MUTE, PAPER, SMALL, Picture, Table, ink_on
from .svg import here, line, page, quiet, rect, runs, text, touchable

MARGIN, TOP = 16, 72
# a text's font size, line height, letters in a line, most lines
LARGE, SMALLER = (19, 25, 62, 6), (13, 18, 90, 5)
TILE, STEP = 23, 26
#: Signs with a meaning of their own in the list of what the mouse is told.
FOR_TIPS = str.maketrans({" ": "\u00a0", "\n": "\u00a0", "*": "∗", "|": "¦"})


class Said(NamedTuple):
    """A text in three parts: words that were given, words as they should be, and words from the first wrong
    one on.
    """

    given: str
    good: str
    rest: str

    @property
    def whole(self) -> str:
        return self.given + self.good + self.rest


class PassageTile(NamedTuple):
    """A tile: the passage's opening words, whether all was recited, and what else is written on it (how many
    words came).
    """

    opening: str
    recited: bool
    mark: str


class PassageRow(NamedTuple):
    """A row of tiles and what they have in common; `first` is the number of its first tile."""

    words: str
    first: int
    passages: Sequence[PassageTile]


def draw_recital(wrote: Said, should: Said, labels: tuple[str, str], rows: Sequence[PassageRow],
                 chosen: int | None, *, finding: str, subtitle: str, table: Table = ()) -> Picture:
    """What the model wrote over what it should have written, and under both a tile for each passage.

    labels: what stands over the two texts.  chosen: the number of the passage that is shown, None when it is
    none of them. The picture has one height for all texts, so that a slider may run through them.
    """
    body, y = [], TOP
    looks = ((LARGE, (MUTE, INK, MEANING["error"]), "bold underline", INK),
             (SMALLER, (MUTE, MUTE, INK), "", LINE))
    for said, words, (look, inks, how, edge) in zip((wrote, should), labels, looks, strict=True):
        size, leading, _, most = look
        body += [quiet(MARGIN, y + 12, words, size=12),
                 *said_lines(said, MARGIN + 14, y + 22 + size, look, inks, how),
                 line(MARGIN + 3, y + 22, MARGIN + 3, y + 26 + leading * most, stroke=edge, width=3)]
        y += 40 + leading * most
    for row in rows:
        body += [text(MARGIN, y + 12, row.words, size=12), passage_tiles(row, y + 20)]
        if chosen is not None and 0 <= chosen - row.first < len(row.passages):
            body.append(tile_frame(row, chosen, y + 20))
        y += TILE + 34
    key = ("✓ recited to the end; a number: so many words came, then a wrong one. Click a tile to see its "
           "passage.")
    body.append(quiet(MARGIN, y + 6, key))
    return page(int(y + 20), body, finding=finding, subtitle=subtitle, table=table, role="group")


def said_lines(said: Said, x: float, y: float, look: tuple[int, int, int, int], inks: tuple[str, str, str],
           how: str) -> list[str]:
    """The text line by line, each line in the parts it has of the three; lines beyond the last one end in an
    ellipsis.
    """
    size, leading, letters, most = look
    words, cuts = printable(said.whole), (len(said.given), len(said.given) + len(said.good))
    spans = _broken(words, letters)
    shown = []
    for i, (start, end) in enumerate(spans[:most]):
        edges = [start, *(min(max(cut, start), end) for cut in cuts), end]
        parts = [(_spaced(words[a:b]), ink, style) for a, b, ink, style in
                 zip(edges, edges[1:], inks, ("", "", how), strict=False) if b > a]
        if i == most - 1 and len(spans) > most:
            parts.append((" …", MUTE, ""))
        shown.append(runs(x, y + leading * i, parts, size=size))
    return shown


def _broken(words: str, letters: int) -> list[tuple[int, int]]:
    """(start, end) of each line: a line of the text, or as much of it as fits before a space; empty lines are
    left out.
    """
    spans = []
    for found in re.finditer(r"[^\n]*\S[^\n]*", words):
        start, end = found.span()
        while end - start > letters:
            cut = words.rfind(" ", start + 1, start + letters + 1)
            cut = cut if cut > start else start + letters
            spans.append((start, cut))
            start = cut + (words[cut] == " ")
        spans.append((start, end))
    return spans


def _spaced(words: str) -> str:
    """Spaces that SVG keeps: several in a row, and those at the edges."""
    return re.sub(r"^ | $| {2,}", lambda found: "\u00a0" * len(found[0]), words)


def passage_tiles(row: PassageRow, y: float) -> str:
    """A tile for each passage of a row, which takes clicks; y: of its upper edge."""
    shapes, tips = [], []
    for i, passage in enumerate(row.passages):
        x = MARGIN + STEP * i
        if passage.recited:
            shapes += [rect(x, y, TILE, TILE, MEANING["good"], radius=4),
                       text(x + TILE / 2, y + 16, "✓", size=12, fill=ink_on(MEANING["good"]), anchor="middle",
                            bold=True)]
        else:
            shapes += [rect(x + 0.5, y + 0.5, TILE - 1, TILE - 1, PAPER, stroke=LINE, radius=4),
                       text(x + TILE / 2, y + 16, passage.mark, size=SMALL, anchor="middle")]
        tips.append(printable(_told(passage)).translate(FOR_TIPS) + "*1")
    surface = rect(MARGIN, y, STEP * len(row.passages), TILE, "none")
    return touchable([surface, *shapes], first=row.first, cells=len(row.passages), tips=" ".join(tips))


def _told(passage: PassageTile, more: str = "") -> str:
    return f"{passage.opening}: {'recited' if passage.recited else f'{passage.mark} words{more}'}"


def tile_frame(row: PassageRow, chosen: int, y: float) -> str:
    """A frame around the chosen tile of a row, with what a screen reader says of it."""
    said = _told(row.passages[chosen - row.first], ", then a wrong one")
    x = MARGIN + STEP * (chosen - row.first)
    return here(said, rect(x - 2, y - 2, TILE + 4, TILE + 4, "none", stroke=INK, stroke_width=2.5, radius=6))
