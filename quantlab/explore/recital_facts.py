"""What the model recited, type by type: as recorded with the package, or recited here; and how many words of it are right."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from ..inference.llama import LanguageModel
from ..inference.recital import PASSAGES, RECITED, read_passages, recital
from ..views.recital import Said
from .lm_stock import TYPES, LmStock

RECORD = PASSAGES.with_name("recital.json")
FEWER = 24              # tokens that another model must recite: its tokens may be longer words, and the passages end
TITLES = {"lear": "King Lear", "sonnets": "Sonnets", "tempest": "The Tempest", "merchant_of_venice": "The Merchant of Venice",
          "midsummer_nights_dream": "A Midsummer Night's Dream"}


class Recited(NamedTuple):
    """A passage and what a model made of it: `wrote` are as many tokens as `should`; `right` of them came before the first wrong one."""

    opening: str
    work: str
    by_heart: bool
    right: int
    recited: bool
    wrote: str
    should: str

    @property
    def said(self) -> tuple[Said, Said]:
        return parted(self.opening, self.wrote + "…", self.should + "…")       # both were cut after so many tokens

    @property
    def n_words(self) -> int:
        """How many words were right before the first wrong one."""
        return len(self.said[0].good.split())


def parted(opening: str, wrote: str, should: str) -> tuple[Said, Said]:
    """Two continuations of one opening, each in the words that are the same in both and the rest, from the first other word on."""
    mine, theirs = (list(re.finditer(r"\S+", words)) for words in (wrote, should))
    same = 0
    while same < min(len(mine), len(theirs)) and mine[same][0] == theirs[same][0]:
        same += 1
    cuts = [len(words) if wrote == should else found[same].start() if same < len(found) else len(words)
            for words, found in ((wrote, mine), (should, theirs))]
    return Said(opening, wrote[:cuts[0]], wrote[cuts[0]:]), Said(opening, should[:cuts[1]], should[cuts[1]:])


def recite(lm: LanguageModel, passages: Sequence[Mapping] | None = None, n: int = RECITED) -> list[Recited]:
    """Let the model recite n tokens of the passages (all of the tiny model's unless given), always taking its likeliest token."""
    table = recital(lm, passages, n=n)
    return [Recited(row.opening, row.work, bool(row.by_heart), int(row.right), bool(row.recited), row.wrote, row.should)
            for row in table.itertuples()]


def recorded(stock: LmStock) -> dict[str, list[Recited]]:
    """Type -> what this very file recited when tools/record_tiny.py was run; nothing for any other file."""
    record = _record() if stock.knows_passages else {}
    if not record or record["model_sha256"] != stock.digest or record["tokens"] != RECITED:
        return {}
    passages = read_passages()
    return {qtype: [Recited(passage["opening"], passage["work"], passage["by_heart"], right, right == RECITED, wrote, should)
                    for passage, should, (right, wrote) in zip(passages, record["should"], rows, strict=True)]
            for qtype, rows in record["types"].items()}


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
    small, roman = {"And": "and", "Of": "of"}, {"Ii": "II", "Iii": "III", "Iv": "IV", "Vi": "VI", "Viii": "VIII"}
    return TITLES.get(work) or " ".join((small | roman).get(word, word) for word in work.replace("_", " ").title().split())


@cache
def _record() -> dict:
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
