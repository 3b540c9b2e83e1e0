"""The codebook formats, 1.6 to 3.4 bits a weight: each is a sign times a number from the grid times a scale.

    IQ2_XXS IQ2_XS IQ2_S    one grid entry holds 8 weights, from 256, 512 or 1024 points
    IQ3_XXS IQ3_S           one grid entry holds 4 weights, from 256 or 512 points
    IQ1_S   IQ1_M           one grid entry holds 8 weights of -1, 0, 1, from 2048 points; no signs, but all
                            are shifted by ± 1/8

A block of 256 weights has one float16 `d`; groups of 16 or 32 weights share a small number `sc` of 3 or 4
bits, which makes their scale  d * (2 * sc + 1) * unit.  What a codebook is, and where its numbers come from,
stands in `grid.py`; how one is searched, in `grid_search.py` and `cut_search.py`. All products here are exact
in float32, so that their order does not matter.
ggml: dequantize_row_iq2_xxs and its siblings in ggml-quants.c.  Lesson: 12.
"""

import numpy as np

from .cfloat import nearest_int
from .grid import codebook
from .layout import Bits, Layout

# Four grid entries to a 32-bit word, then a word of four times seven signs and, on top, the scale.
IQ2_XXS = Layout("IQ2_XXS", 256, [("d", "<f2"), ("qs", "<u2", 32)],
                 Bits("grid", "qs", 8, word=4, words=slice(0, None, 2)),
                 Bits("signs", "qs", 7, per=4, word=4, words=slice(1, None, 2)),
                 Bits("sc", "qs", 4, shift=28, word=4, words=slice(1, None, 2)))
# A 16-bit word for each eight: nine bits of grid entry, seven signs.
IQ2_XS = Layout("IQ2_XS", 256, [("d", "<f2"), ("qs", "<u2", 32), ("scales", "u1", 8)],
                Bits("grid", "qs", 9, per=1, word=2), Bits("signs", "qs", 7, shift=9, word=2),
                Bits("sc", "scales", 4))
# The second half of `qs` is signs, eight to an eight; `qh` has the upper two bits of the grid entries.
IQ2_S = Layout("IQ2_S", 256, [("d", "<f2"), ("qs", "u1", 64), ("qh", "u1", 8), ("scales", "u1", 8)],
               Bits("grid", "qs", 8, words=slice(0, 32)), Bits("grid", "qh", 2, at=8),
               Bits("signs", "qs", 8, words=slice(32, 64)), Bits("sc", "scales", 4))
# 64 grid entries, then eight 32-bit words of signs and scale as in IQ2_XXS.
IQ3_XXS = Layout("IQ3_XXS", 256, [("d", "<f2"), ("qs", "u1", 96)],
                 Bits("grid", "qs", 8, words=slice(0, 64)),
                 Bits("signs", "qs", 7, per=4, word=4, words=slice(16, 24)),
                 Bits("sc", "qs", 4, shift=28, word=4, words=slice(16, 24)))
IQ3_S = Layout("IQ3_S", 256,
               [("d", "<f2"), ("qs", "u1", 64), ("qh", "u1", 8), ("signs", "u1", 32), ("scales", "u1", 4)],
               Bits("grid", "qs", 8), Bits("grid", "qh", 1, at=8), Bits("sc", "scales", 4))
# A word of `qh` for 32 weights: the upper three bits of four grid entries, the scale, the shift's direction.
IQ1_S = Layout("IQ1_S", 256, [("d", "<f2"), ("qs", "u1", 32), ("qh", "<u2", 8)],
               Bits("grid", "qs", 8), Bits("grid", "qh", 3, at=8, per=4, word=2),
               Bits("sc", "qh", 3, per=1, shift=12, word=2), Bits("delta", "qh", 1, shift=15, word=2))
# A half byte of `qh` for 8 weights. The four words of `scales` have four scales each, and on top a quarter of
# `d`.
IQ1_M = Layout("IQ1_M", 256, [("qs", "u1", 32), ("qh", "u1", 16), ("scales", "u1", 8)],
               Bits("grid", "qs", 8), Bits("grid", "qh", 3, at=8, step=4),
               Bits("delta", "qh", 1, shift=3, step=4),
               Bits("sc", "scales", 3, per=4, word=2),
               *(Bits("d", "scales", 4, at=4 * j, shift=12, word=2, words=slice(j, j + 1)) for j in range(4)))


def decode_iq2_xxs(blocks: np.ndarray) -> np.ndarray:
    """n blocks -> (n, 256) float32, like all here. Eight weights from a grid of 256, a scale for each 32."""
    return signed_points(IQ2_XXS, blocks, unit=1 / 8)


def decode_iq2_xs(blocks: np.ndarray) -> np.ndarray:
    """Eight weights from a grid of 512, a scale for each 16."""
    return signed_points(IQ2_XS, blocks, unit=1 / 8)


def decode_iq2_s(blocks: np.ndarray) -> np.ndarray:
    """Eight weights from a grid of 1024, a scale for each 16, and all eight signs stored."""
    return signed_points(IQ2_S, blocks, unit=1 / 8)


def decode_iq3_xxs(blocks: np.ndarray) -> np.ndarray:
    """Four weights from a grid of 256, a scale for each 32."""
    return signed_points(IQ3_XXS, blocks, unit=1 / 4)


def decode_iq3_s(blocks: np.ndarray) -> np.ndarray:
    """Four weights from a grid of 512, a scale for each 32, and all eight signs stored."""
    return signed_points(IQ3_S, blocks, unit=1)


def decode_iq1_s(blocks: np.ndarray) -> np.ndarray:
    """Eight weights from a grid of 2048, a scale and a direction of the shift for each 32."""
    part = IQ1_S.unpack(blocks)
    return scaled(shifted_points("IQ1_S", part["grid"], part["delta"]), part["d"], part["sc"], unit=1 / 8)


def decode_iq1_m(blocks: np.ndarray) -> np.ndarray:
    """The same grid, a scale for each 16, a direction for each 8, and `d` put together from four pieces."""
    part = IQ1_M.unpack(blocks)
    points = shifted_points("IQ1_M", part["grid"], part["delta"])
    return scaled(points, part["d"].view(np.float16), part["sc"], unit=1 / 8)


def signed_points(layout: Layout, blocks: np.ndarray, unit: float) -> np.ndarray:
    """sign * point * scale: the one idea behind five of the formats."""
    part = layout.unpack(blocks)
    points = codebook(layout.name).take(part["grid"], axis=0).reshape(len(blocks), 256)
    signs = EVEN_SIGNS if layout.widths["signs"] == 7 else SIGNS
    points *= signs.take(part["signs"], axis=0).reshape(len(blocks), 256)
    return scaled(points, part["d"], part["sc"], unit)


def shifted_points(name: str, grid: np.ndarray, delta: np.ndarray) -> np.ndarray:
    """Point plus 1/8 or, where delta is 1, minus 1/8, in whole eighths: (n, 256) int8, and none is zero."""
    eighths = codebook(name).take(grid, axis=0) * np.int8(8)                  # (n, 32, 8)
    shift = np.int8(1) - np.int8(2) * delta.astype(np.int8)                   # (n, 8) or (n, 32)
    eighths += shift.repeat(32 // shift.shape[1], axis=1)[:, :, None]
    return eighths.reshape(len(grid), 256)


def scaled(q: np.ndarray, d: np.ndarray, sc: np.ndarray, unit: float) -> np.ndarray:
    """Whole numbers (n, 256), each group times its  d * (2 * sc + 1) * unit.  d: (n, 1).  sc: (n, groups)."""
    scale = d.astype(np.float32) * (2 * sc + 1) * np.float32(unit)
    x = q.astype(np.float32)
    x.reshape(*sc.shape, -1)[...] *= scale[:, :, None]
    return x


def sub_scales(scale: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
    """The way there: (n, groups) scales -> `d` (n,), `sc` from 0 to `top`. The largest becomes
    d * (2 * top + 1).
    """
    one, d = np.float32(1), scale.max(axis=1) / np.float32(2 * top + 1)
    sc = nearest_int(np.float32(0.5) * ((one / d)[:, None] * scale - one))
    return d, np.where(scale.any(axis=1, keepdims=True), np.clip(sc, 0, top), 0).astype(np.uint8)


def _signs(byte: np.ndarray) -> np.ndarray:
    """(n,) bytes -> (n, 8) int8: -1 where a bit is set, the lowest bit first, else 1."""
    return 1 - 2 * np.unpackbits(byte[:, None], axis=1, bitorder="little").view(np.int8)


SIGNS = _signs(np.arange(256, dtype=np.uint8))
EVEN_SIGNS = SIGNS[:128].copy()        # seven bits say seven signs, the eighth makes the number of minus even
EVEN_SIGNS[:, 7] = EVEN_SIGNS[:, :7].prod(axis=1)
