"""Where some bits of a block's values stand in its bytes, and how they are read and written there.

    Bits("q", "qs", 4, run=16)

says: each byte of the field `qs` holds four bits of two values `q`. With run=16, the low halves of sixteen
bytes hold values 0 to 15, the high halves values 16 to 31; with run=1, neighbouring places of a byte hold
neighbouring values.

`take` and `give` do the same to many blocks at once. Where four neighbouring bytes hold the same places of
four neighbouring values, they are treated as one number (`in_fours`): a quarter of the work.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Bits:
    """Where some bits of the values `name` stand: in the words of `field`, `per` values to a word, the lowest
    bits first.

    Place `f` of word `w` holds value  first + w // run * per * run + f * run + w % run.

    bits: how many of the value's bits, from bit `at` upwards.  word: bytes per word, lowest byte first.
    words: which words of the field.  shift: where place 0 begins in the word.  step: bits from one place to
    the next (default: `bits`).  per: places in a word (default: as many as fit above `shift`).  signed: the
    finished values are int8.  lanes: values side by side at one place (see `in_fours`).
    """

    name: str
    field: str
    bits: int
    run: int = 1
    at: int = 0
    first: int = 0
    shift: int = 0
    step: int = 0
    per: int = 0
    word: int = 1
    words: slice | None = None
    signed: bool = False
    lanes: int = 1

    @cached_property
    def shifts(self) -> tuple[int, ...]:
        """Where each place begins in its word."""
        step = self.step or self.bits
        places = self.per or (8 * self.word - self.shift - self.bits) // step + 1
        return tuple(self.shift + place * step for place in range(places))

    @property
    def places(self) -> int:
        return len(self.shifts)

    def index(self, word: int, place: int) -> int:
        """Which of the values `name` stands at that place."""
        return self.first + word // self.run * self.places * self.run + place * self.run + word % self.run

    @cached_property
    def single(self) -> bool:
        """Whether each bit of a byte belongs to the next value: what NumPy's packbits does."""
        return (self.bits, self.places, self.word, self.run) == (1, 8, 1, 1)

    @cached_property
    def whole(self) -> bool:
        """Whether the bytes of the field simply are the values, or the lowest eight bits of them."""
        stands = (self.bits, self.places, self.word, self.run, self.at, self.first, self.words)
        return stands == (8, 1, 1, 1, 0, 0, None)

    @cached_property
    def in_fours(self) -> "Bits":
        """The same bits with four bytes to a word and four values to a number, one in each byte; itself where
        that cannot be.
        """
        if self.word > 1 or self.words is not None or self.run % 4 or self.first % 4:
            return self
        return replace(self, run=self.run // 4, first=self.first // 4, word=4, per=self.places, lanes=4)

    def mask(self, bits: int) -> int:
        """The lowest `bits` bits, in every lane."""
        return ((1 << bits) - 1) * int.from_bytes(b"\1" * self.lanes)


def take(b: Bits, words: np.ndarray) -> np.ndarray:
    """(n, n_words) words -> (n, count) the bits of `b`, in order, moved down to the bottom of each value."""
    n, n_words = words.shape
    if b.single:
        return np.unpackbits(np.ascontiguousarray(words), axis=1, bitorder="little")
    number = words.dtype.type
    taken = np.empty((n, n_words * b.places), words.dtype)
    if b.lanes > 1:                                  # long loops: along all blocks instead of within one
        words, taken = np.array(words.T, order="C").T, np.empty(taken.shape[::-1], words.dtype).T
    source, target = words.reshape(n, -1, b.run), taken.reshape(n, -1, b.places, b.run)
    for place, shift in enumerate(b.shifts):
        moved = source >> number(shift) if shift else source
        np.bitwise_and(moved, number(b.mask(b.bits)), out=target[:, :, place])
    return np.ascontiguousarray(taken).view(f"u{b.word // b.lanes}")


def give(b: Bits, values: np.ndarray, n_words: int, top: bool) -> np.ndarray:
    """Values of n blocks, in any memory order -> (n, n_words) words that hold the bits of `b`, all other bits
    zero.

    top: no bits of the values stand elsewhere above these, so that whatever is there may spill into the next
    place, as in C.
    """
    n = len(values)
    if b.whole and top:
        return block_by_block(values).view(np.uint8)
    if b.single:
        return np.packbits(block_by_block(values) & (1 << b.at), axis=1, bitorder="little")
    if b.lanes > 1:
        values = values.view(f"<u{b.word}")
        if values.flags.c_contiguous:                # long loops, again
            values = np.array(values.reshape(n, -1).T, order="C").T
    if values.size != n * n_words * b.places:
        values = values.reshape(n, -1)[:, b.first : b.first + n_words * b.places]
    source = values.reshape(n, n_words // b.run, b.places, b.run)
    if b.at:
        source = source >> source.dtype.type(b.at)
    # bits that stand elsewhere, or have come in from the next lane
    if not top or (b.at and b.lanes > 1):
        source = source & source.dtype.type(b.mask(b.bits))
    number = np.dtype(f"<u{b.word}").type

    def part(place: int, shift: int) -> np.ndarray:
        """What the values give to one place of the words."""
        bits = source[:, :, place].astype(number, copy=False)
        if shift and top and b.lanes > 1:            # what spills must not reach the next lane
            bits = bits & number(b.mask(8 - shift))
        # times a power of two: NumPy multiplies bytes faster than it shifts them
        return bits * number(1 << shift) if shift else bits

    words = part(0, b.shifts[0])
    for place, shift in enumerate(b.shifts[1:], 1):
        words = words | part(place, shift)
    return words.reshape(n, n_words)


def side_by_side(values: np.ndarray) -> bool:
    """Whether neighbouring values are bytes that can be taken by fours."""
    return values.itemsize == 1 == values.strides[-1] and values.shape[-1] % 4 == 0


def block_by_block(values: np.ndarray) -> np.ndarray:
    """(n, count) with the values of a block one after the other."""
    fours = values.view("<u4") if side_by_side(values) else values
    return np.ascontiguousarray(fours.reshape(len(values), -1)).view(values.dtype)
