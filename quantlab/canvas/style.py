"""The look of every picture, in one table: colours with one meaning each, sizes, and the `Picture` that views
return.

Colours are Okabe-Ito's (safe for colour-blind readers) and never carry meaning alone: a letter, a number or
hatching stands beside them. Ink and paper are JupyterLab's own variables, so a picture follows the light and
the dark theme; `standalone` replaces them by their fallbacks for readers without JupyterLab.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

INK = "var(--jp-content-font-color1, #1b1f24)"       # text and outlines
MUTE = "var(--jp-content-font-color2, #5b6470)"      # subtitles, units
PAPER = "var(--jp-layout-color0, #ffffff)"           # background
LINE = "var(--jp-border-color1, #c3c9d2)"            # thin rules, empty tracks
SOFT = "var(--jp-layout-color2, #eef1f5)"            # a quiet panel

BLUE, SKY, GREEN, ORANGE = "#0072B2", "#56B4E9", "#009E73", "#E69F00"
VERMILION, PURPLE, YELLOW, GREY = "#D55E00", "#CC79A7", "#F0E442", "#8a929e"

#: One colour, one meaning, in every lesson; the bits of a block and the bytes of a card are never in one
#: picture.
MEANING = {"scale": BLUE, "min": VERMILION, "sub_scale": SKY, "sub_min": ORANGE, "code": GREEN,
           "partner": PURPLE, "sign": VERMILION, "exponent": ORANGE, "mantissa": GREEN, "weights": BLUE,
           "kv_cache": ORANGE, "compute": PURPLE, "overhead": GREY, "split": SKY, "original": GREY,
           "error": VERMILION, "good": GREEN, "worse": VERMILION, "unsure": GREY, "notice": GREY,}

#: Light to dark blue for fewer to more bits per weight; the number always stands on the tile.
BITS_TONES = {2: "#deebf7", 3: "#c6dbef", 4: "#9ecae1", 5: "#6baed6", 6: "#2b7bba", 8: "#1d66a8",
              16: "#134f8d", 32: "#0b3a70"}

FONT = "DejaVu Sans, Verdana, sans-serif"
WIDTH = 760             # pixels: fits beside JupyterLab's file browser on a small laptop
TEXT, SMALL, TITLE = 13, 11, 18


#: Rows of plain text, the first one the header.
Table = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Picture:
    """A drawn view: the SVG, the sentence it proves, and the same facts as a table for those who do not look.

    svg: a complete `<svg>` element, `width` by `height` pixels.  finding: one sentence, no markup.
    table: rows of plain text, the first one the header; empty when the finding says it all.
    numbers: name -> what the picture shows, unrounded: what a target is measured by.
    """

    svg: str
    finding: str
    width: int
    height: int
    table: Table = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def telling(self, numbers: Mapping[str, Any]) -> "Picture":
        """The same picture with the numbers that targets are measured by."""
        return replace(self, numbers=numbers)


def ink_on(colour: str) -> str:
    """Black or white text for a filled tile of `colour` (#rrggbb), by relative luminance (WCAG 2); the
    theme's ink on the theme's own colours.
    """
    if not colour.startswith("#"):
        return INK
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#ffffff" if luminance < 0.36 else "#1b1f24"


def standalone(svg: str) -> str:
    """`svg` with every `var(--name, fallback)` replaced by its fallback: for PNG and README, outside
    JupyterLab.
    """
    return re.sub(r"var\(--[\w-]+,\s*([^)]+)\)", r"\1", svg)


def own_names(svg: str, owner: str) -> str:
    """`svg` with its ids made the owner's own: a page looks for `url(#over)` in its first drawing, even when
    that is off the screen and has no hatching to lend.
    """
    for name in set(re.findall(r' id="([\w-]+)"', svg)):
        svg = svg.replace(f' id="{name}"', f' id="{name}-{owner}"').replace(
            f"url(#{name})", f"url(#{name}-{owner})"
        )
    return svg
