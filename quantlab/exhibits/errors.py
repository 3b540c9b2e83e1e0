"""Lesson 04: where in a tensor the rounding errors are, and how large they are in every format."""

from collections.abc import Sequence
from functools import cache
from math import ceil, floor, log10
from typing import NamedTuple

import numpy as np

from ..basics.affine import rms
from ..basics.sample import given_weights
from ..canvas.plane import Axis
from ..canvas.raster import heat
from ..canvas.style import BLUE, GREY, INK, SOFT, Picture
from ..canvas.svg import circle, line, page, quiet, rect, text
from ..formats.table import FORMATS
from ..formats.tensor import quantize
from ..profile import stable
from ..stage.base import Stage
from ..stage.handles import menu, stops
from ..stage.share import recalled
from ..words import one_of

MAP, MAP_X, MAP_Y = 384, 16, 92
LEFT, RIGHT, ROW = 540, 700, 20


class FormatError(NamedTuple):
    """A format: its bits per weight, and its rmse as a share of the weights' spread."""

    name: str
    bpw: float
    error: float


CELLS = 96                  # at most so many cells along a side of the map
YARDSTICK = "Q3_K"          # its errors have the full colour
STRETCHED, SAME = "stretched", "same for all"


def _fitting(size: int) -> list[str]:
    """Every block format that can be written and whose blocks fill `size` weights."""
    return [name for name, form in FORMATS.items() if form.block_size > 1
            and size % form.block_size == 0]


def off_by(weights: np.ndarray, name: str) -> float:
    """How far a format is off: its rmse as a share of the weights' spread, in three digits."""
    return _share(_errors(weights, name), weights)


def _share(error: np.ndarray, weights: np.ndarray) -> float:
    """The rms of an error as a share of the weights' standard deviation."""
    return stable(max(rms(error) / (float(weights.std(dtype=float)) or 1.0), 1e-9))


def _errors(weights: np.ndarray, name: str) -> np.ndarray:
    """What storing changed, in the shape of the weights; rows that are no multiple of a block are read as one
    long row.
    """
    form = FORMATS[name]
    rows = weights if weights.shape[-1] % form.block_size == 0 else weights.reshape(-1, form.block_size)
    imatrix = np.ones(rows.shape[-1]) if form.imatrix == "needed" else None
    return (quantize(rows, name, imatrix).dequantize() - rows).reshape(weights.shape)


def _tile(shape: tuple[int, ...]) -> tuple[int, int]:
    """(rows, columns) of weights in a cell, so that the map has at most CELLS cells along a side."""
    tall, wide = (max(1, -(-n // CELLS)) for n in shape)
    return tall, wide


def _cells(error: np.ndarray) -> np.ndarray:
    """Root mean square over tiles."""
    tall, wide = _tile(error.shape)
    kept = error[: error.shape[0] // tall * tall, : error.shape[1] // wide * wide]
    tiles = kept.reshape(kept.shape[0] // tall, tall, kept.shape[1] // wide, wide)
    return np.sqrt(np.mean(tiles**2, axis=(1, 3)))


def _map_words(shape: tuple[int, ...]) -> str:
    tall, wide = _tile(shape)
    cell = "one weight" if tall * wide == 1 else f"{tall} × {wide} of them"
    return f"{shape[0]} × {shape[1]} weights; a cell is {cell}"


def _finding(row: FormatError, rows: Sequence[FormatError]) -> str:
    better = min((r for r in rows if r.bpw <= row.bpw), key=lambda r: r.error)
    if better.error < row.error:
        bits = "as many bits" if better.bpw == row.bpw else f"{better.bpw:.3g} bits instead of {row.bpw:.3g}"
        return (f"{row.name} is off by {100 * row.error:.2g} % of the weights' spread; {better.name} does "
                f"better with {bits}")
    if row.error == min(r.error for r in rows):
        return (f"{row.name} is off by {100 * row.error:.2g} % of the weights' spread, for {row.bpw:.3g} "
                "bits per weight")
    return (f"{row.name} is off by {100 * row.error:.2g} %: with {row.bpw:.3g} bits per weight nothing here "
            "does better")


def draw_error_map(shade: np.ndarray, rows: Sequence[FormatError], chosen: FormatError,
                   shape: tuple[int, ...], scale_words: str) -> Picture:
    """A map of one format's errors beside the errors of all formats on a logarithmic scale.

    shade: (rows, columns) from 0 to 1.  shape: of the weights.  scale_words: what the full colour stands for.
    """
    body = [quiet(MAP_X, MAP_Y - 8, _map_words(shape)), rect(MAP_X, MAP_Y, MAP, MAP, SOFT, radius=0),
            heat(MAP_X, MAP_Y, shade, max(1, MAP // max(shade.shape))),
            quiet(MAP_X, MAP_Y + MAP + 17, f"full colour: {scale_words}"), *_dots(rows, chosen)]
    return page(MAP_Y + max(MAP, ROW * len(rows) + 24) + 30, body, finding=_finding(chosen, rows),
                subtitle=f"{shape[0] * shape[1]:,} real weights stored and read back; error: rmse as a share "
                         "of their spread (standard deviation)",
                table=(("format", "bits per weight", "error, % of the weights' spread"),
                       *((row.name, f"{row.bpw:g}", f"{100 * row.error:.2f}") for row in rows))
                ).telling({"bpw": chosen.bpw, "error": chosen.error})


def _dots(rows: Sequence[FormatError], chosen: FormatError) -> list[str]:
    """A line per format, ordered as given; the axis runs over whole powers of ten."""
    low = floor(log10(min(row.error for row in rows)))
    high = max(ceil(log10(max(row.error for row in rows))), low + 1)
    x, bottom = Axis(10.0**low, 10.0**high, LEFT, RIGHT, log=True), MAP_Y + ROW * len(rows)
    shapes = [quiet(424, MAP_Y - 8, "format"), quiet(528, MAP_Y - 8, "bits", anchor="end"),
              quiet(744, MAP_Y - 8, "error", anchor="end")]
    for share in (10.0**power for power in range(low, high + 1)):
        shapes += [line(x(share), MAP_Y, x(share), bottom),
                   quiet(x(share), bottom + 15, f"{100 * share:g} %", anchor="middle")]
    for i, row in enumerate(rows):
        y, bold = MAP_Y + ROW * (i + 0.5), row is chosen
        radius, fill, stroke = (6, BLUE, INK) if bold else (4, GREY, "none")
        shapes += [rect(416, y - ROW / 2, 336, ROW, SOFT, radius=4)] if bold else []
        shapes += [text(424, y + 4, row.name, size=12, bold=bold),
                   text(528, y + 4, f"{row.bpw:.3g}", size=12, anchor="end"),
                   circle(x(row.error), y, radius, fill, stroke=stroke),
                   text(750, y + 4, f"{100 * row.error:.2g} %", size=12, anchor="end", bold=bold)]
    return shapes


@recalled
def explore_error_map(x: np.ndarray | None = None, qtype: str = "Q4_K") -> Stage:
    """Drag through the formats, from the fewest bits to the most, and see how far each weight of a tensor
    moves.

    x: (rows, columns) finite weights, a multiple of 32 in all; the bundled attention matrix by default.
    qtype: the first format shown.
    Raises ValueError for weights that no block format fits.
    """
    qtype, weights = one_of("format", qtype, FORMATS), given_weights(x)
    errors = {name: _errors(weights, name) for name in _fitting(weights.size)}
    if not errors:
        raise ValueError(f"{weights.size} weights are no whole number of blocks; at least a multiple of 32 "
                         "is wanted")
    names = sorted(errors, key=lambda name: FORMATS[name].bpw)
    rows = [FormatError(name, FORMATS[name].bpw, _share(errors[name], weights)) for name in names]
    yardstick = YARDSTICK if YARDSTICK in names else names[0]
    full = float(np.quantile(_cells(errors[yardstick]), 0.95)) or 1.0

    @cache
    def shades(name: str, scale: str) -> np.ndarray:
        cells = _cells(errors[name])
        return np.clip(cells / (full if scale == SAME else float(cells.max()) or 1.0), 0, 1)

    def draw(qtype: str, scale: str) -> Picture:
        words = (f"the larger errors of {yardstick}, in every picture" if scale == SAME
                 else f"the largest error of {qtype}: compare places, not pictures")
        return draw_error_map(shades(qtype, scale), rows, rows[names.index(qtype)], weights.shape, words)

    first = qtype if qtype in names else names[len(names) // 2]
    handles = [stops("qtype", "format", first, names),
               menu("scale", "colours", SAME,
                    [("same for all formats", SAME), ("stretched for each", STRETCHED)])]
    presets = {"Fewest bits": dict(qtype=names[0], scale=SAME),
               "Most bits": dict(qtype=names[-1], scale=SAME),
               "Most bits, stretched": dict(qtype=names[-1], scale=STRETCHED)}
    return Stage(handles, draw, presets=presets, label_width=70,
                 note="From the fewest bits to the most. IQ2_XS is given equal importances; the ternary TQ "
                      "types are made for models whose weights are only −1, 0 and 1.")
