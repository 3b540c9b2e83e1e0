"""The memory bar and the table of what fits in the real browser: handles move bytes, ends hold, settings are
copied, nothing sticks out.
"""

import re

import pytest

import quantlab as ql
from tests.browser.page import THEMES

pytestmark = pytest.mark.browser
SOURCES = ('import quantlab as ql\nql.explore_memory("llama3.1:8b", 8)', "ql.explore_fit(8, 8)",
           'ql.explore_memory(None, -5, params_b=10**6, n_ctx=10**12)', 'ql.explore_memory("llama3:8b")')


def label(explorer) -> str:
    return explorer.locator(".ql-view svg").get_attribute("aria-label")


def choose(explorer, control: str, words: str) -> None:
    explorer.locator(f".ql-c-{control} select").select_option(label=words)


def test_a_drag_repaints_the_bar_and_its_title_is_the_label(lesson):
    bar = lesson.explorers()[0]
    before = label(bar)
    assert lesson.drag(bar)
    assert lesson.wait_until(lambda: label(bar) != before and lesson.said(bar) == label(bar))
    assert bar.locator(".ql-view svg > text").first.text_content() == label(bar)
    assert lesson.cut_words() == [] and lesson.shared_ids() == [] and lesson.unnamed_handles() == []


def test_the_preset_says_whose_fault_it_is_and_a_way_out_works(lesson):
    bar = lesson.explorers()[0]
    bar.locator("button:has-text('Why does my 8 GB card')").click()
    over = ql.estimate_memory("llama3.1:8b", n_ctx=32768).needed / 2**30 - 8
    lesson.hears(bar, f"{over:.2f} GiB too much: the KV cache is about as large as the model")
    assert bar.locator(".ql-view rect[fill^='url(#over']").count()
    choose(bar, "type_kv", "q8_0")
    lesson.hears(bar, re.compile(r"It fits, [\d.]+ GiB to spare"))


def test_a_name_moves_its_slider_and_the_slider_lets_go_of_the_name(lesson):
    bar = lesson.explorers()[0]
    choose(bar, "card", "GeForce RTX 4090")
    assert lesson.wait_until(lambda: bar.locator(".ql-c-vram .widget-readout").text_content() == "24 GB")
    bar.locator(".ql-c-params .noUi-handle").focus()
    lesson.page.keyboard.press("ArrowRight")
    menu = bar.locator(".ql-c-model select")
    assert lesson.wait_until(lambda: "no model named" in menu.input_value())
    assert lesson.wait_until(lambda: "shaped like" in bar.locator(".ql-view svg").text_content())
    assert lesson.cut_words() == []


def test_a_slider_holds_at_its_end_and_what_was_clamped_is_said(lesson):
    clamped = lesson.explorers()[2]
    words = clamped.locator(".ql-note").text_content()
    assert all(end in words for end in ("stands at 262,144 tokens", "stands at 405 B", "stands at 1 GB"))
    knob, before = clamped.locator(".ql-c-n_ctx .noUi-handle"), label(clamped)
    knob.focus()
    lesson.page.keyboard.press("ArrowRight")
    lesson.answered()
    assert label(clamped) == before and knob.get_attribute("aria-valuenow") == knob.get_attribute(
        "aria-valuemax")
    errors = lesson.cell_errors()
    assert len(errors) == 1 and "nearest are" in errors[0] and "llama3.1:8b" in errors[0]


def test_the_settings_are_on_the_clipboard_after_one_press(lesson):
    bar = lesson.explorers()[0]
    bar.locator("button:has-text('Reset')").click()
    bar.locator("button:has-text('As Ollama settings')").click()
    copy = bar.locator("button.ql-copy")
    copy.click()
    assert lesson.wait_until(lambda: copy.get_attribute("data-said") == "Copied")
    copied = lesson.page.evaluate("navigator.clipboard.readText()")
    assert copied == bar.locator(".ql-code:visible").text_content() and "PARAMETER num_ctx 8192" in copied


def test_the_table_follows_card_and_cache_in_both_themes(lesson):
    table = lesson.explorers()[1]
    for theme in THEMES:
        lesson.theme(theme)
        choose(table, "card", "GeForce RTX 4090")
        lesson.hears(table, "8 B on 24 GiB: the rule says f16, which fits up to 64k")
        choose(table, "type_kv", "q8_0")
        assert lesson.wait_until(lambda: "KV cache q8_0" in table.locator(".ql-view svg").text_content())
        table.locator("button:has-text('Reset')").click()
        lesson.hears(table, "8 B on 8 GiB: the rule says q5_K_M")
        assert lesson.cut_words() == []
    assert lesson.faults == []
