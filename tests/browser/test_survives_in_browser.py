"""A lesson outlives its kernel: saved, opened again, restarted or stopped, it shows its last pictures and
answers and says how to wake them; and it has room on small screens.
"""

import json
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from quantlab.cli.startup import ABOVE
from quantlab.stage.on_site import SERVED
from tests.browser.page import LessonPage

pytestmark = pytest.mark.browser
SOURCES = ('import quantlab as ql\n\nql.explore_memory("llama3.1:8b", 8)',
           'ql.predict("What is `2 + 2`?", ["3", "4"], answer=1, why="Count.")',
           'ql.explore_model_map("llama-3.1-8b", "Q4_K_S", ftype="Q4_K_M")', "ql.final_quiz()", "np.pi")
NAME = "survives.ipynb"
KERNELS = re.compile(r"/api/sessions\b")
#: (width, whether the file browser is open), in pixels
WIDTHS = ((1280, False), (900, True), (390, False))


@pytest.fixture(scope="module")
def book(lab):
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [new_code_cell(source) for source in SOURCES]
    cells[1].metadata["jupyter"] = {"source_hidden": True}          # as guesses are
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), lab.folder / NAME)
    yield lab.folder / NAME
    (lab.folder / NAME).unlink()


@pytest.fixture(scope="module")
def lived(book, window):
    """The notebook, run, touched, answered and saved, and still alive."""
    with LessonPage(window, NAME) as lesson:
        lesson.open()
        lesson.run_all()
        assert lesson.press(lesson.explorers()[0])
        lesson.page.locator(".ql-choice .ql-option").nth(0).click()
        lesson.page.wait_for_timeout(1700)                         # the still follows a hand that rests
        lesson.command("docmanager:save")
        yield lesson


def still_and_living(lesson) -> tuple[int, int]:
    """How many stills and how many living exhibits are seen."""
    return (lesson.page.locator(".ql-still:visible").count(),
            lesson.page.locator(".jp-OutputArea-output > .ql-explorer:visible").count())


def test_while_it_lives_no_still_is_seen(lived):
    assert still_and_living(lived) == (0, 4)
    assert lived.cell_errors() == ["NameError: name 'np' is not defined"]
    said = lived.page.locator(".jp-OutputArea-output", has_text="makes `np`").text_content()
    assert ABOVE in said and "Traceback" not in said


def test_what_is_saved_is_what_was_last_seen(lived, book):
    outputs = [output["data"] for cell in json.loads(book.read_text())["cells"]
               for output in cell["outputs"] if "text/html" in output.get("data", {})]
    memory, guess = ("".join(data["text/html"]) for data in outputs[:2])
    seen = lived.said(lived.explorers()[0])
    assert f'alt="{seen}"' in memory and "12,288" not in seen and "run this cell" in memory
    assert "<b>A · 3</b>" in guess and "<code>2 + 2</code>" in guess and "it is B" in guess


@pytest.mark.parametrize(("width", "files"), WIDTHS)
def test_nothing_scrolls_that_need_not(lived, width, files):
    """With scrollbars that take space: no output has one of its own. Where a picture is small, on a phone,
    its finding stands above it in words that can be read.
    """
    page = lived.page
    try:
        page.set_viewport_size({"width": width, "height": 1000})
        page.evaluate(f"window.jupyterapp.shell.{'expand' if files else 'collapse'}Left()")
        page.wait_for_timeout(500)
        assert lived.scrolling() == []
        shown = lived.explorers()[0]
        finding, picture = (shown.locator(part).first.bounding_box() for part in (".ql-live", "svg"))
        read = finding["width"] > 200 and finding["y"] + finding["height"] <= picture["y"] + 1
        assert read == (width < 400), (finding, picture)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate("([...document.querySelectorAll('.jp-WindowedPanel-outer')]"
                             ".every(e => e.scrollWidth <= e.clientWidth))")
        tracks = page.locator(".ql-explorer .slider-container:visible")
        assert min(track.bounding_box()["width"] for track in tracks.all()) >= 120
        assert lived.cut_words() == []
    finally:
        page.evaluate("window.jupyterapp.shell.collapseLeft()")
        page.set_viewport_size({"width": 1200, "height": 1000})


def test_code_and_picture_are_taken_along(lived):
    page, bar = lived.page, lived.explorers()[0]
    bar.get_by_role("button", name="Copy as code").click()
    assert lived.wait_until(lambda: page.evaluate("navigator.clipboard.readText()").endswith(
        "ql.explore_memory('llama3.1:8b', 8).at(n_ctx=12288)"))
    bar.get_by_role("button", name="Copy as picture").click()
    size = """async () => { const [item] = await navigator.clipboard.read();
        return item.types.includes("image/png") && (await item.getType("image/png")).size; }"""
    assert lived.wait_until(lambda: (page.evaluate(size) or 0) > 20_000)


def test_a_link_to_the_site_is_copied_and_said(lived):
    """Of what the site shows; where it does not, a sentence says why.  What it opens: tests/site."""
    page, bar = lived.page, lived.explorers()[0]
    bar.get_by_role("button", name="Link to this picture").click()
    assert lived.wait_until(lambda: page.evaluate("navigator.clipboard.readText()") == (
        "http://localhost:8000/06_will_it_fit.html#explore_memory?n_ctx=12288"))
    assert lived.wait_until(lambda: bar.locator(".ql-share span").inner_text() == SERVED)
    assert lived.said(bar) == SERVED
    model_map = page.locator(".ql-explorer:has(.ql-c-beside)")
    model_map.locator(".ql-c-beside select").select_option(index=2)
    lived.answered()
    model_map.get_by_role("button", name="Link to this picture").click()
    said = model_map.locator(".ql-share span")
    assert lived.wait_until(lambda: "cannot be moved there" in said.inner_text()), said.inner_text()
    assert lived.faults == []


def test_tab_leads_from_a_cell_that_was_run_into_its_picture(lived):
    page = lived.page
    page.evaluate("look.choose('ql.explore_memory')")
    page.locator(".jp-Notebook").first.focus()
    page.keyboard.press("Shift+Enter")
    lived.wait_idle()
    lived.wait_for_widgets()
    page.keyboard.press("Tab")
    inside = "document.activeElement.closest('.ql-explorer')?.querySelector('.ql-live')?.textContent"
    assert "It fits" in (page.evaluate(inside) or ""), page.evaluate("document.activeElement.outerHTML")


def test_opened_again_with_another_kernel(lived, book, window):
    """Trusted, as it was run here: JupyterLab would show a dead widget for each picture."""
    window.close_all()
    with LessonPage(window, NAME) as lesson:
        lesson.open()
        assert lesson.wait_until(lambda: still_and_living(lesson) == (4, 0)), still_and_living(lesson)
        assert lesson.page.get_by_text("model not found").locator("visible=true").count() == 0
        lesson.run_only("ql.explore_memory")
        assert lesson.wait_until(lambda: still_and_living(lesson) == (3, 1))
        lesson.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
        assert lesson.wait_until(lambda: still_and_living(lesson) == (4, 0)), "a restart puts the still back"
        assert lesson.page.get_by_text("To move it, run this cell").first.is_visible()


def test_what_is_run_before_its_kernel_is_there_waits_for_it(book, window):
    """JupyterLab alone forgets it without a word, and starts one more kernel for it, of which either may stay
    (cli/jupyter/labextensions). Here the request for the kernel is held back until all cells wait.
    """
    with LessonPage(window, NAME) as lesson:
        page, asked = lesson.page, []
        page.route(KERNELS, lambda route: asked.append(route) if route.request.method == "POST"
                   else route.continue_())
        lesson.show()
        assert lesson.wait_until(lambda: asked)
        page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
        assert lesson.wait_until(lambda: {state for state, _ in runs(page)} == {"running"}), runs(page)
        page.wait_for_timeout(300)
        for route in asked:
            route.continue_()
        page.unroute(KERNELS)
        page.wait_for_selector(".jp-OutputArea-output > .ql-explorer .noUi-handle", timeout=60_000)
        lesson.wait_idle()
        assert runs(page) == [["idle", i] for i in range(1, len(SOURCES) + 1)], "once each, in order"
        assert len(asked) == 1 and page.locator(".jp-Dialog").count() == 0
        page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        lesson.run_all()
        assert runs(page) == [["idle", i] for i in range(1, len(SOURCES) + 1)], "and where it was shut down"


def runs(page) -> list[list]:
    """["running" or "idle", number] of each cell, waiting cells as running."""
    return page.evaluate("[...window.jupyterapp.shell.currentWidget.content.model.cells]"
                         ".map(cell => [cell.executionState, cell.executionCount])")


def test_a_kernel_that_is_gone_is_missed(book, window):
    with LessonPage(window, NAME) as lesson:
        lesson.open()
        lesson.run_only("ql.explore_memory")
        lesson.page.wait_for_selector(".ql-explorer .noUi-handle")
        lesson.lab.close_sessions()
        lesson.explorers()[0].locator(".noUi-handle").first.press("ArrowRight")
        assert lesson.wait_until(lambda: lesson.page.locator(".ql-silent").count() == 1)
