"""Draw docs/llama.png, the picture of the README: the explorer of lesson 00 with a hot pixel, without and
with blocks.
"""

import io
from pathlib import Path

from PIL import Image

from quantlab.exhibits.llama import SCOPES, explore_llama
from quantlab.stage.touchable import png

explorer = explore_llama()
pictures = []
for scale in SCOPES:
    explorer.set(bits=4, hot=50, scale=scale)
    pictures.append(Image.open(io.BytesIO(png(explorer.picture))).convert("RGB"))
width, height = pictures[0].size
sheet = Image.new("RGB", (width, 2 * height), "white")
for i, picture in enumerate(pictures):
    sheet.paste(picture, (0, i * height))
target = Path(__file__).resolve().parent.parent / "docs" / "llama.png"
sheet.resize((width * 3 // 4, 2 * height * 3 // 4)).save(target, optimize=True)
