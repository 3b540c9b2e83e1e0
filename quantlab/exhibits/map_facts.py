"""From one or two sides to what a model map shows: its rows, its sentences, its table. Nothing here draws."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from itertools import takewhile
from textwrap import wrap

from ..canvas.maps import Focus, Row, Size, Tile
from ..canvas.style import Table
from ..words import printable
from .map_sides import Line, Side, Tensor, grid
from .role_bytes import bits_of, in_bytes

NAME_LETTERS, FILE_LETTERS, LINE_LETTERS = 15, 36, 108


class MapFacts:
    """One side, or two over each other (`beside`): all that the map says of them."""

    def __init__(self, side: Side, beside: Side | None = None):
        self.sides = (side, beside) if beside else (side,)
        self.every = {name: tensor for one in reversed(self.sides) for name, tensor in one.tensors.items()}
        self.labels = _labels(self.sides)
        self.lines, self.left_out = grid(self.every)
        self.cells = [name for line in self.lines for name in line.names]

    # ---- the grid

    @cached_property
    def places(self) -> dict[str, tuple[int, int]]:
        """Tensor name -> (row, column)."""
        return {name: (i, k) for i, line in enumerate(self.lines) for k, name in enumerate(line.names)
                if name}

    def at(self, cell: int) -> str:
        """The tensor in a cell, or the nearest one in its row."""
        first = 0
        for line in self.lines:
            if cell < first + len(line.names):
                there = [k for k, name in enumerate(line.names) if name]
                return line.names[min(there, key=lambda k: abs(k - (cell - first)))]
            first += len(line.names)
        return self.walk[-1]

    @cached_property
    def walk(self) -> list[str]:
        """All tensors that are drawn, in reading order."""
        return [name for name in self.cells if name]

    @cached_property
    def unequal(self) -> list[str]:
        """Tensors that the two sides store differently, or that only one has, in reading order; of one side,
        the raised ones.
        """
        if len(self.sides) == 2:
            return [name for name in self.walk if self._differs(name)]
        usual = self.usual
        return [name for name in self.walk if not self._small(name) and self.every[name].qtype != usual]

    def _differs(self, name: str) -> bool:
        one, other = (side.tensors.get(name) for side in self.sides)
        return one is None or other is None or one[:2] != other[:2]

    @cached_property
    def stack(self) -> list[tuple[str, str, Tensor]]:
        """(role, name, tensor) of the first side's matrices inside the layers."""
        return [(line.role, name, self.sides[0].tensors[name]) for line in self.lines if not line.alone
                for name in line.names if name in self.sides[0].tensors and not self._small(name)]

    @cached_property
    def usual(self) -> str:
        """The commonest type of the matrices inside the layers; "" when there are none."""
        return next((qtype for qtype,
                     _ in Counter(tensor.qtype for _, _, tensor in self.stack).most_common(1)), "")

    @property
    def n_layer(self) -> int:
        return next((len(line.names) for line in self.lines if not line.alone), 0)

    def _small(self, name: str) -> bool:
        """Norms and biases: drawn thin, for no mix touches them."""
        return self.every[name].is_vector or name.endswith(".bias")

    # ---- for the view

    def rows(self) -> list[Row]:
        found, first = [], 0
        for line in self.lines:
            tiles = [[self._tile(side, name) for name in line.names] for side in self.sides]
            sizes = [(size, in_bytes(size) if size else "none")
                     for size in (self._size(side, line) for side in self.sides)]
            thin = all(name is None or self._small(name) for name in line.names)
            found.append(Row(printable(line.role)[:20], first, tiles, sizes, line.alone, thin))
            first += len(line.names)
        return found

    def _tile(self, side: Side, name: str | None) -> Tile | None:
        tensor = side.tensors.get(name)
        return Tile(bits_of(tensor.qtype), tensor.qtype, len(self.sides) == 2
                    and self._differs(name)) if tensor else None

    @staticmethod
    def _size(side: Side, line: Line) -> float:
        return sum(side.tensors[name].nbytes for name in line.names if name in side.tensors)

    def files(self) -> list[Size]:
        return [Size(label, side.nbytes,
                     f"{in_bytes(side.nbytes)}, {8 * side.nbytes / side.n_weights:.2f} bits per weight")
                for label, side in zip(self.labels, self.sides, strict=True)]

    def focus(self, name: str) -> Focus:
        """The chosen tensor: where it stands, in one sentence and in three lines."""
        (row, column), shown = self.places[name], printable(name)[:72]
        said = [self._said(side, name) for side in self.sides]
        if len(said) == 1:
            return Focus(row, column, f"{shown}: {said[0]}", (shown, said[0], *self._why(name)))
        lines = [f"{label}: {words}" for label, words in zip(self.labels, said, strict=True)]
        mark = "   (the two differ)" if self._differs(name) else "   (the same in both)"
        return Focus(row, column, f"{shown}. {'. '.join(lines)}", (shown + mark, *lines, *self._why(name, 1)))

    def _said(self, side: Side, name: str) -> str:
        tensor = side.tensors.get(name)
        if tensor is None:
            return "has no such tensor"
        bpw = 8 * tensor.nbytes / tensor.n_weights
        size = f"{tensor.nbytes:,.0f} bytes, {bpw:.6g} bits per weight" if tensor.nbytes else "bytes unknown"
        return f"{' × '.join(f'{n:,}' for n in tensor.shape)} weights in {tensor.qtype}, {size}"

    def _why(self, name: str, most: int = 2) -> list[str]:
        tensor = self.sides[0].tensors.get(name)
        words = f"Why {tensor.qtype}: {tensor.why}." if tensor and tensor.why else "So it stands in the file." if tensor else ""
        return wrap(words, LINE_LETTERS, max_lines=most, placeholder=" …")

    # ---- in words

    def finding(self) -> str:
        if len(self.sides) == 2:
            return self._comparison()
        side = self.sides[0]
        if side.is_file:
            types = Counter(tensor.qtype for name, tensor in side.tensors.items() if not self._small(name))
            file = _short(side.name, FILE_LETTERS)
            size = f"{file} is {in_bytes(side.nbytes)}: {listed([f'{count} × {qtype}' for qtype, count in types.most_common(3)])}"
            return size if self.n_layer else f"{file} has no layers to draw: no tensor is called blk.0.something"
        return f"{side.name} is {in_bytes(side.nbytes)}: {self._mix()}"

    def _mix(self) -> str:
        """"attn_v and ffn_down are Q6_K in 16 of 32 layers"."""
        instead = Counter((tensor.instead, tensor.shape[0]) for _, _, tensor in self.stack if tensor.instead)
        if instead and 2 * instead.total() > len(self.stack):
            (wanted, row), _ = instead.most_common(1)[0]
            return f"mostly {self.usual} in place of {wanted}, for rows of {row} are no multiple of 256"
        layers = Counter(role for role, _, _ in self.stack)
        raised = [(role, tensor) for role, _, tensor in self.stack if tensor.qtype not in (self.usual, "F32")]
        counts, weights, groups = Counter((role, tensor.qtype) for role, tensor in raised), Counter(), {}
        for role, tensor in raised:
            count = counts[role, tensor.qtype]
            where = f"in {count} of {layers[role]} layers" if count < layers[role] else "in all layers"
            weights[tensor.qtype, where] += tensor.nbytes
            groups.setdefault((tensor.qtype, where), {})[role] = True
        said = [f"{listed(list(groups[key]))} {'is' if len(groups[key]) == 1 else 'are'} {' '.join(key)}"
                for key, _ in weights.most_common(2)]
        return "; ".join(said) or f"every layer is {self.usual} throughout"

    def _comparison(self) -> str:
        (one, other), (name, beside) = self.sides, self.labels
        matrices = [tensor for tensor in self.walk if not self._small(tensor)]
        unequal = [tensor for tensor in self.unequal if not self._small(tensor)]
        if not self.unequal:
            return f"{name} and {beside} are the same: one type in both for each of {len(self.walk)} tensors"
        step = one.nbytes - other.nbytes
        size = f"{in_bytes(abs(step))} {'larger' if step > 0 else 'smaller'} than" if step else "as large as"
        moved = Counter()
        for line in self.lines:
            moved[line.role] += abs(self._size(one, line) - self._size(other, line))
        where = f", most bytes in {moved.most_common(1)[0][0]}" if step else ""
        return f"{name} is {size} {beside}: {len(unequal)} of {len(matrices)} matrices differ{where}"

    def subtitle(self, name: str) -> str:
        side, left = self.sides[0], f"; {self.left_out} roles are not drawn" if self.left_out else ""
        if len(self.sides) == 2:
            one, other = self.labels
            about = "" if side.is_file else f"{name}. "
            return f"{about}Upper half of a row: {one}, lower half: {other}. Pairs that differ are underlined{left}."
        mix = (f"{side.ftype}, " if side.ftype != "unknown"
               else "a mix without a name, ") if side.is_file else f"{name} as {side.name}: "
        return f"{mix}all {len(side.tensors)} tensors. A digit is the bits of a code; thin grey rows are short vectors{left}."

    def table(self) -> Table:
        """Role by role: types and bytes of each side."""
        head = ["Tensor"]
        for label in self.labels:
            head += ["Types", "Size"] if len(self.sides) == 1 else [f"Types: {label}", f"Size: {label}"]
        rows = []
        for line in self.lines:
            cells = [printable(line.role)]
            for side in self.sides:
                types = Counter(side.tensors[name].qtype for name in line.names if name in side.tensors)
                cells += [", ".join(f"{count} × {qtype}" for qtype, count in types.most_common()) or "none",
                          in_bytes(self._size(side, line))]
            rows.append(tuple(cells))
        return (tuple(head), *rows)


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


def listed(words: Sequence[str]) -> str:
    """"a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
