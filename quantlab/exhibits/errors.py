"""Lesson 04: where in a tensor the rounding errors are, and how large they are in every format."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from ..basics.sample import given_weights
from ..canvas.raster import heat
from ..canvas.style import BLUE, GREY, INK, LINE, SOFT, Picture
from ..canvas.svg import circle, line, page, quiet, rect, text
from ..formats.table import FORMATS
from ..formats.tensor import quantize
from ..profile import stable
from ..stage.base import Stage
from ..stage.handles import menu, stops
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
    return [name for name, form in FORMATS.items() if form.encoder and form.block_size > 1
            and size % form.block_size == 0]


def _errors(weights: np.ndarray, name: str) -> np.ndarray:
    """What storing changed, in the shape of the weights; rows that are no multiple of a block are read as one
    long row.
    """
    form = FORMATS[name]
    rows = weights if weights.shape[-1] % form.block_size == 0 else weights.reshape(-1, form.block_size)
    imatrix = np.ones(rows.shape[-1]) if form.imatrix == "needed" else None
    return (quantize(rows, name, imatrix).dequantize() - rows).reshape(weights.shape)


def _cells(error: np.ndarray) -> np.ndarray:
    """Root mean square over tiles, so that the map has at most CELLS cells along a side."""
    tall, wide = (max(1, -(-n // CELLS)) for n in error.shape)
    kept = error[: error.shape[0] // tall * tall, : error.shape[1] // wide * wide]
    tiles = kept.reshape(kept.shape[0] // tall, tall, kept.shape[1] // wide, wide)
    return np.sqrt(np.mean(tiles**2, axis=(1, 3)))


def _map_words(shape: tuple[int, ...], error: np.ndarray) -> str:
    tall, wide = (max(1, -(-n // CELLS)) for n in shape)
    return (f"{shape[0]} × {shape[1]} weights; a cell is "
        f"{'one weight' if tall * wide == 1 else f'{tall} × {wide} of them'}")


def _finding(row: FormatError, rows: list[FormatError]) -> str:
    best = min(rows, key=lambda r: r.error)
    less = [r for r in rows if r.bpw <= row.bpw and r.error < row.error]
    if less:
        better = min(less, key=lambda r: r.error)
        bits = "as many bits" if better.bpw == row.bpw else f"{better.bpw:.3g} bits instead of {row.bpw:.3g}"
        return (f"{row.name} is off by {100 * row.error:.2g} % of the weights' spread; {better.name} does "
            f"better with {bits}")
    if row is best:
        return (
            f"{row.name} is off by {100 * row.error:.2g} % of the weights' spread, for {row.bpw:.3g} bits "
            "per weight")
    return (f"{row.name} is off by {100 * row.error:.2g} %: with {row.bpw:.3g} bits per weight nothing here "
        "does better")


def draw_error_map(shade: np.ndarray, rows: Sequence[FormatError], chosen: int, *, finding: str,
                   subtitle: str, map_words: str, scale_words: str) -> Picture:
    """A map of one format's errors beside the errors of all formats on a logarithmic scale.

    shade: (rows, columns) from 0 to 1.  map_words: what a cell of the map is.  scale_words: what the full
    colour stands for.
    """
    cell = max(1, MAP // max(shade.shape))
    body = [quiet(MAP_X, MAP_Y - 8, map_words),
            rect(MAP_X, MAP_Y, MAP, MAP, SOFT, radius=0), heat(MAP_X, MAP_Y, shade, cell),
            quiet(MAP_X, MAP_Y + MAP + 17, scale_words)]
    body += _dots(rows, chosen)
    table = (("format", "bits per weight", "error, % of the weights' spread"),
             *((row.name, f"{row.bpw:g}", f"{100 * row.error:.2f}") for row in rows))
    return page(MAP_Y + MAP + 30, body, finding=finding, subtitle=subtitle, table=table)


def _dots(rows: Sequence[FormatError], chosen: int) -> list[str]:
    """A line per format, ordered as given; the axis runs over whole powers of ten."""
    low = np.floor(np.log10(min(row.error for row in rows)))
    high = max(np.ceil(np.log10(max(row.error for row in rows))), low + 1)

    def at(error: float) -> float:
        return LEFT + (np.log10(error) - low) / (high - low) * (RIGHT - LEFT)

    bottom = MAP_Y + ROW * len(rows)
    shapes = [quiet(424, MAP_Y - 8, "format"),
              quiet(528, MAP_Y - 8, "bits", anchor="end"),
              quiet(744, MAP_Y - 8, "error", anchor="end")]
    for power in range(int(low), int(high) + 1):
        x = at(10.0**power)
        shapes += [line(x, MAP_Y, x, bottom, stroke=LINE),
                   quiet(x, bottom + 15, f"{100 * 10.0**power:g} %", anchor="middle")]
    for i, row in enumerate(rows):
        y = MAP_Y + ROW * (i + 0.5)
        if i == chosen:
            shapes.append(rect(416, y - ROW / 2, 336, ROW, SOFT, radius=4))
        shapes += [text(424, y + 4, row.name, size=12, bold=i == chosen),
                   text(528, y + 4, f"{row.bpw:.3g}", size=12, anchor="end"),
                   circle(at(row.error), y, 6 if i == chosen else 4, BLUE if i == chosen else GREY, stroke=INK
                          if i == chosen else "none"),
                   text(750, y + 4, f"{100 * row.error:.2g} %", size=12, anchor="end", bold=i == chosen)]
    return shapes


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
        raise ValueError(
            f"{weights.size} weights are no whole number of blocks; at least a multiple of 32 is wanted")
    spread = float(weights.std(dtype=float)) or 1.0
    rows = [FormatError(name, FORMATS[name].bpw,
                stable(max(float(np.sqrt(np.mean(e**2, dtype=float))) / spread, 1e-9))) for name,
            e in sorted(errors.items(), key=lambda item: FORMATS[item[0]].bpw)]
    names = [row.name for row in rows]
    yardstick = YARDSTICK if YARDSTICK in names else names[0]
    full = float(np.quantile(_cells(errors[yardstick]), 0.95)) or 1.0

    @cache
    def shades(name: str, scale: str) -> np.ndarray:
        cells = _cells(errors[name])
        return np.clip(cells / (full if scale == SAME else float(cells.max()) or 1.0), 0, 1)

    def draw(qtype: str, scale: str) -> Picture:
        i = names.index(qtype)
        return draw_error_map(
            shades(qtype, scale), rows, i, finding=_finding(rows[i], rows),
            map_words=_map_words(weights.shape, errors[qtype]),
            subtitle=f"{weights.size:,} real weights stored and read back; error: rmse as a share of their "
                     "spread (standard deviation)",
            scale_words=(f"full colour: the larger errors of {yardstick}, in every picture" if scale == SAME
                         else f"full colour: the largest error of {qtype}: compare places, not pictures"))

    first = qtype if qtype in names else names[len(names) // 2]
    handles = [stops("qtype", "format", first, names),
               menu("scale", "colours", SAME,
                    [("same for all formats", SAME), ("stretched for each", STRETCHED)])]
    presets = {"Fewest bits": {"qtype": names[0], "scale": SAME},
               "Most bits": {"qtype": names[-1], "scale": SAME},
               "Most bits, stretched": {"qtype": names[-1], "scale": STRETCHED}}
    return Stage(handles, draw, presets=presets, label_width=70,
                 note=(
                     "From the fewest bits to the most. IQ2_XS is given equal importances; the ternary TQ "
                     "types are made for "
                     "models whose weights are only −1, 0 and 1."))
