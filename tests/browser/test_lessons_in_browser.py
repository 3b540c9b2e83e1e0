"""Lessons in the real JupyterLab: readable before they run, alive after, and there for eyes and ears; and all
exhibits in one notebook, of whichever lesson they are.
"""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

import quantlab as ql
from tests.browser.page import LessonPage
from tests.thinned import some

ROOT = Path(__file__).resolve().parents[2]
LESSONS = some(sorted(path.name for path in (ROOT / "notebooks").glob("[0-9]*.ipynb")), 4)
EXHIBITS = [name for name in sorted(ql.__all__) if name.startswith("explore_") or name == "final_quiz"]

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_shows_runs_moves_and_speaks(name, window):
    with LessonPage(window, name) as lesson:
        lesson.open()
        assert_saved_pictures_are_shown(lesson)
        assert_it_runs_moves_and_speaks(lesson)


def test_all_exhibits_share_a_page(window):
    """None is silent, cut or dead beside the others, and no two drawings share an id."""
    place = window.lab.folder / "all_exhibits.ipynb"
    cells = [new_code_cell("import quantlab as ql"), *(new_code_cell(f"ql.{name}()") for name in EXHIBITS)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), place)
    with LessonPage(window, place.name) as lesson:
        lesson.open()
        assert_it_runs_moves_and_speaks(lesson)
    place.unlink()


def assert_it_runs_moves_and_speaks(lesson: LessonPage) -> None:
    lesson.run_all()
    assert lesson.cell_errors() == []
    assert_handles_move_pictures(lesson)
    assert lesson.unnamed_handles() == []
    assert lesson.silent_explorers() == []
    assert lesson.cut_words() == []
    assert lesson.scrolling() == []
    assert lesson.shared_ids() == []
    assert lesson.cell_errors() == []
    assert lesson.faults == []


def assert_saved_pictures_are_shown(lesson: LessonPage) -> None:
    """Opened untrusted and not yet run: the pictures in the file are there, and no broken widget."""
    saved = ["".join(output.get("data", {}).get("text/html", "")) for output in lesson.saved_outputs()]
    expected = sum("<img" in html for html in saved)
    shown = lesson.wait_until(lambda: lesson.pictures() >= expected, seconds=60)
    assert shown, f"{lesson.pictures()} of {expected} saved pictures"
    assert lesson.cell_errors() == []


def assert_handles_move_pictures(lesson: LessonPage) -> None:
    """One key press in each explorer, and one drag in the first, change what is shown; what is said follows,
    when the hand has rested.
    """
    explorers = lesson.explorers()
    said = [lesson.said(explorer) for explorer in explorers]
    for i, explorer in enumerate(explorers):
        assert lesson.press(explorer), f"explorer {i + 1}: a key press changes the picture"
    for i, (explorer, before) in enumerate(zip(explorers, said, strict=True)):
        spoke = lesson.wait_until(lambda e=explorer, s=before: lesson.said(e) != s)
        assert spoke, f"explorer {i + 1} says the new finding"
    if explorers:
        assert lesson.drag(explorers[0]), "a drag changes the picture"
