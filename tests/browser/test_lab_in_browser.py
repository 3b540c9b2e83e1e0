"""Lessons 07 and 09 as a learner uses them: the real browser, the real server, words typed by hand."""

import json
import urllib.request

import pytest

from tests.browser.lab import Lab
from tests.browser.page import LessonPage

pytestmark = [pytest.mark.browser, pytest.mark.server]

PROMPT = "Name three things that are blue, and say why <b>one</b> of them is."
PAIR = ("smollm2:135m-instruct-q4_K_M", "smollm2:135m-instruct-q8_0")
SYSTEM = "You are a lighthouse keeper. Answer in one short sentence."


@pytest.fixture(scope="module")
def live_lab(smollm, chromium):
    """JupyterLab whose kernels find the test server, under the live profile."""
    with Lab(environment={"QUANTLAB_PROFILE": "live", "OLLAMA_HOST": smollm.url}) as running:
        yield running


def opened(lesson: LessonPage) -> LessonPage:
    lesson.open()
    lesson.run_all(seconds=300)
    assert lesson.cell_errors() == []
    return lesson


def wait_for_words(lesson: LessonPage, explorer, words: str, seconds: float = 240) -> None:
    arrived = lesson.wait_until(lambda: words in explorer.inner_text(), seconds)
    assert arrived, f"{words!r} never came; the explorer says: {explorer.inner_text()[-600:]}"


def test_lesson_07_compares_two_quants_on_a_typed_prompt(live_lab, chromium, smollm):
    with LessonPage(live_lab, chromium, "07_quality_testing.ipynb") as lesson:
        explorer = opened(lesson).page.locator(".ql-explorer:has(.ql-c-prompt)").first
        explorer.locator(".ql-c-prompt textarea").click()
        lesson.page.keyboard.press("Control+a")
        lesson.page.keyboard.type(PROMPT)
        choices = explorer.locator(".ql-c-models select")
        labels = [label for label in choices.locator("option").all_text_contents() if label.split()[0] in PAIR]
        assert len(labels) == 2
        choices.select_option(label=labels)
        explorer.locator(".ql-c-length input").fill("30")
        lesson.page.keyboard.press("Tab")
        explorer.locator(".ql-c-run").click()
        wait_for_words(lesson, explorer, "Done.")
        picture = explorer.locator(".ql-view svg")
        shown = picture.text_content()
        assert f"Prompt: {PROMPT}" in shown and "recorded" not in shown.lower()
        assert shown.count("tokens/s") == 2
        assert_table_tells_the_truth(explorer, smollm.url)
        assert lesson.faults == []


def assert_table_tells_the_truth(explorer, url: str) -> None:
    """Both models answered, at a speed, with the size that the server itself gives."""
    explorer.locator("button:has-text('As table')").click()
    explorer.locator(".ql-table tbody tr").first.wait_for()
    rows = [line.locator("td").all_text_contents() for line in explorer.locator(".ql-table tbody tr").all()]
    with urllib.request.urlopen(f"{url}/api/tags", timeout=10) as answer:
        sizes = {model["name"]: model["size"] for model in json.load(answer)["models"]}
    assert [f"smollm2:{row[0]}" for row in rows] == list(PAIR)
    for name, row in zip(PAIR, rows, strict=True):
        assert float(row[1]) > 0, "tokens per second"
        assert row[2] == f"{sizes[name]:,}", "bytes"
        assert len(row[5].split()) >= 5, "an answer"


def test_lesson_09_creates_a_model_that_the_server_prints(live_lab, chromium, smollm):
    with LessonPage(live_lab, chromium, "09_custom_models.ipynb") as lesson:
        explorer = opened(lesson).page.locator(".ql-explorer:has(.ql-c-text)").first
        explorer.locator(".ql-c-name input").fill("browser-test")
        explorer.locator(".ql-c-text textarea").fill(f"FROM {PAIR[1]}\nSYSTEM {SYSTEM}\nPARAMETER temperature 0.3\n"
                                                     "PARAMETER num_ctx 1024\nPARAMETER num_thread 1\n")
        explorer.locator(".ql-c-create").click()
        wait_for_words(lesson, explorer, "was created")
        printed = smollm.cli("show", "--modelfile", "browser-test")
        for line in (f"SYSTEM {SYSTEM}", "PARAMETER temperature 0.3", "PARAMETER num_ctx 1024"):
            assert line in printed
            assert line in explorer.locator(".ql-view svg").text_content()
        explorer.locator(".ql-c-question input").fill("What do you do all night?")
        explorer.locator(".ql-c-ask").click()
        wait_for_words(lesson, explorer, "You: What do you do all night?")
        assert lesson.faults == []
