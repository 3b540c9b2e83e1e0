"""C's float32 arithmetic, re-enacted: what NumPy does a little differently, and what that costs in bytes.

ggml's encoders are plain C loops over the weights of a group, all in float32. To write the same bytes, every
sum must be added up in the same order and every rounding fall to the same side. Inside the encoders all
arrays are (size, n): weight j of every group in row j, one *column* per group. A reduction along axis 0 then
goes through a group as C's loop does, and along all groups at once.

All of this is exact for finite numbers of any size; what C does with NaN and infinity is re-enacted, too, as
its x86-64 build does it (NaN payloads aside: a float16 NaN is always written as 0x7E00, its sign kept).
"""

from contextlib import contextmanager
from functools import lru_cache

import numpy as np

# ggml's GROUP_MAX_EPS: a group whose largest weight is smaller counts as zero
TINY = np.float32(1e-15)
SMALL = np.float32(4194303.0)               # 2^22 - 1: below it, rint and ggml's nearest_int agree
# 1.5 * 2^23: adding it leaves the rounded number in the mantissa's low bits
_MAGIC = np.float32(12582912.0)
_ALMOST_HALF = np.float32(0.49999997)       # the largest float32 below 1/2

# Made and dropped, never touched: from then on glibc keeps up to 64 MB of freed memory for the next array,
# where it would else hand every array of 128 KB or more back to the system and fetch it anew, page by page
# (mallopt(3), M_MMAP_THRESHOLD). The encoders live on such arrays; this makes them up to one and a half times
# as fast.
np.empty((32 << 20) - (64 << 10), np.uint8)


@contextmanager
def c_rules():
    """No warning where C gives none, and short buffers; use it around a computation or, as @c_rules(), on a
    function.

    NumPy first copies an operand that repeats row by row into a buffer, unless a row is longer than half that
    buffer (8192 numbers). With a short one it reads the row in place, which takes half the time; the bytes
    are the same.
    """
    with np.errstate(all="ignore"):
        np.setbufsize(512)                   # errstate puts the old size back, too
        yield


def columns(x: np.ndarray, size: int) -> np.ndarray:
    """Groups of `size` neighbours -> a fresh (size, n_groups) float32 array, one column per group."""
    return np.array(x.reshape(-1, size).T, np.float32, order="C")


def sum_in_order(v: np.ndarray) -> np.ndarray:
    """0 + first + ... + last down axis 0, in that order."""
    if v.ndim == 1 or v.shape[1] != 1:
        return np.add.reduce(v, axis=0)
    return np.add.accumulate(v, axis=0)[-1] + np.float32(0)     # reduce would add a single column pairwise


def sum_from_first(v: np.ndarray) -> np.ndarray:
    """first + ... + last down axis 0: as `sum_in_order`, but -0 where all are -0."""
    total = sum_in_order(v)
    zero = np.flatnonzero(total == 0)
    if len(zero):
        total[zero] = np.add.accumulate(v[:, zero], axis=0)[-1]
    return total


def mean_square(x: np.ndarray, factor: int = 1) -> np.ndarray:
    """factor * (x_1^2 + x_2^2 + ...) / n for each row of (rows, n), added up in order: ggml's sigma2."""
    total = sum_in_order(np.ascontiguousarray((x * x).T))
    return (np.float32(factor) * total if factor != 1 else total) / np.float32(x.shape[1])


def importance(xt: np.ndarray, imatrix: np.ndarray, mean_squares: np.ndarray) -> np.ndarray:
    """How much each weight matters: imatrix * sqrt(mean square + x^2).

    xt: (size, n_groups).  imatrix: as many numbers, block by block.  mean_squares: (n,) of the blocks that
    the groups stand in, of their rows, or twice that, as the format wants it.
    """
    w = xt * xt
    w += mean_squares.repeat(xt.shape[1] // len(mean_squares))
    np.sqrt(w, out=w)
    w *= columns(imatrix, len(xt))
    return w


def nearest_int(v: np.ndarray) -> np.ndarray:
    """Halves to even, as int32; beyond ±2^22 the wrapped-around number that ggml's nearest_int gives."""
    return ((v + _MAGIC).view(np.int32) & 0x7FFFFF) - 0x400000


def to_levels(v: np.ndarray, low: int, high: int, small: bool, bottom: float = -np.inf,
              top: float = np.inf) -> np.ndarray:
    """nearest_int, cut off at low and high, as float32 and in place.

    small: all |v| <= SMALL, so that rint will do.  bottom, top: no v is known to lie beyond them; what need
    not be cut is not cut.
    """
    if not small:
        v[...] = np.clip(nearest_int(v), low, high)
        return v
    np.rint(v, out=v)
    if top > high + 0.4:
        np.minimum(v, _repeated(high, v.shape[-1]), out=v)
    if bottom < low - 0.4:
        np.maximum(v, _repeated(low, v.shape[-1]), out=v)
    return v


@lru_cache(maxsize=16)
def _repeated(number: int, n: int) -> np.ndarray:
    """One number n times: NumPy's minimum of an array and a row takes a third of the time of one with a
    single number.
    """
    return np.full(n, number, np.float32)


def round_away(v: np.ndarray) -> np.ndarray:
    """C's roundf without the last step: add almost a half away from zero, in place; a cast to integer then
    cuts.
    """
    # copysign by bits: NumPy's own takes twice as long
    sign = v.view(np.uint32) & np.uint32(0x80000000)
    v += (sign | _ALMOST_HALF.view(np.uint32)).view(np.float32)
    return v


def keep_where(better: np.ndarray, kept: np.ndarray, found: np.ndarray) -> None:
    """kept[:, better] = found[:, better], for (rows, n) float32 arrays. By bits, and `found` is lost: a third
    of np.copyto's time.
    """
    kept, found = kept.view(np.int32), found.view(np.int32)
    found ^= kept
    found &= -better.astype(np.int32)                                # all bits where better, none elsewhere
    kept ^= found


def inverse(d: np.ndarray) -> np.ndarray:
    """1 / d, and 0 where d is zero."""
    return np.divide(np.float32(1), d, out=np.zeros_like(d), where=d != 0)


def to_float16(x: np.ndarray) -> np.ndarray:
    """As ggml rounds it: to nearest, ties to even; every NaN becomes 0x7E00 with its sign."""
    half = x.astype(np.float16)
    nan = np.isnan(x)
    if nan.any():
        bits = half.view(np.uint16)
        bits[nan] = bits[nan] & 0x8000 | 0x7E00
    return half


def farthest_from_zero(x: np.ndarray) -> np.ndarray:
    """The number of each column with the largest magnitude, sign and all; of several the first. C's `<` never
    takes a NaN.
    """
    low: np.ndarray = np.minimum.reduce(x, axis=0)
    high: np.ndarray = np.maximum.reduce(x, axis=0)
    far = np.where(-low > high, low, high)
    balance = low + high
    # ties, NaN and opposite infinities: rare, one by one
    odd = np.flatnonzero((balance == 0) | np.isnan(balance))
    if len(odd):
        size = np.abs(x[:, odd])
        size[np.isnan(size)] = -1
        far[odd] = np.where(size.max(axis=0) > 0, x[size.argmax(axis=0), odd], np.float32(0))
    return far


def low_and_high(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest number of each column, by C's loop: it starts with the first, compares with `<`,
    and so skips a later NaN.
    """
    low, high = np.minimum.reduce(x, axis=0), np.maximum.reduce(x, axis=0)
    if np.isnan(low).any():
        # not fmin: some of it takes a signaling NaN for a number
        nan = np.isnan(x)
        low = np.where(nan[0], x[0], np.minimum.reduce(np.where(nan, np.float32(np.inf), x), axis=0))
        high = np.where(nan[0], x[0], np.maximum.reduce(np.where(nan, np.float32(-np.inf), x), axis=0))
    for end in (low, high):
        at = np.flatnonzero(end == 0)
        if len(at):                     # of +0 and -0 C keeps the first; NumPy does not promise
            end[at] = x[(x[:, at] == 0).argmax(axis=0), at]
    return low, high


def largest(v: np.ndarray) -> np.ndarray:
    """The largest number of each column, at least 0, by C's MAX macro: a NaN makes it forget all that came
    before.
    """
    most = np.fmax(np.fmax.reduce(v, axis=0), np.float32(0))
    odd = np.flatnonzero(np.isnan(sum_in_order(v)))
    if len(odd):
        running = np.zeros(len(odd), np.float32)
        for row in v[:, odd]:
            running = np.where(running > row, running, row)
        most[odd] = running
    return most


def low_byte(v: np.ndarray) -> np.ndarray:
    """C's (int8_t)v for any float, as int8: cut to 32 bits, of which the lowest eight stay; NaN and what is
    too large give 0.
    """
    return np.where(np.abs(v) < np.float32(2**31), v, np.float32(0)).astype(np.int32).astype(np.int8)

# ---- four neighbours travel together: the quickest way through small blocks, for encoders that need no
# sums, only extremes. Moving every number alone (`columns`) costs more than all the arithmetic of Q4_0. Here
# sixteen bytes move as one: row k of a (size / 4, 4 n) array holds weights 4k to 4k + 3 of block 0, then of
# block 1, and so on.

def quads(x: np.ndarray, size: int = 32) -> np.ndarray:
    """Groups of `size` neighbours -> a fresh (size / 4, 4 n_groups) float32 array."""
    return np.array(x.reshape(-1, size).view(np.complex128).T, order="C").view(np.float32)


def ends(xt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) smallest and largest number of each group; NaN where there is one, and of two zeros either."""
    return _extreme(np.minimum, xt), _extreme(np.maximum, xt)


def _extreme(ufunc: np.ufunc, xt: np.ndarray) -> np.ndarray:
    return ufunc.reduce(np.array(ufunc.reduce(xt, axis=0).reshape(-1, 4).T, order="C"), axis=0)


def largest_magnitude(x: np.ndarray, xt: np.ndarray) -> np.ndarray:
    """(n,) largest |x| of each group, NaN passed over. x: (n, size) weights, xt: their quads."""
    low, high = ends(xt)
    most = np.abs(np.maximum(-low, high))                            # abs: never -0
    nan = np.flatnonzero(np.isnan(most))
    if len(nan):
        size = np.abs(x[nan])
        most[nan] = np.where(np.isnan(size), np.float32(0), size).max(axis=1)
    return most


def largest_size(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(n,) largest |x| of each block by C's MAX macro, as `largest`.  x: (n, size); low, high: its ends."""
    most = np.maximum(-low, high)
    nan = np.flatnonzero(np.isnan(most))
    if len(nan):
        most[nan] = largest(np.abs(columns(x[nan], x.shape[1])))
    return np.abs(most)                                              # never -0


def fourfold(d: np.ndarray) -> np.ndarray:
    """One number a group -> the row that meets each of its four weights in a row of quads."""
    return np.repeat(d, 4)


def cut(v: np.ndarray, odd: np.ndarray, top: int = 127) -> np.ndarray:
    """C's MIN(top, (int8_t)v) -> (n, size / 4, 4) uint8, as `Layout.pack` takes it.  odd: groups that may
    hold NaN or large numbers.
    """
    q = v.astype(np.int8)
    if len(odd):
        q.reshape(len(q), -1, 4)[:, odd] = low_byte(v.reshape(len(v), -1, 4)[:, odd])
    if top < 127:       # a full row: with one number NumPy is six times slower
        np.minimum(q, np.full(q.shape[1], top, np.int8), out=q)
    return to_blocks(q.view(np.uint8), q.shape[1] // 4)


def to_blocks(q: np.ndarray, n: int) -> np.ndarray:
    """Quads of codes -> a view (n, size / 4, 4), or (n, groups, size / 4, 4) where a block holds several
    groups, for `Layout.pack`.
    """
    codes = q.reshape(len(q), n, -1, 4).transpose(1, 2, 0, 3)
    return codes[:, 0] if codes.shape[1] == 1 else codes
