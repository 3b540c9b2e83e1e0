"""The block explorer in the real browser: a bit is clicked and flipped by keyboard, and the weight moves
where ggml's decoder says.
"""

import re

import numpy as np
import pytest

from quantlab.basics.sample import sample_weights
from tests.formats import ggml_oracle as ggml

pytestmark = [pytest.mark.browser, pytest.mark.skipif(ggml.GGML is None, reason=ggml.REASON)]

SOURCES = ('import quantlab as ql\nql.explore_block(qtype="Q4_0")',)
CHOSEN = re.compile(r"Byte (\d+) of \d+, bit (\d)")
MOVED = re.compile(r"[Ww]eight (\d+) moved from ([−\d.e-]+) to ([−\d.e-]+)")
SIZES = {"Q4_0": 32, "Q4_K": 256, "IQ4_NL": 32}


def number(words: str) -> float:
    return float(words.replace("−", "-").rstrip("."))


@pytest.mark.parametrize("qtype", SIZES)
def test_a_flipped_bit_moves_the_weight_as_ggml_decodes_it(lesson, explorer, qtype):
    explorer.locator(".ql-c-qtype select").select_option(label=qtype)
    assert lesson.wait_until(lambda: f"{qtype}:" in explorer.locator(".ql-view svg").text_content())
    explorer.locator(".ql-view").focus()
    lesson.page.keyboard.press("Home")                            # away from the bit that will be clicked
    lesson.hears(explorer, re.compile(r"Byte 0 of \d+, bit 7"))
    codes = explorer.locator(".ql-c-weight .noUi-handle")
    codes.focus()
    codes.press("ArrowRight")                                     # a weight leads to the bits of its code
    chosen = lesson.hears(explorer, re.compile(r"Byte (\d+) of \d+, bit (\d): weight \d+'s code")).group()
    explorer.locator(".ql-spot[data-bits='1']").nth(2).click()
    assert lesson.wait_until(lambda: lesson.said(explorer) and chosen not in lesson.said(explorer))
    byte, place = map(int, lesson.hears(explorer, CHOSEN).groups())
    lesson.page.keyboard.press("Space")
    weight, old, new = lesson.hears(explorer, MOVED).groups()
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
    lesson.hears(explorer, "Byte 0 of 18, bit 7")
    lesson.page.keyboard.press("ArrowRight")
    lesson.hears(explorer, "Byte 0 of 18, bit 6")
    lesson.page.keyboard.press("Shift+ArrowRight")
    lesson.hears(explorer, "Byte 1 of 18, bit 6")
    lesson.page.keyboard.press("End")
    lesson.hears(explorer, "Byte 17 of 18, bit 0")
    before = lesson.picture(explorer)
    lesson.page.keyboard.press("7")
    lesson.page.keyboard.press("F")
    lesson.hears(explorer, re.compile(r"Byte 17 was [0-9A-F]{2} and is 7F now"))
    lesson.page.keyboard.press("Backspace")
    assert lesson.wait_until(lambda: lesson.picture(explorer) == before)
    chosen = explorer.locator("[data-here]")
    assert view.get_attribute("aria-activedescendant") == chosen.get_attribute("id") and chosen.get_attribute(
        "aria-label")
    assert lesson.faults == []


def test_the_box_writes_a_byte_and_answers_nonsense_in_words(lesson, explorer):
    box = explorer.locator(".ql-c-hex input")
    box.fill("zz")
    box.press("Enter")
    lesson.hears(explorer, re.compile(r"'zz' is no byte: write two hexadecimal digits"))
    lesson.answered()
    box.fill("00")
    box.press("Enter")
    lesson.hears(explorer, "is 00 now")
    assert lesson.faults == []
