"""The first minute: a llama of 6,144 numbers, fewer and fewer bits for each, and one pixel that ruins it all.
"""

from importlib.resources import files
from io import BytesIO

import numpy as np

from ..basics.affine import quantize_absmax, rms
from ..canvas.raster import image
from ..canvas.style import BLUE, GREY, Picture
from ..canvas.svg import fact_lines, line, page, quiet, rect, text
from ..stage.base import Stage
from ..stage.handles import menu, slider, stops
from ..stage.share import recalled

BLOCK = 32
HOT = (10, 10)                 # row and column of the pixel that the slider heats
SCOPES = {"one for the whole picture": None, f"one for every {BLOCK} pixels": BLOCK}


def llama() -> np.ndarray:
    """(64, 96) float32, black -0.5 to white +0.5: our own drawing."""
    stored = np.load(BytesIO((files("quantlab") / "data" / "llama.npy").read_bytes()))
    return stored.astype(np.float32) / 255 - np.float32(0.5)


def _finding(bits: int, hot: int, block: int | None, shades: int, before: int, seen: float,
             ruined: int) -> str:
    if block and hot > 1:
        return (f"A hot pixel, but a scale for every {BLOCK} pixels: the llama is back, {ruined} pixels are "
                "ruined")
    left = f"{shades} shades" if shades > 1 else "one shade"
    fate = ("the llama is gone" if shades == 1 else "only rough shapes are left" if seen < 0.6
            else "a llama with visible steps" if seen < 0.85 else "clearly a llama")
    if hot > 1:
        return f"One pixel {hot}× too bright leaves {left} for all the others: {fate}"
    if block:
        return f"{bits} bits, {left} for every {BLOCK} pixels: {fate}"
    if shades == before:
        return f"{bits} bits, all {before} shades of the original: {fate}"
    return f"{bits} bits, {left} instead of {before}: {fate}"


def _draw(original: np.ndarray, bits: int, hot: int, scale: str) -> Picture:
    pixels = original.copy()
    if hot > 1:
        pixels[HOT] = 0.5 * hot                       # 0.5 is white
    block = SCOPES[scale]
    stored = quantize_absmax(pixels.reshape(1, -1), bits, block_size=block)
    restored = stored.dequantize().reshape(original.shape)
    cool = np.ones_like(original, bool)
    cool[HOT] = False
    shades = len(np.unique(restored[cool])) if block is None else 2**bits - 1
    ruined = _ruined(original, restored, bits, block)
    seen = 1 - rms((restored - original)[cool]) / float(original[cool].std())
    facts = (("shades used", f"{shades}" + (" a block" if block else "")),
             ("bits per pixel, scales included", f"{stored.bpw:.1f}"),
             ("pixels the hot one ruins", f"{ruined:,}"))
    whose = "the levels of one block" if block else "the levels to store them"
    body = [image(16, 70, restored, 5), quiet(520, 84, "the original", size=12), image(520, 92, original, 2),
            quiet(520, 250, f"pixel values, and {whose}", size=10),
            *_value_line(520, 320, 192, original, stored.levels(len(stored.scale) // 2)),
            *fact_lines(520, 744, 360, facts)]
    return page(416, body, finding=_finding(bits, hot, block, shades, len(np.unique(original)), seen, ruined),
                subtitle=f"{original.size:,} pixels, stored in {bits} bits each with scales of 16 bits: "
                         f"{scale}",
                table=(("What", "Value"), *facts)
                ).telling({"ruined": ruined, "shades": shades, "bpw": stored.bpw,
                           "error": rms((restored - original)[cool])})


def _ruined(original: np.ndarray, restored: np.ndarray, bits: int, block: int | None) -> int:
    """How many pixels, but for the hot one, are stored otherwise than they would be without it."""
    cool = quantize_absmax(original.reshape(1, -1), bits, block_size=block).dequantize()
    changed = restored != cool.reshape(original.shape)
    changed[HOT] = False
    return int(changed.sum())


def _value_line(x: float, y: float, width: float, values: np.ndarray, levels: np.ndarray) -> list[str]:
    """A histogram of the values above an axis, and a tick below it for each level inside."""
    counts, _ = np.histogram(values, bins=48, range=(-0.5, 0.5))
    tallest, step = 60 / counts.max(), width / 48
    shapes = [rect(x + i * step, y - n * tallest, step - 0.5, n * tallest, GREY, radius=0)
              for i, n in enumerate(counts)]
    at = x + (levels[np.abs(levels) <= 0.5] + 0.5) * width
    return [*shapes, line(x, y, x + width, y), *(line(v, y, v, y + 9, stroke=BLUE, width=2) for v in at),
            text(x, y + 22, "black", size=10), text(x + width, y + 22, "white", size=10, anchor="end")]


@recalled
def explore_llama() -> Stage:
    """A picture stored with few bits per pixel: drag the bits, heat one pixel, change how many pixels share a
    scale.
    """
    original = llama()
    heat = [("none", 1), *((f"{n}× white", n) for n in (2, 3, 5, 10, 20, 50, 100))]
    handles = [slider("bits", "bits per pixel", 4, 2, 8), stops("hot", "one hot pixel", 1, heat),
               menu("scale", "scales", next(iter(SCOPES)), SCOPES)]
    whole, blocks = SCOPES
    presets = {"One pixel ruins it": dict(bits=4, hot=50, scale=whole),
               "Blocks save it": dict(bits=4, hot=50, scale=blocks)}
    return Stage(handles, lambda **values: _draw(original, **values), presets=presets, width=370,
                 label_width=120,
                 note="Every pixel is stored as a small whole number times a scale. That is all "
                      "quantization is.")
