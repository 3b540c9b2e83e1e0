"""One JupyterLab, one Chromium and one window for all browser tests, one notebook for each module."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.browser.lab import Lab
from tests.browser.page import LessonPage
from tests.browser.window import Window, find_chromium, open_browser


@pytest.fixture(scope="session")
def lab():
    """JupyterLab on a copy of the lessons, under the reference profile."""
    if find_chromium() is None:
        pytest.skip("no Chromium: `make tools` installs it")
    with Lab() as running:
        yield running


@pytest.fixture(scope="package")
def chromium():
    """The browser. It ends with this folder's tests, as others dislike the event loop that Playwright keeps.
    """
    if find_chromium() is None:
        pytest.skip("no Chromium: `make tools` installs it")
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="package")
def window(lab, chromium):
    """The window on `lab` in which lessons are opened one after the other."""
    with Window(lab, chromium) as one:
        yield one


@pytest.fixture(scope="module")
def lesson(lab, window, request):
    """A notebook with the module's SOURCES as cells, run from top to end; its tests share it."""
    name = f"{request.module.__name__.rpartition('.')[2]}.ipynb"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [new_code_cell(source) for source in request.module.SOURCES]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), lab.folder / name)
    with LessonPage(window, name) as page:
        page.open()
        page.run_all()
        yield page
    (lab.folder / name).unlink()


@pytest.fixture
def explorer(lesson):
    """The lesson's first explorer whose picture takes clicks and keys, as it is at the beginning."""
    return lesson.touchable()
