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
from .grid import CLEAR, Grid, codebook

NUMBERS = np.array([-1, 0, 1], np.float32)
EIGHTH = np.float32(0.125)
#: The shifts that the eights of a group may have together, in the order in which C tries them.
ONE_SHIFT = np.array([[1, 1, 1, 1], [-1, -1, -1, -1]], np.float32) * EIGHTH
TWO_SHIFTS = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], np.float32) * EIGHTH
#: Candidates whose gain is this close to the largest are compared one by one, as C does.
CLOSE = np.float32(1 - 2**-9)
#: Groups whose gains are in the cache at a time.
AT_ONCE = 256
#: Where products stay between these, no float32 overflows or loses digits.
SAFE = 1e-34, 1e34


#: Of one eight (or all 32) the running sums of w x and of w, (group + 1, groups).
Running = tuple[np.ndarray, np.ndarray]


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
    empty = np.maximum.reduce(np.abs(x), axis=0) < np.float32(tiny)
    best, scale = best_of_all(x, w, order, shifts, empty)
    empty |= best < 0
    pair, kind = np.divmod(np.maximum(best, 0), len(shifts))
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


def best_of_all(x: np.ndarray, w: np.ndarray, order: np.ndarray, shifts: np.ndarray,
                empty: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(groups,) the number of the candidate that C keeps, -1 where there is none, and its scale.

    x, w, order: (group, groups), the last as `argsort` gives it.  empty: (groups,) bool, where nobody asks.
    """
    in_order, their_w = (np.take_along_axis(v, order, axis=0) for v in (x, w))
    if shifts is ONE_SHIFT:
        eights, exactly = [their_w], sums_of_one_shift
    else:
        eights, exactly = [np.where(half, their_w, 0) for half in (order < 8, order >= 8)], sums_of_two_shifts
    running = [(added_up(w * in_order), added_up(w)) for w in eights]
    group, number = promising(running, shifts, empty)
    sum_qx, sum_q2 = exactly(running, group, *np.divmod(number, len(shifts)))
    best = best_candidate(group, sum_qx, sum_q2, x.shape[1])
    # a group without any candidate gets what stands after the last one
    return np.append(number, -1)[best], np.append(sum_qx / sum_q2, np.float32(1))[best]


# ---- all cuts

@cache
def cuts(size: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of cuts through a row of weights: the first `low` become -1, those from `high` on 1."""
    return np.triu_indices(size + 1)


def promising(running: list[Running], shifts: np.ndarray, empty: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The candidates that may be the best: (n,) which group and (n,) which number, group by group in the
    order in which C meets them. A candidate's number is  pair of cuts * len(shifts) + shifts.

    empty: (groups,) bool, where nobody asks.  The gains looked at here are right to 2^-11 (see `gains`), and
    rounding decides only between candidates that are closer. Where numbers are so large or so small that this
    does not hold, all are promising.
    """
    total = sum(w[-1].astype(np.float64) for _, w in running)
    parts = prepared(running, shifts, total)
    found = []
    for start in range(0, len(empty), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        gain = gains(*(v[..., part] for v in parts))
        most = np.maximum.reduce(gain.reshape(-1, gain.shape[-1]), axis=0).astype(np.float64)
        (low, high), all_w = SAFE, total[part]
        safe = (np.minimum(np.minimum(most, all_w), most * all_w) > low) & (np.maximum(most, all_w) < high)
        safe &= most * all_w < high
        enough = np.where(safe, most.astype(np.float32) * CLOSE, np.float32(-np.inf))
        good = ~(gain < enough)                                 # NaN is
        good &= (all_w > 0) & ~empty[part]
        place, group = np.divmod(np.flatnonzero(good), gain.shape[-1])
        kind, pair = np.divmod(place, gain.shape[1])
        number = pair * len(shifts) + kind
        order = np.lexsort((number, group))
        found.append((group[order] + start, number[order]))
    group, number = (np.concatenate(part) for part in zip(*found, strict=True))
    return group, number


def prepared(running: list[Running], shifts: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, ...]:
    """What the sums of all candidates are made of.

    A number q is the shift, 1 less below the first cut and 1 more from the second on; and q^2 is 1/64, and
    3/4 or 5/4 more out there. So  sum(w x q)  is a sum for the shifts less the running sums at both cuts, and
    sum(w q^2)  is what depends on the first cut and what depends on the second.
    """
    by_eight = shifts[:, :: shifts.shape[1] // len(running)]
    each = np.stack([sum(s * wx[-1] for s, (wx, _) in zip(by, running, strict=True)) for by in by_eight])
    below = np.stack([sum((1 - 2 * s) * w for s, (_, w) in zip(by, running, strict=True)) for by in by_eight])
    below += (total / 64).astype(np.float32)
    above = np.stack([sum((1 + 2 * s) * (w[-1] - w) for s, (_, w) in zip(by, running, strict=True))
                      for by in by_eight])
    together = np.add.reduce([wx for wx, _ in running])
    return together, each + together[-1], below, above


def gains(together: np.ndarray, each: np.ndarray, below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """What is `prepared`, of some groups ->  sum(w x q)^2 / sum(w q^2)  of all candidates, (shifts, pairs of
    cuts, groups). In a good candidate the sum of w x q is no small part of the sum of all |w x|: little is
    lost.
    """
    low, high = cuts(len(together) - 1)
    out = np.empty((len(each), len(low), each.shape[-1]), np.float32)
    spread = together.take(low, axis=0)
    other = together.take(high, axis=0)
    spread += other
    square = np.empty_like(spread)
    for gain, whole, first, second in zip(out, each, below, above, strict=True):
        np.subtract(whole, spread, out=gain)
        gain *= gain
        first.take(low, axis=0, out=square, mode="clip")
        square += second.take(high, axis=0, out=other, mode="clip")
        gain /= square
    return out


def sums_of_one_shift(running: list[Running], group: np.ndarray, pair: np.ndarray,
                      kind: np.ndarray) -> list[np.ndarray]:
    """The sums of w x q and of w q q of some candidates as C adds them up: each heap's sum, a difference of
    running sums, times its number.  All arrays (n,).
    """
    low, high = (cut[pair] for cut in cuts(len(running[0][0]) - 1))
    q = stands_for(ONE_SHIFT[kind, 0])
    sums = []
    for power, v in enumerate(running[0], 1):
        heaps = v[low, group], v[high, group] - v[low, group], v[-1, group] - v[high, group]
        sums.append(sum_in_order(np.stack([multiplied(*one, power) for one in zip(heaps, q, strict=True)])))
    return sums


def sums_of_two_shifts(running: list[Running], group: np.ndarray, pair: np.ndarray,
                       kind: np.ndarray) -> list[np.ndarray]:
    """The same where each eight has a shift: what the first eight and the second give, added up.

    From one number to the next it is always 1; so the sum of w x q is that of all w x times the highest
    number, less the running sums at both cuts.
    """
    low, high = (cut[pair] for cut in cuts(len(running[0][0]) - 1))
    parts = []
    for (sum_x, sum_w), shift in zip(running, TWO_SHIFTS[kind].T, strict=True):
        q = stands_for(shift)
        below = sum_x[low, group] + sum_x[high, group]
        parts.append((sum_x[-1, group] * q[2] - below,
                      sum_w[-1, group] * q[2] * q[2] + sum_w[low, group] * (q[0] * q[0] - q[1] * q[1])
                      + sum_w[high, group] * (q[1] * q[1] - q[2] * q[2])))
    return [one + two for one, two in zip(*parts, strict=True)]


def stands_for(shift: np.ndarray) -> np.ndarray:
    """(n,) shifts -> (3, n) the numbers that the three heaps become."""
    return NUMBERS[:, None] + shift


def multiplied(v: np.ndarray, number: np.ndarray, power: int) -> np.ndarray:
    """One multiplication after the other, as in C."""
    for _ in range(power):
        v = v * number
    return v


def added_up(v: np.ndarray) -> np.ndarray:
    """(size, groups) -> (size + 1, groups) running sums, from 0."""
    sums = np.zeros((len(v) + 1, v.shape[1]), np.float32)
    for before, row, out in zip(sums, v, sums[1:], strict=False):
        np.add(before, row, out=out)                # row by row: NumPy's accumulate takes five times as long
    return sums


def best_candidate(group: np.ndarray, sum_qx: np.ndarray, sum_q2: np.ndarray, groups: int) -> np.ndarray:
    """(n,) candidates, group by group -> (groups,) which of the n is the one that C keeps, -1 for none.

    C goes through them, and takes one if  sum_qx^2 > best * sum_q2,  with  best = scale * sum_qx  of the one
    it has.
    """
    counts = np.bincount(group, minlength=groups)
    first = np.cumsum(counts) - counts
    best, winner = np.full(groups, np.finfo(np.float32).min), np.full(groups, -1)
    for k in range(counts.max()):
        at = np.flatnonzero(counts > k)
        one = first[at] + k
        qx, q2 = sum_qx[one], sum_q2[one]
        won = (q2 > 0) & (qx * qx > best[at] * q2)
        best[at[won]], winner[at[won]] = (qx / q2 * qx)[won], one[won]
    return winner


# ---- points and scales

def on_the_grid(x: np.ndarray, w: np.ndarray, levels: np.ndarray, scale: np.ndarray,
                shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Levels (group, groups) of 0, 1, 2 -> the scale and the points (eights, groups); where one was off the
    grid, the scale is that of the least squared error.
    """
    grid, by_eight = ternary_grid(), (8, len(shift) * x.shape[1])
    x8, w8, l8 = (v.reshape(len(shift), 8, -1).transpose(1, 0, 2).reshape(by_eight)
                  for v in (x, w, levels.astype(np.float32)))
    scale8 = np.tile(scale, len(shift))
    off = np.clip(x8 / scale8 + (1 - shift.ravel()), np.float32(0), np.float32(2)) - l8
    clear = np.maximum.reduce(np.abs(off), axis=0) < CLEAR
    point, searched = grid.nearest(grid.key(l8), clear, x8, w8, scale8, shift.ravel())
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
