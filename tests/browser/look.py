"""Look at a lesson as a learner sees it: run it in JupyterLab and save it as pictures, light and dark.

    python -m tests.browser.look 06                       into test-artifacts/
    python -m tests.browser.look 01 06 --out /tmp/shots --live
    python -m tests.browser.look 06 --unrun               as committed, opened and not run

Ends with 1 when a cell, a widget or the console showed an error, and says which.
"""

import argparse
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:                         # started as a file instead of with -m
    sys.path.insert(0, str(ROOT))

from tests.browser.lab import Lab  # noqa: E402
from tests.browser.page import THEMES, LessonPage  # noqa: E402
from tests.browser.window import Window, open_browser  # noqa: E402


def look(window: Window, name: str, out: Path, options: argparse.Namespace) -> list[str]:
    """Run one lesson, save its pictures, and return what went wrong."""
    with LessonPage(window, name) as lesson:
        lesson.open()
        if not options.unrun:
            lesson.run_all()
        lesson.page.wait_for_timeout(600)
        for theme in options.themes.split(","):
            lesson.theme(theme)
            for file in lesson.screenshots(out, f"{Path(name).stem}-{theme}", options.height):
                print(file)
        unnamed = [] if options.unrun else [f"control without a name: {html}"
                                            for html in lesson.unnamed_handles()]
        cut = [f"words cut at a picture's edge: {words}" for words in lesson.cut_words()]
        shared = [f"two drawings share the id {name}" for name in lesson.shared_ids()]
        return lesson.faults + lesson.cell_errors() + unnamed + cut + shared


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lessons", nargs="*",
                        help="starts of file names, as 06; all lessons when none is given")
    parser.add_argument("--notebooks", type=Path, default=ROOT / "notebooks",
                        help="the folder of the lessons")
    parser.add_argument("--out", type=Path, default=ROOT / "test-artifacts", help="where the pictures go")
    parser.add_argument("--themes", default=",".join(THEMES), help="light,dark")
    parser.add_argument("--live", action="store_true",
                        help="this machine and its Ollama, not the reference profile")
    parser.add_argument("--unrun", action="store_true", help="do not run the cells")
    parser.add_argument("--width", type=int, default=1200)
    parser.add_argument("--height", type=int, default=1400)
    options = parser.parse_args(arguments)
    environment = {"QUANTLAB_PROFILE": "live"} if options.live else {}
    # so that a killed run still ends its server
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    wrong = 0
    with (Lab(options.notebooks, environment=environment) as lab, open_browser() as browser,
          Window(lab, browser, width=options.width, height=options.height) as window):
        for path in sorted(lab.folder.glob("*.ipynb")):
            if options.lessons and not path.name.startswith(tuple(options.lessons)):
                continue
            for fault in look(window, path.name, options.out, options):
                print(f"{path.name}: {fault}", file=sys.stderr)
                wrong += 1
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
