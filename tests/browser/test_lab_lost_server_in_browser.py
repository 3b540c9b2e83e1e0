"""Lesson 07's laboratory when things go wrong: cancelled before the first answer, a server that is killed in
the middle, and settings that cannot work.
"""

import os
import signal
import time

import pytest

from tests.browser.lab import Lab
from tests.browser.page import LessonPage
from tests.browser.test_lab_live_in_browser import calls, laboratory, press, typed, wait_for
from tests.browser.window import Window, find_chromium
from tests.guard import Guard
from tests.ollama_fixture import Running, start, stop

pytestmark = [pytest.mark.browser, pytest.mark.server]
TALES = "\n".join(f"Write a long tale about number {i}" for i in range(6))


@pytest.fixture
def second(smollm, tmp_path) -> Running:
    """A server of its own over the same models: this test kills it."""
    return start(smollm.binary, tmp_path, smollm.store)


@pytest.fixture
def lab_with_second(second, chromium):
    """A window on a JupyterLab whose kernels see the second server."""
    if find_chromium() is None:
        pytest.skip("no Chromium: `make tools` installs it")
    guard = Guard(second.process)
    live = {"QUANTLAB_PROFILE": "live", "OLLAMA_HOST": second.url, "QUANTLAB_REGISTRY": "http://127.0.0.1:9"}
    try:
        with Lab(environment=live) as running, Window(running, chromium, height=1600) as window:
            yield window
    finally:
        stop(second.process)
        guard.release()


def test_cancelled_at_nothing_then_the_server_dies_and_comes_back(lab_with_second, second, smollm, tmp_path):
    with LessonPage(lab_with_second, "07_quality_testing.ipynb") as lesson:
        lesson.open()
        place = laboratory(lesson, "ql.explore_comparison()")
        for label, value in {"Your prompts": TALES, "Most tokens": "8", "Rounds": "1"}.items():
            typed(lesson, place, label, value)
        what_cannot_work(lesson, place, lab_with_second.lab)
        press(place, "Run")
        press(place, "Cancel")
        wait_for(lesson, place, r"Nothing is measured yet, 0 of 12 calls; Run goes on from here", seconds=60)
        assert "cannot tell" not in place.inner_text()
        press(place, "Run")
        wait_for(lesson, place, r"[2-9] of 12 calls")
        kept = calls(lab_with_second.lab)
        os.killpg(second.process.pid, signal.SIGKILL)
        killed = time.monotonic()
        wait_for(lesson, place, "No Ollama answers", seconds=10)
        assert time.monotonic() - killed < 3, "it is said within three seconds"
        again = start(second.binary, tmp_path, smollm.store, second.url)
        guard = Guard(again.process)
        try:
            finished(lesson, place)
        finally:
            stop(again.process)
            guard.release()
        every = calls(lab_with_second.lab)
        assert kept and every[:len(kept)] == kept and len(every) == len(set(every)) == 12
        assert lesson.faults == []


def finished(lesson, place) -> None:
    """The run goes on by itself or, where it has given up, by one more press on Run."""
    def told() -> str:
        return " ".join(place.locator(".ql-answer").all_inner_texts())

    run = place.get_by_role("button", name="Run", exact=True)
    assert lesson.wait_until(lambda: run.is_enabled() or "Asking" in told(), seconds=60), told()
    if run.is_enabled():
        run.click()
    assert lesson.wait_until(lambda: "Done. Every call is in" in told(), seconds=400), told()


def what_cannot_work(lesson, place, lab) -> None:
    """Thinking with a model that cannot, and a file of prompts that is not there: said before a model is
    asked.
    """
    place.get_by_label("Think", exact=True).select_option("yes")
    lesson.answered()
    press(place, "Check first")
    wait_for(lesson, place, "Not yet ready", seconds=30)
    assert "think" in place.inner_text()
    place.get_by_label("Think", exact=True).select_option("no")
    typed(lesson, place, "Your prompts", "prompts.json")
    press(place, "Run")
    wait_for(lesson, place, r"prompts\.json", seconds=30)
    assert not [*lab.folder.glob("comparison-*.jsonl")], "nobody was asked"
    typed(lesson, place, "Your prompts", TALES)
