"""Each block format is declared once: a struct, and which of its bits hold what. All else follows from that.

    Layout("Q5_0", 32, [("d", "<f2"), ("qh", "u1", 4), ("qs", "u1", 16)],
           Bits("q", "qs", 4, run=16), Bits("q", "qh", 1, at=4))

reads: a block of 32 weights is a float16 `d`, four bytes `qh`, sixteen bytes `qs`. The values `q` (there are
32) have their low four bits in `qs` and their fifth in `qh`. With run=16, the low halves of sixteen bytes
hold values 0 to 15, the high halves values 16 to 31; with run=1, the eight bits of a byte belong to eight
neighbours.

From the declaration come the bits per weight, `pack`, `unpack` and `owners`, which is the picture of a block.
A field that no `Bits` cuts up is a number (or a row of numbers) of its own, under its own name. The structs
are those of ggml-common.h.
Lessons: 03, 05, 12.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .bits import Bits, give, side_by_side, take

__all__ = ["Bits", "Layout", "Owner"]


@dataclass(frozen=True)
class Owner:
    """Whose a stored bit is: bit number `bit` of value `index` of `name`; `index` is a tuple where several
    values share it.
    """

    name: str
    index: int | tuple[int, ...]
    bit: int


class Layout:
    """A declared block format: `block_size` weights in `type_size` bytes.

    stands_for: name -> the numbers that its values are codes of, where those are small floats of a kind that
    NumPy has not.  starts: field -> its first byte.  plain: the fields that no `Bits` cuts up.
    Raises ValueError when two declarations claim the same bit or a struct's bit belongs to nobody.
    """

    def __init__(self, name: str, block_size: int, fields: list[tuple], *bits: Bits,
                 stands_for: dict[str, np.ndarray] | None = None):
        self.name, self.block_size, self.bits, self.stands_for = name, block_size, bits, stands_for or {}
        self.dtype = np.dtype(fields)
        self.starts = {field: place[1] for field, place in (self.dtype.fields or {}).items()}
        cut_up = {b.field for b in bits}
        self.plain = [field for field in self.starts if field not in cut_up]
        self._check()

    @property
    def type_size(self) -> int:
        """Bytes of one block."""
        return self.dtype.itemsize

    @cached_property
    def counts(self) -> dict[str, int]:
        """name -> how many values of it a block holds, in the order of the declaration; d is 1, the codes are
        `block_size`.
        """
        counts = {name: int(np.prod(self.dtype[name].shape)) for name in self.plain}
        for b in self.bits:
            counts[b.name] = max(counts.get(b.name, 0), b.first + len(self._which_words(b)) * b.places)
        return counts

    @cached_property
    def widths(self) -> dict[str, int]:
        """name -> bits of one value."""
        widths = {name: 8 * self.dtype[name].base.itemsize for name in self.plain}
        for b in self.bits:
            widths[b.name] = max(widths.get(b.name, 0), b.at + b.bits)
        return widths

    def top(self, name: str) -> int:
        """The highest code that the values `name` have bits for."""
        return (1 << self.widths[name]) - 1

    def weights_of(self, name: str, index: int) -> range:
        """Which weights of the block value `index` of `name` has a say in: equal shares, in order."""
        share = self.block_size // self.counts[name]
        return range(index * share, (index + 1) * share)

    def unpack(self, blocks: np.ndarray) -> dict[str, np.ndarray]:
        """n blocks -> {name: (n, count) values}: unsigned integers as wide as needed, or the plain fields.
        """
        n = len(blocks)
        values = {name: blocks[name].reshape(n, -1) for name in self.plain}
        for b in self.bits:
            if b.name not in values:
                values[b.name] = np.zeros((n, self.counts[b.name]), _unsigned(self.widths[b.name]))
            taken = take(b.in_fours, self._words(blocks, b.in_fours)).astype(values[b.name].dtype, copy=False)
            if b.at:
                taken = taken * taken.dtype.type(1 << b.at)
            values[b.name][:, b.first : b.first + taken.shape[1]] |= taken
        return values | {b.name: values[b.name].view(np.int8) for b in self.bits if b.signed}

    def pack(self, **values: np.ndarray) -> np.ndarray:
        """{name: (n, ...) values, `count` to a block} -> n blocks. Any memory order; nothing is copied that
        need not be.

        Like C, a value is not checked: bits above its width spill into what lies above its highest place.
        """
        n = len(next(iter(values.values())))
        blocks, begun = np.zeros(n, self.dtype), set()
        for name in self.plain:
            blocks[name] = values[name].reshape(blocks[name].shape)
        for b in self.bits:
            given = values[b.name].view(np.uint8) if b.signed else values[b.name]
            b = b.in_fours if side_by_side(given) else b
            words = self._words(blocks, b)
            given = give(b, given, words.shape[1], top=b.at + b.bits == self.widths[b.name])
            # three times faster, with lanes
            by_column = zip(words.T, given.T, strict=True) if b.lanes > 1 else [(words, given)]
            for word, part in by_column:
                word[...] = word | part if b.field in begun else part
            begun.add(b.field)
        return blocks

    @cached_property
    def owners(self) -> tuple[tuple[Owner, ...], ...]:
        """For each byte of the block its eight bits, the lowest first: whose is it?"""
        owners = {(byte, bit): owner for owner, byte, bit in self._claims()}
        return tuple(tuple(owners[byte, bit] for bit in range(8)) for byte in range(self.type_size))

    def _claims(self) -> Iterator[tuple[Owner, int, int]]:
        """(owner, byte, bit) for every declared bit."""
        for name in self.plain:
            start, width = self.starts[name], self.widths[name]
            for i in range(self.counts[name] * width):
                yield Owner(name, i // width, i % width), start + i // 8, i % 8
        for b in self.bits:
            for w, stands in enumerate(self._which_words(b)):
                start = self.starts[b.field] + stands * b.word
                for place, shift in enumerate(b.shifts):
                    for i in range(b.bits):
                        byte, bit = divmod(shift + i, 8)
                        yield Owner(b.name, b.index(w, place), b.at + i), start + byte, bit

    def _check(self) -> None:
        claimed = [(byte, bit) for _, byte, bit in self._claims()]
        twice = len(claimed) - len(set(claimed))
        missing = 8 * self.type_size - len(set(claimed))
        if twice or missing:
            raise ValueError(f"{self.name}: {twice} bits are claimed twice and {missing} belong to nobody")

    def _which_words(self, b: Bits) -> range:
        every = range(self.dtype[b.field].itemsize // b.word)
        return every if b.words is None else every[b.words]

    def _words(self, blocks: np.ndarray, b: Bits) -> np.ndarray:
        """(n, words) view of the words that `b` is about."""
        chosen = self._which_words(b)
        start, strides = self.starts[b.field] + chosen.start * b.word, (self.type_size, chosen.step * b.word)
        return np.ndarray((len(blocks), len(chosen)), f"<u{b.word}", blocks.view(np.uint8), start, strides)


def _unsigned(width: int) -> np.dtype:
    """The unsigned integer that holds `width` bits."""
    return np.dtype("u1" if width <= 8 else "u2" if width <= 16 else "u4")
