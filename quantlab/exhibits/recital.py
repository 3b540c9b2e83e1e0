"""The recital: famous words, a slider from 16 bits to 2, and what the model then goes on to write: as
recorded with the package, or recited here.  Lesson: 07.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from ..canvas.recital import PassageRow, PassageTile, Said, draw_recital
from ..canvas.style import Table
from ..inference.generate import generate_tokens, prompt_tokens
from ..inference.in_types import TRAINED, TYPES, ModelInTypes
from ..inference.llama import LanguageModel
from ..inference.recital import PASSAGES, RECITED, read_passages, recital
from ..models.digests import sha256
from ..models.source import BUNDLED
from ..stage.base import BUSY, Stage
from ..stage.exhibit import Exhibit
from ..stage.handles import Button, menu, number_field, stops, text_line
from ..stage.keys import STEPS, along
from ..stage.share import recalled
from ..words import one_of, size
from .in_a_thread import InTypes
from .measuring import FEWER_BITS, run_or_refuse

RECORD = PASSAGES.with_name("recital.json")
# tokens that another model must recite: its tokens may be longer words, and the passages end
FEWER = 24
TITLES = {"lear": "King Lear", "sonnets": "Sonnets", "tempest": "The Tempest",
          "merchant_of_venice": "The Merchant of Venice",
          "midsummer_nights_dream": "A Midsummer Night's Dream"}
SPELLED = {"And": "and", "Of": "of", "Ii": "II", "Iii": "III", "Iv": "IV", "Vi": "VI", "Viii": "VIII"}


# ---- facts

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


def recite(lm: LanguageModel, passages: Sequence[Mapping] | None = None, n: int = RECITED,
           cancel=None) -> list[Recited]:
    """Let the model recite n tokens of the passages (all of the tiny model's unless given), always taking its
    likeliest token.  cancel: as `recital` takes it.
    """
    table = recital(lm, passages, n=n, cancel=cancel)
    return [Recited(row.opening, row.work, bool(row.by_heart), int(row.right), bool(row.recited), row.wrote,
                    row.should) for row in table.itertuples()]


@cache
def _record() -> dict:
    return json.loads(RECORD.read_text(encoding="utf-8"))


def should_be() -> list[str]:
    """How each passage goes on, in the tokens that count, as it was recorded."""
    return _record()["should"]


def recorded_recitals(model: ModelInTypes) -> dict[str, list[Recited]]:
    """Type -> what this very file recited when tools/record_tiny.py was run; nothing for any other file."""
    record = _record() if model.knows_passages else {}
    if not record or record["model_sha256"] != digests(model) or record["tokens"] != RECITED:
        return {}
    found = {}
    for qtype, rows in record["types"].items():
        passages = zip(read_passages(), rows, record["should"], strict=True)
        found[qtype] = [Recited(one["opening"], one["work"], one["by_heart"], right, right == RECITED, wrote,
                                should) for one, (right, wrote), should in passages]
    return found


def digests(model: ModelInTypes) -> list[str]:
    """SHA-256 of the model's file and of those that stand behind its types."""
    return [model.digest, *(sha256(BUNDLED[TRAINED[stop][1]]) for stop in model.stops if stop in TRAINED)]


def record_recitals(model: ModelInTypes, tell: Callable[[str], None]) -> dict:
    """What `recorded_recitals` reads: every stop of the slider, every passage."""
    types, should = {}, []
    for qtype in model.stops:
        rows = recite(model.at(qtype, tell))
        types[qtype], should = [[row.right, row.wrote] for row in rows], [row.should for row in rows]
        tell(f"{qtype}: {n_recited(rows)} of {sum(row.by_heart for row in rows)} learned by heart, "
             f"{n_recited(rows, by_heart=False)} of {sum(not row.by_heart for row in rows)} others")
    return {"model_sha256": digests(model), "tokens": RECITED, "should": should, "types": types}


def n_recited(rows: Sequence[Recited], by_heart: bool = True) -> int:
    """How many passages came whole, of those learned by heart or of the others."""
    return sum(row.recited for row in rows if row.by_heart == by_heart)


# ---- words.  known: number of a passage -> what became of it; taught: whether the model learned any of them

def title_of(work: str) -> str:
    """ "as_you_like_it" -> "As You Like It"."""
    words = work.replace("_", " ").title().split()
    return TITLES.get(work) or " ".join(SPELLED.get(word, word) for word in words)


def _count(words: int) -> str:
    return f"{words} word" if words == 1 else f"{words} words"


def _score(qtype: str, known: Mapping[int, Recited], taught: bool, own: str) -> str:
    rows, still = list(known.values()), "" if qtype == own or qtype in TRAINED else " still"
    if not taught:
        return f"At {qtype} it recites {sum(row.recited for row in rows)} of {len(rows)} passages tried"
    n, of = n_recited(rows), sum(row.by_heart for row in rows)
    at = f"Trained for {TRAINED[qtype][0]}," if qtype in TRAINED else f"At {qtype}"
    if not n:
        return f"{at} it knows none of {of} passages"
    return f"{at} it{still} knows {f'all {n}' if n == of else f'{n} of {of}'} passages"


def _of_this(one: Recited, taught: bool) -> str:
    """How the chosen passage went, for the second half of the title."""
    this = "this one, never learned," if taught and not one.by_heart else "this one"
    if one.recited:
        return f"{this} word for word"
    if one.n_words:
        return f"{this} breaks off after {_count(one.n_words)}"
    return f"{this} goes wrong at the first word"


def _rows(known: Mapping[int, Recited], taught: bool) -> list[PassageRow]:
    rows = []
    for by_heart, group in ((True, "passages that it read again and again" if taught else "famous passages"),
                            (False, "as famous, read like any other text" if taught else "more")):
        passages = {i: one for i, one in enumerate(read_passages()) if one["by_heart"] == by_heart}
        tiles = [PassageTile(one["opening"], i in known and known[i].recited,
                             str(known[i].n_words) if i in known else "·") for i, one in passages.items()]
        rows.append(PassageRow(f"{len(tiles)} {group}: {sum(tile.recited for tile in tiles)} recited",
                            min(passages), tiles))
    return rows


def _table(known: Mapping[int, Recited], own: Said | None, should: Said) -> Table:
    head = ("opening", "from", "learned by heart", "words right", "recited", "it wrote", "it should be")
    mine = [(own.given, "my own words", "", f"{len(own.good.split())}", "", own.good + own.rest,
             should.good + should.rest)] if own else []
    return (head, *mine,
            *((one.opening, title_of(one.work), "yes" if one.by_heart else "no", f"{one.n_words}",
               "yes" if one.recited else "no", one.wrote, one.should) for _, one in sorted(known.items())))


# ---- handles

OWN = -1                # in the menu: the learner's own words
OWN_TOKENS = 40         # that many follow them
KEYS = "ArrowLeft ArrowRight ArrowUp ArrowDown Home End PageUp PageDown"
LABEL = ("What the model recites. Left and right: the next passage. Up and down: the other row. Home and "
         "End: the first passage and the last. Page Down: fewer bits. Page Up: more bits.")
NOTE = ("Type an opening of your own and press Enter. A temperature above 0 draws the words by lot; the same "
        "seed draws the same.")


@recalled
def explore_recital(model="tiny", *, qtype: str = "F16", passage: str = "") -> Stage:
    """Give the model the opening of a famous passage and see, type by type, how far it still recites.

    model: "tiny", which learned 28 passages by heart, or any llama model that `open_model` opens.  qtype: the
    type to begin with.
    passage: how the first passage begins ("Now is the winter"); "To be, or not to be" by default.
    A model that cannot be run is said in a sentence. ValueError for a type or a passage that is not there.
    """
    openings = [one["opening"] for one in read_passages()]
    first = next((i for i, opening in enumerate(openings) if opening.startswith(passage)), None)
    if first is None:
        raise ValueError(f"no passage begins with {passage!r}; there are {', '.join(openings[:5])} and "
                         f"{len(openings) - 5} more")
    qtype = one_of("type", qtype, (*TYPES, *TRAINED))
    return run_or_refuse(model, "The recital needs", "explore_recital",
                         lambda model: Recital(model, one_of("type", qtype, model.stops), first))


class Recital(InTypes):
    """`lines` holds what is known: type -> number of a passage -> what became of it."""

    page_up, arrows = -1, "passage"

    def __init__(self, model: ModelInTypes, qtype: str, passage: int):
        self.taught = model.knows_passages
        self.recorded = {name: dict(enumerate(rows)) for name, rows in recorded_recitals(model).items()}
        self.lines, self.written = dict(self.recorded), dict[tuple, str]()
        untaught = " …   (not learned)" if self.taught else " …"
        openings = [(one["opening"] + (" …" if one["by_heart"] else untaught), i)
                    for i, one in enumerate(read_passages())]
        handles = [stops("qtype", "type", qtype, model.stops, width=350),
                   menu("passage", "opening", passage, [*openings, ("(my own words)", OWN)], width=370),
                   text_line("own", "my own words", "My kingdom for a", width=350),
                   number_field("temperature", "temperature", 0.0, 0, 2, 0.1, width=175, label_width=95),
                   number_field("seed", "seed", 0, 0, 9999, width=120, label_width=40)]
        here = Button("Recite it here", "Recite it here",
                      "Quantize the model and let it recite now, on this computer", self.recite_here)
        last = model.stops[-1]
        presets = FEWER_BITS | ({"2 bits, trained": {"qtype": last}} if last in TRAINED else {})
        super().__init__(model, Exhibit(handles, draw_recital, presets=presets, buttons=[here], note=NOTE,
                                 keys=KEYS, label=LABEL, pages="qtype"))
        self.tell("")

    def moved(self, change) -> None:
        """A new text of one's own is also what the menu then shows."""
        if not self._held and change.owner is self.controls["own"] and change.new.strip():
            self.set(passage=OWN)
        else:
            super().moved(change)

    def pressed(self, key: str) -> None:
        """Left and Right go from passage to passage, Up and Down to the other row."""
        passages, at = read_passages(), self.controls["passage"].value
        row = sum(one["by_heart"] for one in passages)
        steps = {**STEPS, "ArrowUp": -row * (at >= row), "ArrowDown": row * (at < row)}
        self.clicked(along(key, at, len(passages), steps))

    def clicked(self, cell: int) -> None:
        super().clicked(min(cell, len(read_passages()) - 1))           # the last stop is one's own words

    def recite_here(self) -> None:
        """Recite now: nothing recorded, nothing kept."""
        if self.working:
            self.tell(BUSY)
            return
        qtype, start = self.controls["qtype"].value, time.perf_counter()
        before = self.lines.pop(qtype, {})
        self.redraw()
        if self.large:              # its thread recites
            return
        seconds, now = time.perf_counter() - start, self.lines.get(qtype, {})
        same = sum(now[i] == before[i] for i in now if i in before)
        made = "Unpacked" if qtype in TRAINED else f"Quantized to {qtype}"
        told = f"{made} and recited on this computer, just now, in {seconds:.1f} seconds."
        if qtype in self.recorded:
            told += f" {same} of {len(now)} are the very words that were recorded."
        self.tell(told)

    # ---- what the model says

    def known(self, qtype: str, wanted: int) -> dict[int, Recited]:
        """What is known of this type, the wanted passage among it; a small model recites all of them at once.
        """
        known = self.lines.setdefault(qtype, {})
        if not known or wanted not in {*known, OWN}:
            passages, few = read_passages(), not self.large
            numbers = list(range(len(passages))) if few else [max(wanted, 0)]
            lm = self.in_type(qtype)
            self.tell(f"{qtype} recites {len(numbers)} passages …" if few else f"{qtype} recites …")
            n = RECITED if self.taught else FEWER
            stop = self.cancel if self.large else None
            known |= dict(zip(numbers, recite(lm, [passages[i] for i in numbers], n, stop), strict=True))
            self.tell("")
        return known

    def goes_on(self, qtype: str, *asked) -> str:
        """What the model writes after (words of the learner's own, temperature, seed)."""
        if (qtype, *asked) not in self.written:
            opening, temperature, seed = asked
            lm, tokens = self.in_type(qtype), []
            for token in generate_tokens(lm, prompt_tokens(lm, opening), OWN_TOKENS, temperature=temperature,
                                         seed=seed):
                tokens.append(token)
                self.heed()
            self.written[qtype, *asked] = lm.tokenizer.decode(tokens) + "…" * (len(tokens) == OWN_TOKENS)
            self.tell("")
        return self.written[qtype, *asked]

    # ---- what is drawn

    def facts(self, qtype: str, passage: int, own: str, temperature: float, seed: int) -> dict:
        mine, known = passage == OWN, self.known(qtype, passage)
        for name in ("temperature", "seed"):
            self.controls[name].disabled = not mine
        if mine:
            told = self._own(qtype, own, temperature, seed)
        else:
            one, score = known[passage], _score(qtype, known, self.taught, self.lm.own)
            wrote, should = one.said
            told = {"wrote": wrote, "should": should, "finding": f"{score}; {_of_this(one, self.taught)}",
                    "labels": (f"{qtype} goes on, always with its likeliest token:",
                               f"Shakespeare, {title_of(one.work)}:")}
        return {**told, "rows": _rows(known, self.taught), "chosen": None if mine else passage,
                "subtitle": self._subtitle(qtype),
                "table": _table(known, told["wrote"] if mine else None, told["should"])}

    def _own(self, qtype: str, own: str, temperature: float, seed: int) -> dict:
        """The learner's own words, as this type and as the model's own type go on."""
        base = self.lm.own
        wrote, should = parted(own, *(self.goes_on(kind, own, temperature, seed) for kind in (qtype, base)))
        how = "always with its likeliest token"
        if temperature:
            how = f"at temperature {temperature:g}, seed {seed}"
        words = len(wrote.good.split())
        if qtype == base:
            finding = f"{base} goes on with {words} words: fewer bits may choose others"
        elif wrote.rest:
            finding = f"{qtype} leaves {base}'s words after {_count(words)}"
        else:
            finding = f"{qtype} writes what {base} would"
        return {"wrote": wrote, "should": should, "finding": finding, "labels": (
            f"{qtype} goes on, {how}:", f"{base}, the model as it is, would go on, {how}:")}

    def _subtitle(self, qtype: str) -> str:
        as_recorded = self.lines[qtype] is self.recorded.get(qtype)
        origin = "Recorded; the button recites it here" if as_recorded else "Recited on this computer"
        whose = "" if self.lm.name == "tiny" else f"{self.lm.title}, "
        if qtype in TRAINED:
            return (f"Another model in the same {self.lm.size_words(qtype)}: trained on with its weights as "
                    f"{TRAINED[qtype][0]}'s blocks. {origin}")
        return (f"{whose}{qtype} in every matrix: {self.lm.size_words(qtype)} ({self.lm.own}: "
                f"{size(self.lm.nbytes)}). {origin}")
