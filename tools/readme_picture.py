"""Draw docs/llama.svg, the moving picture of the README: the explorer of lesson 00 loses bits, gets a pixel
that is far too bright, and scales that repair it.

    python tools/readme_picture.py

Every frame is the exhibit's own picture, finding included. They lie upon each other and are shown in turn by
a few lines of CSS, three times; who asked their system for less motion sees the last one.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from quantlab.canvas.style import standalone  # noqa: E402
from quantlab.exhibits.llama import SCOPES, explore_llama  # noqa: E402
from quantlab.stage.touchable import own_names  # noqa: E402

TARGET = ROOT / "docs" / "llama.svg"
ONE, BLOCKS = SCOPES
#: Handles of each frame, and for how many seconds it is shown.
FRAMES = [({"bits": 8, "hot": 1, "scale": ONE}, 1.2), ({"bits": 6, "hot": 1, "scale": ONE}, 0.8),
          ({"bits": 4, "hot": 1, "scale": ONE}, 1.4), ({"bits": 3, "hot": 1, "scale": ONE}, 1.0),
          ({"bits": 2, "hot": 1, "scale": ONE}, 1.4), ({"bits": 4, "hot": 1, "scale": ONE}, 1.0),
          ({"bits": 4, "hot": 3, "scale": ONE}, 1.0), ({"bits": 4, "hot": 10, "scale": ONE}, 1.0),
          ({"bits": 4, "hot": 50, "scale": ONE}, 2.2), ({"bits": 4, "hot": 50, "scale": BLOCKS}, 3.0)]
TIMES = 3


def drawn() -> str:
    """The moving picture as SVG. The last frame lies under the others, which hide when their time is over."""
    explorer, frames, css, before = explore_llama(), [], [], 0.0
    whole = sum(seconds for _, seconds in FRAMES)
    for number, (handles, seconds) in enumerate(FRAMES):
        explorer.set(**handles)
        picture = own_names(standalone(explorer.picture.svg), str(number))
        frames.append(f'<g class="f{number}"><path d="M0 0h2000v2000h-2000" style="fill:#fff"/>{picture}</g>')
        share = 100 * seconds / whole
        times = f"{whole:g}s step-end {before:g}s {TIMES}"
        css.append(f"@keyframes f{number}{{0%{{opacity:1}}{share:.2f}%,100%{{opacity:0}}}}"
                   f".f{number}{{opacity:0;animation:f{number} {times}}}")
        before += seconds
    size = f'width="{explorer.picture.width}" height="{explorer.picture.height}"'
    return (f'<svg xmlns="http://www.w3.org/2000/svg" {size} '
            f'viewBox="0 0 {explorer.picture.width} {explorer.picture.height}"><style>{"".join(css[:-1])}'
            "@media (prefers-reduced-motion:reduce){g[class]{animation:none}}</style>"
            f'{"".join(frames[-1:] + frames[:-1])}</svg>\n')


if __name__ == "__main__":
    TARGET.write_text(drawn(), encoding="utf-8")
    print(TARGET, f"{TARGET.stat().st_size:,} bytes")
