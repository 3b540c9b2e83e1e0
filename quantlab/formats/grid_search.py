"""The search on a grid: encoders of the five codebook types with signs, byte for byte as ggml writes them.

    weight = sign * scale * point      a point has eight numbers, each 1, 3 or 5 (IQ3: four, each 1, 3, .. 15)

1. The signs are taken away. Where seven bits have to do for eight of them, each eight must have an even
   number of minus signs: where it is odd, the sign that matters least is turned over (`even_signs`).
2. `best_fit` tries 19 scales around  largest weight / 5: it rounds by each of them, takes the nearest grid
   points, and for these points the scale of the least squared error. The best of the 19 stays.
3. With its scale the points which missed the grid are looked for once more.
4. `sub_scales` stores the scales of a block as  d * (2 * sc + 1)  with four bits for `sc`.

All five types go that way; what is different stands in SEARCHES, one row each. Errors are weighted by
importance. ggml refuses to write IQ2_XXS and IQ2_XS without an importance matrix; in the other three large
weights then matter more. It aborts when an error is no float32 any more (weights of 1e15 and up, or such an
imatrix); a block of this kind gets some bytes here, all others get ggml's. Inside, arrays end with one entry
per group; the points of a group are an axis of their own: (numbers of a point, points, groups).
ggml: quantize_row_iq2_xxs_impl and its siblings.  Lesson: 12.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np

from .cfloat import SMALL, c_rules, columns, importance, mean_square, nearest_int, sum_in_order, to_float16
from .codebook import IQ2_S, IQ2_XS, IQ2_XXS, IQ3_S, IQ3_XXS, sub_scales
from .grid import CLEAR, Grid, codebook
from .layout import Layout
from .search import positive

HALF, ONE = np.float32(0.5), np.float32(1)


@dataclass(frozen=True)
class GridSearch:
    """How ggml searches one type.

    tries: how many scales to either side of the first, `step` apart (in units of the smallest number of a
    point).  tiny: a group whose largest weight is smaller counts as zero.  wanted: the different distances of
    a hole's neighbours.  again: which points are looked for once more, "missed" (those off the grid), "all"
    (where one of them was), or "always".  fudge: `d` is stored that much larger, which lowers the error a
    little.  spread: how many times the mean square goes into the importances.
    """

    layout: Layout
    tries: int
    step: float
    tiny: float
    wanted: int
    again: str = "missed"
    fudge: float = 1
    spread: int = 2

    @property
    def group(self) -> int:
        """Weights that share a scale."""
        return 256 // self.layout.counts["sc"]

    @property
    def even(self) -> bool:
        """Whether seven bits say eight signs."""
        return self.layout.widths["signs"] == 7

    @cached_property
    def grid(self) -> Grid:
        """All points, and the neighbours of all other places: 512 and 6,049 in IQ2_XS. Built once, in less
        than a second.
        """
        return signed_grid(self.layout.name, self.wanted)

    @property
    def top(self) -> np.float32:
        """The largest number of a point: 5 or 15."""
        return self.grid.columns.max()


#: name -> its search.
SEARCHES = {search.layout.name: search for search in (
    GridSearch(IQ2_XXS, tries=6, step=0.1, tiny=1e-15, wanted=2, again="always", spread=1),
    GridSearch(IQ2_XS, tries=9, step=0.1, tiny=1e-15, wanted=2, spread=1),
    GridSearch(IQ2_S, tries=9, step=0.1, tiny=1e-8, wanted=1, fudge=0.9875),
    GridSearch(IQ3_XXS, tries=15, step=0.2, tiny=1e-8, wanted=2, fudge=1.0125),
    GridSearch(IQ3_S, tries=9, step=0.2, tiny=1e-45, wanted=3, again="all", fudge=1.033),
)}


class GridFit(NamedTuple):
    """Of each group the scale (groups,), its grid points (points, groups), which of these had to be searched
    for (points, groups), and whether it counts as zero (groups,).
    """

    scale: np.ndarray
    point: np.ndarray
    searched: np.ndarray
    empty: np.ndarray


def encode_iq2_xxs(x: np.ndarray, imatrix: np.ndarray) -> np.ndarray:
    """(n, 256) finite weights and as many importances -> n blocks, like all here. The middle of the 13 scales
    is itself searched, for numbers from 0 to 4.
    """
    return encode("IQ2_XXS", x, imatrix)


def encode_iq2_xs(x: np.ndarray, imatrix: np.ndarray) -> np.ndarray:
    """The worked example: 512 points, 19 scales."""
    return encode("IQ2_XS", x, imatrix)


def encode_iq2_s(x: np.ndarray, imatrix: np.ndarray | None = None) -> np.ndarray:
    """1,024 points, of which only the very nearest are looked at; all eight signs are stored."""
    return encode("IQ2_S", x, imatrix)


def encode_iq3_xxs(x: np.ndarray, imatrix: np.ndarray | None = None) -> np.ndarray:
    """256 points of four numbers, 31 scales."""
    return encode("IQ3_XXS", x, imatrix)


def encode_iq3_s(x: np.ndarray, imatrix: np.ndarray | None = None) -> np.ndarray:
    """512 points of four numbers, 19 scales, and all eight signs are stored.

    ggml has an error here, and its bytes are written: after a group of 32 zeros it forgets to step forward,
    so that the points and signs of all later groups of the block move down by one group, and decode to other
    weights (149 % error instead of 17 %). Only the points' ninth bits stay in place. Another type for a
    tensor that has such groups avoids it: IQ3_XXS, IQ4_XS, Q3_K.
    """
    return encode("IQ3_S", x, imatrix)


@c_rules()
def encode(name: str, x: np.ndarray, imatrix: np.ndarray | None) -> np.ndarray:
    """(n, 256) finite weights, and as many importances or none -> n blocks."""
    search, n = SEARCHES[name], len(x)
    xt = columns(x, search.group)                                              # (group, groups)
    w = error_weights(search, xt, mean_square(x, search.spread), imatrix)
    size, signs = even_signs(xt, w) if search.even else signs_apart(xt)
    fit = best_fit(search, size, w)
    # in seven bits the eighth follows
    turned = np.where(fit.scale < 0, ~signs, signs) & search.layout.top("signs")
    scale = np.where(fit.empty, np.float32(0), np.abs(fit.scale)).reshape(n, -1)
    d, sc = sub_scales(scale, 15)
    stored = ~fit.empty
    if search.even:
        stored &= scale.any(axis=1).repeat(scale.shape[1])
    grid, signs = by_block(fit.point * stored, n), by_block(turned * stored, n)
    if name == "IQ3_S":
        grid, signs = moved_down(grid, signs, fit.empty.reshape(n, 8))
    return search.layout.pack(d=to_float16(d * np.float32(search.fudge)), sc=sc, grid=grid, signs=signs)


def error_weights(search: GridSearch, xt: np.ndarray, squares: np.ndarray,
                  imatrix: np.ndarray | None) -> np.ndarray:
    """(group, groups): how much an error counts.  squares: (n,), `spread` times a block's mean square."""
    if imatrix is not None:
        return importance(xt, imatrix, squares)
    if search.layout is IQ2_S:
        return np.float32(0.25) * squares.repeat(xt.shape[1] // len(squares)) + xt * xt
    return xt * xt


# ---- signs

def signs_apart(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(group, groups) weights -> their sizes, and the minus signs of each eight as the bits of a byte
    (eights, groups).
    """
    negative = ~(x >= 0)
    return np.where(negative, -x, x), np.packbits(negative.reshape(-1, 8, x.shape[1]), axis=1,
                                                  bitorder="little")[:, 0]


def even_signs(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same with an even number of minus signs in each eight: where it is odd, the weight with the
    smallest w * x^2 changes sides, and its size becomes negative.
    """
    size, signs = signs_apart(x)
    k, group = np.nonzero(np.bitwise_count(signs) & 1)
    price = (w * x * x).reshape(len(signs), 8, -1)[k, :, group]                # (odd eights, 8)
    # C's `<` never takes a NaN, nor leaves a first one
    if np.isnan(price).any():
        price[np.isnan(price[:, 0]), 0] = -np.inf
        price[np.isnan(price)] = np.inf
    least = price.argmin(axis=1)
    size[8 * k + least, group] *= -1
    signs[k, group] ^= (1 << least).astype(np.uint8)
    return size, signs


# ---- scales and points

def best_fit(search: GridSearch, size: np.ndarray, w: np.ndarray, trace: list | None = None) -> GridFit:
    """(group, groups) sizes and their weights in the error -> the best fit of each group (of an empty one:
    any).

    trace: receives (inverse scale, least-squares scale, None, error) of each of the tries: the error
    landscape.
    """
    grid, top, wx = search.grid, search.top, w * size
    by_point = in_points(size, len(grid.columns)), in_points(np.sqrt(w), len(grid.columns))
    scale, reach = first_scale(search, size, w)
    empty = reach <= 0
    reach[empty] = 1
    # by how much the error is below that of all zeros
    gain, points = np.zeros_like(reach), by_point[0].shape[1:]
    kept = GridFit(scale, np.full(points, grid.where[0]), np.full(points, search.again != "missed"), empty)
    for step in range(-search.tries, search.tries + 1):
        inverse = (top + np.float32(step) * np.float32(search.step)) / reach
        point, searched = nearest_points(grid, *by_point, inverse, ONE / inverse)
        sum_qx, sum_q2 = products(grid, point, w, wx)
        scale = sum_qx / sum_q2
        if trace is not None:
            trace.append((inverse, scale, None, sum_in_order(wx * size) - scale * sum_qx))
        better = (sum_q2 > 0) & (sum_qx * sum_qx > gain * sum_q2)
        np.copyto(gain, scale * sum_qx, where=better)
        for old, new in zip(kept[:3], (scale, point, searched), strict=True):
            np.copyto(old, new, where=better)
    again = _again(search, kept)
    point, _ = nearest_points(grid, *by_point, ONE / kept.scale, kept.scale)
    np.copyto(kept.point, point, where=again)
    sum_qx, sum_q2 = products(grid, kept.point, w, wx)
    np.copyto(kept.scale, sum_qx / sum_q2, where=again.any(axis=0) & (sum_q2 > 0))
    return kept


def first_scale(search: GridSearch, size: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(groups,) the scale before any try, and the size that the largest number of a point should reach with
    the middle one of the tried scales; not above 0 in empty groups.
    """
    largest = np.maximum.reduce(size, axis=0)
    largest[largest < np.float32(search.tiny)] = 0
    if search.again != "always":
        return largest / search.top, largest
    scale, _ = positive(size, w, 4)
    return scale, np.where(largest == 0, largest, scale * np.float32(3))


def _again(search: GridSearch, kept: GridFit) -> np.ndarray:
    """(points, groups): which points are looked for once more."""
    again = kept.searched if search.again == "missed" else np.ones_like(kept.searched)
    if search.again == "all":
        again &= kept.searched.any(axis=0)
    return again & (kept.scale > 0)


def nearest_points(grid: Grid, x: np.ndarray, w: np.ndarray, inverse: np.ndarray, scale: np.ndarray):
    """(per, points, groups) sizes -> the index of each grid point (points, groups), and which had to be
    searched for (points, groups).

    The distances are weighted by `w`: ggml takes the square roots of the weights here.
    """
    exact = x * inverse
    exact -= ONE
    exact *= HALF                                          # scale * (2 * level + 1) = x, solved for the level
    last = (grid.columns.max() - ONE) * HALF
    levels = np.clip(exact, np.float32(0), last)
    rounded = np.rint(levels)
    levels -= rounded
    clear = np.maximum.reduce(np.abs(levels, out=levels), axis=0) < CLEAR
    wild = ~(np.abs(exact, out=levels) <= SMALL)
    if wild.any():                                                        # there C's nearest_int wraps around
        rounded[wild] = np.clip(nearest_int(exact[wild]), 0, last)
        clear &= ~wild.any(axis=0)
    point, searched = grid.nearest(grid.key(rounded).ravel(), clear.ravel(), x.reshape(len(x), -1),
                                   w.reshape(len(x), -1), np.tile(scale, x.shape[1]))
    return point.reshape(x.shape[1:]), searched.reshape(x.shape[1:])


def products(grid: Grid, point: np.ndarray, w: np.ndarray, wx: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sums of w * x * q and w * q * q over each group, q being 1, 3, 5 ...: their quotient is the
    least-squares scale.
    """
    q = np.concatenate([grid.columns.take(index, axis=1) for index in point])  # (group, groups)
    wq = w * q
    wq *= q
    return sum_in_order(wx * q), sum_in_order(wq)


# ---- into the block

def moved_down(grid: np.ndarray, signs: np.ndarray, empty: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What ggml writes for IQ3_S: groups of a block that come after empty ones move down, but for the ninth
    bits of their points.  grid: (n, 64).  signs: (n, 32).  empty: (n, 8).
    """
    order = np.argsort(empty, axis=1, kind="stable")[:, :, None]            # the empty ones, all zeros, last
    low = np.take_along_axis(grid.reshape(-1, 8, 8) & 255, order, axis=1).reshape(grid.shape)
    return low | grid & 256, np.take_along_axis(signs.reshape(-1, 8, 4), order, axis=1).reshape(signs.shape)


def in_points(v: np.ndarray, per: int) -> np.ndarray:
    """(group, groups) -> (per, points, groups)."""
    return np.ascontiguousarray(v.reshape(-1, per, v.shape[1]).transpose(1, 0, 2))


def by_block(v: np.ndarray, n: int) -> np.ndarray:
    """(points, groups) -> (n, all points of a block): those of a group are neighbours in the block."""
    return v.T.reshape(n, -1).astype(np.uint16)


@cache
def signed_grid(name: str, wanted: int) -> Grid:
    """The grid of a type whose numbers are 1, 3, 5 and so on."""
    points = codebook(name)
    kinds = np.unique(points)
    return Grid(np.searchsorted(kinds, points), 2 * np.arange(len(kinds)) + 1, wanted)
