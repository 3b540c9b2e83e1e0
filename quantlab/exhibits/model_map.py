"""The model map: every tensor of a model as a tile with its bits, for any mix, for a file, or for two over
each other. What it says of them is in map_facts.py.  Lessons: 03, 04, 05, 09, 16.
"""

from functools import partial

from ..canvas.maps import MapFocus, draw_model_map
from ..canvas.style import Picture
from ..stage.base import Stage, refusal
from ..stage.handles import Button, menu, stops
from ..stage.keys import across, along, turned
from ..stage.share import recalled
from ..words import one_of, size
from .map_facts import FILE_LETTERS, MapFacts, short
from .map_sides import AS_IS, SHAPES, Mixes, mixes_of

NOTHING, OTHER = "nothing", "the other model"
INSTEAD = "explore_model_map() shows Llama-3.1-8B."
PRESETS = {"S beside M": {"ftype": "Q4_K_M", "beside": "Q4_K_S"},
           "Rows that do not fit": {"model": "smollm2:135m", "ftype": "Q4_K_M", "beside": NOTHING},
           "Experts": {"model": "qwen3:30b", "ftype": "Q4_K_M", "beside": NOTHING}}
KEYS = "ArrowLeft ArrowRight ArrowUp ArrowDown Home End PageUp PageDown n p"
LABEL = ("Map of the model's tensors. Left and right: the next layer. Up and down: another role. Home and "
         "End: the ends of a row. n and p: the next and the previous tensor that stands out. Page Up and "
         "Page Down: a larger or a smaller ftype.")
NOTE = ("Click a tile. Keys in the map: arrows walk, n and p jump to what stands out, Page Up and Down "
        "change the ftype.")


# ---- picture

def _picture(facts: MapFacts, focus: MapFocus, model: str) -> Picture:
    """The map of a model (its name), one tensor of it in focus."""
    full = 2 * max(side.n_weights for side in facts.sides)
    picture = draw_model_map(facts.rows(), facts.files(), focus, finding=facts.finding(),
                             subtitle=facts.subtitle(model), full=full,
                             note=f"The whole bar is 16 bits for every weight: {size(full)}.",
                             table=facts.table())
    return picture.telling(facts.numbers())


# ---- handles

class ModelMap(Stage):
    """`focus` is the name of the chosen tensor; it stays when the mix changes."""

    def __init__(self, mixes: Mixes, ftype: str, other: Mixes | None, beside: str):
        self.known, self.mixes, self.other, self.focus = {mixes.name: mixes}, mixes, other, ""
        handles = [menu("ftype", "ftype", ftype, mixes.ftypes),
                   menu("beside", "beside it", beside, self._beside())]
        if len(mixes.ftypes) > 1:       # a slider with one stop would be dead
            handles.append(stops("size", "file size", ftype, self._sizes()))
        presets: dict[str, dict[str, str]] = {}
        buttons: list[Button] = []
        if mixes.file is None and mixes.name in SHAPES:
            handles.insert(0, menu("model", "model", mixes.name, SHAPES))
            presets = PRESETS
        if (own := mixes.file.ftype if mixes.file else "") in mixes.ftypes:
            buttons = [Button("rules", "As llama.cpp would",
                              f"Hold the file against {own} by llama.cpp's rules",
                              partial(self.set, ftype=AS_IS, beside=own))]
        super().__init__(handles, _picture, presets=presets, buttons=buttons, note=NOTE, keys=KEYS,
                         label=LABEL, label_width=70)

    def _sizes(self) -> list[tuple[str, str]]:
        """The slider: the same ftypes as in the menu, with their size; a longer name would be cut off."""
        return [(f"{size(self.mixes.sides[key].nbytes)}, {'the file' if key == AS_IS else key}", key)
                for key in self.mixes.ftypes]

    def _beside(self) -> list[str]:
        return [NOTHING, *([OTHER] if self.other else []), *self.mixes.sides]

    def facts(self, ftype: str, beside: str, **_) -> dict:
        sides = self.mixes.sides
        if self.other:
            sides = sides | {OTHER: self.other.file or self.other.sides["Q4_K_M"]}
        self.map = MapFacts(sides[ftype], sides.get(beside))
        walk = self.map.grid.walk
        if self.focus not in walk:
            self.focus = next((name for name in walk if "attn_v" in name), walk[0])
        return dict(facts=self.map, focus=self.map.focus(self.focus), model=self.mixes.name)

    def moved(self, change) -> None:
        """Menu and slider of the ftype are one choice; another shape has its own sizes."""
        moved = next(name for name, control in self.controls.items() if control is change.owner)
        if (twin := {"ftype": "size", "size": "ftype"}.get(moved)) in self.controls:
            self.place(**{twin: change.new})
        if moved == "model":
            self._change_model(change.new)
        super().moved(change)

    def _change_model(self, name: str) -> None:
        """Another shape, the same ftype."""
        self.mixes = self.known[name] = self.known.get(name) or Mixes(name, SHAPES[name])
        for handle, offered in (("ftype", self.mixes.ftypes), ("size", self._sizes()),
                                ("beside", self._beside())):
            value = self.controls[handle].value
            self.offer(handle, offered, value if value in self._beside() else offered[0])

    def reset(self) -> None:
        self.focus = ""
        super().reset()

    def clicked(self, cell: int) -> None:
        self._look_at(self.map.grid.at(cell))

    def _look_at(self, name: str) -> None:
        """Choose a tensor, and say which."""
        self.focus = name
        self.redraw()
        reached = self.finding.removeprefix(self.picture.finding)
        self.say(self.map.focus(name).said + reached)

    def pressed(self, key: str) -> None:
        grid, walk = self.map.grid, self.map.grid.walk
        here = walk.index(self.focus)
        if key in ("PageUp", "PageDown"):
            self.set(ftype=turned(key, self.controls["ftype"].value, self.mixes.ftypes))
            self.say(f"{self.finding}. {self.map.focus(self.focus).said}")
        elif key in ("n", "p"):
            others = [name for name in self.map.unequal if name != self.focus]
            ahead = [name for name in others if (walk.index(name) > here) == (key == "n")]
            # round and round
            self._look_at((ahead or others or [self.focus])[0 if key == "n" else -1])
        elif key in ("ArrowLeft", "ArrowRight"):
            self._look_at(walk[along(key, here, len(walk))])
        else:
            lengths = [len(row.names) for row in grid.rows]
            self._look_at(grid.near(*across(key, *grid.places[self.focus], lengths)))


@recalled
def explore_model_map(source=None, beside=None, *, ftype: str | None = None) -> Stage:
    """All tensors of a model, layers across and roles down, coloured by bits; choose the ftype and see map
    and size change.

    source: a GGUF path, a pulled Ollama model or "sample"; an `Architecture`; or a known shape such as
    "llama-3.1-8b" (the default, with a menu of others).  ftype: the mix to begin with (a file begins as it
    is).  beside: what to hold against it, an ftype ("Q4_K_S", "Ollama's Q4_K_M") or another source; what
    differs is marked.
    A source that cannot be opened is said in a sentence.  ValueError for an ftype that the model cannot have.
    """
    try:
        mixes, other = _two(source, beside)
    except ValueError as error:
        return refusal("The map needs a model that can be opened", error, INSTEAD)
    for one in (mixes, other):
        if one and one.file and not one.file.tensors:
            title = f"{short(one.name, FILE_LETTERS)} has no tensors to draw"
            return refusal(title, "Its header lists none", INSTEAD)
    first = mixes.first
    if ftype is not None:
        first = one_of("ftype", ftype, mixes.ftypes)
    return ModelMap(mixes, first, other, OTHER if other else mixes.key(beside) or NOTHING)


def _two(source, beside) -> tuple[Mixes, Mixes | None]:
    """(the model, and the other one if `beside` is not just a mix of the same)"""
    mixes = mixes_of("llama-3.1-8b" if source is None else source)
    if beside is None or mixes.key(beside):
        return mixes, None
    try:
        return mixes, mixes_of(beside)
    except ValueError as error:
        words = str(error).rstrip(".")
        raise ValueError(f"Beside it: {words}. Nor is it an ftype of {mixes.name}") from None
