"""One weight too large: whose codes it spoils, and what it costs to keep the damage in one block."""

from collections.abc import Sequence

import numpy as np

from .numbers import number, percent
from .raster import heat
from .style import GREEN, GREY, INK, LINE, MEANING, MUTE, SOFT, Picture
from .svg import line, page, rect, text

CELL = 8


def draw_damage(error: np.ndarray, outlier: int, block_size: int, *, bits: int, rmse: float, clean_rmse: float, zeros: float,
                worst: float, finding: str, subtitle: str) -> Picture:
    """A map of |error|, one cell a weight, with the outlier and its block framed; beside it error, zeros and bits.

    error: (side * side,) errors in the order of the weights.  worst: the error that is drawn in full colour.
    rmse, clean_rmse: of all but the outlier, with it and without it.  zeros: the share of the others that became 0.
    """
    side = int(len(error) ** 0.5)
    shade = np.clip(np.abs(error) / worst, 0, 1).reshape(side, side)
    shapes = [text(16, 84, f"{len(error):,} weights; orange: how far each one moved", size=12, fill=MUTE),
              rect(16, 94, side * CELL, side * CELL, SOFT), heat(16, 94, shade, CELL), *_frames(outlier, block_size, side)]
    shapes += _error_bars(rmse, clean_rmse, worst)
    shapes += [text(320, 212, "of the others became exactly 0", size=12, fill=MUTE),
               text(744, 212, percent(zeros), bold=True, anchor="end"),
               rect(320, 220, 424, 14, SOFT), rect(320, 220, 424 * zeros, 14, GREY)]
    shapes += _bits_bar(bits, block_size)
    table = (("what", "value"), ("rmse of the others", number(rmse, 3)), ("the same without the outlier", number(clean_rmse, 3)),
             ("others that became 0", percent(zeros)), ("bits per weight", f"{bits + 16 / block_size:.4g}"))
    return page(378, shapes, finding=finding, subtitle=subtitle, table=table)


def _frames(outlier: int, block_size: int, side: int) -> list[str]:
    first = outlier // block_size * block_size
    column, row = first % side, first // side
    width, height = min(block_size, side), max(1, block_size // side)
    x, y = 16 + outlier % side * CELL, 94 + outlier // side * CELL
    return [rect(16 + column * CELL - 1, 94 + row * CELL - 1, width * CELL + 2, height * CELL + 2, "none", stroke=INK, stroke_width=2),
            rect(x, y, CELL, CELL, INK, radius=0),
            text(16, 368, "frame: the outlier's block · solid square: the outlier", size=11, fill=MUTE)]


def _error_bars(rmse: float, clean: float, worst: float) -> list[str]:
    shapes = [text(320, 84, "error of the other weights (rmse)", size=12, fill=MUTE)]
    for y, words, value, colour in ((94, "with the outlier", rmse, MEANING["error"]), (132, "without it", clean, GREEN)):
        width = min(value / worst, 1) * 250
        shapes += [rect(320, y, 250, 26, SOFT), rect(320, y, width, 26, colour),
                   text(580, y + 17, words, size=12), text(744, y + 17, number(value, 3), bold=True, anchor="end")]
    return [*shapes, line(320, 178, 744, 178, stroke=LINE)]


def _bits_bar(bits: int, block_size: int) -> list[str]:
    share = 16 / block_size
    unit = 250 / 10
    return [line(320, 256, 744, 256, stroke=LINE),
            text(320, 278, "bits per weight: the code, and its share of a 16-bit scale", size=12, fill=MUTE),
            rect(320, 288, bits * unit, 26, MEANING["code"]), text(328, 305, bits, fill="#ffffff", bold=True, size=12),
            rect(320 + bits * unit, 288, share * unit, 26, MEANING["scale"]),
            text(744, 305, f"{bits} + 16 / {block_size} = {bits + share:.4g} bits", bold=True, anchor="end")]


def draw_error_bars(rows: Sequence[tuple[str, str, float, float]], *, finding: str, subtitle: str) -> Picture:
    """Quantizers with their error as bars and what they cost.  rows: (name, what shares a scale, bits per weight, rmse)."""
    widest = max(rmse for *_, rmse in rows)
    shapes = [text(370, 80, "error (rmse)", size=11, fill=MUTE), text(744, 80, "bits per weight", size=11, fill=MUTE, anchor="end")]
    for i, (name, scope, bpw, rmse) in enumerate(rows):
        y = 88 + 27 * i
        shapes += [text(16, y + 16, name, bold=True), text(130, y + 16, scope, size=12, fill=MUTE),
                   rect(370, y, 230 * rmse / widest, 21, MEANING["error"], opacity=0.8),
                   text(376 + 230 * rmse / widest, y + 15, number(rmse, 2), size=12),
                   text(744, y + 16, f"{bpw:.4g}", bold=True, anchor="end")]
    table = (("quantizer", "shares a scale", "bits per weight", "rmse"),
             *((name, scope, f"{bpw:.4g}", number(rmse, 3)) for name, scope, bpw, rmse in rows))
    return page(100 + 27 * len(rows), shapes, finding=finding, subtitle=subtitle, table=table)
