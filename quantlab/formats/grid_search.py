"""The encoder of IQ2_XS, the worked example of a search on a grid: 2.3 bits a weight, byte for byte as ggml
writes them.

    weight = sign * scale * point     a grid point has eight numbers, each 1, 3 or 5; 16 weights share a scale

1. `even_signs` takes the signs away. Seven bits have to do for eight signs, so each eight must have an even
   number of minus signs; where it is odd, the sign that matters least is turned over.
2. `best_fit` tries 19 scales around  largest weight / 5: it rounds by each of them, takes the nearest grid
   points, and for these points the scale of the least squared error. The best of the 19 stays.
3. With its scale the eights which missed the grid look for their nearest point once more.
4. `sub_scales` stores the 16 scales of a block as  d * (2 * sc + 1)  with four bits for `sc`.

Every error is weighted by importance, and ggml refuses to write this type without an importance matrix. It
aborts when an error is no float32 any more (weights of 1e15 and up, or such an imatrix); a block of this kind
gets some bytes here, all others get ggml's. Inside, arrays end with one entry per group; the two eights of a
group are an axis of their own: (8, 2, groups).
ggml: quantize_row_iq2_xs_impl.  Lesson: 12.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from .cfloat import SMALL, TINY, columns, importance, mean_square, nearest_int, sum_in_order, to_float16
from .codebook import IQ2_XS
from .grid import Grid, codebook

HALF, ONE = np.float32(0.5), np.float32(1)
# half a level is the border; a weight this close to a level is nearest to it, rounding errors or not
CLEAR = np.float32(0.4999)


class GridFit(NamedTuple):
    """Of each group the scale (groups,), its grid points (2, groups), and which of these had to be searched
    for (2, groups).
    """

    scale: np.ndarray
    point: np.ndarray
    searched: np.ndarray


def encode_iq2_xs(x: np.ndarray, imatrix: np.ndarray) -> np.ndarray:
    """(n, 256) finite weights and as many importances -> n blocks."""
    n = len(x)
    x16 = columns(x, 16)                                                       # (16, groups)
    w = importance(x16, imatrix, mean_square(x))
    size, signs = even_signs(x16, w)
    fit = best_fit(size, w)
    signs = np.where(fit.scale < 0, ~signs, signs) & 127                       # the eighth follows
    empty = np.maximum.reduce(size, axis=0) < TINY
    scale = np.where(empty, np.float32(0), np.abs(fit.scale)).reshape(n, 16)
    d, sc = sub_scales(scale)
    stored = ~empty & scale.any(axis=1).repeat(16)
    return IQ2_XS.pack(d=to_float16(d), sc=sc, grid=by_block(fit.point * stored, n),
                       signs=by_block(signs * stored, n))


def even_signs(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(16, groups) weights -> their sizes, and the minus signs of each eight as the bits of a byte (2,
    groups).

    Where an eight has an odd number of minus signs, the weight with the smallest w * x^2 changes sides: its
    size becomes negative.
    """
    negative = ~(x >= 0)
    size = np.where(negative, -x, x).reshape(2, 8, -1)
    signs = np.packbits(negative.reshape(2, 8, -1), axis=1, bitorder="little")[:, 0]
    k, group = np.nonzero(negative.reshape(2, 8, -1).sum(axis=1) & 1)
    price = (w * x * x).reshape(2, 8, -1)[k, :, group]                         # (odd eights, 8)
    # C's `<` never takes a NaN, nor leaves a first one
    if np.isnan(price).any():
        price[np.isnan(price[:, 0]), 0] = -np.inf
        price[np.isnan(price)] = np.inf
    least = price.argmin(axis=1)
    size[k, least, group] *= -1
    signs[k, group] ^= (1 << least).astype(np.uint8)
    return size.reshape(16, -1), signs


def best_fit(size: np.ndarray, w: np.ndarray, trace: list | None = None) -> GridFit:
    """(16, groups) sizes and their weights in the error -> the best fit of each group (of an empty one: any).

    trace: receives (inverse scale, least-squares scale, None, error) of each of the 19 tries: the error
    landscape.
    """
    grid, eights, wx = iq2_xs_grid(), (in_eights(size), in_eights(np.sqrt(w))), w * size
    largest = np.maximum.reduce(size, axis=0)
    largest[largest < TINY] = 1
    # by how much the error is below that of all zeros
    gain, pairs = np.zeros_like(largest), (2, len(largest))
    kept = GridFit(largest / np.float32(5), np.zeros(pairs, np.int32), np.zeros(pairs, bool))
    for step in range(-9, 10):
        inverse = (np.float32(5) + np.float32(step) * np.float32(0.1)) / largest
        point, searched = nearest_points(grid, *eights, inverse, ONE / inverse)
        sum_qx, sum_q2 = products(grid, point, w, wx)
        scale = sum_qx / sum_q2
        if trace is not None:
            trace.append((inverse, scale, None, sum_in_order(wx * size) - scale * sum_qx))
        better = (sum_q2 > 0) & (sum_qx * sum_qx > gain * sum_q2)
        np.copyto(gain, scale * sum_qx, where=better)
        for old, new in zip(kept, (scale, point, searched), strict=True):
            np.copyto(old, new, where=better)
    again = kept.searched & (kept.scale > 0)
    point, _ = nearest_points(grid, *eights, ONE / kept.scale, kept.scale)
    np.copyto(kept.point, point, where=again)
    sum_qx, sum_q2 = products(grid, kept.point, w, wx)
    np.copyto(kept.scale, sum_qx / sum_q2, where=again.any(axis=0) & (sum_q2 > 0))
    return kept


def nearest_points(grid: Grid, x: np.ndarray, w: np.ndarray, inverse: np.ndarray, scale: np.ndarray):
    """(8, 2, groups) sizes -> the index of each eight's grid point (2, groups), and which had to be searched
    for (2, groups).

    The distances are weighted by `w`: ggml takes the square roots of the weights here.
    """
    exact = x * inverse
    exact -= ONE
    exact *= HALF                                          # scale * (2 * level + 1) = x, solved for the level
    levels = np.clip(exact, np.float32(0), np.float32(2))
    rounded = np.rint(levels)
    levels -= rounded
    clear = np.maximum.reduce(np.abs(levels, out=levels), axis=0) < CLEAR
    wild = ~(np.abs(exact, out=levels) <= SMALL)
    if wild.any():                                                        # there C's nearest_int wraps around
        rounded[wild] = np.clip(nearest_int(exact[wild]), 0, 2)
        clear &= ~wild.any(axis=0)
    point, searched = grid.nearest(grid.key(rounded).ravel(), clear.ravel(), x.reshape(8, -1),
                                   w.reshape(8, -1), np.tile(scale, 2))
    return point.reshape(2, -1), searched.reshape(2, -1)


def products(grid: Grid, point: np.ndarray, w: np.ndarray, wx: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sums of w * x * q and w * q * q over each group, q being 1, 3 or 5: their quotient is the
    least-squares scale.
    """
    q = np.concatenate([grid.columns.take(eight, axis=1) for eight in point])  # (16, groups)
    wq = w * q
    wq *= q
    return sum_in_order(wx * q), sum_in_order(wq)


def sub_scales(scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 16) scales -> `d` (n,), `sc` (n, 16) from 0 to 15: the largest scale becomes  d * (2 * 15 + 1)."""
    d = scale.max(axis=1) / np.float32(31)
    sc = nearest_int(HALF * ((ONE / d)[:, None] * scale - ONE))
    return d, np.where(scale.any(axis=1, keepdims=True), np.clip(sc, 0, 15), 0).astype(np.uint8)


def in_eights(v: np.ndarray) -> np.ndarray:
    """(16, groups) -> (8, 2, groups)."""
    return np.ascontiguousarray(v.reshape(2, 8, -1).transpose(1, 0, 2))


def by_block(v: np.ndarray, n: int) -> np.ndarray:
    """(2, groups) -> (n, 32): the two eights of a group are neighbours in the block."""
    return v.T.reshape(n, 32).astype(np.uint16)


@cache
def iq2_xs_grid() -> Grid:
    """512 points, and neighbours for the other 6,049 places; built once, in a fifth of a second."""
    return Grid(np.searchsorted((8, 25, 43), codebook("IQ2_XS")))
