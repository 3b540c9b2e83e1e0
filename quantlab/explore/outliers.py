"""Lesson 02: make one weight too large and watch its neighbours; then give every block its own scale."""

import ipywidgets as widgets
import numpy as np

from ..basics.affine import quantize_absmax, quantize_affine, quantize_nf4
from ..basics.sample import sample_weights
from ..formats.tensor import quantize
from ..views.numbers import number, percent
from ..views.outliers import draw_damage, draw_error_bars
from ..views.style import Picture
from .base import Explorer, show

N = 1024
OUTLIER = 500                          # which of the 1,024 weights grows
SIZES = (1, 2, 3, 5, 10, 20, 50, 100)
BLOCKS = (16, 32, 64, 128, 256, N)
WIDE = dict(style=dict(description_width="110px"), layout=dict(width="360px"))


def explore_outlier(x: np.ndarray | None = None) -> Explorer:
    """1,024 real weights, one of them made larger: drag its size and the size of the blocks that share a scale.

    x: at least 1,024 finite weights to use in place of the bundled ones; the first 1,024 are taken.
    """
    weights = np.asarray(sample_weights() if x is None else x, np.float32).ravel()[:N]
    if len(weights) < N:
        raise ValueError(f"{N:,} weights are wanted, got {len(weights):,}")
    controls = {
        "size": widgets.SelectionSlider(options=[("as it was", 1), *((f"{n} × max", n) for n in SIZES[1:])], value=50,
                                        description="one weight", **WIDE),
        "block": widgets.SelectionSlider(options=[*((str(n), n) for n in BLOCKS[:-1]), ("all 1,024", N)], value=N,
                                         description="weights a block", **WIDE),
        "bits": widgets.IntSlider(4, min=2, max=8, description="bits per code", **WIDE)}
    presets = {"No outlier": {"size": 1, "block": N}, "One outlier, one scale": {"size": 50, "block": N},
               "One outlier, blocks of 32": {"size": 50, "block": 32}}
    return Explorer(lambda **values: _damage(weights, **values), controls, presets=presets,
                    note="The outlier itself is stored well in every case. The picture and the numbers are about the others.")


def _damage(weights: np.ndarray, size: int, block: int, bits: int) -> Picture:
    spoiled = weights.copy()
    if size > 1:
        spoiled[OUTLIER] = size * np.abs(weights).max()
    others = np.arange(N) != OUTLIER
    restored = quantize_absmax(spoiled, bits, block_size=block).dequantize()
    error = restored - spoiled
    clean = quantize_absmax(weights, bits, block_size=block).dequantize() - weights
    rmse, clean_rmse = (float(np.sqrt(np.mean(e[others] ** 2, dtype=float))) for e in (error, clean))
    zeros = float((restored[others] == 0).mean())
    typical = max(float(weights.std()), 1e-30)
    shown = np.where(others, error, 0)
    return draw_damage(shown, OUTLIER, block, bits=bits, rmse=rmse, clean_rmse=clean_rmse, zeros=zeros, worst=typical,
                       finding=_finding(size, block, bits, rmse / typical, zeros), subtitle=(
        f"{N:,} attention weights of a real model, {bits}-bit codes, one scale for "
        f"{'all of them' if block == N else f'every {block}'}; error relative to a typical weight {percent(rmse / typical)}"))


def _finding(size: int, block: int, bits: int, relative: float, zeros: float) -> str:
    if size == 1:
        return f"No outlier: {bits} bits move a typical weight by {percent(relative)} of its size"
    if block == N:
        share = "all" if zeros == 1 else percent(zeros)
        return f"One weight {size}× the largest, one scale: {share} of the other {N - 1:,} became 0"
    return f"One weight {size}× the largest spoils its block of {block}; the other {N - block:,} weights never notice"


def plot_scopes(x: np.ndarray | None = None, bits: int = 4) -> Explorer:
    """Error and cost of `bits`-bit quantizers on one matrix: a scale for all, for a row, for a block; NF4; ggml's Q4_0 and Q4_1."""
    matrix = sample_weights() if x is None else np.atleast_2d(np.asarray(x, np.float32))
    row = matrix.shape[-1]
    rows = []
    for words, block in (("the whole matrix", None), (f"a row (channel) of {row}", row), ("a block of 32", 32)):
        for name, quantizer in (("absmax", quantize_absmax), ("affine", quantize_affine)):
            stored = quantizer(matrix, bits, block_size=block)
            rows.append((name, words, stored.bpw, stored.rmse))
    nf4 = quantize_nf4(matrix, block_size=64)
    rows.append(("NF4", "a block of 64", nf4.bpw, nf4.rmse))
    for name in ("Q4_0", "Q4_1"):
        stored = quantize(matrix, name)
        rows.append((name, "a block of 32, as ggml does it", stored.bpw, float(np.sqrt(np.mean((stored.dequantize() - matrix) ** 2)))))
    if not (rows[2][3] and rows[4][3]):
        raise ValueError("these weights are stored without any error: there is nothing to compare")
    by_row, by_block = (f"{number(rows[0][3] / rows[i][3], 2)} times" for i in (2, 4))
    return show(draw_error_bars(rows, finding=f"A scale per row: error {by_row} smaller. Per 32 weights: {by_block}",
                                subtitle=f"{matrix.size:,} real weights, {bits}-bit codes; shorter bars are better"))
