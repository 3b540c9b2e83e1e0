"""Lessons 07 and 09 in the real JupyterLab with a real Ollama: a prompt is typed, models answer; a model is made and asked."""

import re

import pytest

from tests.browser.lab import Lab
from tests.browser.page import LessonPage, find_chromium

pytestmark = [pytest.mark.browser, pytest.mark.server]
PAIR = ["smollm2:135m-instruct-q4_K_M", "smollm2:135m-instruct-q8_0"]


@pytest.fixture(scope="module")
def lab_with_ollama(smollm):
    """JupyterLab whose kernels see the test server, under the live profile."""
    if find_chromium() is None:
        pytest.skip("no Chromium: `make tools` installs it")
    with Lab(environment={"QUANTLAB_PROFILE": "live", "OLLAMA_HOST": smollm.url, "QUANTLAB_REGISTRY": "http://127.0.0.1:9"}) as running:
        yield running


def explorer(lesson, button: str):
    """The explorer with exactly that button: lesson 09 has both "Create" and "Create in Ollama"."""
    return lesson.page.locator(".ql-explorer", has=lesson.page.get_by_role("button", name=button, exact=True)).last


def wait_for(lesson, place, words: str, seconds: float = 180) -> None:
    place.get_by_text(re.compile(words)).first.wait_for(timeout=seconds * 1000)
    assert lesson.cell_errors() == []


def test_a_typed_prompt_is_answered_by_two_quantizations(lab_with_ollama, chromium):
    with LessonPage(lab_with_ollama, chromium, "07_quality_testing.ipynb") as lesson:
        lesson.open()
        lesson.run_all()
        place = explorer(lesson, "Look for Ollama")
        place.scroll_into_view_if_needed()
        place.get_by_label("Your prompt").fill("Name a colour of the rainbow.")
        place.get_by_label("Models to ask").select_option(label=[label for label in place.locator("select option").all_inner_texts()
                                                                 if label.split()[:1] and label.split()[0] in PAIR])
        place.get_by_label("Most tokens").fill("24")
        place.get_by_label("Most tokens").press("Enter")
        place.get_by_role("button", name="Run", exact=True).click()
        wait_for(lesson, place, r"wrote fastest")
        shown = place.locator("svg").last.text_content()
        assert "Name a colour of the rainbow." in shown and "105 MB" in shown and "145 MB" in shown
        assert shown.count("tokens/s") == 2 and "Recorded" not in shown
        assert lesson.faults == []


def test_a_custom_model_is_made_and_asked(lab_with_ollama, chromium, smollm):
    with LessonPage(lab_with_ollama, chromium, "09_custom_models.ipynb") as lesson:
        lesson.open()
        lesson.run_all()
        place = explorer(lesson, "Create")
        place.scroll_into_view_if_needed()
        place.get_by_label("Name", exact=True).fill("browser-made")
        place.get_by_label("Modelfile").fill(f"FROM {PAIR[1]}\nSYSTEM Say moo.\nPARAMETER temperature 0.25\nPARAMETER num_predict 12\n")
        place.get_by_role("button", name="Create", exact=True).click()
        wait_for(lesson, place, r"3 lines are yours")
        printed = smollm.cli("show", "browser-made", "--modelfile")
        assert "SYSTEM Say moo." in printed and "PARAMETER temperature 0.25" in printed
        place.get_by_label("Ask it").fill("What does a cow say?")
        place.get_by_role("button", name="Ask", exact=True).click()
        wait_for(lesson, place, r"You: What does a cow say")
        assert lesson.faults == []
