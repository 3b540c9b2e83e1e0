"""The model map: every tensor of a model as a tile with its bits, for any mix, for a file, or for two over
each other.
"""

import ipywidgets as widgets

from ..canvas.maps import draw_model_map
from ..canvas.style import Picture
from ..stage.legacy import Explorer, Touch, button, show
from .file import draw_refusal, ended, short
from .map_facts import MapFacts
from .map_sides import AS_IS, SHAPES, Side, Stock, stock_of
from .role_bytes import in_bytes

NOTHING, OTHER = "nothing", "the other model"
WIDE = dict(style=dict(description_width="70px"), layout=dict(width="300px"))
KEYS = "ArrowLeft ArrowRight ArrowUp ArrowDown Home End PageUp PageDown n p"
LABEL = (
    "Map of the model's tensors. Left and right: the next layer. Up and down: another role. Home and End: "
    "the ends of a row. "
    "n and p: the next and the previous tensor that stands out. Page Up and Page Down: a larger or a "
    "smaller ftype.")
NOTE = "Click a tile. Keys in the map: arrows walk, n and p jump to what stands out, Page Up and Down change the ftype."


def explore_model_map(source=None, beside=None, *, ftype: str | None = None) -> Explorer:
    """All tensors of a model, layers across and roles down, coloured by bits; choose the ftype and see map
    and size change.

    source: a GGUF path, a pulled Ollama model or "sample"; an `Architecture`; or a known shape such as
    "llama-3.1-8b" (the default, with a menu of others).  ftype: the mix to begin with (a file begins as it
    is).  beside: what to hold against it, an ftype ("Q4_K_S", "Ollama's Q4_K_M") or another source; what
    differs is marked. A source that cannot be opened is said in a sentence. Raises ValueError for an ftype
    that the model cannot have.
    """
    try:
        stock, other = _two(source, beside)
    except ValueError as error:
        return show(draw_refusal("The map needs a model that can be opened",
                                 f"{ended(error)} explore_model_map() shows Llama-3.1-8B."))
    empty = next((one for one in (stock, other) if one and one.file and not one.file.tensors), None)
    if empty:
        return show(draw_refusal(f"{short(empty.name)} has no tensors to draw", "Its header lists none."))
    first = stock.key(ftype) if ftype is not None else AS_IS if stock.file else "Q4_K_M"
    if first not in stock.by_size():
        raise ValueError(f"no ftype {ftype!r} of {stock.name} here; there are {', '.join(stock.by_size())}")
    second = OTHER if other else NOTHING if beside is None else stock.key(beside)
    return ModelMap(stock, first, other, second, stock.file is None and stock.name in SHAPES)


def _two(source, beside) -> tuple[Stock, Stock | None]:
    """(the model, and the other one if `beside` is not just a mix of the same)"""
    stock = stock_of("llama-3.1-8b" if source is None else source)
    if beside is None or stock.key(beside):
        return stock, None
    try:
        return stock, stock_of(beside)
    except ValueError as error:
        raise ValueError(f"Beside it: {ended(error)} Nor is it an ftype of {stock.name}.") from None


class ModelMap(Explorer):
    """`focus` is the name of the chosen tensor; it stays when the mix changes."""

    def __init__(self, stock: Stock, ftype: str, other: Stock | None, beside: str, menu: bool):
        self.stocks, self.stock, self.other, self.focus = {stock.name: stock}, stock, other, ""
        presets = self._presets(menu)
        super().__init__(self._draw, self._controls(ftype, beside, menu), presets=presets, note=NOTE)
        self.children = (*self.children, Touch(LABEL, KEYS, self.touched))

    # ---- the controls

    def _controls(self, ftype: str, beside: str, menu: bool) -> dict[str, widgets.Widget]:
        keys = self.stock.by_size()
        controls = {"model": widgets.Dropdown(options=list(SHAPES), value=self.stock.name,
                                              description="model", **WIDE)} if menu else {}
        controls |= {
            "ftype": widgets.Dropdown(options=keys, value=ftype, description="ftype", **WIDE),
            "beside": widgets.Dropdown(options=self._beside(), value=beside, description="beside it", **WIDE)}
        if len(keys) > 1:       # a slider with one stop would be dead
            controls["size"] = widgets.SelectionSlider(options=self._sizes(), value=ftype,
                                                       description="file size", **WIDE)
            controls["ftype"].observe(lambda change: self._quietly(size=change.new), names="value")
            controls["size"].observe(lambda change: self._quietly(ftype=change.new), names="value")
        if menu:
            controls["model"].observe(lambda change: self._change_model(change.new), names="value")
        return controls

    def _sizes(self) -> list[tuple[str, str]]:
        """The slider: the same ftypes as in the menu, said by their size."""
        return [(in_bytes(self.stock.side(key).nbytes), key) for key in self.stock.by_size()]

    def _beside(self) -> list[str]:
        others = [OTHER] if self.other else []
        return [NOTHING, *others, *self.stock.by_size(), *self.stock.ollamas()]

    @staticmethod
    def _presets(menu: bool) -> dict[str, dict[str, str]]:
        if not menu:
            return {}
        return {"S beside M": {"ftype": "Q4_K_M", "beside": "Q4_K_S"},
                "Rows that do not fit": {"model": "smollm2:135m", "ftype": "Q4_K_M", "beside": NOTHING},
                "Experts": {"model": "qwen3:30b", "ftype": "Q4_K_M", "beside": NOTHING}}

    def _buttons(self, presets) -> dict[str, widgets.Widget]:
        buttons = {}
        own = self.stock.file.ftype if self.stock.file else ""
        if own in self.stock.by_size():
            buttons["As llama.cpp would"] = button("As llama.cpp would",
                                                   f"Hold the file against {own} by llama.cpp's rules",
                                                   lambda _b: self.set(ftype=AS_IS, beside=own))
        buttons |= super()._buttons(presets)
        buttons["Reset"] = button("Reset", "Back to the first picture", self._start_again)
        return buttons

    def _start_again(self, _button=None) -> None:
        self.focus = ""
        self.set(**self.initial)

    def _quietly(self, **values) -> None:
        """Move controls without drawing: whoever calls draws next."""
        held, self._held = self._held, True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self._held = held

    def _change_model(self, name: str) -> None:
        """Another shape: its own sizes, the same ftype."""
        self.stock = self.stocks.setdefault(name, Stock(name, SHAPES[name]))
        ftype, beside = self.controls["ftype"].value, self.controls["beside"].value
        held, self._held = self._held, True
        try:
            for control, options, value in (("ftype", self.stock.by_size(), ftype),
                                            ("size", self._sizes(), ftype),
                                            ("beside", self._beside(), beside)):
                self.controls[control].options = options
                self.controls[control].value = value if value in self._beside() else options[0]
        finally:
            self._held = held

    # ---- the picture

    def _facts(self, ftype: str, beside: str) -> MapFacts:
        return MapFacts(self.stock.side(ftype), self._side(beside))

    def _side(self, beside: str) -> Side | None:
        if beside == OTHER:
            return self.other.file or self.other.side("Q4_K_M")
        return None if beside == NOTHING else self.stock.side(beside)

    def _draw(self, ftype: str, beside: str, size: str = "", model: str = "") -> Picture:
        self.facts = self._facts(ftype, beside)
        if self.focus not in self.facts.places:
            self.focus = next((name for name in self.facts.walk if "attn_v" in name), self.facts.walk[0])
        focus = self.facts.focus(self.focus)
        weights = max(side.n_weights for side in self.facts.sides)
        self.said = focus.said
        return draw_model_map(self.facts.rows(), self.facts.files(), focus, finding=self.facts.finding(),
                              subtitle=self.facts.subtitle(self.stock.name), full=2 * weights,
                              note=f"The whole bar is 16 bits for every weight: {in_bytes(2 * weights)}.",
                              table=self.facts.table())

    # ---- mouse and keys in the picture

    def touched(self, message: dict) -> None:
        """A click or a key in the picture, as `Touch` tells it."""
        if "cell" in message:
            self._look_at(self.facts.at(int(message["cell"])))
        elif "key" in message:
            self._press(str(message["key"]))

    def _look_at(self, name: str) -> None:
        """Choose a tensor, and say which."""
        self.focus = name
        self.redraw()
        self.say(self.said)

    def _press(self, key: str) -> None:
        facts, (row, column) = self.facts, self.facts.places[self.focus]
        walk, names = facts.walk, [name for name in facts.lines[row].names if name]
        here = walk.index(self.focus)
        if key in ("ArrowLeft", "ArrowRight"):
            self._look_at(walk[min(max(here + (1 if key == "ArrowRight" else -1), 0), len(walk) - 1)])
        elif key in ("Home", "End"):
            self._look_at(names[0 if key == "Home" else -1])
        elif key in ("ArrowUp", "ArrowDown"):
            to = min(max(row + (1 if key == "ArrowDown" else -1), 0), len(facts.lines) - 1)
            first = sum(len(line.names) for line in facts.lines[:to])
            self._look_at(facts.at(first + min(column, len(facts.lines[to].names) - 1)))
        elif key in ("n", "p"):
            others = [name for name in facts.unequal if name != self.focus]
            # round and round
            ahead = [name for name in others if (walk.index(name) > here)
                     == (key == "n")] or others or [self.focus]
            self._look_at(ahead[0 if key == "n" else -1])
        elif key in ("PageUp", "PageDown"):
            keys = self.stock.by_size()
            at = keys.index(self.controls["ftype"].value)
            self.set(ftype=keys[min(max(at + (1 if key == "PageUp" else -1), 0), len(keys) - 1)])
            self.say(f"{self.finding}. {self.said}")
