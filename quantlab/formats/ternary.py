"""TQ1_0 and TQ2_0: weights of which only minus, nothing or plus is left, for models trained that way (BitNet,
TriLM).

    weight = d * (q - 1)        q is 0, 1 or 2; d is the largest magnitude of the block of 256

TQ2_0 gives each q two bits. TQ1_0 writes five of them as one number to the base 3, the first weight's digit
in front: 3^5 = 243 of a byte's 256 values. To take the digits out again without dividing, ggml stores that
number n as the fraction n / 243 of 256, rounded up: times 3, the first digit appears above the byte; the rest
times 3 gives the second digit, and so on.

`encode_*` takes (n, 256) float32 and returns n blocks, `decode_*` takes them back. Neither format has a use
for an imatrix.
ggml: quantize_row_tq1_0_ref, quantize_row_tq2_0_ref. Lesson: 12.
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from .cfloat import inverse, largest_size, low_byte, round_away, to_float16
from .layout import Bits, Layout, Owner

# number to the base 3 -> byte
STRETCHED = ((np.arange(256) * 256 + 242) // 243).astype(np.uint8)
# digit, byte -> q
DIGITS = np.array([(np.arange(256) * 3**place % 256 * 3) >> 8 for place in range(5)], np.uint8)


class Trits(NamedTuple):
    """`per` digits in each byte of `field` from `start` to `stop`: digit f of byte w is value
    first + f * (stop - start) + w.
    """

    field: str
    start: int
    stop: int
    first: int
    per: int

    @property
    def run(self) -> int:
        return self.stop - self.start


class BaseThree(Layout):
    """A Layout whose values `q` are digits to the base 3. A bit of such a byte belongs to all its weights
    together.
    """

    def __init__(self, name: str, block_size: int, fields: list[tuple], *trits: Trits):
        self.trits = trits
        super().__init__(name, block_size, fields)

    @cached_property
    def counts(self) -> dict[str, int]:
        return {"q": sum(t.per * t.run for t in self.trits), "d": 1}

    @cached_property
    def widths(self) -> dict[str, int]:
        return {"q": 2, "d": 16}

    def unpack(self, blocks: np.ndarray) -> dict[str, np.ndarray]:
        q = np.empty((len(blocks), self.counts["q"]), np.uint8)
        for t in self.trits:
            for place in range(t.per):
                begin = t.first + place * t.run
                q[:, begin : begin + t.run] = DIGITS[place][blocks[t.field][:, t.start : t.stop]]
        return {"q": q, "d": blocks["d"].reshape(-1, 1)}

    def pack(self, **values: np.ndarray) -> np.ndarray:
        blocks = np.zeros(len(values["q"]), self.dtype)
        blocks["d"], q = values["d"].reshape(-1), values["q"].reshape(len(blocks), -1)
        for t in self.trits:
            digits = q[:, t.first : t.first + t.per * t.run].reshape(-1, t.per, t.run)
            number = digits[:, 0]
            for place in range(1, t.per):
                number = number * np.uint8(3) + digits[:, place]
            blocks[t.field][:, t.start : t.stop] = STRETCHED[number * np.uint8(3 ** (5 - t.per))]
        return blocks

    def _claims(self):
        """(owner, byte, bit) for every bit."""
        for t in self.trits:
            for w in range(t.run):
                together = tuple(t.first + place * t.run + w for place in range(t.per))
                for bit in range(8):
                    yield Owner("q", together, bit), self.starts[t.field] + t.start + w, bit
        for bit in range(16):
            yield Owner("d", 0, bit), self.starts["d"] + bit // 8, bit % 8


TQ1_0 = BaseThree("TQ1_0", 256, [("qs", "u1", 48), ("qh", "u1", 4), ("d", "<f2")],
                  Trits("qs", 0, 32, first=0, per=5), Trits("qs", 32, 48, first=160, per=5),
                  Trits("qh", 0, 4, first=240, per=4))
TQ2_0 = Layout("TQ2_0", 256, [("qs", "u1", 64), ("d", "<f2")], Bits("q", "qs", 2, run=32))


def encode_tq1_0(x: np.ndarray) -> np.ndarray:
    d, q = signs(x)
    return TQ1_0.pack(d=to_float16(d), q=q)


def decode_tq1_0(blocks: np.ndarray) -> np.ndarray:
    return weights(TQ1_0.unpack(blocks))


def encode_tq2_0(x: np.ndarray) -> np.ndarray:
    d, q = signs(x)
    return TQ2_0.pack(d=to_float16(d), q=q & np.uint8(3))


def decode_tq2_0(blocks: np.ndarray) -> np.ndarray:
    return weights(TQ2_0.unpack(blocks))


def signs(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 256) weights -> d (n,) the largest magnitude; q = lroundf(x / d) + 1, which is how many of -d/2 and
    d/2 a weight passes.
    """
    low = x.min(axis=1)
    d = largest_size(x, low, x.max(axis=1))
    one_over = inverse(d)
    v = x * one_over[:, None]
    q = (v > np.float32(-0.5)).view(np.uint8) + (v >= np.float32(0.5)).view(np.uint8)
    odd = np.flatnonzero(np.isnan(low) | ~np.isfinite(one_over * d))
    if len(odd):                                                     # NaN and what is too large for 1 / d
        q[odd] = (low_byte(round_away(v[odd])) + np.int8(1)).view(np.uint8)
    return d, q


def weights(values: dict[str, np.ndarray]) -> np.ndarray:
    """(n, 256) weights d * (q - 1)."""
    x = values["q"].astype(np.float32)
    x -= np.float32(1)
    x *= values["d"].astype(np.float32)
    return x
