"""A recital: what a model goes on to write after famous words, marked from its first wrong word on, above
what it should have written.

Below, a tile for each passage: a tick, or how far the model came. Whatever a model wrote is only ever drawn
as text.

What the model recited, type by type: as recorded with the package, or recited here; and how many words of it
are right.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from ..canvas.style import GREEN, INK, LINE, MUTE, PAPER, SMALL, VERMILION, Picture, Table, ink_on
from ..canvas.svg import here, line, page, rect, runs, text, touchable
from ..inference.llama import LanguageModel
from ..inference.recital import PASSAGES, RECITED, read_passages, recital
from ..words import printable
from .lm_stock import TYPES, LmStock

MARGIN, TOP = 16, 72
# a text's font size, line height, letters in a line, most lines
LARGE, SMALLER = (19, 25, 62, 6), (13, 18, 90, 5)
TILE, STEP = 23, 26


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


class Passage(NamedTuple):
    """A tile: the passage's opening words, whether all was recited, and what else is written on it (how many
    words came).
    """

    opening: str
    recited: bool
    mark: str


class Row(NamedTuple):
    """A row of tiles and what they have in common; `first` is the number of its first tile."""

    words: str
    first: int
    passages: Sequence[Passage]


def draw_recital(wrote: Said, should: Said, labels: tuple[str, str], rows: Sequence[Row], chosen: int | None,
                 *, finding: str, subtitle: str, table: Table = ()) -> Picture:
    """What the model wrote over what it should have written, and under both a tile for each passage.

    labels: what stands over the two texts.  chosen: the number of the passage that is shown, None when it is
    none of them. The picture has one height for all texts, so that a slider may run through them.
    """
    body, y = [], TOP
    for said, words, look, inks, how, edge in ((wrote, labels[0], LARGE, (MUTE, INK, VERMILION),
                                                "bold underline", INK),
                                               (should, labels[1], SMALLER, (MUTE, MUTE, INK), "", LINE)):
        size, leading, _, most = look
        body += [text(MARGIN, y + 12, words, size=12, fill=MUTE),
                 *_lines(said, MARGIN + 14, y + 22 + size, look, inks, how),
                 line(MARGIN + 3, y + 22, MARGIN + 3, y + 26 + leading * most, stroke=edge, width=3)]
        y += 40 + leading * most
    for row in rows:
        body += [text(MARGIN, y + 12, row.words, size=12), _tiles(row, y + 20)]
        if chosen is not None and 0 <= chosen - row.first < len(row.passages):
            body.append(_frame(row, chosen, y + 20))
        y += TILE + 34
    key = "✓ recited to the end; a number: so many words came, then a wrong one. Click a tile to see its passage."
    body.append(text(MARGIN, y + 6, key, size=SMALL, fill=MUTE))
    return page(int(y + 20), body, finding=finding, subtitle=subtitle, table=table, role="group")


def _lines(said: Said, x: float, y: float, look: tuple[int, int, int, int], inks: tuple[str, str, str],
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


def _tiles(row: Row, y: float) -> str:
    shapes, tips = [], []
    for i, passage in enumerate(row.passages):
        x = MARGIN + STEP * i
        if passage.recited:
            shapes += [rect(x, y, TILE, TILE, GREEN, radius=4),
                       text(x + TILE / 2, y + 16, "✓", size=12, fill=ink_on(GREEN), anchor="middle",
                            bold=True)]
        else:
            shapes += [rect(x + 0.5, y + 0.5, TILE - 1, TILE - 1, PAPER, stroke=LINE, radius=4),
                       text(x + TILE / 2, y + 16, passage.mark, size=SMALL, anchor="middle")]
        tips.append(_tip(passage))
    surface = rect(MARGIN, y, STEP * len(row.passages), TILE, "none")
    return touchable([surface, *shapes], first=row.first, cells=len(row.passages),
                     tips=" ".join(f"{tip}*1" for tip in tips))


def _tip(passage: Passage) -> str:
    """What the mouse is told of a tile; spaces, * and | have a meaning of their own in the list of tips."""
    words = f"{passage.opening}: {'recited' if passage.recited else f'{passage.mark} words'}"
    return printable(words).translate(str.maketrans({" ": "\u00a0", "\n": "\u00a0", "*": "∗", "|": "¦"}))


def _frame(row: Row, chosen: int, y: float) -> str:
    passage = row.passages[chosen - row.first]
    said = f"{passage.opening}: {'recited' if passage.recited else f'{passage.mark} words, then a wrong one'}"
    x = MARGIN + STEP * (chosen - row.first)
    return here(said, rect(x - 2, y - 2, TILE + 4, TILE + 4, "none", stroke=INK, stroke_width=2.5, radius=6))


RECORD = PASSAGES.with_name("recital.json")
# tokens that another model must recite: its tokens may be longer words, and the passages end
FEWER = 24
TITLES = {"lear": "King Lear", "sonnets": "Sonnets", "tempest": "The Tempest",
          "merchant_of_venice": "The Merchant of Venice",
          "midsummer_nights_dream": "A Midsummer Night's Dream"}


class Recited(NamedTuple):
    """A passage and what a model made of it: `wrote` are as many tokens as `should`; `right` of them came
    before the first wrong one.
    """

    opening: str
    work: str
    by_heart: bool
    right: int
    recited: bool
    wrote: str
    should: str

    @property
    def said(self) -> tuple[Said, Said]:
        # both were cut after so many tokens
        return parted(self.opening, self.wrote + "…", self.should + "…")

    @property
    def n_words(self) -> int:
        """How many words were right before the first wrong one."""
        return len(self.said[0].good.split())


def parted(opening: str, wrote: str, should: str) -> tuple[Said, Said]:
    """Two continuations of one opening, each in the words that are the same in both and the rest, from the
    first other word on.
    """
    mine, theirs = (list(re.finditer(r"\S+", words)) for words in (wrote, should))
    same = 0
    while same < min(len(mine), len(theirs)) and mine[same][0] == theirs[same][0]:
        same += 1
    cuts = [len(words) if wrote == should else found[same].start() if same < len(found) else len(words)
            for words, found in ((wrote, mine), (should, theirs))]
    return Said(opening, wrote[:cuts[0]], wrote[cuts[0]:]), Said(opening, should[:cuts[1]], should[cuts[1]:])


def recite(lm: LanguageModel, passages: Sequence[Mapping] | None = None, n: int = RECITED) -> list[Recited]:
    """Let the model recite n tokens of the passages (all of the tiny model's unless given), always taking its
    likeliest token.
    """
    table = recital(lm, passages, n=n)
    return [Recited(row.opening, row.work, bool(row.by_heart), int(row.right), bool(row.recited), row.wrote,
                    row.should) for row in table.itertuples()]


def recorded(stock: LmStock) -> dict[str, list[Recited]]:
    """Type -> what this very file recited when tools/record_tiny.py was run; nothing for any other file."""
    record = _record() if stock.knows_passages else {}
    if not record or record["model_sha256"] != stock.digest or record["tokens"] != RECITED:
        return {}
    passages = read_passages()
    return {qtype: [Recited(passage["opening"], passage["work"], passage["by_heart"], right, right == RECITED,
                            wrote, should) for passage, should,
                    (right, wrote) in zip(passages, record["should"], rows, strict=True)] for qtype,
            rows in record["types"].items()}


def record(stock: LmStock, tell: Callable[[str], None]) -> dict:
    """What `recorded` reads: every type of the slider, every passage."""
    types, should = {}, []
    for qtype in TYPES:
        rows = recite(stock.at(qtype, tell))
        types[qtype], should = [[row.right, row.wrote] for row in rows], [row.should for row in rows]
        tell(f"{qtype}: {n_recited(rows)} of {sum(row.by_heart for row in rows)} learned by heart, "
             f"{n_recited(rows, by_heart=False)} of {sum(not row.by_heart for row in rows)} others")
    return {"model_sha256": stock.digest, "tokens": RECITED, "should": should, "types": types}


def n_recited(rows: Sequence[Recited], by_heart: bool = True) -> int:
    """How many passages came whole, of those learned by heart or of the others."""
    return sum(row.recited for row in rows if row.by_heart == by_heart)


def title_of(work: str) -> str:
    """ "as_you_like_it" -> "As You Like It"."""
    small, roman = {"And": "and", "Of": "of"}, {"Ii": "II", "Iii": "III", "Iv": "IV", "Vi": "VI",
                                                "Viii": "VIII"}
    return TITLES.get(work) or " ".join((small | roman).get(word, word)
                                        for word in work.replace("_", " ").title().split())


@cache
def _record() -> dict:
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
