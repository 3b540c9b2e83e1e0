"""The encoders of IQ1_S and IQ1_M, 1.6 and 1.75 bits a weight, byte for byte as ggml writes them.

    weight = scale * (point + shift)     a point has eight numbers, each -1, 0 or 1; the shift is 1/8 or -1/8

With three numbers to choose from, no scale need be guessed. The weights of a group are sorted; the best three
heaps are then cut out of that row by two cuts, the lowest weights becoming -1, the highest 1. All pairs of
cuts are tried, with the shift up and down, and each has its own best scale (see `search`):

    scale = sum(w x q) / sum(w q^2)              the larger sum(w x q)^2 / sum(w q^2), the smaller the error

IQ1_S has groups of 32 weights with one shift: 561 pairs of cuts, 2 candidates each. IQ1_M has groups of 16
in which each eight has a shift of its own: 153 pairs, 4 candidates each. Then the eights that miss the grid
get their nearest point, and the scales are stored as  d * (2 * sc + 1)  with three bits for `sc`; IQ1_M
chooses `d` by least squares over the whole block.

ggml sorts by value alone; where weights are equal, glibc's stable `qsort` leaves them in order, and so does
this module. ggml refuses to write IQ1_S without an importance matrix, and aborts as in `grid_search`. IQ1_M
is written as ggml does since 0.25.1 (llama.cpp's pull request 28706 of September 2026 adds up in another
order; see `reference`).
ggml: quantize_row_iq1_s_impl, quantize_row_iq1_m_impl.  Lesson: 12.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from .cfloat import c_rules, columns, importance, mean_square, sum_in_order, to_float16
from .codebook import IQ1_M, IQ1_S, sub_scales
from .grid import Grid, codebook

NUMBERS = np.array([-1, 0, 1], np.float32)
EIGHTH = np.float32(0.125)
UP, DOWN = NUMBERS + EIGHTH, NUMBERS - EIGHTH
#: The shifts that the eights of a group may have together, in the order in which C tries them.
ONE_SHIFT = np.array([[1, 1, 1, 1], [-1, -1, -1, -1]], np.float32) * EIGHTH
TWO_SHIFTS = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], np.float32) * EIGHTH
#: Candidates whose gain is this close to the largest are compared one by one, as C does.
CLOSE = np.float32(1 - 2**-10)
#: Where products stay between these, no float32 overflows or loses digits.
SAFE = 1e-34, 1e34


class Cut(NamedTuple):
    """Of each group the scale (groups,), the points and the shifts of its eights (eights, groups)."""

    scale: np.ndarray
    point: np.ndarray
    shift: np.ndarray


@c_rules()
def encode_iq1_s(x: np.ndarray, imatrix: np.ndarray) -> np.ndarray:
    """(n, 256) finite weights and as many importances -> n blocks: one shift for 32 weights."""
    n, xt = len(x), columns(x, 32)
    w = importance(xt, imatrix, mean_square(x, 2))
    cut = best_cut(xt, w, ONE_SHIFT, tiny=1e-12)
    d, sc = sub_scales(cut.scale.reshape(n, 8), 7)
    used = cut.scale.reshape(n, 8).any(axis=1, keepdims=True)
    down = (cut.shift[0].reshape(n, 8) < 0) & used
    return IQ1_S.pack(d=to_float16(d * np.float32(1.125)), sc=sc, delta=down.view(np.uint8),
                      grid=cut.point.T.reshape(n, 32).astype(np.uint16))


@c_rules()
def encode_iq1_m(x: np.ndarray, imatrix: np.ndarray | None = None) -> np.ndarray:
    """The same with a scale for 16 weights and a shift for 8; without an imatrix large weights matter
    more."""
    n, xt = len(x), columns(x, 16)
    w = xt * xt if imatrix is None else importance(xt, imatrix, mean_square(x, 2))
    cut = best_cut(xt, w, TWO_SHIFTS, tiny=1e-7)
    d, sc = sub_scales(cut.scale.reshape(n, 16), 7)
    q = shifted(cut.point, cut.shift) * (2 * sc.reshape(-1) + 1).astype(np.float32)
    sum_qx, sum_q2 = (sum_in_order(whole_blocks(v, n)) for v in (w * q * xt, w * q * q))
    d = np.where(sum_q2 > 0, sum_qx / sum_q2, d) * np.float32(1.1125)
    used = np.logical_or.reduce(cut.scale.reshape(n, 16), axis=1)
    down = (cut.shift.T.reshape(n, 32) < 0) & used[:, None]
    return IQ1_M.pack(d=to_float16(np.where(used, d, np.float32(0))).view(np.uint16), sc=sc,
                      delta=down.view(np.uint8), grid=cut.point.T.reshape(n, 32).astype(np.uint16))


def best_cut(x: np.ndarray, w: np.ndarray, shifts: np.ndarray, tiny: float) -> Cut:
    """(group, groups) weights and how much their errors count -> scale, points and shifts.

    A group whose largest weight is below `tiny`, or that has no scale, gets scale 0, points 0 and shifts up.
    """
    order = np.argsort(x, axis=0, kind="stable")
    low, high = cuts(len(x))
    sums_of = sums_of_one_shift if shifts is ONE_SHIFT else sums_of_two_shifts
    in_order, their_w = (np.take_along_axis(v, order, axis=0) for v in (x, w))
    sum_qx, sum_q2 = sums_of(in_order, their_w, order)
    best = best_candidate(sum_qx, sum_q2)
    empty = (np.maximum.reduce(np.abs(x), axis=0) < np.float32(tiny)) | (best < 0)
    group = np.arange(x.shape[1])
    scale = sum_qx[best, group] / sum_q2[best, group]
    pair, kind = np.divmod(best, len(shifts))
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(len(x))[:, None], axis=0)
    levels = (rank >= low[pair]).astype(np.int8) + (rank >= high[pair])
    shift = np.ascontiguousarray(shifts[kind].T)
    turned = scale < 0
    levels[:, turned] = 2 - levels[:, turned]
    shift[:, turned] *= -1
    scale, point = on_the_grid(x, w, levels, np.abs(scale), shift)
    scale[empty], point[:, empty], shift[:, empty] = 0, 0, EIGHTH
    return Cut(scale, point, shift)


# ---- all cuts

@cache
def cuts(size: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of cuts through a row of weights: the first `low` become -1, those from `high` on 1."""
    return np.triu_indices(size + 1)


def sums_of_one_shift(x: np.ndarray, w: np.ndarray, order: np.ndarray) -> np.ndarray:
    """(32, groups) sorted weights -> the sums of w x q and of w q q, (2, candidates, groups). For each pair
    of cuts first with the shift up, then down: each heap's sum, a difference of running sums, times its
    number.
    """
    low, high = cuts(32)
    running = [added_up(v) for v in (w * x, w)]
    sums = np.empty((2, len(low), 2, x.shape[1]), np.float32)
    for kind, q in enumerate((UP, DOWN)):
        for power, (v, out) in enumerate(zip(running, sums[:, :, kind], strict=True), 1):
            out[...] = multiplied(v[low] - v[0], q[0], power)
            out += multiplied(v[high] - v[low], q[1], power)
            out += multiplied(v[-1] - v[high], q[2], power)
    return sums.reshape(2, -1, x.shape[1])


def sums_of_two_shifts(x: np.ndarray, w: np.ndarray, order: np.ndarray) -> np.ndarray:
    """(16, groups) sorted weights, and where they stood -> the same with four candidates for each pair of
    cuts: what the first eight and the second give with their shifts up and down, added up.

    From one number to the next it is always 1; so the sum of w x q is that of all w x times the highest
    number, less the running sums at both cuts.
    """
    low, high = cuts(16)
    parts = []
    for eight in (order < 8, order >= 8):
        sum_x, sum_w = added_up(np.where(eight, w * x, 0)), added_up(np.where(eight, w, 0))
        below = sum_x[low] + sum_x[high]
        parts.append([(sum_x[-1] * q[2] - below,
                       sum_w[-1] * q[2] * q[2] + sum_w[low] * (q[0] * q[0] - q[1] * q[1])
                       + sum_w[high] * (q[1] * q[1] - q[2] * q[2])) for q in (UP, DOWN)])
    four = [np.add(one, two) for one in parts[0] for two in parts[1]]              # each (2, pairs, groups)
    return np.stack(four, axis=2).reshape(2, -1, x.shape[1])


def multiplied(v: np.ndarray, number: np.float32, power: int) -> np.ndarray:
    """In place, one multiplication after the other, as in C."""
    for _ in range(power):
        v *= number
    return v


def added_up(v: np.ndarray) -> np.ndarray:
    """(size, groups) -> (size + 1, groups) running sums, from 0."""
    return np.add.accumulate(np.concatenate([np.zeros((1, v.shape[1]), np.float32), v]))


def best_candidate(sum_qx: np.ndarray, sum_q2: np.ndarray) -> np.ndarray:
    """(candidates, groups) sums -> (groups,) the number of the candidate that C keeps, -1 where there is
    none.

    C goes through them all, and takes one if  sum_qx^2 > best * sum_q2,  with  best = scale * sum_qx  of the
    one it has. Rounding decides only between candidates that are almost equally good; so these alone are gone
    through here (and all of them where a square would leave float32).
    """
    gain = sum_qx * sum_qx
    gain /= sum_q2
    gain[~(sum_q2 > 0)] = -1
    most, total = gain.max(axis=0).astype(np.float64), sum_q2.max(axis=0).astype(np.float64)
    low, high = SAFE
    safe = (np.minimum(np.minimum(most, total), most * total) > low) & (np.maximum(most, total) < high)
    safe &= most * total < high
    close = gain >= np.where(safe, most.astype(np.float32) * CLOSE, np.float32(-1))
    close &= sum_q2 > 0
    group, number = np.nonzero(close.T)
    counts = np.bincount(group, minlength=gain.shape[1])
    first = np.cumsum(counts) - counts
    best, winner = np.full(gain.shape[1], np.finfo(np.float32).min), np.full(gain.shape[1], -1)
    for k in range(counts.max()):
        at = np.flatnonzero(counts > k)
        one = number[first[at] + k]
        qx, q2 = sum_qx[one, at], sum_q2[one, at]
        won = qx * qx > best[at] * q2
        best[at[won]], winner[at[won]] = (qx / q2 * qx)[won], one[won]
    return winner


# ---- points and scales

def on_the_grid(x: np.ndarray, w: np.ndarray, levels: np.ndarray, scale: np.ndarray,
                shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Levels (group, groups) of 0, 1, 2 -> the scale and the points (eights, groups); where one was off the
    grid, the scale is that of the least squared error.
    """
    grid, by_eight = ternary_grid(), (8, len(shift) * x.shape[1])
    x8, w8, l8 = (v.reshape(len(shift), 8, -1).transpose(1, 0, 2).reshape(by_eight) for v in (x, w, levels))
    point, searched = grid.nearest(grid.key(l8.astype(np.float32)), np.zeros(by_eight[1], bool), x8, w8,
                                   np.tile(scale, len(shift)), shift.ravel())
    point = point.reshape(shift.shape)
    wq = w * (q := shifted(point, shift))
    sum_qx, sum_q2 = sum_in_order(wq * x), sum_in_order(wq * q)
    fitted = searched.reshape(shift.shape).any(axis=0) & (sum_qx > 0) & (sum_q2 > 0)
    return np.where(fitted, sum_qx / sum_q2, scale), point


def shifted(point: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """(eights, groups) points and shifts -> (group, groups) the numbers to be scaled."""
    points = ternary_grid().columns
    return np.concatenate([points.take(p, axis=1) + s for p, s in zip(point, shift, strict=True)])


def whole_blocks(v: np.ndarray, n: int) -> np.ndarray:
    """(group, groups) -> (256, n)."""
    return v.reshape(len(v), n, -1).transpose(2, 0, 1).reshape(256, n)


@cache
def ternary_grid() -> Grid:
    """2,048 points, and neighbours for the other 4,513 places; built once."""
    return Grid(codebook("IQ1_S") + 1, NUMBERS, wanted=3)
