"""IQ4_NL and IQ4_XS: four-bit codes that stand for unevenly spaced entries of a table, close together around
zero where most weights are.

    IQ4_NL     weight = d * ENTRIES[q]                   32 weights, one scale
    IQ4_XS     weight = d * (sc - 32) * ENTRIES[q]       256 weights, eight groups of 32 with six-bit scales

The scale is searched like in `search.symmetric`: for given codes the best is  sum(w x e) / sum(w e^2), e =
ENTRIES[q], and that candidate wins for which  sum(w x e)^2 / sum(w e^2)  is largest. w is x^2, or with an
importance matrix imatrix * sqrt(2 * mean square of the block + x^2).

`encode_*` takes (n, block_size) float32 and returns n blocks, `decode_*` takes them back.
ggml: quantize_row_iq4_nl_impl, best_index_int8. Lesson: 12.
"""

import numpy as np

from .cfloat import (
    TINY,
    c_rules,
    columns,
    farthest_from_zero,
    importance,
    inverse,
    nearest_int,
    sum_in_order,
    to_float16,
)
from .layout import Bits, Layout

IQ4_NL = Layout("IQ4_NL", 32, [("d", "<f2"), ("qs", "u1", 16)], Bits("q", "qs", 4, run=16))
IQ4_XS = Layout("IQ4_XS", 256, [("d", "<f2"), ("scales_h", "<u2"), ("scales_l", "u1", 4), ("qs", "u1", 128)],
                Bits("sc", "scales_l", 4), Bits("sc", "scales_h", 2, at=4, word=2),
                Bits("q", "qs", 4, run=16))

# ggml's kvalues_iq4nl
ENTRIES = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float32)
# plain (the farthest weight gets entry -127), then -127 - 7 to -127 + 7
TRIES = (None, *range(-7, 8))

# x is nearest to entry i once 2 x >= ENTRIES[i - 1] + ENTRIES[i], a whole number: so floor(2 x) decides, and
# a table of it will do.
_REACH = 2 * (127 + 7) + 1                           # no candidate takes 2 x farther
_BORDERS = ENTRIES[1:] + ENTRIES[:-1]
_CODES = np.searchsorted(_BORDERS, np.arange(-_REACH, _REACH + 1), side="right").astype(np.uint8)
_NEAREST = ENTRIES[_CODES]


def encode_iq4_nl(x: np.ndarray, imatrix: np.ndarray | None = None) -> np.ndarray:
    xt = columns(x, 32)
    d = best_scale(xt, weighed(x, xt, imatrix))
    return IQ4_NL.pack(d=to_float16(d), q=nearest_code(xt * inverse(d)).T)


def decode_iq4_nl(blocks: np.ndarray) -> np.ndarray:
    values = IQ4_NL.unpack(blocks)
    return values["d"].astype(np.float32) * ENTRIES[values["q"]]


def encode_iq4_xs(x: np.ndarray, imatrix: np.ndarray | None = None) -> np.ndarray:
    """The group scale farthest from zero becomes -32 steps of d; the codes are chosen last, for the scales as
    they were stored.
    """
    xt = columns(x, 32)
    scales = best_scale(xt, weighed(x, xt, imatrix))
    scales = columns(scales, 8)
    d = farthest_from_zero(scales) / np.float32(-32)
    steps = np.clip(nearest_int(inverse(d) * scales), -32, 31)
    q = nearest_code(xt * inverse((d * steps.astype(np.float32)).T.reshape(-1)))
    return IQ4_XS.pack(d=to_float16(d), sc=(steps + 32).astype(np.uint8).T,
                       q=q.reshape(32, -1, 8).transpose(1, 2, 0))


def decode_iq4_xs(blocks: np.ndarray) -> np.ndarray:
    values = IQ4_XS.unpack(blocks)
    scales = values["d"].astype(np.float32) * (values["sc"].astype(np.float32) - np.float32(32))
    return (scales[:, :, None] * ENTRIES[values["q"]].reshape(-1, 8, 32)).reshape(-1, 256)


def weighed(x: np.ndarray, xt: np.ndarray, imatrix: np.ndarray | None) -> np.ndarray:
    """(32, n): how much each weight matters. x: the blocks, xt: their groups of 32 in columns."""
    if imatrix is None:
        return xt * xt
    size = x.shape[1]
    return importance(xt, imatrix, sum_in_order(columns(x * x, size)) * np.float32(2 / size))


@c_rules()
def best_scale(x: np.ndarray, w: np.ndarray, trace: list | None = None) -> np.ndarray:
    """(32, n) weights and their importances -> (n,) scales, 0 for groups of (nearly) nothing but zeros.
    trace: as in `search`.
    """
    far = farthest_from_zero(x)
    dead = ~(np.abs(far) >= TINY)
    far[dead] = 1
    finite = bool(np.isfinite(x.sum()))
    e, t = np.empty_like(x), np.empty_like(x)
    for i in TRIES:
        inverse = np.float32(1) / (far / np.float32(127)) if i is None else np.float32(i - 127) / far
        np.multiply(x, inverse + inverse, out=t)
        # every slot is in range; "wrap" is the fastest
        np.take(_NEAREST, _slot(t, near=finite), out=e, mode="wrap")
        we = np.multiply(w, e, out=t)
        sxe = sum_in_order(we * x)
        se2 = sum_in_order(np.multiply(we, e, out=t))
        scale = sxe / se2
        if i is None:
            d = np.where(se2 > 0, scale, np.float32(0))
            best = d * sxe
        else:
            better = (se2 > 0) & (sxe * sxe > best * se2)
            d, best = np.where(better, scale, d), np.where(better, scale * sxe, best)
        if trace is not None:
            trace.append((inverse, scale, None, sum_in_order(w * (x - scale * e) ** 2)))
    return np.where(dead, np.float32(0), d)


def nearest_code(v: np.ndarray) -> np.ndarray:
    """The code of the entry nearest to each v, uint8."""
    return _CODES[_slot(v + v, near=False)]


def _slot(twice: np.ndarray, near: bool) -> np.ndarray:
    """floor(2 x) as a place in the tables. near: all of it lies within reach. A NaN falls through C's
    comparisons to the last entry.
    """
    np.floor(twice, out=twice)
    if not near:
        np.clip(twice, np.float32(-_REACH), np.float32(_REACH), out=twice)
        twice[np.isnan(twice)] = _REACH
    twice += np.float32(_REACH)
    return twice.astype(np.int32).astype(np.intp)                    # in two steps: twice as fast
