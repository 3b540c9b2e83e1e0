"""Scale searches: the largest weight of a group does not choose its best scale. ggml tries several, and so
does this module.

A search takes plain float32 arrays of shape (size, n), one *column* per group (see cfloat), and looks for the
scale `s` and the whole numbers `q`, the codes, that make each group's weighted squared error small,

    error(s, q) = sum of  w_j (x_j - s q_j)^2

where w_j says how much weight j matters. Two facts do the work. For a given scale the best codes are the
nearest whole numbers, q_j = round(x_j / s). And for given codes the best scale follows from two sums (set the
derivative by s to zero):

    s = sum(w x q) / sum(w q^2)        and then        error = sum(w x^2) - sum(w x q)^2 / sum(w q^2)

So a candidate scale gives codes, the codes give a better scale, and the larger sum(w x q)^2 / sum(w q^2), the
smaller the error: nobody has to look at the weights again. `symmetric` and `positive` try a row of
candidates, `coordinate_descent` improves one code at a time; the search for a scale *and* a minimum stands in
search_affine. All re-enact ggml-quants.c to the bit.

The formats store their scales rounded, and then round the weights once more with what they really have. Only
where a scale was rounded to 0 can they not divide: there ggml leaves the codes of the search, stale as they
are. That is what `levels` is for.

`symmetric` and the descent take a list as `trace` and put into it, per candidate (or change), (inverse scale
tried, scale found, minimum found or None, error): arrays of shape (n,), the error landscape that lesson 11
draws.
"""

from dataclasses import dataclass

import numpy as np

from .cfloat import (
    SMALL,
    TINY,
    c_rules,
    farthest_from_zero,
    keep_where,
    largest,
    nearest_int,
    sum_in_order,
    to_levels,
)

_f = np.float32
TENTHS = (0, *range(-9, 0), *range(1, 10))      # symmetric: nmax, then nmax - 0.9 to nmax + 0.9
FEW_TENTHS = (0, *range(-4, 0), *range(1, 5))   # positive
ROUNDS = 5                                      # of the descent, at most
LOWEST = -1 << 22                               # nearest_int gives nothing less


@dataclass(frozen=True)
class Symmetric:
    """What `symmetric` kept for each group, arrays of shape (n,).

    scale: the scale s.  inverse: the candidate 1/s whose rounding gave the codes.  dead: groups of (nearly)
    nothing but zeros.
    far: the weight farthest from zero, 1 in dead groups.
    """

    scale: np.ndarray
    inverse: np.ndarray
    dead: np.ndarray
    far: np.ndarray
    nmax: int

    def levels(self, x: np.ndarray) -> np.ndarray:
        """The codes the search kept for its weights x, 0 to 2 nmax - 1 as they are stored: (size, n) uint8;
        dead groups are 0.
        """
        q = np.clip(nearest_int(x * self.inverse), -self.nmax, self.nmax - 1) + self.nmax
        q[:, self.dead] = 0
        return q.astype(np.uint8)


@c_rules()
def symmetric(x: np.ndarray, w: np.ndarray, nmax: int, trace: list | None = None) -> Symmetric:
    """One scale, codes -nmax to nmax - 1. ggml: make_qx_quants.

    The weight farthest from zero gets code -nmax: that is the plain scale, tried first. Then it gets -nmax -
    0.9 to -nmax + 0.9, so that the farthest may be cut off a little for the sake of the many. Of 19
    candidates the one of smallest error is kept.
    """
    far = farthest_from_zero(x)
    dead = ~(np.abs(far) >= TINY)
    far[dead] = 1
    small = bool(np.isfinite(x.sum()) and np.isfinite(_f(nmax + 1) / far).all())
    wx = w * x
    q, t = np.empty_like(x), np.empty_like(x)
    kept, found = np.empty((2, 3, x.shape[1]), np.float32)
    inverse, scale, best = found
    for i in TENTHS:
        np.divide(-(_f(nmax) + _f(0.1) * _f(i)), far, out=inverse)
        np.multiply(x, inverse, out=q)
        to_levels(q, -nmax, nmax - 1, small, -nmax - 0.1 * i, nmax + 0.1 * i)
        sxq = sum_in_order(np.multiply(wx, q, out=t))
        sq2 = sum_in_order(np.multiply(np.multiply(w, q, out=t), q, out=t))
        np.divide(sxq, sq2, out=scale)
        if i == 0:
            scale[(sq2 == 0) | (sxq == 0)] = 0                       # C starts its sums from +0
        np.multiply(scale, sxq, out=best)
        if trace is not None:
            trace.append((inverse.copy(), scale.copy(), None, sum_in_order(w * (x - scale * q) ** 2)))
        if i == 0:
            kept[...] = found
        else:
            keep_where((sxq * sxq > kept[2] * sq2) & (sq2 > 0), kept, found)
    return Symmetric(np.where(dead, _f(0), kept[1]), kept[0], dead, far, nmax)


@c_rules()
def coordinate_descent(x: np.ndarray, nmax: int,
                       trace: list | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One scale, codes -nmax to nmax - 1, weights w = x^2, improved code by code. ggml: make_q3_quants.

    Returns scale (n,), levels (size, n) uint8 from 0 to 2 nmax - 1 as they are stored, and far as in
    `symmetric`.
    """
    far = farthest_from_zero(x)
    dead = ~(np.abs(far) >= TINY)
    far[dead] = 1
    inverse = _f(-nmax) / far
    small = bool(np.isfinite(x.sum()) and np.isfinite(inverse).all())
    w = x * x
    q = to_levels(x * inverse, -nmax, nmax - 1, small, -nmax, nmax)
    sums = np.stack([sum_in_order(w * x * q), sum_in_order(w * q * q)])
    _descend(x, w, q, sums, (-nmax, nmax - 1), False, trace)
    q += _f(nmax)
    q[:, dead] = 0
    return np.where((sums[1] > 0) & ~dead, sums[0] / sums[1], _f(0)), q.astype(np.uint8), far


@c_rules()
def positive(x: np.ndarray, w: np.ndarray, nmax: int) -> tuple[np.ndarray, np.ndarray]:
    """One scale, codes 0 to nmax, for numbers that should be positive: the scales of a super-block. ggml:
    make_qp_quants.

    Nine candidates by plain weighted error, then the descent. Returns scale (n,) and levels (size, n) uint8.
    A negative number gets a negative code, which C stores in a byte, so that 256 more is read; what the
    format makes of it is the format's affair.
    """
    most = largest(x)
    dead = most < TINY
    most[dead] = 1
    for i in FEW_TENTHS:
        inverse = (_f(nmax) + _f(0.1) * _f(i)) / most
        q = nearest_int(x * inverse)
        q = np.minimum(q, nmax) if i else q & 255                    # the first goes through a byte
        scale = _f(1) / inverse
        miss = x - scale * q.astype(np.float32)
        error = sum_in_order(w * miss * miss)
        if i == 0:
            kept = np.stack([inverse, error])
        else:
            keep_where(error < kept[1], kept, np.stack([inverse, error]))
    q = np.minimum(nearest_int(x * kept[0]), nmax).astype(np.float32)
    sums = np.stack([sum_in_order(w * x * q), sum_in_order(w * q * q)])
    q %= _f(256)
    _descend(x, w, q, sums, (LOWEST, nmax), True)
    q[:, dead] = 0
    return np.where((sums[1] > 0) & ~dead, sums[0] / sums[1], _f(0)), q.astype(np.uint8)


def _descend(x, w, q, sums, ends, byte, trace=None):
    """Change one code of a group at a time, wherever that lowers its error: go round and round. `q` and
    `sums` are updated.

    sums: (2, n), sum(w x q) and sum(w q^2).  ends: the lowest and highest code.  byte: codes are stored in a
    byte, modulo 256. C goes through the codes one by one, five rounds at most. Between two changes nothing
    moves; so here all codes of a group are judged together, and the next one that C would come to is changed.
    A group that has none is done; the others go on.
    """
    moving, place, rounds = np.arange(x.shape[1]), np.full(x.shape[1], -1), np.ones(x.shape[1], int)
    part = [x, w, q, sums]
    while len(moving):
        if trace is not None:
            scale = sums[0] / sums[1]
            trace.append((_f(1) / scale, scale, None, sum_in_order(w * (x - scale * q) ** 2)))
        j, k, code, *after = _next_changes(part, ends, byte, place)
        rounds = rounds[k] + (j <= place[k])
        on = rounds <= ROUNDS
        moving, place, rounds = moving[k[on]], j[on], rounds[on]
        q[place, moving] = code[on] % _f(256) if byte else code[on]
        sums[:, moving] = [v[on] for v in after]
        part = [v.take(moving, axis=1) for v in (x, w, q, sums)]


def _next_changes(part, ends, byte, place):
    """The first code after `place` (n,), going round, that is better changed: its number j, its group k, the
    new code, the new sums.  part: x, w, q and sums of the groups that still move.

    Without weight j the sums are  a = sum(w x q), b = sum(w q^2)  over the others. The scale that suits them
    is a / b, so the code to go with it is x_j b / a; it is better if (sum w x q)^2 / (sum w q^2) grows. With
    `byte` C wants b > 0 beforehand, too.
    """
    x, w, q, (sxq, sq2) = part
    size, n = x.shape
    wx = w * x
    a, b = sxq - wx * q, sq2 - w * q * q
    new = x * b
    new /= a
    small = bool(new.max() < SMALL and new.min() > -SMALL)
    low, high = ends
    to_levels(new, low, high, small)
    other = (new != q) & (a > 0)
    if byte:
        other &= b > 0
    at = np.flatnonzero(other)                                       # few; the rest is done for them alone
    j, k = np.divmod(at, n)
    code, wj, wxj, a, b = (v.take(at) for v in (new, w, wx, a, b))
    a, b = a + wxj * code, b + wj * code * code
    better = (b > 0) & (a * a * sq2[k] > sxq[k] * sxq[k] * b)
    j, k, code, a, b = (v[better] for v in (j, k, code, a, b))
    order = np.argsort(k * size + (j - place[k] - 1) % size)     # by group, then by how soon C comes to it
    first = order[np.diff(k[order], prepend=-1) > 0]
    return tuple(v[first] for v in (j, k, code, a, b))
