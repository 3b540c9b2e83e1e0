"""Which tensors bear few bits badly: layers across, roles down, the more a tile is filled the more its loss is felt."""

from collections.abc import Sequence
from math import log10
from typing import NamedTuple

from .numbers import number
from .style import INK, MEANING, MUTE, SMALL, SOFT, Picture, ink_on
from .svg import page, rect, text

LEFT, RIGHT, SUMS = 118, 590, 604
TOP, ROW, GAP = 92, 30, 4
DECADES = 3             # a full tile is a thousand times an empty one
NEEDED = 36             # pixels of a tile that a number needs


class Line(NamedTuple):
    """A role.  klds: a divergence for each layer (None: no such tensor, or not measured); alone: one tensor outside the layers.

    words: what stands to the right, such as the bytes that are saved.
    """

    role: str
    klds: Sequence[float | None]
    words: str
    alone: bool = False


def draw_sensitivity(lines: Sequence[Line], *, finding: str, subtitle: str, right: str,
                     table: tuple[tuple[str, ...], ...] = ()) -> Picture:
    """A tile for each tensor, filled from below on a logarithmic scale, with its divergence in thousandths of a nat.

    right: what the words to the right of the rows are.
    """
    most = max((kld for row in lines for kld in row.klds if kld), default=1.0)
    body, y = [text(SUMS, TOP - 12, right, size=SMALL, fill=MUTE)], TOP
    for row in lines:
        step = (RIGHT - LEFT) / (1 if row.alone else len(row.klds))
        body.append(text(LEFT - 8, y + ROW / 2 + 4, row.role, size=12, anchor="end"))
        for i, kld in enumerate(row.klds):
            body += _tile(LEFT + i * step, y, step - min(3, step / 6), kld, most, f"{row.role}{'' if row.alone else f', layer {i}'}")
        body.append(text(SUMS, y + ROW / 2 + 4, row.words, size=12))
        y += ROW + GAP
    body += _axis(lines, y)
    body.append(text(LEFT, y + 36, f"number on a tile: KL divergence in thousandths of a nat; a full tile is {number(1000 * most, 2)}, "
                     "an empty one a thousandth of it", size=SMALL, fill=MUTE))
    return page(int(y + 50), body, finding=finding, subtitle=subtitle, table=table)


def _tile(x: float, y: float, width: float, kld: float | None, most: float, name: str) -> list[str]:
    if kld is None:
        return [rect(x, y, width, ROW, "none", stroke=SOFT, title=f"{name}: not measured")]
    share = min(max(1 + log10(kld / most) / DECADES, 0), 1) if kld > 0 else 0
    tone, words = MEANING["error"], number(1000 * kld, 2)
    shapes = [rect(x, y, width, ROW, SOFT, title=f"{name}: {number(kld, 3)}"),
              rect(x, y + ROW * (1 - share), width, ROW * share, tone, opacity=0.25 + 0.75 * share)]
    if width < NEEDED:
        return shapes
    return [*shapes, text(x + width / 2, y + ROW / 2 + 4, words, size=11, anchor="middle", bold=share > 0.8,
                          fill=ink_on(tone) if share > 0.8 else INK)]


def _axis(lines: Sequence[Line], y: float) -> list[str]:
    """The layers' numbers, under the last row."""
    count = max((len(row.klds) for row in lines if not row.alone), default=0)
    if not count:
        return []
    step = (RIGHT - LEFT) / count
    every = next(n for n in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096) if n * step >= 24)
    return [text(LEFT - 8, y + 12, "layer", size=SMALL, fill=MUTE, anchor="end"),
            *(text(LEFT + (i + 0.4) * step, y + 12, i, size=10, fill=MUTE, anchor="middle") for i in range(0, count, every))]
