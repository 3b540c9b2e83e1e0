"""Each lesson in the real JupyterLab: it runs, its handles move its pictures, and it is there for eyes and ears."""

from pathlib import Path

import pytest

from tests.browser.page import THEMES, LessonPage

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / "test-artifacts"
LESSONS = sorted(path.name for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_runs_moves_and_speaks(name, lab, chromium):
    with LessonPage(lab, chromium, name) as lesson:
        lesson.open()
        lesson.run_all()
        assert lesson.cell_errors() == []
        for theme in THEMES:
            lesson.theme(theme)
            assert lesson.screenshots(ARTIFACTS, f"{Path(name).stem}-{theme}")
        assert_handles_move_pictures(lesson)
        assert lesson.unnamed_handles() == []
        assert lesson.silent_explorers() == []
        assert lesson.cut_words() == []
        assert lesson.cell_errors() == []
        assert lesson.faults == []


def assert_handles_move_pictures(lesson: LessonPage) -> None:
    """One key press in each explorer, and one drag in the first, change what is shown; what is said follows."""
    for i, explorer in enumerate(lesson.explorers()):
        said = lesson.said(explorer)
        assert lesson.press(explorer), f"explorer {i + 1}: a key press changes the picture"
        spoke = lesson.wait_until(lambda e=explorer, s=said: lesson.said(e) != s)
        assert spoke, f"explorer {i + 1} says the new finding"
        if i == 0:
            assert lesson.drag(explorer), "a drag changes the picture"


@pytest.mark.parametrize("name", LESSONS)
def test_saved_lesson_shows_its_pictures_before_anything_runs(name, lab, chromium):
    """Opened untrusted and not run, as on a code host: the pictures in the file are shown, not a broken widget."""
    with LessonPage(lab, chromium, name) as lesson:
        expected = sum("image/png" in output.get("data", {}) for output in lesson.saved_outputs())
        lesson.show()
        assert lesson.wait_until(lambda: lesson.pictures() >= expected), f"{lesson.pictures()} of {expected} pictures"
        assert lesson.cell_errors() == []
        assert lesson.faults == []
