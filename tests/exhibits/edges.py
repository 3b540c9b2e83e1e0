"""Words of a picture that nobody can read, measured with the font that draws them."""

import re
import xml.etree.ElementTree as ET
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

FONTS = Path(find_spec("matplotlib").origin).parent / "mpl-data" / "fonts" / "ttf"


@cache
def font(style: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONTS / f"DejaVuSans{style}.ttf"), 100)


def faults(picture) -> list[str]:
    """What is wrong with a drawing: words that are too small or leave the page, numbers that are none."""
    found = re.findall(r'="[^"]*\b(?:nan|inf)\b[^"]*"', picture.svg)
    for element in ET.fromstring(picture.svg).iter("{http://www.w3.org/2000/svg}text"):
        size, words, x = float(element.get("font-size")), element.text or "", element.get("x")
        if size < 9:
            found.append(f"{words!r} is {size} px high")
        if " " not in x:
            style = "Mono" * ("Mono" in element.get("font-family", ""))
            style += "-Bold" * (element.get("font-weight") == "bold")
            width = font(style).getlength(words) * size / 100
            left = float(x) - width * {"middle": 0.5, "end": 1}.get(element.get("text-anchor"), 0)
            if left < 0 or left + width > picture.width:
                found.append(f"{words!r} reaches from {left:.0f} to {left + width:.0f}")
    return found
