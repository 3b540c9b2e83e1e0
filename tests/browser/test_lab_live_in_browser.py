"""Lessons 07 and 09 in the real JupyterLab with a real Ollama: a prompt is typed, models answer; a model is
made and asked.
"""

import json
import re

import pytest

from tests.browser.lab import Lab
from tests.browser.page import LessonPage
from tests.browser.window import Window, find_chromium

pytestmark = [pytest.mark.browser, pytest.mark.server]
PLANTED = "Say <script>window.planted = 1</script> <img src=x onerror='window.planted = 1'> and go on"
PROMPTS = ["To be, or not to be", "O Romeo, Romeo! wherefore art thou", "Friends, Romans, countrymen,",
           "All the world's a stage,", "Now is the winter of our discontent", "To-morrow, and to-morrow, and",
           "Shall I compare thee to a", "The king is dead, and", "My lord, I bring you",
           "Enter a messenger with", "What news from the"]
LEFT = r"about [\d.]+ (s|min|h) left"
PAIR = ["smollm2:135m-instruct-q4_K_M", "smollm2:135m-instruct-q8_0"]


@pytest.fixture(scope="module")
def lab_with_ollama(smollm, chromium):
    """A window on a JupyterLab whose kernels see the test server, under the live profile."""
    if find_chromium() is None:
        pytest.skip("no Chromium: `make tools` installs it")
    live = {"QUANTLAB_PROFILE": "live", "OLLAMA_HOST": smollm.url, "QUANTLAB_REGISTRY": "http://127.0.0.1:9"}
    with Lab(environment=live) as running, Window(running, chromium, height=1600) as window:
        yield window


def explorer(lesson, button: str):
    """The explorer with exactly that button: lesson 09 has both "Create" and "Create in Ollama"."""
    return lesson.page.locator(
        ".ql-explorer", has=lesson.page.get_by_role("button", name=button, exact=True)
    ).last


def wait_for(lesson, place, words: str, seconds: float = 180) -> None:
    place.get_by_text(re.compile(words)).first.wait_for(timeout=seconds * 1000)
    assert lesson.cell_errors() == []


def test_twelve_typed_prompts_four_quants_two_rounds(lab_with_ollama):
    """All of lesson 07's laboratory: models by button, prompts typed, checked, run, cancelled, gone on with,
    judged, voted on; then a study of its own; models removed.
    """
    with LessonPage(lab_with_ollama, "07_quality_testing.ipynb") as lesson:
        lesson.open()
        place = laboratory(lesson, "ql.explore_comparison()")
        assert len(place.get_by_label("Your prompts").input_value().split("\n")) == 8
        press(place, "Add the tiny models")
        wait_for(lesson, place, r"\d+ models\. Choose")
        place.get_by_label("Your prompts").fill("\n".join([*PROMPTS, PLANTED]))
        place.get_by_label("Most tokens").fill("4")
        place.get_by_label("Most tokens").press("Enter")
        lesson.answered()
        press(place, "Check first")
        wait_for(lesson, place, r"Ready\. 12 prompts, 4 models, 2 rounds: 96 calls")
        press(place, "Run")
        wait_for(lesson, place, rf"[1-9]\d* of 96 calls, {LEFT}\. Asking quantlab-tiny:")
        press(place, "Cancel")
        wait_for(lesson, place, "Cancelled")
        kept = calls(lab_with_ollama.lab)
        press(place, "Run")
        wait_for(lesson, place, rf"[1-9]\d* of \d+ places read, {LEFT}\. Replaying to", seconds=400)
        assert "memory: quantlab-tiny" in place.locator(
            ".ql-notes").inner_text(), "the run leaves the notes alone"
        wait_for(lesson, place, r"Done\. Every call is in", seconds=400)
        every = calls(lab_with_ollama.lab)
        assert every[: len(kept)] == kept and 0 < len(kept) < len(every) == len(set(every)) == 96
        lesson.hears(place, re.compile(r"(?=.*q8_0.* good enough)(?=.*q2_K is worse)"))
        assert_nothing_runs(lesson, place)
        vote_once(lesson, place)
        study(lesson, place)
        reopen_report(lesson, place)
        place = kept_over_a_restart(lesson)
        press(place, "Remove them")
        wait_for(lesson, place, r"Removed: quantlab-tiny:f16")
        assert lesson.faults == []


def laboratory(lesson, call: str):
    """The laboratory, its cell run with one thread for each model."""
    lesson.run_only("import quantlab", call, instead="ql.explore_comparison(num_thread=1)")
    place = lesson.page.locator(".ql-explorer:has(.ql-c-prompts)").first
    place.scroll_into_view_if_needed()
    return place


STUDY = [{"prompt": "Name a colour", "check": "has: red|sea"},
         {"prompt": "A word for the sea", "expected": "sea"}]
SET = {"Your prompts": "\n".join(map(json.dumps, STUDY)), "System prompt": "You answer in JSON.",
       "Format": '{"type": "object", "properties": {"said": {"enum": ["red", "sea"]}}, "required": ["said"]}',
       "Most tokens": "48", "Rounds": "1", "Margin": "20 %"}


def study(lesson, place) -> None:
    """System prompt, schema and a check for each prompt; a schema that is none is refused first."""
    for label, value in {**SET, "Format": '{"type": "thing"}'}.items():
        typed(lesson, place, label, value)
    place.get_by_label("Right if", exact=True).select_option("it has what the file expects")
    lesson.answered()
    press(place, "Run")
    wait_for(lesson, place, "the schema has the type 'thing'")
    typed(lesson, place, "Format", SET["Format"])
    press(place, "Run")
    wait_for(lesson, place, r"Done\. Every call is in", seconds=200)
    assert "right if it has 'red|sea'" in place.locator(".ql-answers").inner_text()
    assert len(re.findall(r" · (?:not )?passed", place.locator(".ql-answers").inner_text())) == 4
    place.get_by_label("Answers to").select_option(index=1)
    lesson.answered()
    assert "expected: sea" in place.locator(".ql-answers").inner_text()


def typed(lesson, place, label: str, value: str) -> None:
    field = place.get_by_label(label, exact=True)
    field.fill(value)
    field.press("Tab")
    lesson.answered()


def reopen_report(lesson, place) -> None:
    """The report is written, and its link opens it, the answer first."""
    press(place, "Write the report")
    wait_for(lesson, place, "The report is in")
    with lesson.page.expect_popup() as opened:
        place.get_by_role("link", name="Open the report").click()
    page = opened.value
    page.wait_for_selector("p.lead")
    assert re.match(r"(The smallest|No model|None is)", page.locator("p.lead").inner_text())
    assert "expected: sea" in page.locator("body").inner_text()
    page.close()


def kept_over_a_restart(lesson):
    """A kernel that has forgotten everything finds the settings and the results again."""
    lesson.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    lesson.wait_idle()
    place = laboratory(lesson, "ql.explore_comparison(num_thread=1)")
    for label, value in SET.items():
        assert place.get_by_label(label, exact=True).input_value() == value, label
    assert "Name a colour" in place.locator(".ql-answers").inner_text(), "what was measured is shown again"
    return place


def press(place, name: str) -> None:
    place.get_by_role("button", name=name, exact=True).click()


def calls(lab) -> list[str]:
    """Keys of the finished calls, in the order of the one results file there is."""
    lines, = (path.read_text().splitlines() for path in lab.folder.glob("comparison-*.jsonl")
              if "votes" not in path.name)
    return [record["key"] for record in map(json.loads, lines) if record.get("kind") == "call"]


def assert_nothing_runs(lesson, place) -> None:
    """The planted script is the last prompt: it is shown as words, with what the models said to it."""
    place.get_by_label("Answers to").select_option(index=11)
    lesson.answered()
    assert PLANTED in place.locator(".ql-answers").inner_text() and not lesson.page.evaluate("window.planted")


def vote_once(lesson, place) -> None:
    """One vote by key, then the names; before that no name is shown."""
    press(place, "Vote blindly")
    ballot = place.locator(".ql-explorer:has(.ql-ballot)")
    ballot.locator(".ql-ballot").click()
    assert "q2_K" not in ballot.inner_text() and "f16" not in ballot.inner_text()
    ballot.locator(".ql-touch").press("ArrowLeft")
    wait_for(lesson, ballot, "Pair 2 of")
    ballot = place.locator(".ql-explorer").last
    press(ballot, "Stop and reveal")
    wait_for(lesson, ballot, r"(f16 won [01] of 1 decided votes|No vote decided)")


def test_a_custom_model_is_made_and_asked(lab_with_ollama, smollm):
    with LessonPage(lab_with_ollama, "09_custom_models.ipynb") as lesson:
        lesson.open()
        lesson.run_only("import quantlab", "ql.explore_custom_model(")
        place = explorer(lesson, "Create")
        place.scroll_into_view_if_needed()
        place.get_by_label("Name", exact=True).fill("browser-made")
        place.get_by_label("Modelfile").fill(
            f"FROM {PAIR[1]}\nSYSTEM Say moo.\nPARAMETER temperature 0.25\nPARAMETER num_predict 12\n")
        place.get_by_role("button", name="Create", exact=True).click()
        wait_for(lesson, place, r"3 lines are yours")
        printed = smollm.cli("show", "browser-made", "--modelfile")
        assert "SYSTEM Say moo." in printed and "PARAMETER temperature 0.25" in printed
        lesson.answered()
        place.get_by_label("Ask it").fill("What does a cow say?")
        place.get_by_label("Ask it").press("Tab")
        lesson.answered()
        place.get_by_role("button", name="Ask", exact=True).click()
        wait_for(lesson, place, r"You: What does a cow say")
        assert lesson.faults == []
