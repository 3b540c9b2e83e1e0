"""K-quants with a scale alone for every group: Q3_K and Q6_K.

A super-block holds 256 weights in 16 groups of 16. The scales of the groups are small signed numbers that
count in steps of the super-block's float16 `d`; the codes lie evenly around zero:

    Q3_K   weight = d * (sc - 32) * (q - 4)         q 0 to 7, sc 0 to 63
    Q6_K   weight = d * sc * (q - 32)               q 0 to 63, sc -128 to 127

Scales may be negative: the weight farthest from zero gets the lowest code, -4 or -32, whatever its sign,
because there is one more code below zero than above. As in `kquants` the weights are rounded once more when
the scales are quantized.

`encode_*` takes (n, 256) float32 and returns n blocks; `decode_*` takes them back.
ggml: quantize_row_q3_K_ref, quantize_row_q3_K_impl, and likewise for q6_K. Lessons: 05, 11.
"""

import numpy as np

from .cfloat import (
    SMALL,
    TINY,
    columns,
    farthest_from_zero,
    mean_square,
    nearest_int,
    sum_in_order,
    to_float16,
    to_levels,
)
from .layout import Bits, Layout
from .search import coordinate_descent, symmetric

_f = np.float32

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


def encode_q3_k(x: np.ndarray, imatrix: np.ndarray | None = None) -> np.ndarray:
    """Without an imatrix the codes are improved one by one and the farthest scale becomes -32; with one both
    are searched.
    """
    xt = columns(x, 16)
    if imatrix is None:
        scale, levels, far = coordinate_descent(xt, 4)
        d, sc = _plain_scales(scale.reshape(-1, 16))
    else:
        w = columns(imatrix, 16) * np.sqrt(mean_square(x, 2).repeat(16) + xt * xt)
        fit = symmetric(xt, w, 4)
        levels, far = fit.levels(xt), fit.far
        scales = columns(fit.scale, 16)                              # the same search, one floor up: (16, n)
        best = symmetric(scales, columns(sum_in_order(w), 16), 32)
        d, sc = best.scale, best.levels(scales).T
    d = to_float16(d)
    q, stale = _codes(xt, far, d.astype(_f)[:, None] * (sc.astype(_f) - _f(32)), 4)
    q[:, stale] = levels[:, stale]
    return Q3_K.pack(d=d, sc=sc, q=_by_block(q))


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
    q, stale = _codes(xt, fit.far, d.astype(_f)[:, None] * sc, 32)
    if stale.any():
        q[:, stale] = fit.levels(xt)[:, stale]
    blocks = Q6_K.pack(d=d, sc=sc, q=_by_block(q))
    blocks[nothing] = 0
    return blocks


def decode_q3_k(blocks: np.ndarray) -> np.ndarray:
    v = Q3_K.unpack(blocks)
    return _decode(v["d"], v["sc"].view(np.int8) - np.int8(32), v["q"].view(np.int8) - np.int8(4))


def decode_q6_k(blocks: np.ndarray) -> np.ndarray:
    v = Q6_K.unpack(blocks)
    return _decode(v["d"], v["sc"], v["q"].view(np.int8) - np.int8(32))


def _plain_scales(scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 16) scales -> d (n,) and codes (n, 16), 0 to 63 for -32 to 31; all 0 where there is no scale."""
    most = farthest_from_zero(scale.T)
    inverse = _f(-32) / most
    codes = np.clip(nearest_int(inverse[:, None] * scale).astype(np.int8), -32, 31) + np.int8(32)
    codes[most == 0] = 0
    return np.where(most == 0, _f(0), _f(1) / inverse), codes.view(np.uint8)


def _codes(xt: np.ndarray, far: np.ndarray, dl: np.ndarray, nmax: int) -> tuple[np.ndarray, np.ndarray]:
    """round(x / dl) from -nmax to nmax - 1, stored from 0 up: (16, n_groups) uint8. And where dl is 0: those
    keep their stale codes.
    """
    dl = dl.reshape(-1)
    stale = dl == 0
    steps = np.where(stale, _f(1), dl)
    small = np.isfinite(xt.sum()) and (np.abs(far / steps) < SMALL).all()
    q = to_levels(xt / steps, -nmax, nmax - 1, bool(small))
    q += _f(nmax)
    return q.astype(np.uint8), stale


def _by_block(q: np.ndarray) -> np.ndarray:
    """(16, n_groups) codes -> a view of them, super-block by super-block."""
    return q.reshape(16, -1, 16).transpose(1, 2, 0)


def _decode(d: np.ndarray, sc: np.ndarray, q: np.ndarray) -> np.ndarray:
    """(n, 256) weights  (d * sc) * q."""
    x = q.reshape(len(d), 16, 16).astype(_f)
    x *= (d.astype(_f) * sc)[..., None]
    return x.reshape(len(d), 256)
