"""Numbers as a picture of pixels: what quantization does to something the eye knows."""

import base64
import io

import numpy as np
from PIL import Image

from .style import BLUE, GREY, INK, LINE, MUTE, VERMILION, Picture
from .svg import fact_lines, line, page, rect, text


def draw_pixels(original: np.ndarray, restored: np.ndarray, levels: np.ndarray, *, finding: str,
                subtitle: str, facts: tuple[tuple[str, str], ...],
                whose: str = "the levels to store them") -> Picture:
    """A large picture of `restored`, a small one of `original`, and where the pixel values and the levels
    lie.

    original, restored: (height, width) float, black -0.5 to white +0.5 (brighter is clipped).
    levels: the values the quantizer can write; those outside the range of the picture are left out.
    facts: (what, value) lines beside the picture.  whose: words for the levels, where they are those of one
    block only.
    """
    body = [image(16, 70, restored, 5), text(520, 84, "the original", size=12, fill=MUTE),
            image(520, 92, original, 2)]
    body += [text(520, 250, f"pixel values, and {whose}", size=10, fill=MUTE),
             *_value_line(520, 320, 192, original, levels)]
    return page(416, body + fact_lines(520, 744, 360, facts), finding=finding, subtitle=subtitle,
                table=(("What", "Value"), *facts))


def image(x: float, y: float, pixels: np.ndarray, scale: int) -> str:
    """(height, width) values from -0.5 to 0.5 as an embedded grey PNG, each value a square of `scale` pixels.
    """
    return _embedded(x, y, np.clip((pixels + 0.5) * 255, 0, 255).round().astype(np.uint8), scale)


def heat(x: float, y: float, shade: np.ndarray, cell: int) -> str:
    """(rows, columns) from 0 to 1 as squares of `cell` pixels, clear to vermilion: the paper shows through in
    either theme.
    """
    colour = [int(VERMILION[i : i + 2], 16) for i in (1, 3, 5)]
    pixels = np.empty((*shade.shape, 4), np.uint8)
    pixels[..., :3], pixels[..., 3] = colour, (255 * shade).astype(np.uint8)
    return _embedded(x, y, pixels, cell)


def _embedded(x: float, y: float, pixels: np.ndarray, scale: int) -> str:
    height, width = pixels.shape[:2]
    buffer = io.BytesIO()
    Image.fromarray(pixels.repeat(scale, 0).repeat(scale, 1)).save(buffer, "PNG", compress_level=1)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<image x="{x:g}" y="{y:g}" width="{width * scale}" height="{height * scale}"'
        f' style="image-rendering:pixelated" href="data:image/png;base64,{data}"/>')


def _value_line(x: float, y: float, width: float, values: np.ndarray, levels: np.ndarray) -> list[str]:
    """A histogram of the values above an axis, and a tick below it for each level."""
    counts, _ = np.histogram(values, bins=48, range=(-0.5, 0.5))
    tallest, step = 60 / counts.max(), width / 48
    shapes = [rect(x + i * step, y - n * tallest, step - 0.5, n * tallest, GREY, radius=0)
              for i, n in enumerate(counts)]
    shapes += [line(x, y, x + width, y, stroke=LINE)]
    for level in levels[np.abs(levels) <= 0.5]:
        at = x + (level + 0.5) * width
        shapes.append(line(at, y, at, y + 9, stroke=BLUE, width=2))
    return [*shapes, text(x, y + 22, "black", size=10, fill=INK),
            text(x + width, y + 22, "white", size=10, fill=INK, anchor="end")]
