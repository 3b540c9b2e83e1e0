"""One JupyterLab for all browser tests of a run, one Chromium and one page for each module."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.browser.lab import Lab
from tests.browser.page import LessonPage, find_chromium, open_browser


@pytest.fixture(scope="session")
def lab():
    """JupyterLab on a copy of the lessons, under the reference profile."""
    if find_chromium() is None:
        pytest.skip("no Chromium: `make tools` installs it")
    with Lab() as running:
        yield running


@pytest.fixture(scope="module")
def chromium():
    """The browser. It ends with the module: while it is open, Playwright keeps an event loop that others
    dislike.
    """
    if find_chromium() is None:
        pytest.skip("no Chromium: `make tools` installs it")
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def lesson(lab, chromium, request):
    """The lesson that the module names as LESSON, or one with its SOURCES as cells, run from top to end; its
    tests share the page.
    """
    sources = getattr(request.module, "SOURCES", None)
    name = f"{request.module.__name__.rpartition('.')[2]}.ipynb" if sources else request.module.LESSON
    if sources:
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        book = new_notebook(cells=[new_code_cell(source) for source in sources],
                            metadata={"kernelspec": kernel})
        nbformat.write(book, lab.folder / name)
    with LessonPage(lab, chromium, name) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.open()
        page.run_all()
        yield page
    if sources:
        (lab.folder / name).unlink()


@pytest.fixture
def explorer(lesson):
    """The lesson's first explorer whose picture takes clicks and keys, as it is at the beginning."""
    return lesson.touchable()
