"""The targets that no other browser test reaches: each by its own solution, moved by mouse and keys."""

from pathlib import Path

import ipywidgets as widgets
import pytest

import quantlab as ql
from quantlab.stage.aims import aims
from quantlab.words import aloud
from tests.stage.test_aims import EXHIBITS
from tests.thinned import some

pytestmark = pytest.mark.browser
#: Two and more are under the same exhibit; each gets one of its own here.
ALL = ["01-1", "01-2", "01-3", "02-1", "02-2", "02-3", "03-1", "03-2", "03-3", "04-1", "04-2", "04-3",
       "06-1", "06-2", "06-3", "08-1", "08-2", "11-2", "12-1", "12-2", "12-3", "13-1", "13-2", "13-3", "13-4",
       "14-1", "14-2", "15-2", "15-3", "16-2", "18-1", "18-2", "18-3", "18-4", "18-5", "19-1", "19-2", "19-3"]
NUMBERS = some(ALL, 4)
SOURCES = ("import quantlab as ql", *(f'{EXHIBITS[number]}.aim("{number}")' for number in NUMBERS))


def move(page, root, name: str, control: widgets.Widget, value) -> None:
    """What a hand does to bring one handle to a value."""
    made = root.locator(f".ql-c-{name}")
    if isinstance(control, widgets.Dropdown):
        made.locator("select").select_option(index=[one for _, one in control._options_full].index(value))
    elif isinstance(control, widgets.SelectionSlider):
        made.locator(".noUi-handle").focus()
        page.keyboard.press("Home")
        for _ in range([one for _, one in control._options_full].index(value)):
            page.keyboard.press("ArrowRight")
    elif isinstance(control, widgets.IntSlider):
        made.locator(".widget-readout").click()
        page.keyboard.press("Control+A")
        page.keyboard.type(str(value))
        page.keyboard.press("Enter")
    else:
        field = made.locator("input, textarea").first
        field.fill(str(value))
        field.press("Enter")


@pytest.mark.parametrize("number", NUMBERS)
def test_it_is_reached_by_hand(lesson, number):
    target, alike = aims()[number], eval(EXHIBITS[number], {"ql": ql})
    root = lesson.page.locator(".ql-explorer:has(.ql-aim)").nth(NUMBERS.index(number))
    shown = root.locator(".ql-aim")
    assert "Try this" in shown.text_content()
    for name, value in target.solution.items():
        move(lesson.page, root, name, alike.controls[name], value)
        lesson.answered()
    for press in target.press:
        root.locator(f"button:has-text('{alike.buttons[press].description}')").click()
        lesson.answered()
    assert lesson.wait_until(lambda: "Reached" in shown.text_content(), 20), root.text_content()
    assert " ".join(aloud(target.reached).split()) in " ".join(shown.text_content().split())


def test_nothing_went_wrong(lesson):
    assert lesson.faults == [] and lesson.cell_errors() == []


def test_every_target_is_driven_by_some_test_here():
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [number for number in aims() if f'"{number}"' not in tests] == []
