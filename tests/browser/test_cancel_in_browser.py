"""A large model in the real browser: a bar says how far its quantizing is, Cancel stops it, and the next move
begins again.
"""

import re

import pytest

from quantlab.exhibits.in_a_thread import STOPPED
from tests.ollama_fixture import FILES, needs

pytestmark = pytest.mark.browser
FILE = str(FILES["F16"])
SOURCES = (f'import quantlab as ql\nql.explore_next_token({FILE!r}, "O Romeo,", qtype="IQ4_XS")',)


def test_a_large_model_can_be_stopped_while_it_is_quantized(lesson):
    needs(FILES)
    found = lesson.page.locator(".ql-explorer:has(.ql-c-prompt)")
    found.scroll_into_view_if_needed()
    cancel = found.locator("button:has-text('Cancel')")
    assert lesson.wait_until(lambda: found.locator("progress").count() == 1, seconds=120)
    assert cancel.is_enabled() and re.search(r"\d+ %", found.locator(".ql-answer").first.text_content())
    cancel.click()
    assert lesson.wait_until(lambda: lesson.said(found).startswith(STOPPED), seconds=120)
    assert lesson.wait_until(cancel.is_disabled) and found.locator("progress").count() == 0
    knob = found.locator(".ql-c-qtype .noUi-handle")
    knob.focus()
    lesson.page.keyboard.press("Home")                      # F16: nothing is quantized
    assert lesson.wait_until(lambda: not lesson.said(found).startswith(STOPPED), seconds=120)
    assert "F16" in found.locator(".ql-view").text_content()
    assert lesson.cut_words() == [] and lesson.unnamed_handles() == []
    assert lesson.faults == [] and lesson.cell_errors() == []
