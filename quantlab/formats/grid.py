"""Codebooks: eight weights at once become the number of a point in a list.

With a 2-bit code for every weight, eight of them can say 4^8 = 65,536 different things. A *codebook* (ggml
calls it a grid) keeps only the few hundred combinations that matter most and stores which one it is: 512
points need 9 bits for eight weights, hardly more than one bit each. The price is paid while encoding: eight
weights rounded one by one often hit no point of the grid, and then the nearest point must be searched for.

The points are facts, chosen once by ggml's authors. They are read from the `gguf` package, when first needed.
ggml: iq2xs_init_impl and iq2_find_best_neighbour in ggml-quants.c.  Lesson: 12.
"""

from functools import cache

import numpy as np

from .cfloat import sum_in_order

SEARCH_ALL, SEARCH_SHORT = 0, 1
# half a level is the border; a weight this close to a level is nearest to it, rounding errors or not
CLEAR = np.float32(0.4999)
AT_ONCE = 512                # holes whose distances to all points are in memory at a time


@cache
def codebook(name: str) -> np.ndarray:
    """The points of a codebook format: (how many, 8) int8, in IQ3_XXS and IQ3_S (how many, 4)."""
    from gguf import quants

    facts = getattr(quants, name)
    facts.init_grid()
    points = facts.grid.reshape(facts.grid_shape).astype(np.int8)
    points.setflags(write=False)                     # everybody gets the same array
    return points


class Grid:
    """A codebook made ready to be searched.

    A number of a point is called by its *level*: in IQ2_XS 0, 1, 2 stand for 1, 3, 5 times the scale. The
    levels of a point's eight (or four) numbers are a *place*, and the key of a place is the number that has
    them as its digits. IQ2_XS has 3^8 = 6,561 places and 512 points; the other places are *holes*.
    `where[key]` is the index of the point at a place; in a hole it is  -1 - l  and l the number of a list of
    neighbours.
    """

    def __init__(self, levels: np.ndarray, values: np.ndarray, wanted: int):
        """levels: (points, per) from 0 up.  values: the number that each level stands for.  wanted: how many
        different distances the neighbours of a hole may have (ggml's nwant).
        """
        per, top = levels.shape[1], len(values)
        levels = levels.astype(np.int8)
        places = np.indices((top,) * per, np.int8).reshape(per, -1).T                 # (places, per)
        self.base = 1 << (top - 1).bit_length()
        self.columns = np.ascontiguousarray(values.astype(np.float32)[levels.T])      # (per, points)
        self.where = np.full(self.base**per, -1, np.int32)
        self.where[self.key(levels.T)] = np.arange(len(levels))
        holes = places[self.where[self.key(places.T)] < 0]
        self.where[self.key(holes.T)] = -1 - np.arange(len(holes))
        self.neighbours, self.starts, self.counts = _lists(holes, levels, wanted)

    def key(self, levels: np.ndarray) -> np.ndarray:
        """(per, ...) levels -> (...) keys: whole numbers below 2^16, exact in any order, even in float32."""
        return np.tensordot(np.float32(self.base) ** np.arange(len(levels)), levels, 1).astype(np.intp)

    def nearest(self, key: np.ndarray, clear: np.ndarray, x: np.ndarray, w: np.ndarray, scale: np.ndarray,
                shift: np.ndarray | None = None):
        """The point at each place, or the neighbour with the smallest  sum of w * (scale * point - x)^2.

        key: (n,).  x, w: (per, n).  scale: (n,).  clear: (n,) bool, whether each number is certainly nearer
        to its level than to any other; only then will the short list do.  shift: (n,), added to all numbers
        of a point.  Returns (indices (n,), which of them had to be searched for (n,)).
        """
        index = self.where[key]
        hole = index < 0
        at = np.flatnonzero(hole)
        if len(at):
            kind = np.where(clear[at], SEARCH_SHORT, SEARCH_ALL)
            lists = -1 - index[at]
            starts, counts = self.starts[kind, lists], self.counts[kind, lists]
            index[at] = self._search(starts, counts, at, x, w, scale, shift)
        return index, hole

    def _search(self, starts: np.ndarray, counts: np.ndarray, at: np.ndarray, x: np.ndarray, w: np.ndarray,
                scale: np.ndarray, shift: np.ndarray | None):
        """The best of each list for column `at` of x and w: neighbour j of all lists at once.

        The longest lists come first, so that the lists which still have a neighbour j are always the first n.
        """
        order = np.argsort(-counts, kind="stable")
        counts, starts, at = counts[order], starts[order], at[order]
        x, w, scale = x.take(at, axis=1), w.take(at, axis=1), scale[at]
        best, winner = np.full(len(at), np.finfo(np.float32).max), self.neighbours[starts]
        for j, n in enumerate(np.searchsorted(-counts, -np.arange(counts[0]))):
            point = self.neighbours[starts[:n] + j]
            difference = self.columns.take(point, axis=1)
            if shift is not None:
                difference += shift[at[:n]]
            difference *= scale[:n]
            difference -= x[:, :n]
            error = w[:, :n] * difference
            error *= difference
            error = sum_in_order(error)
            better = (error < best[:n]).nonzero()[0]
            best[better], winner[better] = error[better], point[better]
        in_order = np.empty_like(winner)
        in_order[order] = winner
        return in_order


def _lists(holes: np.ndarray, levels: np.ndarray, wanted: int):
    """The neighbours of each hole: the points at the smallest distance, at the next to smallest, and so on,
    `wanted` distances in all.

    Returns (points, starts (2, holes), counts (2, holes)): list l of kind k has counts[k, l] points from
    starts[k, l] on.  Kind 0 is the whole list as in ggml, by distance, then by index. Kind 1 leaves out the
    points that can never win.
    """
    found = [_near(holes[first : first + AT_ONCE], levels, wanted) for first in range(0, len(holes), AT_ONCE)]
    hole = np.concatenate([part[0] + i * AT_ONCE for i, part in enumerate(found)])
    point = np.concatenate([part[1] for part in found])
    n_nearest = np.concatenate([part[2] for part in found])
    counts = np.bincount(hole)
    starts = np.cumsum(counts) - counts
    kept = ~_beaten(_fence(holes)[hole] ^ _fence(levels)[point], hole, starts, n_nearest)
    short = np.bincount(hole[kept])
    points = np.concatenate([point, point[kept]]).astype(np.int32)
    return points, np.array([starts, len(point) + np.cumsum(short) - short]), np.array([counts, short])


def _near(holes: np.ndarray, levels: np.ndarray, wanted: int):
    """(hole, point) of all neighbours of some holes, by hole, then distance, then index, and how many of them
    each hole has at its smallest distance.
    """
    distance = sum(np.square(np.subtract.outer(hole, point), dtype=np.int16)
                   for hole, point in zip(holes.T, levels.T, strict=True))
    near = farthest = distance.min(axis=1, keepdims=True)
    for _ in range(wanted - 1):
        farthest = np.where(distance > farthest, distance, np.int16(1 << 14)).min(axis=1, keepdims=True)
    hole, point = np.nonzero(distance <= farthest)
    order = np.lexsort((point, distance[hole, point], hole))
    return hole[order], point[order], (distance == near).sum(axis=1)


def _fence(levels: np.ndarray) -> np.ndarray:
    """(n, per) levels -> (n,) uint32, in which each level has as many bits set as it is high: 0 = 000, 1 =
    001, 2 = 011, 3 = 111. As many bits differ between two levels as there are steps from one to the other.
    """
    width = 32 // levels.shape[1]
    places = np.uint32(1) << np.arange(0, 32, width, dtype=np.uint32)
    return ((np.uint32(1) << levels.astype(np.uint32)) - np.uint32(1)) @ places


def _beaten(way: np.ndarray, hole: np.ndarray, starts: np.ndarray, n_nearest: np.ndarray) -> np.ndarray:
    """Which neighbours go the way of a nearer one, and then farther: they can never win, and there are many
    of them.

    On the way from a hole to point a some levels go up or down. When the way to b is part of it (no level
    goes where it does not go for a, and none farther) then each of the eight weights is at least as near to
    b: it lies nearest to its own level, and every step away makes it worse. Float arithmetic keeps that
    order, and b stands before a in the list, so that C prefers it even when both are equal. way: the bits of
    the fence that change.
    """
    later = np.arange(len(way)) - starts[hole] >= n_nearest[hole]
    beaten = np.zeros(len(way), bool)
    for j in range(n_nearest.max()):
        other = way[np.minimum(starts + j, len(way) - 1)][hole]
        beaten |= later & (j < n_nearest[hole]) & (other & ~way == 0)
    return beaten
