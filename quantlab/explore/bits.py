"""Lesson 01: drag the bits over real weights; a line-up of suspects; the bars of the first page, computed."""

from math import ceil

import ipywidgets as widgets
import numpy as np

from ..basics.affine import quantize_absmax
from ..basics.sample import sample_weights
from ..formats.table import FORMATS
from ..views.bits import draw_bit_bars, draw_lineup, draw_rounding
from ..views.numbers import number, percent, size
from ..views.style import Picture
from .base import Explorer, show

WIDE = dict(style=dict(description_width="110px"), layout=dict(width="360px"))
PIECES = {"one row: 384 weights": slice(0, 1), "32 weights": (slice(0, 1), slice(0, 32)),
          "the whole matrix: 147,456": slice(None)}
#: The suspects of the line-up, in the order in which they stand: bits of each, None for the original.
LINEUP = dict(zip("ABCDE", (4, 8, 2, None, 3), strict=True))
SUSPECT = (slice(0, 27), slice(0, 27))


def explore_bits(x: np.ndarray | None = None) -> Explorer:
    """Bits against error and size, on real weights: every weight goes to the nearest of the levels that the bits can name.

    x: weights to use in place of the bundled matrix; a 2-D array then.  ValueError when it holds no finite numbers.
    """
    matrix = sample_weights() if x is None else np.atleast_2d(np.asarray(x, np.float32))
    quantize_absmax(matrix, 4)                      # refuse here what cannot be quantized
    pieces = PIECES if x is None else {f"all {matrix.size:,} weights": slice(None)}
    controls = {"bits": widgets.IntSlider(4, min=2, max=8, description="bits per weight", **WIDE),
                "piece": widgets.Dropdown(options=list(pieces), description="which weights", **WIDE)}
    presets = {"2 bits": {"bits": 2}, "4 bits": {"bits": 4}, "8 bits": {"bits": 8}}
    return Explorer(lambda bits, piece: _rounding(matrix[pieces[piece]].ravel(), bits), controls, presets=presets,
                    note="All weights share one scale here: the largest weight decides how far apart the levels lie.")


def _rounding(weights: np.ndarray, bits: int) -> Picture:
    stored = quantize_absmax(weights, bits)
    restored, levels = stored.dequantize(), stored.levels()
    zeros = float((restored == 0).mean())
    finding = f"{bits} bits: {len(levels)} levels, rmse {number(stored.rmse, 2)}, {32 / bits:.3g} times smaller than FP32"
    if zeros > 0.3:
        finding += f"; {percent(zeros)} became 0"
    return draw_rounding(weights, restored, levels, bits=bits, nbytes=stored.nbytes, rmse=stored.rmse, finding=finding,
                         subtitle="Attention weights of all-MiniLM-L6-v2, a real model; each goes to the nearest level")


def plot_lineup(reveal: bool = False) -> Explorer:
    """Five pictures of the same 729 real weights; one is the original. `reveal` says which, with bits, bytes and error."""
    return show(_lineup(reveal))


def _lineup(reveal: bool) -> Picture:
    weights = np.ascontiguousarray(sample_weights()[SUSPECT])
    shown = 2.2 * np.abs(weights).std() + np.abs(weights).mean()          # the brightest shade; the few beyond are clipped
    pictures = []
    for letter, bits in LINEUP.items():
        stored = quantize_absmax(weights, bits) if bits else None
        values = weights if stored is None else stored.dequantize()
        words = ()
        if reveal:
            words = ("FP32, the original", size(weights.nbytes), "rmse 0") if stored is None else (
                f"{bits} bits, {2**bits - 1} shades", size(ceil(stored.nbytes)), f"rmse {number(stored.rmse, 2)}")
        pictures.append((letter, words, values / (2 * shown)))
    original = next(letter for letter, bits in LINEUP.items() if bits is None)
    finding = (f"It was {original}. Suspect B hides three quarters of the bits, suspect A seven eighths" if reveal
               else "Line-up: one of these five is the original, in 32 bits. Which?")
    return draw_lineup(pictures, finding=finding, subtitle=f"{weights.size} attention weights of a real model as shades of grey. "
                       "The other four were stored with 8, 4, 3 and 2 bits")


def plot_bit_bars() -> Explorer:
    """What one weight takes in F32, F16, Q8_0, Q5_0 and Q4_0, and what 7 billion take; computed from the block formats."""
    rows = []
    for name in ("F32", "F16", "Q8_0", "Q5_0", "Q4_0"):
        form = FORMATS[name]
        rows.append((name, int(form.bpw), form.bpw, 7e9 * form.bpw / 8))
    return show(draw_bit_bars(rows, finding="“4-bit” weights take 4.5 bits: every 32 of them bring a scale along",
                              subtitle="Bits for one weight: green the code, blue the weight's share of its block's scale"))
