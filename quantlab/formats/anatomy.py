"""One block taken apart: which field owns each byte, which weight each bit, and what the codes are. Lesson: 03.

Of ggml's two kinds of field, numbers (`d`, `m`) belong to all 32 weights of a block, codes (`qs`, `qh`) to one each.
"""

from dataclasses import dataclass

import numpy as np

from . import legacy
from .table import Format

ALL = -1                    # the owner of a bit that all weights of the block share
_OFFSET = {"Q4_0": 8, "Q4_1": 0, "Q5_0": 16, "Q5_1": 0, "Q8_0": 0}


@dataclass(frozen=True)
class BlockParts:
    """raw: the block's bytes.  owners: for each byte its field.  weight_of_bit: for each byte, which weight bit 0 to 7
    belongs to (ALL for a scale).  codes: the 32 stored numbers.  weight = d * (code - offset) + m."""

    qtype: str
    raw: bytes
    owners: tuple[str, ...]
    weight_of_bit: tuple[tuple[int, ...], ...]
    codes: tuple[int, ...]
    d: float
    m: float
    offset: int
    decoded: tuple[float, ...]

    @property
    def levels(self) -> tuple[float, ...]:
        """Every value this block can hold, by ascending code."""
        return tuple(self.d * (code - self.offset) + self.m for code in self.all_codes)

    @property
    def all_codes(self) -> range:
        """The codes that the format can store."""
        return {"Q8": range(-127, 128), "Q5": range(32), "Q4": range(16)}[self.qtype[:2]]

    def bits_of(self, field: str) -> str:
        """The 16 bits of a float16 field, sign first (in the file its low byte comes first)."""
        at = self.owners.index(field)
        return f"{int.from_bytes(self.raw[at : at + 2], 'little'):016b}"


def take_apart(form: Format, block: np.ndarray) -> BlockParts:
    """One block (a scalar of `form.dtype`) of Q4_0, Q4_1, Q5_0, Q5_1 or Q8_0.  ValueError for another format."""
    if form.name not in _OFFSET:
        raise ValueError(f"{form.name} blocks cannot be taken apart yet; {', '.join(_OFFSET)} can")
    one = np.asarray(block, form.dtype).reshape(1)
    sizes = [(name, form.dtype[name].itemsize) for name in form.dtype.names]
    return BlockParts(
        qtype=form.name, raw=one.tobytes(), owners=tuple(name for name, size in sizes for _ in range(size)),
        weight_of_bit=tuple(_weights(form.name, name, i) for name, size in sizes for i in range(size)),
        codes=tuple(_codes(form.name, one)), d=float(one["d"][0]), m=float(one["m"][0]) if "m" in form.dtype.names else 0.0,
        offset=_OFFSET[form.name], decoded=tuple(form.decode(one)[0].tolist()))


def _weights(qtype: str, field: str, i: int) -> tuple[int, ...]:
    """Which weight each bit of byte `i` of a field belongs to, bit 0 (the lowest) first."""
    if field in ("d", "m"):
        return (ALL,) * 8
    if field == "qh":
        return tuple(range(8 * i, 8 * i + 8))
    return (i,) * 8 if qtype == "Q8_0" else (i,) * 4 + (i + 16,) * 4


def _codes(qtype: str, one: np.ndarray) -> list[int]:
    if qtype == "Q8_0":
        return one["qs"][0].tolist()
    low = legacy.two_nibbles(one)[0]
    return (low | legacy.sixteens(one)[0] if "qh" in one.dtype.names else low).tolist()
