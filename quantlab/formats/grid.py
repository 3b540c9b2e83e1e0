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
    """A codebook of eights made ready to be searched.

    Its numbers are called by *level*: 0, 1, 2 stand for 1, 3, 5 times the scale. Eight levels are a *place*,
    and the key of a place is the number with these base-4 digits. There are 3^8 = 6,561 places and in IQ2_XS
    512 points; the other places are *holes*. `where[key]` is the index of the point at a place; in a hole it
    is  -1 - l  and l the number of a list of neighbours.
    """

    def __init__(self, levels: np.ndarray):
        """levels: (points, 8) with 0, 1 or 2."""
        levels = levels.astype(np.int8)
        places = np.indices((3,) * 8, np.int8).reshape(8, -1).T                       # (6561, 8)
        self.columns = np.ascontiguousarray(2 * levels.T + 1, np.float32)             # (8, points): 1, 3 or 5
        self.where = np.full(4**8, -1, np.int32)
        self.where[self.key(levels.T)] = np.arange(len(levels))
        holes = places[self.where[self.key(places.T)] < 0]
        self.where[self.key(holes.T)] = -1 - np.arange(len(holes))
        self.neighbours, self.starts, self.counts = _lists(holes, levels)

    @staticmethod
    def key(levels: np.ndarray) -> np.ndarray:
        """(8, ...) levels -> (...) keys: whole numbers below 2^16, exact in any order, even in float32."""
        return np.tensordot(np.float32(4) ** np.arange(8), levels, 1).astype(np.intp)

    def nearest(self, key: np.ndarray, clear: np.ndarray, x: np.ndarray, w: np.ndarray, scale: np.ndarray):
        """The point at each place, or the neighbour with the smallest  sum of w * (scale * point - x)^2.

        key: (n,).  x, w: (8, n).  scale: (n,).  clear: (n,) bool, whether each of the eight is certainly
        nearer to its level than to any other; only then will the short list do.  Returns (indices (n,), which
        of them had to be searched for (n,)).
        """
        index = self.where[key]
        hole = index < 0
        at = np.flatnonzero(hole)
        if len(at):
            kind = np.where(clear[at], SEARCH_SHORT, SEARCH_ALL)
            lists = -1 - index[at]
            index[at] = self._search(self.starts[kind, lists], self.counts[kind, lists], at, x, w, scale)
        return index, hole

    def _search(self, starts: np.ndarray, counts: np.ndarray, at: np.ndarray, x: np.ndarray, w: np.ndarray,
                scale: np.ndarray):
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


def _lists(holes: np.ndarray, levels: np.ndarray):
    """The neighbours of each hole: the points at the smallest distance and at the next to smallest (ggml's
    `nwant` is 2).

    Returns (points, starts (2, holes), counts (2, holes)): list l of kind k has counts[k, l] points from
    starts[k, l] on.  Kind 0 is the whole list as in ggml, by distance, then by index. Kind 1 leaves out the
    points that can never win.
    """
    distance = sum(np.square(np.subtract.outer(hole, point))                         # fits int8
                   for hole, point in zip(holes.T, levels.T, strict=True))
    near = distance.min(axis=1, keepdims=True)
    next_near = np.where(distance > near, distance, np.int8(127)).min(axis=1, keepdims=True)
    hole, point = np.nonzero(distance <= next_near)
    order = np.lexsort((point, distance[hole, point], hole))
    hole, point = hole[order], point[order]
    counts = np.bincount(hole)
    starts = np.cumsum(counts) - counts
    kept = ~_beaten(_fence(holes)[hole] ^ _fence(levels)[point], hole, starts, (distance == near).sum(axis=1))
    short = np.bincount(hole[kept])
    points = np.concatenate([point, point[kept]]).astype(np.int32)
    return points, np.array([starts, len(point) + np.cumsum(short) - short]), np.array([counts, short])


def _fence(levels: np.ndarray) -> np.ndarray:
    """(n, 8) levels -> (n,) uint16, two bits for each: 0 = 00, 1 = 01, 2 = 11. As many bits differ between
    two levels as there are steps from one to the other.
    """
    return np.array([0, 1, 3], np.uint16)[levels] @ np.uint16(4) ** np.arange(8, dtype=np.uint16)


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
