"""K-quants with a scale and a minimum for every group: Q2_K, Q4_K, Q5_K.

A super-block holds 256 weights in groups of 16 or 32. A group has a scale and a minimum of its own, and these
are small whole numbers, too: `sc` and `m` count in steps of the super-block's two float16 numbers `d` and
`dmin`,

    weight = (d * sc) * q - (dmin * m)          Q2_K: groups of 16, q 0 to 3, sc and m 0 to 15
                                                Q4_K: groups of 32, q 0 to 15, sc and m 0 to 63
                                                Q5_K: groups of 32, q 0 to 31, sc and m 0 to 63

Encoding takes four steps: search each group's scale and minimum (search_affine), quantize them (plainly, or
with an importance matrix by a search of their own), and then round the weights once more, as their scale is
no longer what the search had found.

`encode_*` takes (n, 256) float32 and returns n blocks; `decode_*` takes them back.
ggml: quantize_row_q*_K_ref, quantize_row_q*_K_impl, dequantize_row_q*_K. Lessons: 05, 11.
"""

import numpy as np

from .cfloat import SMALL, columns, mean_square, nearest_int, sum_in_order, to_float16, to_levels
from .layout import Bits, Layout
from .search import positive
from .search_affine import Affine, affine

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

# the candidates of the search with an importance matrix: rmin, rdelta, nstep
BY_IMPORTANCE = (-0.9, 0.05, 36)
Scales = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]      # d, dmin (n,) and sc, m (n, groups)


def encode_q2_k(x: np.ndarray, imatrix: np.ndarray | None = None) -> np.ndarray:
    """Two bits a weight: the search judges by |error| times |weight|."""
    xt = columns(x, 16)
    if imatrix is None:
        fit = affine(xt, np.abs(xt), 3, -0.5, 0.1, 15, absolute=True)
        return _finish(Q2_K, xt, fit, *_plain(fit, 16, 15), capped=False)
    w = _importance(x, xt, imatrix, mean_square(x))
    fit = affine(xt, w, 3, *BY_IMPORTANCE)
    return _finish(Q2_K, xt, fit, *_searched(fit, w, 16, 15), capped=False)


def encode_q4_k(x: np.ndarray, imatrix: np.ndarray | None = None) -> np.ndarray:
    """The most used of all: 4.5 bits a weight."""
    xt = columns(x, 32)
    if imatrix is None:
        fit = affine(xt, _by_size(xt), 15, -1.0, 0.1, 20)
        return _finish(Q4_K, xt, fit, *_plain(fit, 8, 63), capped=True)
    w = _importance(x, xt, imatrix, mean_square(x, 2))
    fit = affine(xt, w, 15, *BY_IMPORTANCE)
    return _finish(Q4_K, xt, fit, *_searched(fit, w, 8, 63), capped=False)


def encode_q5_k(x: np.ndarray, imatrix: np.ndarray | None = None) -> np.ndarray:
    """Q4_K with a fifth bit for every weight, in `qh`."""
    xt = columns(x, 32)
    if imatrix is None:
        fit = affine(xt, _by_size(xt), 31, -0.5, 0.1, 15)
        return _finish(Q5_K, xt, fit, *_plain(fit, 8, 63), capped=True)
    w = _importance(x, xt, imatrix, mean_square(x, 2))
    fit = affine(xt, w, 31, *BY_IMPORTANCE)
    return _finish(Q5_K, xt, fit, *_searched(fit, w, 8, 63), capped=True)


def decode_q2_k(blocks: np.ndarray) -> np.ndarray:
    return _decode(Q2_K, blocks)


def decode_q4_k(blocks: np.ndarray) -> np.ndarray:
    return _decode(Q4_K, blocks)


def decode_q5_k(blocks: np.ndarray) -> np.ndarray:
    return _decode(Q5_K, blocks)


# ---- how much each weight matters: (size, n_groups)

def _by_size(xt: np.ndarray) -> np.ndarray:
    """Large weights matter more: w = root mean square of the group + |x|."""
    w = np.abs(xt)
    w += np.sqrt(sum_in_order(xt * xt) / np.float32(len(xt)))
    return w


def _importance(x: np.ndarray, xt: np.ndarray, imatrix: np.ndarray, sigma2: np.ndarray) -> np.ndarray:
    """imatrix * sqrt(sigma2 + x^2), with sigma2 (n,) the mean square of the super-block (twice that in all
    but Q2_K).
    """
    size = len(xt)
    w = xt * xt
    w += sigma2.repeat(x.shape[1] // size)
    np.sqrt(w, out=w)
    w *= columns(imatrix, size)
    return w


# ---- the scales and minimums of the groups, quantized: d, dmin (n,) and sc, m (n, groups)

def _plain(fit: Affine, groups: int, top: int) -> Scales:
    """The largest scale of a super-block becomes `top`; the minimums likewise."""
    both = np.stack([fit.scale, fit.minimum]).reshape(2, -1, groups)
    most = np.fmax.reduce(both, axis=2)
    most[~(most > 0)] = 0
    steps = np.divide(np.float32(top), most, out=np.zeros_like(most), where=most > 0)
    sc, m = nearest_int(steps[..., None] * both).astype(np.uint8)    # a negative one wraps around, as in C
    d, dmin = most / np.float32(top)
    return d, dmin, sc, m


def _searched(fit: Affine, w: np.ndarray, groups: int, top: int) -> Scales:
    """By a search in which each group counts with the sum of its importances."""
    both = np.concatenate([fit.scale.reshape(-1, groups), fit.minimum.reshape(-1, groups)])
    total = sum_in_order(w).reshape(-1, groups)
    scale, codes = positive(np.ascontiguousarray(both.T), np.concatenate([total, total]).T.copy(), top)
    n = len(total)
    return scale[:n], scale[n:], codes.T[:n], codes.T[n:]


# ---- rounding once more, and the way back

def _finish(layout: Layout, xt: np.ndarray, fit: Affine, d, dmin, sc, m, capped: bool) -> np.ndarray:
    """Round all weights with the scales and minimums that the block will really have, and pack.

    capped: codes above 63 are cut off. Where they are not, the bits of a wrapped-around negative one spill
    over its neighbour's, and C goes on with what the bytes then say.
    """
    n, groups = sc.shape
    if capped:
        sc, m = np.minimum(sc, 63), np.minimum(m, 63)
    values = dict(d=to_float16(d), dmin=to_float16(dmin), sc=sc, m=m)
    stored = values
    if max(sc.max(initial=0), m.max(initial=0)) >= 1 << layout.widths["sc"]:
        stored = layout.unpack(layout.pack(**values, q=np.zeros((n, 256), np.uint8)))
    dl = (values["d"].astype(np.float32)[:, None] * stored["sc"]).reshape(-1)
    ml = (values["dmin"].astype(np.float32)[:, None] * stored["m"]).reshape(-1)
    q = _codes(xt, fit, dl, ml)
    return layout.pack(**values, q=q.reshape(len(q), n, groups).transpose(1, 2, 0))


def _codes(xt: np.ndarray, fit: Affine, dl: np.ndarray, ml: np.ndarray) -> np.ndarray:
    """round((x + ml) / dl) from 0 to nmax: (size, n_groups) uint8. A group whose scale became 0 keeps the
    codes of the search.
    """
    stale = dl == 0
    steps = np.where(stale, np.float32(1), dl)
    farthest = np.maximum(np.abs(fit.low + ml), np.abs(fit.high + ml)) / np.abs(steps)
    small = np.isfinite(xt.sum()) and (farthest < SMALL).all()
    q = xt + ml
    q /= steps
    q = to_levels(q, 0, fit.nmax, bool(small)).astype(np.uint8)
    if stale.any():
        q[:, stale] = fit.levels(xt)[:, stale]
    return q


def _decode(layout: Layout, blocks: np.ndarray) -> np.ndarray:
    """(n, 256) weights  (d * sc) * q - (dmin * m)."""
    v = layout.unpack(blocks)
    n, groups = v["sc"].shape
    x = v["q"].reshape(n, groups, -1).astype(np.float32)
    x *= (v["d"].astype(np.float32) * v["sc"])[..., None]
    x -= (v["dmin"].astype(np.float32) * v["m"])[..., None]
    return x.reshape(n, 256)
