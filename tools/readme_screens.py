"""Take the screenshots of the README: three lessons in a real JupyterLab, each scrolled to its exhibit.

    python tools/readme_screens.py          needs Chromium, writes docs/lesson_*.png

They are the lessons under the reference profile, so whoever takes them again gets the same pictures.
"""

import io
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.lab import Lab  # noqa: E402
from tests.browser.page import LessonPage  # noqa: E402
from tests.browser.window import Window, open_browser  # noqa: E402

#: Lesson, the call of its exhibit, theme.
SCREENS = [("01_what_is_quantization", "ql.explore_bits", "light"),
           ("06_will_it_fit", "ql.explore_memory", "dark"), ("05_k_quants", "ql.explore_model_map", "light")]
SIZE, COLOURS = (1080, 860), 128


def main() -> None:
    with (Lab() as lab, open_browser() as browser,
          Window(lab, browser, width=SIZE[0], height=SIZE[1]) as window):
        for name, call, theme in SCREENS:
            with LessonPage(window, f"{name}.ipynb") as lesson:
                lesson.open()
                lesson.theme(theme)
                lesson.run_only("import quantlab", call)
                exhibit = lesson.page.locator(f'.jp-CodeCell:has-text("{call}")').first
                exhibit.evaluate("e => e.scrollIntoView({block: 'start', behavior: 'instant'})")
                lesson.page.wait_for_timeout(1500)
                picture = Image.open(io.BytesIO(lesson.page.screenshot(animations="disabled"))).convert("RGB")
                file = ROOT / "docs" / f"lesson_{name[:2]}.png"
                picture.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
                print(file, f"{file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
