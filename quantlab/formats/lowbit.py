"""Q1_0 and Q2_0: one or two bits a weight and one scale, without any search (ggml's types 41 and 42).

    Q1_0      128 weights: weight = d * (2 q - 1), q one bit: the sign. d is the mean size of the weights.
    Q2_0      64 weights: weight = d * (q - 1), q from 0 to 3. d is the largest size, so that 3, which stands
              for 2 d, is never written.

They are meant for models trained for them. `encode_*` takes (n, block_size) float32 and returns n blocks,
`decode_*` takes them back. Neither has a use for an imatrix.
ggml: quantize_row_q1_0_ref, quantize_row_q2_0_ref.  Lesson: 12.
"""

import numpy as np

from .cfloat import columns, inverse, largest_magnitude, quads, sum_in_order, to_float16
from .layout import Bits, Layout
from .legacy import d_times_q

Q1_0 = Layout("Q1_0", 128, [("d", "<f2"), ("qs", "u1", 16)], Bits("q", "qs", 1))
Q2_0 = Layout("Q2_0", 64, [("d", "<f2"), ("qs", "u1", 16)], Bits("q", "qs", 2))


def encode_q1_0(x: np.ndarray) -> np.ndarray:
    """A zero of either sign counts as positive."""
    d = sum_in_order(np.abs(columns(x, 128))) / np.float32(128)
    return Q1_0.pack(d=to_float16(d), q=(x >= 0).view(np.uint8))


def decode_q1_0(blocks: np.ndarray) -> np.ndarray:
    values = Q1_0.unpack(blocks)
    return np.where(values["q"] == 1, values["d"], -values["d"]).astype(np.float32)


def encode_q2_0(x: np.ndarray) -> np.ndarray:
    """q = roundf(x / d) + 1, which is how many of -d/2 and d/2 a weight passes. Where 1 / d is no float32
    (weights of 3e-39 and less) C casts infinity to a whole number, and 0 is what comes of it.
    """
    d = largest_magnitude(x, quads(x, 64))
    v = x * inverse(d)[:, None]
    q = (v > np.float32(-0.5)).view(np.uint8) + (v >= np.float32(0.5)).view(np.uint8)
    q[v == np.inf] = 0
    return Q2_0.pack(d=to_float16(d), q=q)


def decode_q2_0(blocks: np.ndarray) -> np.ndarray:
    return d_times_q(Q2_0.unpack(blocks), offset=1)
