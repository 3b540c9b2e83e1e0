"""One block taken apart: where each value stands, which weights it moves, what they may become, and how a
weight comes out of them.

    parts = anatomy("Q4_K")
    parts.places["sc", 3], parts.decode(raw), numbers(parts, raw, weight=5)

`Anatomy` knows no format: whose a bit is says `layout.owners`, what becomes of a flipped bit says the
format's own decoder. The names of values (`d`, `sc`, `q`, ...) are those of the declarations. FORMULAS has
one line for each format, in the same names, for people to read; the decoders do the work, and a test holds
each formula against them. Where a code is looked up in a table or a codebook, the formula calls what is found
there `entry`.
Lessons: 03, 05, 12.
"""

from functools import cache, cached_property, lru_cache

import numpy as np

from .layout import Owner
from .table import FORMATS, Format

Value = tuple[str, int | tuple[int, ...]]       # name and index of a value, as Owner has them
BitPlace = tuple[int, int]                         # byte and bit, both from 0
GROUP_AT_LEAST = 16         # weights: ggml's smallest sub-block
#: How a weight comes out of the values of its block.
FORMULAS = {
    "Q4_0": "d · (q − 8)", "Q5_0": "d · (q − 16)", "Q8_0": "d · q", "Q4_1": "d · q + m", "Q5_1": "d · q + m",
    "Q2_K": "d · sc · q − dmin · m", "Q4_K": "d · sc · q − dmin · m", "Q5_K": "d · sc · q − dmin · m",
    "Q3_K": "d · (sc − 32) · (q − 4)", "Q6_K": "d · sc · (q − 32)",
    "TQ1_0": "d · (q − 1)", "TQ2_0": "d · (q − 1)", "Q1_0": "d · (2 · q − 1)", "Q2_0": "d · (q − 1)",
    "IQ4_NL": "d · entry", "IQ4_XS": "d · (sc − 32) · entry", "MXFP4": "2^(e − 128) · entry",
    "NVFP4": "d · entry",
    "IQ2_XXS": "d · (sc + 0.5) / 4 · entry", "IQ2_XS": "d · (sc + 0.5) / 4 · entry",
    "IQ2_S": "d · (sc + 0.5) / 4 · entry",
    "IQ3_XXS": "d · (sc + 0.5) / 2 · entry", "IQ3_S": "d · (2 · sc + 1) · entry",
    "IQ1_S": "d · (2 · sc + 1) · entry", "IQ1_M": "d · (2 · sc + 1) · entry",
}

#: What stands before `entry`, as a number.
_BEFORE_ENTRY = {
    "d · entry": lambda v: v["d"],
    "d · (sc − 32) · entry": lambda v: v["d"] * (v["sc"] - 32),
    "2^(e − 128) · entry": lambda v: 2.0 ** (v["e"] - 128),
    "d · (sc + 0.5) / 4 · entry": lambda v: v["d"] * (v["sc"] + 0.5) / 4,
    "d · (sc + 0.5) / 2 · entry": lambda v: v["d"] * (v["sc"] + 0.5) / 2,
    "d · (2 · sc + 1) · entry": lambda v: v["d"] * (2 * v["sc"] + 1),
}


class Anatomy:
    """What can be said about every block of a format: `anatomy("Q4_K")`."""

    def __init__(self, form: Format):
        self.form, self.layout = form, form.layout

    @cached_property
    def places(self) -> dict[Value, tuple[BitPlace, ...]]:
        """(name, index) -> the (byte, bit) of each bit of that value, its lowest bit first."""
        found: dict[Value, list[tuple[int, int, int]]] = {}
        for byte, bits in enumerate(self.layout.owners):
            for bit, owner in enumerate(bits):
                found.setdefault((owner.name, owner.index), []).append((owner.bit, byte, bit))
        return {key: tuple((byte, bit) for _, byte, bit in sorted(stands)) for key, stands in found.items()}

    @cached_property
    def code(self) -> str:
        """The name of the values that come closest to one a weight: `q`, or the codebook numbers `grid`."""
        return max(self.layout.counts, key=self.layout.counts.__getitem__)

    @cached_property
    def n_codes(self) -> int:
        """How many codes there are: all that their bits can say, or as many as leave room where several share
        a byte in base 3.
        """
        shared = [int(2 ** (len(places) / len(index))) for (name, index), places in self.places.items()
                  if name == self.code and isinstance(index, tuple)]
        return min(shared, default=1 << self.layout.widths[self.code])

    @cached_property
    def group_size(self) -> int:
        """Weights of a sub-block: the fewest (but at least 16) that share a value; a whole block where there
        are no sub-blocks.
        """
        shares = [self.form.block_size // count for count in self.layout.counts.values()]
        return min((share for share in shares if share >= GROUP_AT_LEAST), default=self.form.block_size)

    def group(self, weight: int) -> range:
        """The weights of the sub-block of `weight`."""
        first = weight // self.group_size * self.group_size
        return range(first, first + self.group_size)

    def owner(self, byte: int, bit: int) -> Owner:
        return self.layout.owners[byte][bit]

    def weights(self, owner: Owner) -> tuple[int, ...]:
        """The weights that a bit of this owner has a say in."""
        if isinstance(owner.index, tuple):
            return owner.index
        return tuple(self.layout.weights_of(owner.name, owner.index))

    @cached_property
    def needs(self) -> tuple[tuple[Value, ...], ...]:
        """For each weight the (name, index) of the values that it is made of."""
        needs: list[list[Value]] = [[] for _ in range(self.form.block_size)]
        for name, index in self.places:
            for weight in self.weights(Owner(name, index, 0)):
                needs[weight].append((name, index))
        return tuple(map(tuple, needs))

    def says(self, weight: int) -> set[BitPlace]:
        """The (byte, bit) of all bits that have a say in a weight: those of its code and of its scales."""
        return {place for value in self.needs[weight] for place in self.places[value]}

    def code_place(self, weight: int) -> BitPlace:
        """Where the lowest bit of a weight's code stands."""
        return next(self.places[value][0] for value in self.needs[weight] if value[0] == self.code)

    def index(self, name: str, weight: int) -> int:
        """Which of the values `name` a weight needs."""
        return weight * self.layout.counts[name] // self.form.block_size

    def values(self, raw: bytes) -> dict[str, np.ndarray]:
        """name -> the values of one block: small floats as what they stand for, the four parts of IQ1_M's `d`
        as the float16.
        """
        return _values(self.form.name, raw)

    def decode(self, raw: bytes) -> np.ndarray:
        """The (block_size,) weights of one block."""
        return _decoded(self.form.name, raw)

    def levels(self, raw: bytes, weight: int) -> np.ndarray:
        """All values that a weight could take if only its code were another, by ascending code; none for
        floats.

        Codebook formats: the different numbers that the entries have there, mirrored where signs are stored,
        in ascending order.
        """
        if self.form.block_size == 1:
            return np.empty(0, np.float32)
        values = self.layout.unpack(np.frombuffer(raw, self.form.dtype))
        values[self.code] = np.zeros_like(values[self.code])      # the codes have no say in the levels
        column = _levels(self.form.name, self.layout.pack(**values).tobytes())[:, weight]
        if self.layout.counts[self.code] == self.form.block_size:
            return column
        return np.unique(np.concatenate([column, -column]) if "signs" in values else column)


@cache
def anatomy(qtype: str) -> Anatomy:
    """The anatomy of a format, by its name in `FORMATS`."""
    return Anatomy(FORMATS[qtype])


@lru_cache(64)
def _values(qtype: str, raw: bytes) -> dict[str, np.ndarray]:
    layout = FORMATS[qtype].layout
    values = {name: rows[0] for name, rows in layout.unpack(np.frombuffer(raw, layout.dtype)).items()}
    if layout.widths.get("d") == 16 and values["d"].dtype.kind == "u":
        values["d"] = values["d"].astype("<u2").view("<f2")
    return values | {name: meant[values[name]] for name, meant in layout.stands_for.items()}


@lru_cache(64)
def _decoded(qtype: str, raw: bytes) -> np.ndarray:
    return FORMATS[qtype].decode(np.frombuffer(raw, FORMATS[qtype].dtype))[0]


@lru_cache(16)
def _levels(qtype: str, raw: bytes) -> np.ndarray:
    """(how many codes, block_size): the block decoded once for each code, which all its weights get."""
    parts = anatomy(qtype)
    one_each = parts.layout.counts[parts.code] == parts.form.block_size
    return _with_codes(qtype, raw, np.arange(parts.n_codes) if one_each else _telling_codes(qtype))


@cache
def _telling_codes(qtype: str) -> np.ndarray:
    """Few numbers of a codebook whose entries have, at each of their places, every value that occurs there in
    any entry.
    """
    parts = anatomy(qtype)
    values = parts.layout.unpack(np.zeros(1, parts.form.dtype))
    values["d"][:] = np.float16(1) if values["d"].dtype.kind == "f" else np.float16(1).view(np.uint16)
    entries = _with_codes(qtype, parts.layout.pack(**values).tobytes(), np.arange(parts.n_codes))
    share = parts.form.block_size // parts.layout.counts[parts.code]
    firsts = [np.unique(entries[:, place], return_index=True)[1] for place in range(share)]
    return np.unique(np.concatenate(firsts))


def _with_codes(qtype: str, raw: bytes, codes: np.ndarray) -> np.ndarray:
    """(n, block_size): what a block decodes to when all of its codes are codes[0], codes[1], ..."""
    form, code = FORMATS[qtype], anatomy(qtype).code
    values = form.layout.unpack(np.frombuffer(raw, form.dtype))
    values = {name: np.repeat(rows, len(codes), axis=0) for name, rows in values.items()}
    values[code][:] = codes[:, None].astype(values[code].dtype)     # signed codes: 128 and more turn negative
    return form.decode(form.layout.pack(**values))


def flipped(raw: bytes, byte: int, bit: int) -> bytes:
    """The block with one bit turned over."""
    return with_byte(raw, byte, raw[byte] ^ 1 << bit)


def with_byte(raw: bytes, byte: int, value: int) -> bytes:
    """The block with one byte replaced."""
    return raw[:byte] + bytes([value]) + raw[byte + 1 :]


def moved(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Which weights differ; NaN is no different from NaN, nor -0 from 0."""
    return np.flatnonzero((before != after) & ~(np.isnan(before) & np.isnan(after)))


def numbers(parts: Anatomy, raw: bytes, weight: int) -> dict[str, float]:
    """The number behind every name in the formula of a weight; `entry` is missing where its scale is 0 or not
    finite.
    """
    formula = FORMULAS[parts.form.name]
    values = {name: row[parts.index(name, weight)].item() for name, row in parts.values(raw).items()}
    if formula in _BEFORE_ENTRY:
        before = _BEFORE_ENTRY[formula](values)
        if before and abs(before) < float("inf"):
            values["entry"] = round(parts.decode(raw)[weight].item() / before, 3)
    return values
