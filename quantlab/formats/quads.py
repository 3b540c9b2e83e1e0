"""Four neighbours travel together: the quickest way through small blocks for encoders that need no sums, only
extremes.

NumPy is fast along many blocks at once, so the weights of a block must come to stand in different rows.
Moving every number alone (`cfloat.columns`) costs more than all the arithmetic of Q4_0. Here sixteen bytes
move as one: row k of a (size / 4, 4 n) array holds weights 4k to 4k + 3 of block 0, then of block 1, and so
on.
"""

import numpy as np

from .cfloat import low_byte


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
