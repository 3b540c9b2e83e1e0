"""How long until a lesson lives? From opening its page to the first painted move of its first slider, in a
fresh window with a fresh kernel, pressing Shift+Enter from the top.

    python -m benchmarks.arrival             all lessons
    python -m benchmarks.arrival 00 06
"""

import argparse
import json
import time

from tests.browser.lab import Lab
from tests.browser.page import EXPLORER, LessonPage
from tests.browser.window import PANEL, Window, open_browser

LIMIT_S = 60


def main(lessons=("",)) -> dict:
    """lesson -> seconds until the cells are seen, until the kernel is there, until the first slider moved."""
    found = {}
    with Lab() as lab, open_browser() as browser:
        for path in sorted(lab.folder.glob("[0-9]*.ipynb")):
            if path.name.startswith(tuple(lessons)):
                with Window(lab, browser) as window, LessonPage(window, path.name) as lesson:
                    found[path.stem] = arrive(lesson)
    return {"unit": "seconds from opening the page", "lessons": found}


def arrive(lesson: LessonPage) -> dict[str, float]:
    """Open a lesson, run cell after cell until a slider stands, and move it by a key."""
    start = time.perf_counter()
    lesson.show()
    seen = time.perf_counter() - start
    lesson.open_kernel()
    alive = time.perf_counter() - start
    lesson.page.locator(f"{PANEL} .jp-Notebook").first.focus()
    while not lesson.page.locator(EXPLORER).count():
        if time.perf_counter() - start > LIMIT_S:
            raise TimeoutError(f"{lesson.name} has no slider after {LIMIT_S} s")
        lesson.page.keyboard.press("Shift+Enter")
        lesson.wait_idle()
        lesson.page.wait_for_timeout(50)
    lesson.press(lesson.explorers()[0])
    return {"cells_seen": round(seen, 2), "kernel_there": round(alive, 2),
            "slider_moved": round(time.perf_counter() - start, 2)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lessons", nargs="*", default=[""], help="starts of file names")
    print(json.dumps(main(parser.parse_args().lessons), indent=1))
