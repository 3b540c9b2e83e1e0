"""Small parts of a picture that can be touched: surfaces that take clicks, and characters in their cells."""

from collections.abc import Iterable, Sequence
from html import escape


def spot(x: float, y: float, width: float, height: float, **hooks: object) -> str:
    """An invisible box over what can be clicked; hooks become its data attributes, which `explore/touch.js` reads.

    first, bits: the box holds so many bits side by side, the first in reading order is number `first` of the block.
    weight, weights: the box holds so many weights, the first is number `weight`.
    """
    data = "".join(f' data-{name}="{value}"' for name, value in hooks.items())
    return f'<rect class="ql-spot" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill-opacity="0"{data}/>'


def touchable(shapes: Iterable[str], **hooks: object) -> str:
    """Shapes that take clicks together: a row of equal cells, from the first one's left edge to the last one's right.

    first, cells: so many cells side by side, the first one is number `first`.  tips: what the mouse is told of each, as runs of
    equal words ("Q6_K*4 Q4_K*2"); a second list after "|".
    """
    data = "".join(f' data-{name}="{escape(str(value))}"' for name, value in hooks.items())
    return f'<g class="ql-spot"{data} pointer-events="all">{"".join(shapes)}</g>'


def here(words: str, shape: str) -> str:
    """The shape that frames the chosen part of a picture, with what a screen reader says when the choice moves there."""
    return f'<g id="here" data-here="" role="img" aria-label="{escape(words)}">{shape}</g>'


def characters(places: Sequence[tuple[float, str]], y: float, size: float, ink: str, *, bold: bool = False) -> str:
    """Single characters in one `<text>`, each centred at its own x: (x, character)."""
    paint = f' style="fill:{ink}"' if ink.startswith("var(") else f' fill="{ink}"'
    weight = ' font-weight="bold"' if bold else ""
    return (f'<text x="{" ".join(f"{x:.1f}" for x, _ in places)}" y="{y:.1f}" font-size="{size:g}" text-anchor="middle"'
            f'{paint}{weight}>{"".join(word for _, word in places)}</text>')


def bracket(x: float, width: float, y: float, ink: str) -> str:
    """A flat bracket under `width` pixels, open above."""
    return f'<path d="M{x + 1:.1f} {y}v4h{width - 2:.1f}v-4" style="stroke:{ink};fill:none"/>'
