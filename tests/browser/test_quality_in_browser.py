"""The three measured explorers in the real browser: a measure chosen, a tensor chosen, bits spent and the
answer that follows.
"""

import re

import pytest

from quantlab.inference.compare import recorded_table

pytestmark = pytest.mark.browser
SOURCES = ("import quantlab as ql\nql.explore_quality()", "ql.explore_sensitivity()",
           "ql.explore_bit_budget()")


def explorer(lesson, control: str):
    found = lesson.page.locator(f".ql-explorer:has(.ql-c-{control})")
    found.scroll_into_view_if_needed()
    return found


def test_another_measure_and_another_type(lesson):
    quality = explorer(lesson, "unit")
    rows = {row["ftype"]: row for row in recorded_table("quality")["rows"] if not row["pure"]}
    quality.locator(".ql-c-key select").select_option(label="passages recited")
    quality.locator(".ql-c-focus select").select_option(label="Q2_K")
    lesson.hears(quality, re.compile(rf"Q2_K.*\b{rows['Q2_K']['recited']}\b"))
    assert lesson.faults == [] and lesson.cell_errors() == []


def test_another_type_for_the_one_tensor(lesson):
    sensitivity = explorer(lesson, "mix")
    before = lesson.said(sensitivity)
    sensitivity.locator(".ql-c-qtype select").select_option(label="Q4_K")
    assert lesson.wait_until(lambda: " in Q4_K " in lesson.said(sensitivity)) and " in Q2_K " in before
    assert lesson.faults == [] and lesson.cell_errors() == []


def test_bits_that_are_spent_are_answered_by_a_measured_divergence(lesson):
    budget = explorer(lesson, "budget")
    first = lesson.hears(budget, re.compile(r"KLD ([\d.]+)"))[1]
    knob = budget.locator(".ql-c-attn_v .noUi-handle")
    knob.focus()
    lesson.page.keyboard.press("ArrowRight")

    def better() -> bool:
        found = re.search(r"KLD ([\d.]+)", lesson.said(budget))
        return found is not None and float(found[1]) < float(first)

    assert lesson.wait_until(better, seconds=60), lesson.said(budget)
    assert lesson.faults == [] and lesson.cell_errors() == []


def test_nothing_is_cut_unnamed_or_shared(lesson):
    assert (lesson.cut_words(), lesson.unnamed_handles(), lesson.shared_ids()) == ([], [], [])
