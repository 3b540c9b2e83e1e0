"""The five plain block formats, byte for byte as ggml writes them: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0.

Each one cuts a row into blocks of 32 weights and gives every block its own scale `d`:

    Q4_0  Q5_0  Q8_0     weight = d * (code - offset)     codes lie evenly around zero
    Q4_1  Q5_1           weight = d * code + m            codes start at the block's minimum `m`

Without an importance matrix `d` (and `m`) come straight from the block's extremes; with one, from the
searches in `search`, which weight the squared error of column j by  imatrix_j * sqrt(mean square of the row +
x_j^2).

`encode_*` takes (n, 32) float32 and returns n blocks; `weighed` is nothing, or the imatrix's number for each
weight and the mean square of each block's row; `clamped` as in `search_affine`. `decode_*` takes the blocks
back to (n, 32) float32.
ggml: quantize_row_*_ref, quantize_row_*_impl and dequantize_row_*. Lessons: 03, 04, 11.
"""

import numpy as np

from .cfloat import (
    columns,
    cut,
    ends,
    farthest_from_zero,
    fourfold,
    importance,
    inverse,
    largest_size,
    quads,
    round_away,
    to_float16,
)
from .layout import Bits, Layout
from .search import symmetric
from .search_affine import BY_IMPORTANCE, affine

FLT_MAX = np.finfo(np.float32).max
LOW_FOUR = Bits("q", "qs", 4, run=16)               # byte j: weight j in the low half, j + 16 in the high
FIFTH = Bits("q", "qh", 1, at=4)                    # one bit a weight, in order

Q4_0 = Layout("Q4_0", 32, [("d", "<f2"), ("qs", "u1", 16)], LOW_FOUR)
Q4_1 = Layout("Q4_1", 32, [("d", "<f2"), ("m", "<f2"), ("qs", "u1", 16)], LOW_FOUR)
Q5_0 = Layout("Q5_0", 32, [("d", "<f2"), ("qh", "u1", 4), ("qs", "u1", 16)], LOW_FOUR, FIFTH)
Q5_1 = Layout("Q5_1", 32, [("d", "<f2"), ("m", "<f2"), ("qh", "u1", 4), ("qs", "u1", 16)], LOW_FOUR, FIFTH)
Q8_0 = Layout("Q8_0", 32, [("d", "<f2"), ("qs", "i1", 32)], Bits("q", "qs", 8, signed=True))


def encode_q4_0(x: np.ndarray, *weighed: np.ndarray) -> np.ndarray:
    """The weight farthest from zero becomes code 0, which decodes to -8 d; so zero itself is code 8."""
    d, q = around_zero(x, 8, *weighed)
    return Q4_0.pack(d=to_float16(d), q=q)


def decode_q4_0(blocks: np.ndarray) -> np.ndarray:
    return d_times_q(Q4_0.unpack(blocks), offset=8)


def encode_q4_1(x: np.ndarray, *weighed: np.ndarray, clamped: bool = False) -> np.ndarray:
    """Code 0 is the block's smallest weight, code 15 its largest."""
    d, m, q = from_minimum(x, 15, *weighed, clamped=clamped)
    return Q4_1.pack(d=to_float16(d), m=to_float16(m), q=q)


def decode_q4_1(blocks: np.ndarray) -> np.ndarray:
    return d_times_q_plus_m(Q4_1.unpack(blocks))


def encode_q5_0(x: np.ndarray, *weighed: np.ndarray) -> np.ndarray:
    """Q4_0 with 32 levels instead of 16; the fifth bit of every code goes to `qh`."""
    d, q = around_zero(x, 16, *weighed)
    return Q5_0.pack(d=to_float16(d), q=q)


def decode_q5_0(blocks: np.ndarray) -> np.ndarray:
    return d_times_q(Q5_0.unpack(blocks), offset=16)


def encode_q5_1(x: np.ndarray, *weighed: np.ndarray, clamped: bool = False) -> np.ndarray:
    """Q4_1 with 32 levels instead of 16; the fifth bit of every code goes to `qh`."""
    d, m, q = from_minimum(x, 31, *weighed, clamped=clamped)
    return Q5_1.pack(d=to_float16(d), m=to_float16(m), q=q)


def decode_q5_1(blocks: np.ndarray) -> np.ndarray:
    return d_times_q_plus_m(Q5_1.unpack(blocks))


def encode_q8_0(x: np.ndarray) -> np.ndarray:
    """Whole numbers from -127 to 127: the weight farthest from zero is always ±127. ggml has no use for an
    imatrix here.
    """
    xt = quads(x)
    low, high = ends(xt)
    d = largest_size(x, low, high) / np.float32(127)
    one_over = inverse(d)
    xt *= fourfold(one_over)
    return Q8_0.pack(d=to_float16(d), q=cut(round_away(xt), odd_ones(one_over, high - low)))


def decode_q8_0(blocks: np.ndarray) -> np.ndarray:
    return d_times_q(Q8_0.unpack(blocks), offset=0)


# ---- scales and codes: (n, 32) -> d, (m,) q

def around_zero(x: np.ndarray, half: int, *weighed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """C's MIN(2 half - 1, (int8_t)(x / d + half + 0.5)) with d = the weight farthest from zero / -half; with
    an imatrix both by search.
    """
    if weighed:
        xt = columns(x, 32)
        found = symmetric(xt, importance(xt, *weighed), half)
        return found.scale, found.levels(xt).T
    xt = quads(x)
    low, high = ends(xt)
    d = farther_end(x, low, high) / np.float32(-half)
    one_over = inverse(d)
    xt *= fourfold(one_over)
    xt += np.float32(half + 0.5)
    return d, cut(xt, odd_ones(one_over, high - low), top=2 * half - 1)


def from_minimum(x: np.ndarray, top: int, *weighed: np.ndarray,
                 clamped: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """C's (uint8_t)((x - m) / d + 0.5) with m the minimum and d = the range / top, never more than `top`;
    with an imatrix all by search, and m never above zero.
    """
    if weighed:
        xt = columns(x, 32)
        found = affine(xt, importance(xt, *weighed), top, *BY_IMPORTANCE, clamped=clamped)
        return found.scale, -found.minimum, found.levels(xt).T
    xt = quads(x)
    low, high = ends(xt)
    span = high - low
    m, high = range_of(x, low, high)
    d = (high - m + np.float32(0)) / np.float32(top)                 # + 0: never -0
    one_over = inverse(d)
    xt -= fourfold(m)
    xt *= fourfold(one_over)
    xt += np.float32(0.5)
    return d, m, cut(xt, odd_ones(one_over, span))


def farther_end(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Of both ends the one with the larger magnitude; when in doubt C's loop decides: the first one, and
    never a NaN.
    """
    far = np.where(-low > high, low, high)
    balance = low + high
    odd = np.flatnonzero((balance == 0) | np.isnan(balance))
    if len(odd):
        far[odd] = farthest_from_zero(columns(x[odd], 32))
    return far


def range_of(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both ends as C's loop finds them (changed in place): it starts from ±FLT_MAX, skips a NaN, and keeps
    the first of several zeros.
    """
    odd = np.flatnonzero(~np.isfinite(low + high))
    if len(odd):
        nan = np.isnan(x[odd])
        low[odd] = np.where(nan, FLT_MAX, x[odd]).min(axis=1, initial=FLT_MAX)
        high[odd] = np.where(nan, -FLT_MAX, x[odd]).max(axis=1, initial=-FLT_MAX)
    zero = np.flatnonzero(low == 0)
    if len(zero):
        low[zero] = x[zero, (x[zero] == 0).argmax(axis=1)]
    return low, high


def odd_ones(one_over: np.ndarray, span: np.ndarray) -> np.ndarray:
    """Blocks in which x / d may not be a small number: NaN or infinity among the weights or in 1 / d leaves
    its mark on the product.
    """
    return np.flatnonzero(~np.isfinite(one_over * span))


# ---- the way back

def d_times_q(values: dict[str, np.ndarray], offset: int) -> np.ndarray:
    """(n, 32) weights d * (q - offset)."""
    x = values["q"].astype(np.float32)
    if offset:
        x -= np.float32(offset)
    x *= values["d"].astype(np.float32)
    return x


def d_times_q_plus_m(values: dict[str, np.ndarray]) -> np.ndarray:
    """(n, 32) weights d * q + m."""
    x = d_times_q(values, offset=0)
    x += values["m"].astype(np.float32)
    return x
