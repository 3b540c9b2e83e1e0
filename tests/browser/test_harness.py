"""The harness can fail: a page with one fault of each kind, and every fault is found."""

import nbformat
import pytest

from tests.browser.lab import Lab
from tests.browser.page import LessonPage
from tests.browser.window import Window

pytestmark = pytest.mark.browser

GOOD = '''
import ipywidgets as widgets
from quantlab.stage.base import Stage
from quantlab.stage.exhibit import Exhibit
from quantlab.stage.handles import slider
from quantlab.stage.touchable import Touchable
from quantlab.canvas.svg import page, text

def draw(bits):
    return page(120, [text(20, 100, "x" * bits)], finding=f"{bits} bits here")

Stage(Exhibit([slider("bits", "bits", 4, 2, 8)], draw))
'''
DEAD = 'Stage(Exhibit([slider("bits", "bits", 4, 0, 100)], lambda bits: draw(3)))'
CUT = ('Stage(Exhibit(draw=lambda: page(120, [text(700, 100, "cut at the right edge")], '
       'finding="Words are cut")))')
SLOW = ('import time; Stage(Exhibit([slider("bits", "bits", 4, 2, 8)], '
        'lambda bits: time.sleep(1) or draw(bits)))')
NAMELESS = 'v = Touchable([widgets.IntSlider(3)]); v'
BEYOND = '''
from IPython.display import HTML
HTML("<img src='http://192.0.2.1/beyond.png'>")
'''
RAISES = 'raise ZeroDivisionError("on purpose")'


@pytest.fixture(scope="module")
def scratch(tmp_path_factory, chromium):
    """A window on a JupyterLab with three lessons: one good, one slow, and one with all faults."""
    folder = tmp_path_factory.mktemp("scratch")
    for name, sources in {"good": [GOOD], "slow": [GOOD, SLOW],
                          "bad": [GOOD, DEAD, CUT, NAMELESS, BEYOND, RAISES]}.items():
        cells = [nbformat.v4.new_code_cell(source.strip()) for source in sources]
        nbformat.write(
            nbformat.v4.new_notebook(
                cells=cells,
                metadata={
                    "kernelspec": {
                        "name": "python3",
                        "display_name": "Python 3 (ipykernel)",
                        "language": "python",
                    }
                },
            ),
            folder / f"{name}.ipynb",
        )
    with Lab(folder) as running, Window(running, chromium) as window:
        yield window


def test_a_good_page_has_no_faults(scratch):
    with LessonPage(scratch, "good.ipynb") as lesson:
        lesson.open()
        lesson.run_all()
        (explorer,) = lesson.explorers()
        assert lesson.press(explorer) and lesson.drag(explorer)
        assert lesson.unnamed_handles() == lesson.silent_explorers() == lesson.cut_words() == []
        assert lesson.cell_errors() == lesson.faults == []
        handle = explorer.locator(".noUi-handle")
        assert handle.get_attribute("aria-label") == "bits"
        assert handle.get_attribute("aria-valuetext") == explorer.locator(".widget-readout").inner_text()


def test_the_harness_waits_for_a_slow_answer(scratch):
    with LessonPage(scratch, "slow.ipynb") as lesson:
        lesson.open()
        lesson.run_all()
        explorer = lesson.explorers()[1]
        before = lesson.picture(explorer)
        explorer.locator(".noUi-handle").focus()
        lesson.page.keyboard.press("ArrowRight")
        assert lesson.picture(explorer) == before
        lesson.answered()
        assert lesson.picture(explorer) != before
        lesson.hears(explorer, "5 bits here")           # after a handle has rested


def test_jupyterlab_asks_nobody_about_news(scratch):
    """The question would come at the first visit of every learner; the arguments of `quantlab lab` alone do
    not prevent it.
    """
    with LessonPage(scratch, "good.ipynb") as lesson:
        lesson.open()
        lesson.page.wait_for_timeout(3000)
        assert lesson.page.locator(".Toastify__toast").all_inner_texts() == []
        assert lesson.faults == []


def test_a_dragged_handle_speaks_once_where_it_rests(scratch):
    with LessonPage(scratch, "good.ipynb") as lesson:
        lesson.open()
        lesson.run_all()
        (explorer,) = lesson.explorers()
        explorer.evaluate("""e => { const live = e.querySelector('.ql-live'); window.spoken = [];
            const heard = new MutationObserver(() => window.spoken.push(live.textContent));
            heard.observe(live, {childList: true}); }""")
        lesson.drag(explorer)
        lesson.page.wait_for_timeout(1200)
        spoken = lesson.page.evaluate("window.spoken")
        assert len(spoken) == 1 and spoken[0].endswith("bits here"), spoken


def test_each_fault_is_found(scratch):
    with LessonPage(scratch, "bad.ipynb") as lesson:
        lesson.open()
        lesson.run_all()
        good, dead = lesson.explorers()
        assert lesson.press(good)
        assert not lesson.press(dead, seconds=1.5)
        assert [html for html in lesson.unnamed_handles() if "noUi-handle" in html]
        assert lesson.cut_words() == ["cut at the right edge"]
        assert lesson.cell_errors() == ["ZeroDivisionError: on purpose"]
        assert any("192.0.2.1" in fault for fault in lesson.faults)
        assert lesson.silent_explorers() == ["3"]
