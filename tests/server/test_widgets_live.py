"""The lab's explorers without a browser: press, wait for the thread, look."""

import json

import pytest

from quantlab.explore.custom import explore_custom_model
from quantlab.explore.lab import explore_comparison, show_comparison
from quantlab.lab.records import recorded, recorded_prompts
from quantlab.lab.server import Server
from tests.lab.stand_in import TAGS, ollama_that, stand_in

PAIR = ("smollm:135m-instruct-q4_K_M", "smollm:135m-instruct-q8_0")


def finish(lab) -> None:
    lab.thread.join(120)
    assert not lab.thread.is_alive()


@pytest.mark.server
def test_a_typed_prompt_is_asked_of_the_chosen_models(live):
    lab = explore_comparison("Name one colour.", models=PAIR, num_thread=1)
    assert lab.live and lab.models.value == PAIR and lab.stop.disabled
    lab.length.value = 16
    lab.press_run()
    finish(lab)
    assert "wrote fastest" in lab.finding and "Name one colour." in lab.picture.svg and "Recorded" not in lab.picture.svg
    assert [row[0] for row in lab.picture.table[1:]] == ["135m-instruct-q4_K_M", "135m-instruct-q8_0"]
    assert "105 MB" in lab.picture.svg and not lab.run.disabled and lab.stop.disabled


@pytest.mark.server
def test_cancel_and_a_second_press_while_one_runs(live):
    lab = explore_comparison("Tell a very long story.", models=PAIR, num_thread=1)
    lab.length.value = 2000
    lab.press_run()
    lab.press_run()
    assert "One thing after the other" in lab.status.value
    lab.press_cancel()
    finish(lab)
    assert "No answer came from 2 models" in lab.finding and not lab.run.disabled


@pytest.mark.server
def test_a_model_is_created_asked_and_shown(live):
    lab = explore_custom_model(PAIR[1], num_thread=1, num_predict=12)
    assert lab.live and f"FROM {PAIR[1]}" in lab.text.value
    lab.press_ask()
    assert "Create the model first" in lab.status.value
    lab.press_create()
    finish(lab)
    assert "3 lines are yours" in lab.finding
    assert "SYSTEM You are a coding assistant." in live.cli("show", "coding-assistant", "--modelfile")
    lab.press_ask()
    finish(lab)
    assert "You: How do I reverse" in lab.picture.svg and lab.picture.table[-1][0] == "the model"


@pytest.mark.server
def test_a_missing_base_brings_the_question_and_a_second_button(live, monkeypatch):
    monkeypatch.setenv("QUANTLAB_REGISTRY", "http://127.0.0.1:9")
    pulled = []
    monkeypatch.setattr(Server, "pull", lambda self, name, *a: pulled.append(name))
    lab = explore_custom_model(PAIR[1])
    lab.text.value = "FROM smollm2:1.7b"
    lab.press_create()
    finish(lab)
    assert "Download it?" in lab.status.value and lab.download.layout.display == "" and not pulled
    lab.press_create(download=True)
    finish(lab)
    assert pulled == ["smollm2:1.7b"]


@pytest.mark.server
def test_a_mistake_in_the_modelfile_is_a_sentence(live):
    lab = explore_custom_model(PAIR[1])
    lab.text.value = "FORM x"
    lab.press_create()
    finish(lab)
    assert "did you mean FROM?" in lab.status.value


def test_without_a_server_the_recorded_run_is_shown_and_said(nobody):
    lab = explore_comparison()
    assert not lab.live and nobody in lab.status.value and "Recorded on" in lab.picture.svg
    seen = set()
    for prompt in recorded_prompts():
        lab.examples.value = prompt
        assert "wrote fastest" in lab.finding and "Recorded on" in lab.picture.svg
        seen.add(lab.picture.svg)
    assert len(seen) == len(recorded_prompts())
    lab.prompt.value = "Something nobody recorded"
    lab.press_run()
    assert "No answer came" in lab.finding and "was not recorded" in lab.picture.svg
    lab.prompt.value = "  "
    lab.press_run()
    assert "prompt is empty" in lab.status.value
    lab.models.value = ()
    lab.press_run()
    assert "at least one model" in lab.status.value


def test_without_a_server_the_recorded_model_is_shown_and_said(nobody):
    lab = explore_custom_model()
    lab.press_create()
    lab.press_ask()
    assert "Recorded on" in lab.picture.svg and recorded("custom")["question"] in lab.picture.svg and nobody in lab.status.value


def test_a_server_without_models_is_told_apart(nobody, monkeypatch):
    with stand_in(lambda path, body: (200, b'{"models": []}')) as url:
        monkeypatch.setenv("OLLAMA_HOST", url)
        assert "no model is installed" in explore_comparison().status.value


def test_a_broken_server_is_a_sentence_in_the_widget(nobody, monkeypatch):
    with stand_in(ollama_that) as url:
        monkeypatch.setenv("OLLAMA_HOST", url)
        lab = explore_comparison("hi", models=("m:500", "m:garbage"))
        lab.press_run()
        finish(lab)
    assert "No answer came from 2 models" in lab.finding and "the runner died" in lab.picture.svg


def test_a_server_that_went_away_is_said_and_nothing_is_called_done(nobody, monkeypatch):
    with stand_in(ollama_that) as url:
        monkeypatch.setenv("OLLAMA_HOST", url)
        lab = explore_comparison("hi", models=("m:loop",))
    lab.press_run()
    finish(lab)
    assert "No Ollama answers" in lab.status.value and "Done" not in lab.status.value
    lab.look()
    assert not lab.live and "Your prompt was not recorded" in lab.status.value
    lab.examples.value = recorded_prompts()[1]
    lab.look()
    assert "You see a recorded run" in lab.status.value and "Recorded on" in lab.picture.svg


def test_a_model_that_gave_no_answer_is_not_called_done(nobody, monkeypatch):
    with stand_in(ollama_that) as url:
        monkeypatch.setenv("OLLAMA_HOST", url)
        lab = explore_comparison("hi", models=("m:500", "m:loop"))
        lab.press_run()
        finish(lab)
    assert "Not every model answered" in lab.status.value


def test_models_of_several_names_keep_their_names(nobody, monkeypatch):
    tags = {"models": [{**TAGS["models"][0], "model": name} for name in ("llama3.2:latest", "mistral:latest", "mistral:7b")]}
    said = b'{"response": "moo", "done": true, "eval_count": 1, "eval_duration": 1000000}\n'
    with stand_in(lambda path, body: (200, json.dumps(tags).encode() if path == "/api/tags" else said)) as url:
        monkeypatch.setenv("OLLAMA_HOST", url)
        lab = explore_comparison("hi", models=("llama3.2:latest", "mistral:latest"))
        lab.press_run()
        finish(lab)
        assert [row[0] for row in lab.picture.table[1:]] == ["llama3.2:latest", "mistral:latest"]
        lab.models.value = ("mistral:latest", "mistral:7b")
        lab.press_run()
        finish(lab)
        assert sorted(row[0] for row in lab.picture.table[1:]) == ["7b", "latest"]


def test_the_model_made_before_is_not_offered_as_its_own_base(nobody, monkeypatch):
    def server(path, body):
        names = ("coding-assistant:latest", "tinyllama:1.1b", *more)
        return 200, json.dumps({"models": [{"model": name, "modified_at": "2026-01-01T00:00:00Z", "size": 1, "digest": name,
                                            "details": {"quantization_level": "Q8_0"}} for name in names]}).encode()

    with stand_in(server) as url:
        monkeypatch.setenv("OLLAMA_HOST", url)
        more = ()
        assert explore_custom_model().base.value == "tinyllama:1.1b"
        more = ("zephyr:7b", recorded("custom")["modelfile"].split()[1])
        assert explore_custom_model().base.value == more[1]
        assert explore_custom_model("zephyr:7b").base.value == "zephyr:7b"


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", "</text></svg><img src=x onerror=alert(1)>", "\x1b[31mred\x00\x08",
                                  "日本語" * 200, "🦙" * 50, "a" * 5000, "\ud800lone", "\n" * 100 + "x"])
def test_what_a_model_says_is_only_ever_text(evil):
    from xml.etree import ElementTree

    from quantlab.explore.base import html_table, png

    rows = [{"quantization": evil[:40], "response": evil, "text": evil, "tokens_per_second": 1.0, "flags": [evil[:50]]},
            {"quantization": "q", "error": evil}]
    shown = show_comparison(evil, rows)
    ElementTree.fromstring(shown.picture.svg)
    assert "<script" not in shown.picture.svg and "<img" not in shown.picture.svg + html_table(shown.picture.table)
    assert png(shown.picture)[:4] == b"\x89PNG"
