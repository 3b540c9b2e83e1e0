"""Where in a tensor the rounding errors are, and how large they are in every format."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .raster import heat
from .style import BLUE, GREY, INK, LINE, MUTE, SMALL, SOFT, Picture
from .svg import circle, line, page, rect, text

MAP, MAP_X, MAP_Y = 384, 16, 92
LEFT, RIGHT, ROW = 540, 700, 20


class Row(NamedTuple):
    """A format: its bits per weight, and its rmse as a share of the weights' spread."""

    name: str
    bpw: float
    error: float


def draw_error_map(shade: np.ndarray, rows: Sequence[Row], chosen: int, *, finding: str, subtitle: str, map_words: str,
                   scale_words: str) -> Picture:
    """A map of one format's errors beside the errors of all formats on a logarithmic scale.

    shade: (rows, columns) from 0 to 1.  map_words: what a cell of the map is.  scale_words: what the full colour stands for.
    """
    cell = max(1, MAP // max(shade.shape))
    body = [text(MAP_X, MAP_Y - 8, map_words, size=SMALL, fill=MUTE), rect(MAP_X, MAP_Y, MAP, MAP, SOFT, radius=0),
            heat(MAP_X, MAP_Y, shade, cell), text(MAP_X, MAP_Y + MAP + 17, scale_words, size=SMALL, fill=MUTE)]
    body += _dots(rows, chosen)
    table = (("format", "bits per weight", "error, % of the weights' spread"),
             *((row.name, f"{row.bpw:g}", f"{100 * row.error:.2f}") for row in rows))
    return page(MAP_Y + MAP + 30, body, finding=finding, subtitle=subtitle, table=table)


def _dots(rows: Sequence[Row], chosen: int) -> list[str]:
    """A line per format, ordered as given; the axis runs over whole powers of ten."""
    low = np.floor(np.log10(min(row.error for row in rows)))
    high = max(np.ceil(np.log10(max(row.error for row in rows))), low + 1)

    def at(error: float) -> float:
        return LEFT + (np.log10(error) - low) / (high - low) * (RIGHT - LEFT)

    bottom = MAP_Y + ROW * len(rows)
    shapes = [text(424, MAP_Y - 8, "format", size=SMALL, fill=MUTE), text(528, MAP_Y - 8, "bits", size=SMALL, fill=MUTE, anchor="end"),
              text(744, MAP_Y - 8, "error", size=SMALL, fill=MUTE, anchor="end")]
    for power in range(int(low), int(high) + 1):
        x = at(10.0**power)
        shapes += [line(x, MAP_Y, x, bottom, stroke=LINE),
                   text(x, bottom + 15, f"{100 * 10.0**power:g} %", size=SMALL, fill=MUTE, anchor="middle")]
    for i, row in enumerate(rows):
        y = MAP_Y + ROW * (i + 0.5)
        if i == chosen:
            shapes.append(rect(416, y - ROW / 2, 336, ROW, SOFT, radius=4))
        shapes += [text(424, y + 4, row.name, size=12, bold=i == chosen), text(528, y + 4, f"{row.bpw:.3g}", size=12, anchor="end"),
                   circle(at(row.error), y, 6 if i == chosen else 4, BLUE if i == chosen else GREY, stroke=INK if i == chosen else "none"),
                   text(750, y + 4, f"{100 * row.error:.2g} %", size=12, anchor="end", bold=i == chosen)]
    return shapes
