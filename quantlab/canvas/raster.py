"""Numbers as a picture of pixels: what quantization does to something the eye knows."""

import base64
import io

import numpy as np
from PIL import Image

from .style import VERMILION


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
