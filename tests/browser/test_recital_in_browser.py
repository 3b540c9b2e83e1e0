"""The recital and the next token in the real browser: the slider takes words away, a tile brings its passage,
typing moves the chances.
"""

import pytest

from quantlab.exhibits.recital import n_recited, recorded_recitals
from quantlab.inference.in_types import TYPES, model_in_types
from quantlab.inference.recital import read_passages

pytestmark = pytest.mark.browser
SOURCES = ("import quantlab as ql\nql.explore_recital()", 'ql.explore_next_token("tiny", "O Romeo,")')


@pytest.fixture
def recital(lesson):
    found = lesson.page.locator(".ql-explorer:has(.ql-c-own)")
    found.scroll_into_view_if_needed()
    found.locator("button:has-text('Reset')").click()
    assert lesson.wait_until(lambda: lesson.said(found).startswith("At F16"))
    return found


def test_the_slider_runs_through_the_types_and_the_ticks_follow(lesson, recital):
    rows, knob = recorded_recitals(model_in_types("tiny")), recital.locator(".noUi-handle").first
    knob.focus()
    for qtype in TYPES[1:]:
        lesson.page.keyboard.press("ArrowRight")
        assert lesson.wait_until(lambda qtype=qtype: lesson.said(recital).startswith(f"At {qtype} "))
        # one explains the sign
        ticks = recital.locator(".ql-view svg text", has_text="✓").count() - 1
        assert ticks == n_recited(rows[qtype]) + n_recited(rows[qtype], by_heart=False)
    assert lesson.faults == [] and lesson.cell_errors() == []


def test_a_tile_and_a_key_bring_another_passage(lesson, recital):
    passages, menu = read_passages(), recital.locator(".ql-c-passage select")
    tiles = recital.locator(".ql-view .ql-spot").first
    box = tiles.bounding_box()
    tiles.click(position={"x": 4.5 * box["width"] / 28, "y": box["height"] / 2})
    assert lesson.wait_until(lambda: menu.input_value().startswith(passages[4]["opening"]))
    lesson.page.keyboard.press("ArrowRight")
    assert lesson.wait_until(lambda: menu.input_value().startswith(passages[5]["opening"]))
    here = recital.locator("[data-here]")
    assert lesson.wait_until(lambda: here.get_attribute("aria-label").startswith(passages[5]["opening"]))
    lesson.page.keyboard.press("PageDown")
    assert lesson.wait_until(lambda: lesson.said(recital).startswith(f"At {TYPES[1]} "))


def test_own_words_are_continued_and_the_words_are_never_markup(lesson, recital):
    box = recital.locator(".ql-c-own input")
    box.fill("<b>My horse</b>")
    box.press("Enter")
    view = recital.locator(".ql-view")
    assert lesson.wait_until(lambda: lesson.said(recital).startswith("F16 goes on with")
                             and "<b>My horse</b>" in view.text_content())
    assert view.locator("b").count() == 0
    assert lesson.cut_words() == [] and lesson.unnamed_handles() == []
    assert lesson.shared_ids() == [] and lesson.faults == []


def test_typing_moves_the_chances(lesson):
    found = lesson.page.locator(".ql-explorer:has(.ql-c-prompt)")
    found.scroll_into_view_if_needed()
    box, before = found.locator(".ql-c-prompt input"), lesson.picture(found)
    box.focus()
    lesson.page.keyboard.press("End")
    lesson.page.keyboard.type(" Romeo")
    lesson.answered()                                             # all letters, not only the first
    assert lesson.wait_until(lambda: lesson.picture(found) != before
                             and found.locator(".ql-view").text_content().count("␣Romeo") >= 2)
    spots = found.locator(".ql-view .ql-spot")
    count = spots.count()
    spots.first.click()
    assert lesson.wait_until(lambda: "▸ what follows in your text" in found.locator(
        ".ql-view").text_content())
    assert spots.count() == count and found.locator(".ql-c-place .widget-readout").text_content() == "1"
    assert lesson.cut_words() == [] and lesson.faults == []
