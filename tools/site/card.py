"""The picture that is shown beside a link to the site: the llama in two bits, 1200 × 630."""

import re

from quantlab.canvas.style import INK, MUTE, PAPER, Picture
from quantlab.canvas.svg import rect, text
from quantlab.exhibits.llama import explore_llama
from quantlab.stage.touchable import png

CARD = "card.png"
WIDTH, HEIGHT = 600, 315            # drawn at twice its size
TITLE, BELOW = "Quantization you can touch", "A language model in a few bits: move it and see what is lost."


def drawn_card() -> bytes:
    """The card as PNG."""
    stage = explore_llama()
    stage.set(bits=2)
    shown = stage.picture
    llama = re.sub(r'(<svg\b[^>]*?) width="\d+" height="\d+"',
                   rf'\1 x="20" y="84" width="{WIDTH - 40}" height="{HEIGHT - 92}"', shown.svg, count=1)
    body = [rect(0, 0, WIDTH, HEIGHT, PAPER), text(24, 44, TITLE, size=30, bold=True, fill=INK),
            text(24, 68, BELOW, size=15, fill=MUTE), llama]
    sheet = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
             f'viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(body)}</svg>')
    return png(Picture(sheet, TITLE, WIDTH, HEIGHT))
