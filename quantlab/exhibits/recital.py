"""The recital: famous words, a slider from 16 bits to 2, and what the model then goes on to write."""

import time
from html import escape

import ipywidgets as widgets

from ..canvas.style import Picture, Table
from ..inference.generate import generate_tokens, prompt_tokens
from ..inference.recital import RECITED, read_passages
from ..stage.legacy import Explorer, Touch, button, markup
from .lm_stock import TYPES, LmStock, stock_or_refusal
from .recital_facts import (
    FEWER,
    Passage,
    Recited,
    Row,
    Said,
    draw_recital,
    n_recited,
    parted,
    recite,
    recorded,
    title_of,
)

OWN = -1                # in the menu: the learner's own words
OWN_TOKENS = 40         # that many follow them
SMALL_MODEL = 2e7       # weights; a larger model recites one passage at a time
NAMED = dict(description_width="110px")
KEYS = "ArrowLeft ArrowRight ArrowUp ArrowDown Home End PageUp PageDown"
LABEL = (
    "What the model recites. Left and right: the next passage. Up and down: the other row. Home and End: "
    "the first passage and "
    "the last. Page Down: fewer bits. Page Up: more bits.")
NOTE = "Type an opening of your own and press Enter. A temperature above 0 draws the words by lot; the same seed draws the same."


def explore_recital(model="tiny", *, qtype: str = "F16", passage: str = "") -> Explorer:
    """Give the model the opening of a famous passage and see, type by type, how far it still recites.

    model: "tiny", which learned 28 passages by heart, or any llama model that `open_model` opens.  qtype: the
    type to begin with.
    passage: how the first passage begins ("Now is the winter"); "To be, or not to be" by default.
    A model that cannot be run is said in a sentence. ValueError for a type or a passage that is not there.
    """
    openings = [one["opening"] for one in read_passages()]
    first = next((i for i, opening in enumerate(openings) if opening.startswith(passage)), None)
    if first is None:
        raise ValueError(
            f"no passage begins with {passage!r}; there are {', '.join(openings[:5])} and "
            f"{len(openings) - 5} more")
    stock = stock_or_refusal(model, qtype, "The recital needs", "explore_recital")
    return Recital(stock, qtype, first) if isinstance(stock, LmStock) else stock


class Recital(Explorer):
    """`lines` holds what is known: type -> number of a passage -> what became of it."""

    def __init__(self, stock: LmStock, qtype: str, passage: int):
        self.stock, self.status = stock, markup("&nbsp;")
        self.recorded = {qtype: dict(enumerate(rows)) for qtype, rows in recorded(stock).items()}
        self.lines, self.written = dict(self.recorded), {}
        self.status.add_class("ql-note")
        presets = {"4 bits": {"qtype": "Q4_K"}, "3 bits": {"qtype": "Q3_K"}, "2 bits": {"qtype": "Q2_K"}}
        super().__init__(self._draw, _controls(qtype, passage, stock), presets=presets, note=NOTE)
        view, *others = self.children
        self.children = (view, self.status, *others, Touch(LABEL, KEYS, self.touched))

    def redraw(self, change=None) -> None:
        """Draw; a new text of one's own is also what the menu then shows."""
        if change is not None and not self._held and change.owner is self.controls[
            "own"] and change.new.strip():
            self.set(passage=OWN)
        else:
            super().redraw(change)

    def tell(self, words: str) -> None:
        """A line of what goes on."""
        self.status.value = f'<span class="ql-note">{escape(words) or "&nbsp;"}</span>'

    def _buttons(self, presets) -> dict[str, widgets.Widget]:
        here = button("Recite it here", "Quantize the model and let it recite now, on this computer",
                      lambda _b: self.press_recite())
        return super()._buttons(presets) | {"Recite it here": here}

    def press_recite(self) -> None:
        """What the button does: nothing recorded, nothing kept."""
        qtype, start = self.controls["qtype"].value, time.perf_counter()
        before = self.lines.pop(qtype, {})
        self.redraw()
        seconds, now = time.perf_counter() - start, self.lines.get(qtype, {})
        same = sum(now[i] == before[i] for i in now if i in before)
        told = f" {same} of {len(now)} are the very words that were recorded." if qtype in self.recorded else ""
        self.tell(
            f"Quantized to {qtype} and recited on this computer, just now, in {seconds:.1f} seconds.{told}")

    # ---- what the model says

    def known(self, qtype: str, wanted: int) -> dict[int, Recited]:
        """What is known of this type, the wanted passage among it; a small model recites all of them at once.
        """
        known = self.lines.setdefault(qtype, {})
        if not known or wanted not in {*known, OWN}:
            passages, few = read_passages(), self.stock.n_weights < SMALL_MODEL
            numbers = list(range(len(passages))) if few else [max(wanted, 0)]
            lm = self.stock.at(qtype, self.tell)
            self.tell(f"{qtype} recites {len(numbers)} passages …" if few else f"{qtype} recites …")
            n = RECITED if self.stock.knows_passages else FEWER
            known |= dict(zip(numbers, recite(lm, [passages[i] for i in numbers], n), strict=True))
            self.tell("")
        return known

    def goes_on(self, qtype: str, opening: str, temperature: float, seed: int) -> str:
        """What the model writes after words of the learner's own."""
        key = (qtype, opening, temperature, seed)
        if key not in self.written:
            lm = self.stock.at(qtype, self.tell)
            tokens = list(generate_tokens(lm, prompt_tokens(lm, opening), OWN_TOKENS, temperature=temperature,
                                          seed=seed))
            self.written[key] = lm.tokenizer.decode(tokens) + ("…" if len(tokens) == OWN_TOKENS else "")
            self.tell("")
        return self.written[key]

    # ---- the picture

    def _draw(self, passage: int, qtype: str, own: str, temperature: float, seed: int) -> Picture:
        mine, known = passage == OWN, self.known(qtype, passage)
        for name in ("temperature", "seed"):
            self.controls[name].disabled = not mine
        if mine:
            wrote, should, labels, of_this = self._own(qtype, own, temperature, seed)
        else:
            line = known[passage]
            (wrote, should), of_this = line.said, _of_this(line, self.stock)
            labels = (f"{qtype} goes on, always with its likeliest token:",
                      f"Shakespeare, {title_of(line.work)}:")
        return draw_recital(wrote, should, labels, _rows(known, self.stock), None if mine else passage,
                            finding=of_this if mine else f"{_score(qtype, known, self.stock)}; {of_this}",
                            subtitle=self._subtitle(qtype),
                            table=_table(known, wrote if mine else None, should))

    def _own(self, qtype: str, own: str, temperature: float, seed: int) -> tuple[Said, Said, tuple[str, str],
                                                                                 str]:
        base = self.stock.own
        texts = [self.goes_on(kind, own, temperature, seed) for kind in (qtype, base)]
        wrote, should = parted(own, *texts)
        how = f"at temperature {temperature:g}, seed {seed}" if temperature else "always with its likeliest token"
        words = len(wrote.good.split())
        if qtype == base:
            finding = f"{base} goes on with {words} words: fewer bits may choose others"
        else:
            finding = f"{qtype} writes what {base} would" if not wrote.rest else f"{qtype} leaves {base}'s words after {_count(words)}"
        return wrote, should, (f"{qtype} goes on, {how}:",
                               f"{base}, the model as it is, would go on, {how}:"), finding

    def _subtitle(self, qtype: str) -> str:
        origin = "Recorded; the button recites it here" if self.lines[qtype] is self.recorded.get(
            qtype) else "Recited on this computer"
        whose = "" if self.stock.name == "tiny" else f"{self.stock.title}, "
        whole = f"{self.stock.own}: {self.stock.nbytes / 1e6:,.1f} MB"
        return f"{whose}{qtype} in every matrix: {self.stock.size_words(qtype)} ({whole}). {origin}"

    # ---- mouse and keys in the picture

    def touched(self, message: dict) -> None:
        """A click on a tile or a key in the picture, as `Touch` tells it."""
        passages, at = read_passages(), self.controls["passage"].value
        drilled = sum(one["by_heart"] for one in passages)
        if "cell" in message:
            to = int(message["cell"])
        elif message["key"] in ("PageUp", "PageDown"):
            stop = TYPES.index(self.controls["qtype"].value) + (1 if message["key"] == "PageDown" else -1)
            self.set(qtype=TYPES[min(max(stop, 0), len(TYPES) - 1)])
            return
        else:
            to = {"ArrowLeft": at - 1, "ArrowRight": at + 1, "ArrowUp": at - drilled if at >= drilled
                  else at, "ArrowDown": at + drilled if at < drilled else at, "Home": 0,
                  "End": len(passages) - 1}[message["key"]]
        self.set(passage=min(max(to, 0), len(passages) - 1))


def _controls(qtype: str, passage: int, stock: LmStock) -> dict[str, widgets.Widget]:
    untaught = " …   (not learned)" if stock.knows_passages else " …"
    menu = [(one["opening"] + (" …" if one["by_heart"] else untaught), i)
            for i, one in enumerate(read_passages())]
    return {
        "qtype": widgets.SelectionSlider(options=TYPES, value=qtype, description="type", style=NAMED,
                                         layout=dict(width="350px")),
        "passage": widgets.Dropdown(options=[*menu, ("(my own words)", OWN)], value=passage,
                                    description="opening", style=NAMED,
                                    layout=dict(width="370px")),
        "own": widgets.Text(value="My kingdom for a", description="my own words", continuous_update=False,
                            style=NAMED,
                            layout=dict(width="350px")),
        "temperature": widgets.BoundedFloatText(0, min=0, max=2, step=0.1, description="temperature",
                                                style=dict(description_width="95px"),
                                                layout=dict(width="175px")),
        "seed": widgets.BoundedIntText(0, min=0, max=9999, description="seed",
                                       style=dict(description_width="40px"),
                                       layout=dict(width="120px"))}


def _score(qtype: str, known: dict[int, Recited], stock: LmStock) -> str:
    if not stock.knows_passages:
        return f"At {qtype} it recites {sum(line.recited for line in known.values())} of {len(known)} passages tried"
    n, of, still = n_recited(list(known.values())), sum(line.by_heart
                                                        for line in known.values()), "" if qtype == stock.own else " still"
    if n == of:
        return f"At {qtype} it{still} knows all {n} passages"
    return f"At {qtype} it{still} knows {n} of {of} passages" if n else f"At {qtype} it knows none of {of} passages"


def _of_this(line: Recited, stock: LmStock) -> str:
    """How the chosen passage went, for the second half of the title."""
    this = "this one, never learned," if stock.knows_passages and not line.by_heart else "this one"
    if line.recited:
        return f"{this} word for word"
    return f"{this} breaks off after {_count(line.n_words)}" if line.n_words else f"{this} goes wrong at the first word"


def _count(words: int) -> str:
    return f"{words} word" if words == 1 else f"{words} words"


def _rows(known: dict[int, Recited], stock: LmStock) -> list[Row]:
    passages, rows = read_passages(), []
    groups = (("passages that it read again and again", "as famous, read like any other text")
              if stock.knows_passages else ("famous passages", "more"))
    for by_heart, group in zip((True, False), groups, strict=True):
        numbers = [i for i, one in enumerate(passages) if one["by_heart"] == by_heart]
        tiles = [Passage(passages[i]["opening"], i in known and known[i].recited, str(known[i].n_words)
                         if i in known else "·") for i in numbers]
        rows.append(Row(f"{len(tiles)} {group}: {sum(tile.recited for tile in tiles)} recited", numbers[0],
                        tiles))
    return rows


def _table(known: dict[int, Recited], own: Said | None, should: Said) -> Table:
    head = ("opening", "from", "learned by heart", "words right", "recited", "it wrote", "it should be")
    mine = [(own.given, "my own words", "", f"{len(own.good.split())}", "", own.good + own.rest,
             should.good + should.rest)] if own else []
    return (head, *mine,
            *((line.opening, title_of(line.work), "yes" if line.by_heart else "no", f"{line.n_words}", "yes"
               if line.recited else "no", line.wrote, line.should) for _, line in sorted(known.items())))
