"""The block explorer in the real browser: a bit is clicked and flipped by keyboard, and the weight moves where ggml's decoder says."""

import re

import numpy as np
import pytest

from quantlab.basics.sample import sample_weights
from tests.browser.page import LessonPage
from tests.formats import ggml_oracle as ggml

pytestmark = [pytest.mark.browser, pytest.mark.skipif(ggml.GGML is None, reason=ggml.REASON)]

CHOSEN = re.compile(r"Byte (\d+) of \d+, bit (\d)")
MOVED = re.compile(r"[Ww]eight (\d+) moved from ([−\d.e-]+) to ([−\d.e-]+)")
SIZES = {"Q4_0": 32, "Q4_K": 256, "IQ4_NL": 32}


def number(words: str) -> float:
    return float(words.replace("−", "-").rstrip("."))


@pytest.fixture(scope="module")
def lesson(lab, chromium):
    with LessonPage(lab, chromium, "03_gguf_and_tags.ipynb") as page:
        page.open()
        page.run_all()
        yield page


@pytest.fixture
def explorer(lesson):
    found = lesson.page.locator(".ql-explorer:has(.ql-touch)").first
    found.scroll_into_view_if_needed()
    found.locator("button:has-text('Reset')").click()
    lesson.wait_idle()                                            # the kernel's answer must not come in between keys
    lesson.page.wait_for_timeout(200)
    return found


def says(lesson, explorer, pattern: re.Pattern) -> re.Match:
    assert lesson.wait_until(lambda: pattern.search(lesson.said(explorer))), f"{pattern.pattern!r} is not in {lesson.said(explorer)!r}"
    return pattern.search(lesson.said(explorer))


@pytest.mark.parametrize("qtype", SIZES)
def test_a_flipped_bit_moves_the_weight_as_ggml_decodes_it(lesson, explorer, qtype):
    explorer.locator(".ql-c-qtype select").select_option(label=qtype)
    assert lesson.wait_until(lambda: f"{qtype}:" in explorer.locator(".ql-view svg").text_content())
    explorer.locator(".ql-view").focus()
    lesson.page.keyboard.press("Home")                            # away from the bit that will be clicked
    says(lesson, explorer, re.compile(r"Byte 0 of \d+, bit 7"))
    codes = explorer.locator(".ql-c-weight .noUi-handle")
    codes.focus()
    codes.press("ArrowRight")                                     # a weight leads to the bits of its code
    chosen = says(lesson, explorer, re.compile(r"Byte (\d+) of \d+, bit (\d): weight \d+'s code")).group()
    explorer.locator(".ql-spot[data-bits='1']").nth(2).click()
    assert lesson.wait_until(lambda: lesson.said(explorer) and chosen not in lesson.said(explorer))
    byte, place = map(int, says(lesson, explorer, CHOSEN).groups())
    lesson.page.keyboard.press("Space")
    weight, old, new = says(lesson, explorer, MOVED).groups()
    raw = ggml.quantize(sample_weights().reshape(-1, SIZES[qtype])[:1], qtype)
    flipped = raw.copy()
    flipped[0, byte] ^= 1 << place
    before, after = (ggml.dequantize(block, qtype, SIZES[qtype])[0] for block in (raw, flipped))
    assert np.flatnonzero(before != after).tolist() == [int(weight)]
    assert number(old) == pytest.approx(before[int(weight)], rel=2e-3)
    assert number(new) == pytest.approx(after[int(weight)], rel=2e-3)
    assert lesson.faults == [] and lesson.cell_errors() == []


def test_keys_walk_write_and_undo(lesson, explorer):
    view = explorer.locator(".ql-view")
    explorer.locator(".ql-c-qtype select").select_option(label="Q4_0")
    view.focus()
    lesson.page.keyboard.press("Home")
    assert says(lesson, explorer, CHOSEN).groups() == ("0", "7")
    lesson.page.keyboard.press("ArrowRight")
    says(lesson, explorer, re.compile(r"Byte 0 of 18, bit 6"))
    lesson.page.keyboard.press("Shift+ArrowRight")
    says(lesson, explorer, re.compile(r"Byte 1 of 18, bit 6"))
    lesson.page.keyboard.press("End")
    says(lesson, explorer, re.compile(r"Byte 17 of 18, bit 0"))
    before = lesson.picture(explorer)
    lesson.page.keyboard.press("7")
    lesson.page.keyboard.press("F")
    says(lesson, explorer, re.compile(r"Byte 17 was [0-9A-F]{2} and is 7F now"))
    lesson.page.keyboard.press("Backspace")
    assert lesson.wait_until(lambda: lesson.picture(explorer) == before)
    chosen = explorer.locator("[data-here]")
    assert view.get_attribute("aria-activedescendant") == chosen.get_attribute("id") and chosen.get_attribute("aria-label")
    assert lesson.faults == []


def test_the_box_writes_a_byte_and_answers_nonsense_in_words(lesson, explorer):
    box = explorer.locator(".ql-c-hex input")
    box.fill("zz")
    box.press("Enter")
    says(lesson, explorer, re.compile(r"'zz' is no byte: write two hexadecimal digits"))
    box.fill("00")
    box.press("Enter")
    says(lesson, explorer, re.compile(r"is 00 now"))
    assert lesson.faults == []
