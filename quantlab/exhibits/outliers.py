"""Lesson 02: make one weight too large and watch its neighbours; then give every block its own scale."""

import numpy as np

from ..basics.affine import quantize_absmax, quantize_affine, quantize_nf4, rms
from ..basics.sample import given_weights
from ..canvas.raster import heat
from ..canvas.style import GREEN, GREY, INK, MEANING, SOFT, Picture
from ..canvas.svg import line, page, quiet, rect, text
from ..formats.tensor import quantize
from ..stage.base import Stage, show
from ..stage.handles import slider, stops
from ..stage.share import recalled
from ..words import number, percent

CELL, SIDE = 8, 32                     # of the map: pixels of a cell, cells along a side
N = SIDE * SIDE
OUTLIER = 500                          # which of the 1,024 weights grows
SIZES = (1, 2, 3, 5, 10, 20, 50, 100)
BLOCKS = (16, 32, 64, 128, 256, N)


def _finding(size: int, block: int, bits: int, relative: float, zeros: float) -> str:
    if size == 1:
        return f"No outlier: {bits} bits move a typical weight by {percent(relative)} of its size"
    if block == N:
        share = "all" if zeros == 1 else percent(zeros)
        return f"One weight {size}× the largest, one scale: {share} of the other {N - 1:,} became 0"
    return (f"One weight {size}× the largest spoils its block of {block}; the other {N - block:,} weights "
            "stay as good as they were")


def _damage(weights: np.ndarray, size: int, block: int, bits: int) -> Picture:
    """A map of |error|, one cell a weight, with the outlier and its block framed; beside it error, zeros and
    bits.
    """
    spoiled = weights.copy()
    if size > 1:
        spoiled[OUTLIER] = size * np.abs(weights).max()
    others = np.arange(N) != OUTLIER
    restored = quantize_absmax(spoiled, bits, block_size=block).dequantize()
    clean = quantize_absmax(weights, bits, block_size=block).dequantize() - weights
    error = np.where(others, restored - spoiled, 0)
    rmse, clean_rmse = rms(error[others]), rms(clean[others])
    zeros, typical = float((restored[others] == 0).mean()), max(float(weights.std()), 1e-30)
    shade = np.clip(np.abs(error) / typical, 0, 1).reshape(SIDE, SIDE)
    shapes = [quiet(16, 84, f"{N:,} weights; orange: how far each one moved", size=12),
              rect(16, 94, SIDE * CELL, SIDE * CELL, SOFT), heat(16, 94, shade, CELL), *_frames(block),
              *_error_bars(rmse, clean_rmse, typical),
              quiet(320, 212, "of the others became exactly 0", size=12),
              text(744, 212, percent(zeros), bold=True, anchor="end"),
              rect(320, 220, 424, 14, SOFT), rect(320, 220, 424 * zeros, 14, GREY), *_bits_bar(bits, block)]
    return page(378, shapes, finding=_finding(size, block, bits, rmse / typical, zeros),
                subtitle=f"{N:,} attention weights of a real model, {bits}-bit codes, one scale for "
                         f"{'all of them' if block == N else f'every {block}'}; error relative to a "
                         f"typical weight {percent(rmse / typical)}",
                table=(("what", "value"), ("rmse of the others", number(rmse, 3)),
                       ("the same without the outlier", number(clean_rmse, 3)),
                       ("others that became 0", percent(zeros)),
                       ("bits per weight", f"{bits + 16 / block:.4g}"))
                ).telling({"zeros": zeros, "bpw": bits + 16 / block, "error": rmse / typical})


def _frames(block: int) -> list[str]:
    row, column = divmod(OUTLIER // block * block, SIDE)
    width, height = min(block, SIDE), max(1, block // SIDE)
    x, y = 16 + OUTLIER % SIDE * CELL, 94 + OUTLIER // SIDE * CELL
    return [rect(16 + column * CELL - 1, 94 + row * CELL - 1, width * CELL + 2, height * CELL + 2, "none",
                 stroke=INK, stroke_width=2), rect(x, y, CELL, CELL, INK, radius=0),
            quiet(16, 368, "frame: the outlier's block · solid square: the outlier")]


def _error_bars(rmse: float, clean: float, typical: float) -> list[str]:
    shapes = [quiet(320, 84, "error of the other weights (rmse)", size=12), line(320, 178, 744, 178)]
    for y, words, value, colour in ((94, "with the outlier", rmse, MEANING["error"]),
                                    (132, "without it", clean, GREEN)):
        shapes += [rect(320, y, 250, 26, SOFT), rect(320, y, min(value / typical, 1) * 250, 26, colour),
                   text(580, y + 17, words, size=12),
                   text(744, y + 17, number(value, 3), bold=True, anchor="end")]
    return shapes


def _bits_bar(bits: int, block: int) -> list[str]:
    share, unit = 16 / block, 25
    return [line(320, 256, 744, 256),
            quiet(320, 278, "bits per weight: the code, and its share of a 16-bit scale", size=12),
            rect(320, 288, bits * unit, 26, MEANING["code"]),
            text(328, 305, bits, fill="#ffffff", bold=True, size=12),
            rect(320 + bits * unit, 288, share * unit, 26, MEANING["scale"]),
            text(744, 305, f"{bits} + 16 / {block} = {bits + share:.4g} bits", bold=True, anchor="end")]


def _scopes(matrix: np.ndarray, bits: int) -> list[tuple[str, str, float, float]]:
    """(quantizer, what shares a scale, bits per weight, rmse)"""
    rows = []
    row = matrix.shape[-1]
    for words, block in (("the whole matrix", None), (f"a row (channel) of {row}", row),
                         ("a block of 32", 32)):
        for name, quantizer in (("absmax", quantize_absmax), ("affine", quantize_affine)):
            stored = quantizer(matrix, bits, block_size=block)
            rows.append((name, words, stored.bpw, stored.rmse))
    nf4 = quantize_nf4(matrix, block_size=64)
    rows.append(("NF4", "a block of 64", nf4.bpw, nf4.rmse))
    for name in ("Q4_0", "Q4_1"):
        blocks = quantize(matrix, name)
        rows.append((name, "a block of 32, as ggml does it", blocks.bpw, rms(blocks.dequantize() - matrix)))
    return rows


def _draw_scopes(matrix: np.ndarray, bits: int) -> Picture:
    """Quantizers with their error as bars and what they cost."""
    rows = _scopes(matrix, bits)
    if not (rows[2][3] and rows[4][3]):
        raise ValueError("these weights are stored without any error: there is nothing to compare")
    by_row, by_block = (f"{number(rows[0][3] / rows[i][3], 2)} times" for i in (2, 4))
    unit = 230 / max(rmse for *_, rmse in rows)
    shapes = [quiet(370, 80, "error (rmse)"), quiet(744, 80, "bits per weight", anchor="end")]
    for i, (name, scope, bpw, rmse) in enumerate(rows):
        y = 88 + 27 * i
        shapes += [text(16, y + 16, name, bold=True), quiet(130, y + 16, scope, size=12),
                   rect(370, y, unit * rmse, 21, MEANING["error"], opacity=0.8),
                   text(376 + unit * rmse, y + 15, number(rmse, 2), size=12),
                   text(744, y + 16, f"{bpw:.4g}", bold=True, anchor="end")]
    return page(100 + 27 * len(rows), shapes,
                finding=f"A scale per row: error {by_row} smaller. Per 32 weights: {by_block}",
                subtitle=f"{matrix.size:,} real weights, {bits}-bit codes; shorter bars are better",
                table=(("quantizer", "shares a scale", "bits per weight", "rmse"),
                       *((name, scope, f"{bpw:.4g}", number(rmse, 3)) for name, scope, bpw, rmse in rows)))


@recalled
def explore_outlier(x: np.ndarray | None = None) -> Stage:
    """1,024 real weights, one of them made larger: drag its size and the size of the blocks that share a
    scale.

    x: at least 1,024 finite weights to use in place of the bundled ones; the first 1,024 are taken.
    """
    weights = given_weights(x, N).ravel()[:N]
    handles = [stops("size", "one weight", 50, [("as it was", 1), *((f"{n} × max", n) for n in SIZES[1:])]),
               stops("block", "weights a block", N, [*((str(n), n) for n in BLOCKS[:-1]), ("all 1,024", N)]),
               slider("bits", "bits per code", 4, 2, 8)]
    presets = {"No outlier": {"size": 1, "block": N}, "One outlier, one scale": {"size": 50, "block": N},
               "One outlier, blocks of 32": {"size": 50, "block": 32}}
    return Stage(handles, lambda **values: _damage(weights, **values), presets=presets, note=(
        "The outlier itself is stored well in every case. The picture and the numbers are about the others."))


@recalled
def plot_scopes(x: np.ndarray | None = None, bits: int = 4) -> Stage:
    """Error and cost of `bits`-bit quantizers on one matrix: a scale for all, for a row, for a block; NF4;
    ggml's Q4_0 and Q4_1.
    """
    return show(_draw_scopes(given_weights(x), bits))
