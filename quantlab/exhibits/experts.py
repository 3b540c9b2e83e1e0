"""Lesson 19: the way of each token of a text through a small mixture: which experts its routers wake, and
what else wakes them. Tokens are a model's and a learner's words: they are only ever drawn as text.
"""

import json
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from ..canvas.style import BLUE, INK, MEANING, PAPER, SMALL, SOFT, WIDTH, Picture, Table, ink_on
from ..canvas.svg import here, page, panel, quiet, rect, text, touchable
from ..inference.experts import Habit, routes
from ..inference.generate import prompt_tokens
from ..inference.llama import LanguageModel
from ..inference.load import load_lm
from ..models.digests import sha256
from ..models.source import BUNDLED, DATA
from ..profile import stable
from ..stage.base import Stage
from ..stage.exhibit import Exhibit
from ..stage.handles import slider, text_line, tick_box
from ..stage.keys import STEPS, along
from ..stage.share import recalled
from .measuring import cannot_run
from .next_token import spelling, visible

MIXTURE, RECORD = "tiny-moe", DATA / "tiny" / "experts.json"
LETTER, MARGIN, TOP, BOX, GAP, MOST_LINES = 7.3, 16, 92, 22, 22, 3
# of the grid: where its cells begin, their width and height, and from one row to the next
LEFT, CELL, HIGH, ROW = 116, 74, 26, 32
MOST_LAYERS, MOST_EXPERTS = 12, 8


# ---- facts

class Woken(NamedTuple):
    """A token of the text.  experts, shares: (n_layer, n_used) what it wakes in each layer, the louder first.
    """

    token: str
    experts: np.ndarray
    shares: np.ndarray


@cache
def _record() -> dict:
    """What tools/record_experts.py counted in a text that the shipped mixture never saw; {} for another file.
    """
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    return record if record["sha256"] == sha256(BUNDLED[MIXTURE]) else {}


@cache
def recorded_habits() -> tuple[Habit, ...]:
    """What wakes each expert of the shipped mixture."""
    return tuple(Habit(layer, expert, share, [(token, often) for token, often in tokens])
                 for layer, expert, share, tokens in _record().get("habits", ()))


def recorded_shares() -> tuple[float, float]:
    """At how many of its places a token wakes its usual experts of the first layer, and by lot would."""
    return _record()["usual"][0], _record()["by_chance"][0]


def woken(lm: LanguageModel, prompt: str) -> list[Woken]:
    """The way of each token of a text.  ValueError for an empty one, and for one that is too long."""
    if not prompt:
        raise ValueError("The text is empty: type something for the model to read")
    tokens = prompt_tokens(lm, prompt)
    found = routes(lm, tokens)
    return [Woken(spelling(lm, token), found.chosen[:, i], found.shares[:, i])
            for i, token in enumerate(tokens)]


# ---- words

def _finding(ways: Sequence[Woken], chosen: int, layer: int, n_expert: int) -> str:
    one, busy = ways[chosen], _busy(ways, layer)
    first, *more = one.experts[layer].tolist()
    says = 100 * stable(float(one.shares[layer][0]), 3)
    others = f" and {', '.join(map(str, more))}" if more else ""
    return (f"“{visible(one.token)}” wakes experts {first}{others} of layer {layer}; {first} counts "
            f"{says:.0f} %. The text wakes {len(busy)} of {n_expert} there")


def _busy(ways: Sequence[Woken], layer: int) -> list[int]:
    """The experts of a layer that some token of the text wakes."""
    return sorted({int(expert) for one in ways for expert in one.experts[layer]})


def _habit_words(lm: LanguageModel, habit: Habit) -> list[str]:
    """What else wakes an expert, in two lines."""
    tokens = [f"{visible(spelling(lm, token))} {100 * often:.0f} %" for token, often in habit.tokens]
    woken_by = f"woken by {100 * habit.share:.0f} % of all tokens"
    return [f"Expert {habit.expert} of layer {habit.layer} is {woken_by}",
            f"among them {' · '.join(tokens)}"]


def _table(ways: Sequence[Woken]) -> Table:
    layers = range(len(ways[0].experts))
    head = ("token", *(f"layer {layer}" for layer in layers))
    return (head, *((visible(one.token, 40), *(_told(one, layer) for layer in layers)) for one in ways))


def _told(one: Woken, layer: int) -> str:
    """"3 (61 %), 5 (39 %)"."""
    return ", ".join(f"{expert} ({100 * stable(float(share), 3):.0f} %)"
                     for expert, share in zip(one.experts[layer], one.shares[layer], strict=True))


# ---- picture

def draw_experts(ways: Sequence[Woken], chosen: int, layer: int, n_expert: int,
                 said: Sequence[str]) -> Picture:
    """The text, each token with its experts in one layer; below, the chosen token's way through all layers,
    and what else is `said`.
    """
    strip, y = _strip(ways, chosen, layer)
    grid, y = _grid(ways[chosen], layer, n_expert, y + 16)
    body = [*strip, *grid, *(panel(said, y + 8, 52) if said else [])]
    same = [one for one in ways if one.experts[layer][0] == ways[chosen].experts[layer][0]]
    return page(int(y + 8 + 60 * bool(said)), body, finding=_finding(ways, chosen, layer, n_expert),
                subtitle=f"Under a token: its experts in layer {layer}, the louder first. Filled: the same "
                         "loudest expert as the chosen token", table=_table(ways), role="group").telling(
        {"tokens": len(ways), "busy": len(_busy(ways, layer)), "same": len(same),
         "loudest": float(ways[chosen].shares[layer][0]),
         "different": len({tuple(sorted(row)) for row in ways[chosen].experts.tolist()})})


def _strip(ways: Sequence[Woken], chosen: int, layer: int) -> tuple[list[str], float]:
    body, mine = [], ways[chosen].experts[layer][0]
    places, first = _places(ways, layer, chosen)
    if first:
        body.append(quiet(MARGIN, TOP - 10, f"({first} tokens before are not shown)"))
    for i, (x, line, width) in places.items():
        one, y = ways[i], TOP + line * (BOX + GAP)
        fill = MEANING["code"] if one.experts[layer][0] == mine else SOFT
        words = visible(one.token)
        shapes = [rect(x, y, width, BOX + 16, "none"), rect(x, y, width, BOX, fill, radius=4),
                  text(x + width / 2, y + 15, words, size=12, anchor="middle", mono=True, fill=ink_on(fill)),
                  quiet(x + width / 2, y + BOX + 13, _numbers(one, layer), anchor="middle")]
        body.append(touchable(shapes, first=i, cells=1, tips=f"{_numbers(one, layer)}*1"))
        if i == chosen:
            said = f"{words}: experts {_numbers(one, layer)}"
            body.append(here(said, rect(x - 1.5, y - 1.5, width + 3, BOX + 3, "none", stroke=INK,
                                        stroke_width=2.5, radius=5)))
    return body, TOP + (1 + max(line for _, line, _ in places.values())) * (BOX + GAP)


def _numbers(one: Woken, layer: int) -> str:
    return "·".join(map(str, one.experts[layer].tolist()))


def _places(ways: Sequence[Woken], layer: int,
            chosen: int) -> tuple[dict[int, tuple[float, int, float]], int]:
    """Number of a token -> (x, line, width), and the first one shown, so that the chosen one is among them.
    """
    widths = [max(len(visible(one.token)), len(_numbers(one, layer))) * LETTER + 10 for one in ways]
    for first in range(chosen + 1):
        places, x, line = {}, float(MARGIN), 0
        for i in range(first, len(ways)):
            if x + widths[i] > WIDTH - MARGIN:
                x, line = float(MARGIN), line + 1
            if line == MOST_LINES:
                break
            places[i] = (x, line, widths[i])
            x += widths[i] + 4
        if chosen in places:
            break
    return places, first


def _grid(one: Woken, layer: int, n_expert: int, y: float) -> tuple[list[str], float]:
    """A row for each layer, a cell for each expert; what is awake is filled, with its share."""
    body = [quiet(MARGIN, y + 10, f"way of {visible(one.token, 8)}"),
            *(quiet(LEFT + CELL * expert + (CELL - 4) / 2, y + 10, f"expert {expert}", anchor="middle")
              for expert in range(n_expert))]
    y += 18
    for row, (experts, shares) in enumerate(zip(one.experts, one.shares, strict=True)):
        top, counts = y + ROW * row, dict(zip(experts.tolist(), shares.tolist(), strict=True))
        body.append(text(MARGIN, top + 17, f"layer {row}", size=12, bold=row == layer))
        for expert in range(n_expert):
            x, share = LEFT + CELL * expert, counts.get(expert)
            body.append(rect(x, top, CELL - 4, HIGH, PAPER if share is None else BLUE, radius=4,
                             stroke=INK if row == layer else MEANING["original"]))
            middle = x + (CELL - 4) / 2
            body.append(quiet(middle, top + 17, "asleep", size=SMALL, anchor="middle") if share is None else
                        text(middle, top + 17, f"{100 * stable(share, 3):.0f} %", size=12, anchor="middle",
                             bold=True, fill=ink_on(BLUE)))
    return body, y + ROW * len(one.experts)


# ---- handles

PROMPT = "To be, or not to be,--that is the question"
KEYS = "ArrowLeft ArrowRight ArrowUp ArrowDown Home End PageUp PageDown"
LABEL = ("Your text in tokens, and the experts that each wakes. Left and right: the token before and after. "
         "Home and End: the first and the last. Up and down: another layer.")
NOTE = "Type any text; ␣ is a space, ⏎ the end of a line. Click a token to see its way."


@recalled
def explore_experts(model="tiny-moe", prompt: str = PROMPT, *, layer: int = 0,
                    habits: bool = False) -> Stage:
    """Which experts each token of your text wakes in a small mixture, layer by layer, and how much each says.

    model: "tiny-moe", which comes with quantlab, or any other mixture of at most 12 layers and 8 experts that
    `open_model` opens and that runs here.  prompt, layer: what to begin with.  habits: say what else wakes
    the expert that counts most; it was counted for tiny-moe only.
    A model that cannot be run is said in a sentence. ValueError for a model without experts, for a larger
    one, and for a layer that is not there.
    """
    try:
        lm = load_lm(model)
    except ValueError as error:
        return Stage(cannot_run(model, "The grid needs", "explore_experts", error, "a small mixture"))
    graph = lm.graph
    if not graph.n_expert:
        routes(lm, [0])
    if graph.n_expert > MOST_EXPERTS or graph.n_layer > MOST_LAYERS:
        raise ValueError(f"{lm.name} has {graph.n_expert} experts in each of {graph.n_layer} layers; the "
                         f"picture has room for {MOST_EXPERTS} in {MOST_LAYERS}")
    if isinstance(layer, bool) or not isinstance(layer, int) or not 0 <= layer < graph.n_layer:
        raise ValueError(f"layer={layer!r} is not there: {lm.name} has the layers 0 to {graph.n_layer - 1}")
    return Experts(lm, str(prompt), layer, bool(habits))


class Experts(Stage):
    """`ways` is what the model made of the present text."""

    arrows = "place"

    def __init__(self, lm: LanguageModel, prompt: str, layer: int, habits: bool):
        self.lm = lm
        self._begin(prompt)
        known = recorded_habits() if lm.name == MIXTURE else ()
        self.habits = {(one.layer, one.expert): one for one in known}
        handles = [text_line("prompt", "your text", prompt, live=True, width=740),
                   slider("place", "token", self.last, 1, self.last),
                   slider("layer", "layer", layer, 0, lm.graph.n_layer - 1)]
        if self.habits:
            handles.append(tick_box("habits", "what else wakes it", habits))
        super().__init__(Exhibit(handles, draw_experts, keys=KEYS, label=LABEL, note=NOTE, pages="layer",
                                 label_width=80, presets={
            "A list of names": {"prompt": "Romeo, Juliet, Hamlet, Lear, Macbeth"},
            "One word again and again": {"prompt": "and and and and and and"}}))

    def _begin(self, prompt: str) -> None:
        """Another text."""
        self.text, self.ways = prompt, list[Woken]()
        self.last = max(len(prompt_tokens(self.lm, prompt)), 1) if prompt else 1

    def redraw(self) -> None:
        """Draw; a new text begins at its end."""
        if not self._held and self.controls["prompt"].value != self.text:
            self._begin(self.controls["prompt"].value)
            with self.held():
                self.controls["place"].max = self.last
            self.place(place=self.last)
        super().redraw()

    def pressed(self, key: str) -> None:
        """Up and Down go to another layer, all other keys along the text."""
        if key in ("ArrowUp", "ArrowDown"):
            self.set(layer=along(key, self.controls["layer"].value, self.lm.graph.n_layer, STEPS))
        else:
            super().pressed(key)

    def facts(self, prompt: str, place: int, layer: int, habits: bool = False) -> dict:
        self.ways = self.ways or woken(self.lm, prompt)
        expert = int(self.ways[place - 1].experts[layer][0])
        return {"ways": self.ways, "chosen": place - 1, "layer": layer, "n_expert": self.lm.graph.n_expert,
                "said": _habit_words(self.lm, self.habits[layer, expert]) if habits else []}
