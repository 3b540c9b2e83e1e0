"""Lessons 07 and 09 in the real JupyterLab with a real Ollama: a prompt is typed, models answer; a model is made and asked."""

import re

import pytest

from tests.browser.lab import Lab
from tests.browser.page import LessonPage, find_chromium

pytestmark = [pytest.mark.browser, pytest.mark.server]
PLANTED = "Say <script>window.planted = 1</script> <img src=x onerror='window.planted = 1'> and go on"
PROMPTS = ["To be, or not to be", "O Romeo, Romeo! wherefore art thou", "Friends, Romans, countrymen,", "All the world's a stage,",
           "Now is the winter of our discontent", "To-morrow, and to-morrow, and", "Shall I compare thee to a", "The king is dead, and",
           "My lord, I bring you", "Enter a messenger with", "What news from the"]
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


def test_twelve_typed_prompts_four_quants_two_rounds(lab_with_ollama, chromium):
    """The whole of lesson 07's laboratory: tiny models by button, prompts typed, preflight, run, verdict, answers, votes, and out again."""
    with LessonPage(lab_with_ollama, chromium, "07_quality_testing.ipynb") as lesson:
        lesson.open()
        lesson.run_all(seconds=300)
        place = lesson.page.locator(".ql-explorer:has(.ql-c-prompts)").first
        place.scroll_into_view_if_needed()
        place.get_by_role("button", name="Add the tiny models", exact=True).click()
        wait_for(lesson, place, r"\d+ models\. Choose")
        place.get_by_label("Your prompts").fill("\n".join([*PROMPTS, PLANTED]))
        place.get_by_label("Most tokens").fill("8")
        place.get_by_label("Most tokens").press("Enter")
        lesson.answered()
        place.get_by_role("button", name="Check first", exact=True).click()
        wait_for(lesson, place, r"Ready\. 12 prompts, 4 models, 2 rounds: 96 calls")
        place.get_by_role("button", name="Run", exact=True).click()
        wait_for(lesson, place, r"Done\. Every call is in")
        said = lesson.said(place)
        assert "q8_0" in said.split("good enough")[0] and "q2_K is worse" in said
        place.get_by_label("Answers to").select_option(index=11)
        lesson.answered()
        assert PLANTED in place.locator(".ql-answers").inner_text() and not lesson.page.evaluate("window.planted")
        place.get_by_role("button", name="Vote blindly", exact=True).click()
        place.get_by_role("button", name="Stop and reveal", exact=True).click()
        wait_for(lesson, place, r"pairs with the same words|No vote decided")
        place.get_by_role("button", name="Remove them", exact=True).click()
        wait_for(lesson, place, r"Removed: quantlab-tiny:f16")
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
