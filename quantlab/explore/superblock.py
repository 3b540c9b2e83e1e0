"""A Q4_K super-block of real weights, by hand: choose a sub-block and a weight, see the bytes that make it."""

from functools import cache
from importlib.resources import files

import ipywidgets as widgets
import numpy as np

from ..basics.sample import sample_weights
from ..formats.table import FORMATS
from ..views.numbers import number
from ..views.style import Picture
from ..views.superblock import SubBlock, draw_super_block
from .base import Explorer

OWNERS = "dd" + "DD" + "ssss" + "mmmm" + "bbbb" + "q" * 128
WIDE = dict(style=dict(description_width="90px"), layout=dict(width="360px"))


def sample_super_block() -> bytes:
    """144 bytes: 256 real attention weights (the start of `ql.sample_weights()`) as ggml's own C wrote them in Q4_K."""
    return bytes.fromhex((files("quantlab") / "data" / "q4_k_block.hex").read_text())


def explore_super_block() -> Explorer:
    """Two sliders over one super-block: its 144 bytes, its eight grids of levels, and how one weight comes out of them."""
    controls = {"sub": widgets.IntSlider(2, min=0, max=7, description="sub-block", **WIDE),
                "weight": widgets.IntSlider(5, min=0, max=31, description="weight in it", **WIDE)}
    widest = max(range(8), key=lambda i: _unpacked()[0][i])
    narrow = min(range(8), key=lambda i: _unpacked()[0][i])
    return Explorer(_draw, controls, presets={"The widest": {"sub": widest}, "The narrowest": {"sub": narrow}},
                    note="Framed: the bytes that this sub-block needs. Dots: its 32 weights before; ticks: the 16 levels they may take.")


@cache
def _unpacked() -> tuple[list[int], list[int], np.ndarray, float, float]:
    """(scales, mins, codes (8, 32), d, dmin) of the sample block (ggml: get_scale_min_k4, dequantize_row_q4_K)."""
    block = np.frombuffer(sample_super_block(), FORMATS["Q4_K"].dtype)[0]
    packed = [int(byte) for byte in block["scales"]]
    scales = [byte & 63 for byte in packed[:4]] + [packed[8 + j] & 15 | packed[j] >> 6 << 4 for j in range(4)]
    mins = [byte & 63 for byte in packed[4:8]] + [packed[8 + j] >> 4 | packed[4 + j] >> 6 << 4 for j in range(4)]
    pairs = block["qs"].reshape(4, 1, 32)
    codes = np.concatenate([pairs & 15, pairs >> 4], axis=1).reshape(8, 32)
    return scales, mins, codes, float(block["d"]), float(block["dmin"])


@cache
def _subs() -> tuple[SubBlock, ...]:
    scales, mins, _, d, dmin = _unpacked()
    before = sample_weights()[0, :256].reshape(8, 32)
    return tuple(SubBlock(scale, minimum, [d * scale * code - dmin * minimum for code in range(16)], before[i].tolist())
                 for i, (scale, minimum) in enumerate(zip(scales, mins, strict=True)))


def _bytes_of(sub: int) -> set[int]:
    """Which of the 144 bytes sub-block `sub` needs: d, dmin, its scale and minimum, and its 32 half bytes of codes."""
    packed = {4 + sub, 8 + sub} if sub < 4 else {sub, 4 + sub, 8 + sub}
    return {0, 1, 2, 3} | packed | {16 + 32 * (sub // 2) + j for j in range(32)}


def _draw(sub: int, weight: int) -> Picture:
    _, _, codes, d, dmin = _unpacked()
    chosen, code = _subs()[sub], int(codes[sub, weight])
    step = d * chosen.scale
    value, before = chosen.levels[code], chosen.weights[weight]
    half = "low" if sub % 2 == 0 else "high"
    sums = [f"weight {32 * sub + weight}: the {half} half of byte {16 + 32 * (sub // 2) + weight} is {code}",
            "d · scale · code − dmin · min",
            f"{number(d, 3)} · {chosen.scale} · {code} − {number(dmin, 3)} · {chosen.minimum}",
            f"= {value:+.4f}", f"before {before:+.4f}: off by {abs(value - before) / step:.2f} of a step"]
    table = (("Sub-block", "Scale", "Minimum", "Lowest level", "Highest level"),
             *((str(i), str(s.scale), str(s.minimum), f"{s.levels[0]:.4f}", f"{s.levels[-1]:.4f}") for i, s in enumerate(_subs())))
    return draw_super_block(
        OWNERS, sample_super_block(), _bytes_of(sub), _subs(), sub, weight, sums=sums, table=table,
        finding=f"144 bytes, 256 weights; sub-block {sub} has its own 16 levels, {step:.4f} apart",
        subtitle="A Q4_K super-block of real attention weights. Below: the scale and minimum of each sub-block, and its levels.")
