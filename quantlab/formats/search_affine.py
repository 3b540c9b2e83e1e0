"""The search for a scale and a minimum: weighted least squares, in steps. ggml: make_qkx2_quants and
make_qkx3_quants.

A group whose weights do not lie evenly around zero is better off with codes 0 to nmax that start at a minimum
`m`:

    error(s, m, q) = sum of  w_j |s q_j + m - x_j|^p            p = 2, or 1 with `absolute`

Candidate i stretches the range of the weights over nmax + rmin + i rdelta steps:

    inverse = (nmax + rmin + i rdelta) / (max - min)            q_j = round((x_j - min) inverse)

For those codes the best s and m (for p = 2) are those of a straight line through the points (q_j, x_j), each
of weight w_j: school's linear regression, two equations for two unknowns,

    s sum(w q^2) + m sum(w q) = sum(w x q)            s = (sum(w) sum(w x q) - sum(w x) sum(w q)) / D
    s sum(w q)   + m sum(w)   = sum(w x)              m = (sum(w q^2) sum(w x) - sum(w q) sum(w x q)) / D
                                                      D = sum(w) sum(w q^2) - sum(w q)^2

m may not be positive, as the formats store -m as a positive number. Where it would be, m is 0 and
s = sum(w x q) / sum(w q^2). A better m is taken as `min` by all later candidates of its group, so that the
search walks.  Lesson 11.
"""

from dataclasses import dataclass

import numpy as np

from .cfloat import (
    SMALL,
    c_rules,
    keep_where,
    low_and_high,
    nearest_int,
    sum_from_first,
    sum_in_order,
    to_levels,
)

_f = np.float32
#: ggml's candidates where there is an importance matrix: rmin, rdelta, nstep.
BY_IMPORTANCE = (-0.9, 0.05, 36)


@dataclass(frozen=True)
class Affine:
    """What `affine` kept for each group, arrays of shape (n,): a weight is about  scale * level - minimum.

    scale: s.  minimum: -m, at least 0.  inverse, kept_min: the candidate whose rounding gave the codes.
    dead: all weights are the same and not positive.  low, high: the smallest and largest weight.
    clamped: the codes were cut before they were rounded.
    """

    scale: np.ndarray
    minimum: np.ndarray
    inverse: np.ndarray
    kept_min: np.ndarray
    dead: np.ndarray
    low: np.ndarray
    high: np.ndarray
    nmax: int
    clamped: np.ndarray

    def levels(self, x: np.ndarray) -> np.ndarray:
        """The codes the search kept for its weights x: (size, n) uint8 from 0 to nmax; dead groups are 0."""
        steps = (x - self.kept_min) * self.inverse
        q = np.clip(nearest_int(steps), 0, self.nmax)
        if self.clamped.any():
            q = np.where(self.clamped, cut_first(steps, self.nmax), q)
        q[:, self.dead] = 0
        return q.astype(np.uint8)


@c_rules()
def affine(x: np.ndarray, w: np.ndarray, nmax: int, rmin: float, rdelta: float, nstep: int, *,
           absolute: bool = False, clamped: bool = False, trace: list | None = None) -> Affine:
    """Scale and minimum, codes 0 to nmax. The plain ones are tried first: code 0 is the smallest weight (or
    0), nmax the largest.

    x, w: (size, n).  absolute: judge by |error|, not by its square.  clamped: as ggml 0.26.0 (see
    `reference`), which cuts numbers off before it rounds them. Where a better minimum has come close to the
    largest weight they are huge, and nearest_int wraps around.
    """
    low, high = low_and_high(x)
    base = np.where(low > 0, _f(0), low)
    dead = high == base
    lines = _Lines(x, w, nmax, np.where(dead, np.finfo(np.float32).max, high), base, absolute)
    kept, found = np.empty((2, 5, x.shape[1]), np.float32)
    error, scale, minimum, inverse, start = found

    start[...] = minimum[...] = base
    lines.round(_f(nmax), start, inverse, False)
    np.divide(_f(1), inverse, out=scale)
    error[...] = lines.error(scale, minimum)
    _note(trace, found)
    kept[...] = found
    later = np.zeros(x.shape[1], bool)
    for step in range(nstep + 1):
        start[...] = kept[2]
        lines.round(_f(rmin) + _f(rdelta) * _f(step) + _f(nmax), start, inverse, clamped)
        better = lines.fit(scale, minimum)
        error[...] = lines.error(scale, minimum)
        _note(trace, found)
        better &= error < kept[0]
        keep_where(better, kept, found)
        later |= better
    error, scale, minimum, inverse, start = kept
    return Affine(np.where(dead, _f(0), scale), -minimum, inverse, start, dead, low, high, nmax,
                  later & clamped)


def cut_first(steps: np.ndarray, nmax: int) -> np.ndarray:
    """Cut off at 0 and nmax, then rounded; NaN becomes 0."""
    return np.rint(np.minimum(np.fmax(steps, _f(0)), _f(nmax)))


def _note(trace, found):
    if trace is not None:
        error, scale, minimum, inverse, _ = found.copy()
        trace.append((inverse, scale, minimum, error))


class _Lines:
    """The points (q_j, x_j) of each group, of weight w_j, with room to work in: all is done in place."""

    def __init__(self, x, w, nmax, high, base, absolute):
        self.x, self.w, self.nmax, self.high, self.absolute = x, w, nmax, high, absolute
        self.span = high - base
        self.q, self.t, self.u = np.empty_like(x), np.empty_like(x), np.empty_like(x)
        self.sw, self.sx = sum_from_first(w), sum_from_first(np.multiply(w, x, out=self.t))
        self.finite = bool(np.isfinite(x.sum()))

    def round(self, reach, minimum, inverse, clamped):
        """The codes q for the candidate in which the weights between `minimum` and the largest take `reach`
        steps.
        """
        np.divide(reach, self.high - minimum, out=inverse)
        steps = self.span * inverse                      # from the smallest weight (or 0) to the largest
        small = self.finite and bool(np.minimum.reduce(steps, initial=1) > 0
                                     and np.maximum.reduce(steps, initial=0) < SMALL / 2)
        np.multiply(np.subtract(self.x, minimum, out=self.q), inverse, out=self.q)
        if clamped and not small:
            self.q[...] = cut_first(self.q, self.nmax)
        else:
            to_levels(self.q, 0, self.nmax, small, top=reach)

    def fit(self, scale, minimum):
        """The least-squares line through the points: into `scale` and `minimum`. Returns where there is one
        (D > 0).
        """
        x, w, q, sw, sx = self.x, self.w, self.q, self.sw, self.sx
        wq = np.multiply(w, q, out=self.t)
        sq = sum_in_order(wq)
        sxq = sum_in_order(np.multiply(wq, x, out=self.u))
        sq2 = sum_in_order(np.multiply(wq, q, out=wq))
        d = sw * sq2 - sq * sq
        np.divide(sw * sxq - sx * sq, d, out=scale)
        np.divide(sq2 * sx - sq * sxq, d, out=minimum)
        above = minimum > 0
        if np.count_nonzero(above):
            minimum[above] = 0
            scale[above] = (sxq / sq2)[above]
        return d > 0

    def error(self, scale, minimum):
        """sum of w |scale q + minimum - x|^p for each group; q is used up."""
        q = self.q
        q *= scale
        q += minimum
        q -= self.x
        np.abs(q, out=q) if self.absolute else np.multiply(q, q, out=q)
        q *= self.w
        return sum_in_order(q)
