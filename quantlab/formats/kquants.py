"""The K-quants: Q2_K, Q4_K, Q5_K have a scale and a minimum for every group, Q3_K and Q6_K a scale alone.

A super-block holds 256 weights in groups of 16 or 32. The scales of the groups are small whole numbers, too:
`sc` and `m` count in steps of the super-block's float16 numbers `d` and `dmin`,

    weight = (d * sc) * q - (dmin * m)          Q2_K: groups of 16, q 0 to 3, sc and m 0 to 15
                                                Q4_K: groups of 32, q 0 to 15, sc and m 0 to 63
                                                Q5_K: groups of 32, q 0 to 31, sc and m 0 to 63
    weight = d * (sc - 32) * (q - 4)            Q3_K: groups of 16, q 0 to 7, sc 0 to 63
    weight = d * sc * (q - 32)                  Q6_K: groups of 16, q 0 to 63, sc -128 to 127

Without a minimum the codes lie evenly around zero. A scale may then be negative: the weight farthest from
zero gets the lowest code, -4 or -32, whatever its sign, because there is one more code below zero than above.

Encoding takes four steps: search each group's scale and minimum (search, search_affine), quantize them
(plainly, or with an importance matrix by a search of their own), and then round the weights once more, as
their scale is no longer what the search had found.

`encode_*` takes (n, 256) float32 and returns n blocks; `clamped` as in search_affine. `decode_*` takes them
back.
ggml: quantize_row_q*_K_ref, quantize_row_q*_K_impl, dequantize_row_q*_K. Lessons: 05, 11.
"""

from collections.abc import Callable

import numpy as np

from .cfloat import (
    SMALL,
    TINY,
    columns,
    farthest_from_zero,
    importance,
    mean_square,
    nearest_int,
    sum_in_order,
    to_float16,
    to_levels,
)
from .layout import Bits, Layout
from .search import coordinate_descent, positive, symmetric
from .search_affine import BY_IMPORTANCE, Affine, affine

_f = np.float32

# Byte 0 of `scales` holds  mmmm ssss  of group 0, and so on.
Q2_K = Layout("Q2_K", 256, [("scales", "u1", 16), ("qs", "u1", 64), ("d", "<f2"), ("dmin", "<f2")],
              Bits("sc", "scales", 4, per=1), Bits("m", "scales", 4, shift=4), Bits("q", "qs", 2, run=32))

# Twelve bytes for eight scales and eight minimums of 6 bits; those of groups 4 to 7 are cut in two (capital
# letters: group j + 4).
#   bytes 0-3  SSssssss   bytes 4-7  MMmmmmmm   bytes 8-11  MMMMSSSS
_SCALES = (Bits("sc", "scales", 6, per=1, words=slice(0, 4)),
           Bits("m", "scales", 6, per=1, words=slice(4, 8)),
           Bits("sc", "scales", 4, per=1, first=4, words=slice(8, 12)),
           Bits("m", "scales", 4, first=4, shift=4, words=slice(8, 12)),
           Bits("sc", "scales", 2, at=4, first=4, shift=6, words=slice(0, 4)),
           Bits("m", "scales", 2, at=4, first=4, shift=6, words=slice(4, 8)))
Q4_K = Layout("Q4_K", 256, [("d", "<f2"), ("dmin", "<f2"), ("scales", "u1", 12), ("qs", "u1", 128)],
              *_SCALES, Bits("q", "qs", 4, run=32))
Q5_K = Layout("Q5_K", 256,
              [("d", "<f2"), ("dmin", "<f2"), ("scales", "u1", 12), ("qh", "u1", 32), ("qs", "u1", 128)],
              *_SCALES, Bits("q", "qs", 4, run=32), Bits("q", "qh", 1, run=32, at=4))

# The third bit of a code stands in `hmask`. A scale's low four bits are in bytes 0 to 7 of `scales`, its high
# two in bytes 8 to 11:
#   byte j      hhhhllll  of groups j + 8 and j
#   byte 8 + j  ddccbbaa  of groups j + 12, j + 8, j + 4 and j
Q3_K = Layout("Q3_K", 256, [("hmask", "u1", 32), ("qs", "u1", 64), ("scales", "u1", 12), ("d", "<f2")],
              Bits("q", "qs", 2, run=32), Bits("q", "hmask", 1, run=32, at=2),
              Bits("sc", "scales", 4, run=8, words=slice(0, 8)),
              Bits("sc", "scales", 2, run=4, at=4, words=slice(8, 12)))
Q6_K = Layout("Q6_K", 256, [("ql", "u1", 128), ("qh", "u1", 64), ("scales", "i1", 16), ("d", "<f2")],
              Bits("q", "ql", 4, run=64), Bits("q", "qh", 2, run=32, at=4),
              Bits("sc", "scales", 8, signed=True))


def encode_q2_k(x: np.ndarray, imatrix: np.ndarray | None = None, *, clamped: bool = False) -> np.ndarray:
    """Two bits a weight: the search judges by |error| times |weight|."""
    xt = columns(x, 16)
    if imatrix is not None:
        return _by_importance(Q2_K, xt, importance(xt, imatrix, mean_square(x)), False, clamped)
    return _plain(Q2_K, xt, affine(xt, np.abs(xt), 3, -0.5, 0.1, 15, absolute=True), capped=False)


def encode_q4_k(x: np.ndarray, imatrix: np.ndarray | None = None, *, clamped: bool = False) -> np.ndarray:
    """The most used of all: 4.5 bits a weight."""
    xt = columns(x, 32)
    if imatrix is not None:
        return _by_importance(Q4_K, xt, importance(xt, imatrix, mean_square(x, 2)), False, clamped)
    return _plain(Q4_K, xt, affine(xt, _by_size(xt), 15, -1.0, 0.1, 20), capped=True)


def encode_q5_k(x: np.ndarray, imatrix: np.ndarray | None = None, *, clamped: bool = False) -> np.ndarray:
    """Q4_K with a fifth bit for every weight, in `qh`."""
    xt = columns(x, 32)
    if imatrix is not None:
        return _by_importance(Q5_K, xt, importance(xt, imatrix, mean_square(x, 2)), True, clamped)
    return _plain(Q5_K, xt, affine(xt, _by_size(xt), 31, -0.5, 0.1, 15), capped=True)


def encode_q3_k(x: np.ndarray, imatrix: np.ndarray | None = None) -> np.ndarray:
    """Without an imatrix the codes are improved one by one and the farthest scale becomes -32; with one both
    are searched.
    """
    xt = columns(x, 16)
    if imatrix is None:
        scale, levels, far = coordinate_descent(xt, 4)
        d, sc = _plain_even(scale.reshape(-1, 16))
    else:
        w = importance(xt, imatrix, mean_square(x, 2))
        fit = symmetric(xt, w, 4)
        levels, far = fit.levels(xt), fit.far
        scales = columns(fit.scale, 16)                              # the same search, one floor up: (16, n)
        best = symmetric(scales, columns(sum_in_order(w), 16), 32)
        d, sc = best.scale, best.levels(scales).T
    d = to_float16(d)
    q = _codes(xt, far, d.astype(_f)[:, None] * (sc.astype(_f) - _f(32)), -4, 3, lambda: levels)
    return Q3_K.pack(d=d, sc=sc, q=q)


def encode_q6_k(x: np.ndarray, imatrix: np.ndarray | None = None) -> np.ndarray:
    """The farthest scale becomes -128. Large weights matter more (w = x^2); an imatrix is taken as it is."""
    xt = columns(x, 16)
    fit = symmetric(xt, xt * xt if imatrix is None else columns(imatrix, 16), 32)
    scales = columns(fit.scale, 16)                                  # (16, n)
    most = farthest_from_zero(scales)
    nothing = ~(np.abs(most) >= TINY)
    inverse = _f(-128) / np.where(nothing, _f(1), most)
    d = to_float16(_f(1) / inverse)
    sc = np.minimum(nearest_int(inverse * scales), 127).astype(np.int8).T
    q = _codes(xt, fit.far, d.astype(_f)[:, None] * sc, -32, 31, lambda: fit.levels(xt))
    blocks = Q6_K.pack(d=d, sc=sc, q=q)
    blocks[nothing] = 0
    return blocks


def decode_q2_k(blocks: np.ndarray) -> np.ndarray:
    return _above_minimum(Q2_K.unpack(blocks))


def decode_q4_k(blocks: np.ndarray) -> np.ndarray:
    return _above_minimum(Q4_K.unpack(blocks))


def decode_q5_k(blocks: np.ndarray) -> np.ndarray:
    return _above_minimum(Q5_K.unpack(blocks))


def decode_q3_k(blocks: np.ndarray) -> np.ndarray:
    v = Q3_K.unpack(blocks)
    return _scaled(v["d"], v["sc"].view(np.int8) - np.int8(32), v["q"].view(np.int8) - np.int8(4))


def decode_q6_k(blocks: np.ndarray) -> np.ndarray:
    v = Q6_K.unpack(blocks)
    return _scaled(v["d"], v["sc"], v["q"].view(np.int8) - np.int8(32))


def _by_size(xt: np.ndarray) -> np.ndarray:
    """Large weights matter more: w = root mean square of the group + |x|, (size, n_groups)."""
    w = np.abs(xt)
    w += np.sqrt(sum_in_order(xt * xt) / _f(len(xt)))
    return w


# ---- the scales and minimums of the groups, quantized: d, dmin (n,) and sc, m (n, groups)

def _plain(layout: Layout, xt: np.ndarray, fit: Affine, capped: bool) -> np.ndarray:
    """The largest scale of a super-block becomes the highest code; the minimums likewise."""
    both = np.stack([fit.scale, fit.minimum]).reshape(2, -1, layout.counts["sc"])
    most = np.fmax.reduce(both, axis=2)
    most[~(most > 0)] = 0
    top = _f(layout.top("sc"))
    steps = np.divide(top, most, out=np.zeros_like(most), where=most > 0)
    sc, m = nearest_int(steps[..., None] * both).astype(np.uint8)    # a negative one wraps around, as in C
    d, dmin = most / top
    return _finish(layout, xt, fit, d, dmin, sc, m, capped)


def _by_importance(layout: Layout, xt: np.ndarray, w: np.ndarray, capped: bool, clamped: bool) -> np.ndarray:
    """All by search; a group's scale and minimum count with the sum of its importances."""
    fit = affine(xt, w, layout.top("q"), *BY_IMPORTANCE, clamped=clamped)
    both = np.concatenate([fit.scale, fit.minimum]).reshape(-1, layout.counts["sc"])
    total = sum_in_order(w).reshape(-1, layout.counts["sc"])
    scale, codes = positive(np.ascontiguousarray(both.T), np.concatenate([total, total]).T.copy(),
                            layout.top("sc"))
    n = len(total)
    return _finish(layout, xt, fit, scale[:n], scale[n:], codes.T[:n], codes.T[n:], capped)


def _plain_even(scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 16) scales -> d (n,) and codes (n, 16), 0 to 63 for -32 to 31; all 0 where there is no scale."""
    most = farthest_from_zero(scale.T)
    inverse = _f(-32) / most
    codes = np.clip(nearest_int(inverse[:, None] * scale).astype(np.int8), -32, 31) + np.int8(32)
    codes[most == 0] = 0
    return np.where(most == 0, _f(0), _f(1) / inverse), codes.view(np.uint8)


# ---- rounding once more, and the way back

def _finish(layout: Layout, xt: np.ndarray, fit: Affine, d, dmin, sc, m, capped: bool) -> np.ndarray:
    """Round all weights with the scales and minimums that the block will really have, and pack.

    capped: codes above 63 are cut off. Where they are not, the bits of a wrapped-around negative one spill
    over its neighbour's, and C goes on with what the bytes then say.
    """
    if capped:
        sc, m = np.minimum(sc, 63), np.minimum(m, 63)
    values = dict(d=to_float16(d), dmin=to_float16(dmin), sc=sc, m=m)
    stored = values
    if max(sc.max(initial=0), m.max(initial=0)) > layout.top("sc"):
        stored = layout.unpack(layout.pack(**values, q=np.zeros((len(sc), 256), np.uint8)))
    dl = values["d"].astype(_f)[:, None] * stored["sc"]
    ml = (values["dmin"].astype(_f)[:, None] * stored["m"]).reshape(-1)
    far = np.maximum(np.abs(fit.low + ml), np.abs(fit.high + ml))
    return layout.pack(**values, q=_codes(xt + ml, far, dl, 0, fit.nmax, lambda: fit.levels(xt)))


def _codes(x: np.ndarray, far: np.ndarray, dl: np.ndarray, low: int, high: int,
           searched: Callable[[], np.ndarray]) -> np.ndarray:
    """round(x / dl) from low to high, stored from 0 up: (n, groups, size) uint8.

    x: (size, n_groups).  far: the largest |x| of each group.  dl: (n, groups) scales; where one became 0 the
    group keeps the codes of the search, which `searched` gives.
    """
    n, groups = dl.shape
    stale = dl.reshape(-1) == 0
    steps = np.where(stale, _f(1), dl.reshape(-1))
    small = np.isfinite(x.sum()) and (np.abs(far / steps) < SMALL).all()
    q = to_levels(x / steps, low, high, bool(small))
    if low:
        q -= _f(low)
    q = q.astype(np.uint8)
    if stale.any():
        q[:, stale] = searched()[:, stale]
    return q.reshape(len(q), n, groups).transpose(1, 2, 0)


def _scaled(d: np.ndarray, sc: np.ndarray, q: np.ndarray) -> np.ndarray:
    """(n, 256) weights  (d * sc) * q."""
    x = q.reshape(*sc.shape, -1).astype(_f)
    x *= (d.astype(_f) * sc)[..., None]
    return x.reshape(len(d), 256)


def _above_minimum(v: dict[str, np.ndarray]) -> np.ndarray:
    """(n, 256) weights  (d * sc) * q - (dmin * m)."""
    x = _scaled(v["d"], v["sc"], v["q"])
    x.reshape(*v["m"].shape, -1)[...] -= (v["dmin"].astype(_f) * v["m"])[..., None]
    return x
