"""The facts of the model map: what the two sides have tensor by tensor, and the words for it.  Lesson: 05."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cached_property
from itertools import takewhile
from textwrap import wrap

from ..canvas.answers import printable
from ..canvas.maps import MapFocus, MapRow, MapSize, MapTile
from ..canvas.style import Table
from ..models.types import bits_per_weight
from ..words import bits_of, size
from .map_sides import GridRow, Side, TensorGrid

NAME_LETTERS, FILE_LETTERS, LINE_LETTERS = 15, 36, 108


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
        file = short(side.name, FILE_LETTERS)
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

    def numbers(self) -> dict[str, float]:
        """What targets are measured by: bytes and bits per weight of the first side and of each of its roles
        ("attn_v"), how many matrices of its layers had to fall back, and how many tensors differ.
        """
        side = self.sides[0]
        roles: dict[str, list] = defaultdict(list)
        for role, name in self.stack:
            roles[role].append(side.tensors[name])
        told = {role: bits_per_weight(sum(one.nbytes for one in found), sum(one.n_weights for one in found))
                for role, found in roles.items()}
        return {**told, "nbytes": side.nbytes, "bpw": side.bpw, "differ": len(self.unequal),
                "fallen_back": sum(bool(side.tensors[name].instead) for _, name in self.stack)}

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
    return [short(name) for name in names]


def short(name: str, most: int = NAME_LETTERS) -> str:
    """A name that fits; of a long one the end, where a file's mix stands."""
    name = printable(name).removesuffix(".gguf")
    return name if len(name) <= most else f"…{name[1 - most:]}"


def _listed(words: Sequence[str]) -> str:
    """"a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
