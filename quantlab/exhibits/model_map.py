"""The model map: every tensor of a model as a tile with its bits, for any mix, for a file, or for two over
each other.  Lessons: 03, 04, 05, 09.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cached_property, partial
from itertools import takewhile
from textwrap import wrap

from ..canvas.answers import printable
from ..canvas.maps import MapFocus, MapRow, MapSize, MapTile, draw_model_map
from ..canvas.style import Picture, Table
from ..stage.base import Stage
from ..stage.exhibit import Exhibit, refusal
from ..stage.handles import Button, menu, stops
from ..stage.keys import across, along, turned
from ..stage.share import recalled
from ..words import bits_of, one_of, size
from .map_sides import AS_IS, SHAPES, GridRow, Mixes, Side, TensorGrid, mixes_of

NOTHING, OTHER = "nothing", "the other model"
NAME_LETTERS, FILE_LETTERS, LINE_LETTERS = 15, 36, 108
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


# ---- facts and words

class MapFacts:
    """One side, or two over each other (`beside`): all that the map says of them."""

    def __init__(self, side: Side, beside: Side | None = None):
        self.sides = [side, beside] if beside else [side]
        self.every = {name: tensor for one in reversed(self.sides) for name, tensor in one.tensors.items()}
        self.grid, self.labels = TensorGrid(self.every), _labels(self.sides)
        #: (role, name) of the matrices inside the layers, and their commonest type ("" without any)
        self.stack = [(row.role, name) for row in self.grid.rows if not row.alone for name in row.names
                      if name in side.tensors and not self._small(name)]
        types = Counter(side.tensors[name].qtype for _, name in self.stack)
        self.usual = next((qtype for qtype, _ in types.most_common(1)), "")

    @cached_property
    def unequal(self) -> list[str]:
        """Tensors that the two sides store differently, or that only one has, in reading order; of one side,
        the raised ones.
        """
        if len(self.sides) == 2:
            return [name for name in self.grid.walk if self._differs(name)]
        return [name for name in self.grid.walk
                if not self._small(name) and self.every[name].qtype != self.usual]

    def _differs(self, name: str) -> bool:
        one, other = (side.tensors.get(name) for side in self.sides)
        return one is None or other is None or one[:2] != other[:2]

    def _small(self, name: str) -> bool:
        """Norms and biases: drawn thin, for no mix touches them."""
        return self.every[name].is_vector or name.endswith(".bias")

    def rows(self) -> list[MapRow]:
        found, first = [], 0
        for row in self.grid.rows:
            tiles = [[self._tile(side, name) for name in row.names] for side in self.sides]
            sizes = [(nbytes, size(nbytes) if nbytes else "none")
                     for nbytes in (_nbytes(side, row) for side in self.sides)]
            thin = all(not name or self._small(name) for name in row.names)
            found.append(MapRow(printable(row.role)[:20], first, tiles, sizes, row.alone, thin))
            first += len(row.names)
        return found

    def _tile(self, side: Side, name: str) -> MapTile | None:
        if tensor := side.tensors.get(name):
            return MapTile(bits_of(tensor.qtype), tensor.qtype, len(self.sides) > 1 and self._differs(name))
        return None

    def files(self) -> list[MapSize]:
        return [MapSize(label, side.nbytes,
                         f"{size(side.nbytes)}, {side.bpw:.2f} bits per weight")
                for label, side in zip(self.labels, self.sides, strict=True)]

    def focus(self, name: str) -> MapFocus:
        """The chosen tensor: where it stands, in one sentence and in three lines."""
        place, shown = self.grid.places[name], printable(name)[:72]
        said = [self._said(side, name) for side in self.sides]
        if len(said) == 1:
            return MapFocus(*place, f"{shown}: {said[0]}", (shown, said[0], *self._why(name, 2)))
        lines = [f"{label}: {words}" for label, words in zip(self.labels, said, strict=True)]
        mark = "   (the two differ)" if self._differs(name) else "   (the same in both)"
        return MapFocus(*place, f"{shown}. {'. '.join(lines)}", (shown + mark, *lines, *self._why(name, 1)))

    @staticmethod
    def _said(side: Side, name: str) -> str:
        if (tensor := side.tensors.get(name)) is None:
            return "has no such tensor"
        known = f"{tensor.nbytes:,.0f} bytes, {tensor.bpw:.6g} bits per weight"
        told = known if tensor.nbytes else "bytes unknown" if tensor.n_weights else "no bytes"
        return f"{' × '.join(f'{n:,}' for n in tensor.shape)} weights in {tensor.qtype}, {told}"

    def _why(self, name: str, most: int) -> list[str]:
        if (tensor := self.sides[0].tensors.get(name)) is None:
            return []
        words = f"Why {tensor.qtype}: {tensor.why}." if tensor.why else "So it stands in the file."
        return wrap(words, LINE_LETTERS, max_lines=most, placeholder=" …")

    def finding(self) -> str:
        if len(self.sides) == 2:
            return self._comparison()
        side = self.sides[0]
        if not side.is_file:
            return f"{side.name} is {size(side.nbytes)}: {self._mix()}"
        file = _short(side.name, FILE_LETTERS)
        if not self.grid.n_layer:
            return f"{file} has no layers to draw: no tensor is called blk.0.something"
        types = Counter(tensor.qtype for name, tensor in side.tensors.items() if not self._small(name))
        most = _listed([f"{count} × {qtype}" for qtype, count in types.most_common(3)])
        return f"{file} is {size(side.nbytes)}: {most}"

    def _mix(self) -> str:
        """"attn_v and ffn_down are Q6_K in 16 of 32 layers"."""
        stack = [(role, self.sides[0].tensors[name]) for role, name in self.stack]
        instead = Counter((tensor.instead, tensor.shape[0]) for _, tensor in stack if tensor.instead)
        if 2 * instead.total() > len(stack):
            (wanted, row), _ = instead.most_common(1)[0]
            return f"mostly {self.usual} in place of {wanted}, for rows of {row} are no multiple of 256"
        layers = Counter(role for role, _ in stack)
        raised = [(role, tensor) for role, tensor in stack if tensor.qtype not in (self.usual, "F32")]
        counts = Counter((role, tensor.qtype) for role, tensor in raised)
        weights = Counter[tuple[str, str]]()
        groups: dict[tuple[str, str], dict[str, bool]] = defaultdict(dict)
        for role, tensor in raised:
            count = counts[role, tensor.qtype]
            where = f"in {count} of {layers[role]} layers" if count < layers[role] else "in all layers"
            weights[tensor.qtype, where] += tensor.nbytes
            groups[tensor.qtype, where][role] = True
        said = [f"{_listed(list(groups[key]))} {'is' if len(groups[key]) == 1 else 'are'} {' '.join(key)}"
                for key, _ in weights.most_common(2)]
        return "; ".join(said) or f"every layer is {self.usual} throughout"

    def _comparison(self) -> str:
        (one, other), (name, beside) = self.sides, self.labels
        if not self.unequal:
            return (f"{name} and {beside} are the same: one type in both for each of "
                    f"{len(self.grid.walk)} tensors")
        step = one.nbytes - other.nbytes
        more = f"{size(abs(step))} {'larger' if step > 0 else 'smaller'} than" if step else "as large as"
        moved = {row.role: abs(_nbytes(one, row) - _nbytes(other, row)) for row in self.grid.rows}
        where = f", most bytes in {max(moved, key=lambda role: moved[role])}" if step else ""
        matrices, unequal = (sum(not self._small(tensor) for tensor in names)
                             for names in (self.grid.walk, self.unequal))
        return f"{name} is {more} {beside}: {unequal} of {matrices} matrices differ{where}"

    def subtitle(self, name: str) -> str:
        side, n = self.sides[0], self.grid.left_out
        left = f"; {n} roles are not drawn" if n else ""
        if len(self.sides) == 2:
            about = "" if side.is_file else f"{name}. "
            return (f"{about}Upper half of a row: {self.labels[0]}, lower half: {self.labels[1]}. "
                    f"Pairs that differ are underlined{left}.")
        mix = f"{name} as {side.name}: "
        if side.is_file:
            mix = "a mix without a name, " if side.ftype == "unknown" else f"{side.ftype}, "
        return (f"{mix}all {len(side.tensors)} tensors. A digit is the bits of a code; thin grey rows are "
                f"short vectors{left}.")

    def table(self) -> Table:
        """Role by role: types and bytes of each side."""
        heads = [f": {label}" for label in self.labels] if len(self.sides) == 2 else [""]
        rows = [("Tensor", *(what + head for head in heads for what in ("Types", "Size")))]
        for row in self.grid.rows:
            cells = [printable(row.role)]
            for side in self.sides:
                types = Counter(side.tensors[name].qtype for name in row.names if name in side.tensors)
                cells += [", ".join(f"{count} × {qtype}" for qtype, count in types.most_common()) or "none",
                          size(_nbytes(side, row))]
            rows.append(tuple(cells))
        return tuple(rows)


def _nbytes(side: Side, row: GridRow) -> int:
    return sum(side.tensors[name].nbytes for name in row.names if name in side.tensors)


def _labels(sides: Sequence[Side]) -> list[str]:
    """A short name for each side; of two files the part in which their names differ ("Q4_1" and "F16")."""
    names = [side.name.removesuffix(".gguf") for side in sides]
    if len(names) == 2 and all(side.is_file for side in sides):
        parts = [re.split(r"(?<=[-.:])", name) for name in names]
        alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(*parts, strict=False)))
        rest = ["".join(part[alike:]) for part in parts]
        names = rest if all(rest) else names
    return [_short(name) for name in names]


def _short(name: str, most: int = NAME_LETTERS) -> str:
    """A name that fits; of a long one the end, where a file's mix stands."""
    name = printable(name).removesuffix(".gguf")
    return name if len(name) <= most else f"…{name[1 - most:]}"


def _listed(words: Sequence[str]) -> str:
    """"a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


# ---- picture

def _picture(facts: MapFacts, focus: MapFocus, model: str) -> Picture:
    """The map of a model (its name), one tensor of it in focus."""
    full = 2 * max(side.n_weights for side in facts.sides)
    return draw_model_map(facts.rows(), facts.files(), focus, finding=facts.finding(),
                          subtitle=facts.subtitle(model), full=full,
                          note=f"The whole bar is 16 bits for every weight: {size(full)}.",
                          table=facts.table())


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
        super().__init__(Exhibit(handles, _picture, presets=presets, buttons=buttons, note=NOTE, keys=KEYS,
                                 label=LABEL, label_width=70))

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
        self.say(self.map.focus(name).said)

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
def explore_model_map(source=None, beside=None, *, ftype: str | None = None) -> Exhibit | Stage:
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
            title = f"{_short(one.name, FILE_LETTERS)} has no tensors to draw"
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
