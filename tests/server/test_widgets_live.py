"""The lab's explorers without a browser: press, wait for the thread, look."""

import json
import threading

import pytest

from quantlab.exhibits.comparison import explore_comparison
from quantlab.exhibits.custom import explore_custom_model
from quantlab.exhibits.runs import show_comparison
from quantlab.lab.custom import TINY_FTYPES, add_tiny_models, remove_tiny_models, tiny_name
from quantlab.lab.records import recorded
from quantlab.lab.server import Server
from tests.lab.stand_in import ollama_that, stand_in

PAIR = ("smollm:135m-instruct-q4_K_M", "smollm:135m-instruct-q8_0")


def finish(lab) -> None:
    lab.thread.join(120)
    assert not lab.thread.is_alive()


@pytest.mark.server
def test_tiny_models_are_added_compared_and_removed_by_buttons(live, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = {model["name"] for model in Server().models()}
    lab = explore_comparison(["To be, or not to be", "All the world's a stage,"], num_thread=1, num_ctx=256,
                             rounds=1)
    lab.buttons["tiny"].click()
    finish(lab)
    assert lab.controls["models"].value == tuple(map(tiny_name, TINY_FTYPES))
    assert lab.controls["reference"].value == tiny_name("F16")
    lab.set(others="no-such:1b")
    lab.buttons["run"].click()
    finish(lab)
    assert "no-such:1b is not installed" in lab.status.value
    assert lab.made is None, "preflight comes first, and nothing was asked"
    lab.set(others="", models=tuple(map(tiny_name, ("F16", "Q2_K"))), length=8)
    lab.buttons["run"].click()
    lab.buttons["run"].click()
    assert "One thing after the other" in lab.status.value
    finish(lab)
    assert "Done." in lab.status.value
    assert "Cannot tell about q2_K" in lab.finding, "two prompts prove nothing"
    size = next(m["size"] for m in Server().models() if m["name"] == tiny_name("Q2_K"))
    assert lab.picture.table[2][2] == f"{size:,}" and lab.made.missing == 0
    assert len(lab.made.rows()) == 4 and "the reference" in lab.pieces["said"].value
    lab.buttons["untiny"].click()
    finish(lab)
    assert {model["name"] for model in Server().models()} == before


@pytest.mark.server
def test_a_cancelled_run_keeps_what_it_has_and_goes_on(live, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pair, prompts = add_tiny_models(["F16", "Q2_K"]), [f"Scene {number}. Enter a messenger"
                                                       for number in range(1, 9)]
    lab = explore_comparison(prompts, models=pair, num_thread=1, num_ctx=256, rounds=1)
    lab.set(length=32)
    lab.file = tmp_path / "a.jsonl"
    seen, told = threading.Event(), lab.tell
    lab.tell = lambda words, *more: (told(words, *more), "1 of 16" in words and seen.set())
    lab.buttons["run"].click()
    assert seen.wait(60)
    lab.buttons["cancel"].click()
    finish(lab)
    kept = lab.made.rows()
    assert 1 <= len(kept) < 16 and "Cancelled" in lab.status.value
    assert not lab.buttons["run"].disabled
    lab.buttons["run"].click()
    finish(lab)
    assert lab.made.rows()[: len(kept)] == kept and lab.made.missing == 0
    remove_tiny_models()


@pytest.mark.server
def test_a_model_is_created_asked_and_shown(live):
    lab = explore_custom_model(PAIR[1], num_thread=1, num_predict=12)
    assert lab.live and f"FROM {PAIR[1]}" in lab.controls["text"].value
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
    lab.controls["text"].value = "FROM smollm2:1.7b"
    lab.press_create()
    finish(lab)
    assert "Download it?" in lab.status.value and lab.buttons["download"].layout.display == "" and not pulled
    lab.press_create(download=True)
    finish(lab)
    assert pulled == ["smollm2:1.7b"]


@pytest.mark.server
def test_a_mistake_in_the_modelfile_is_a_sentence(live):
    lab = explore_custom_model(PAIR[1])
    lab.controls["text"].value = "FORM x"
    lab.press_create()
    finish(lab)
    assert "the nearest is FROM" in lab.status.value


def test_without_a_server_the_recorded_model_is_shown_and_said(nobody):
    lab = explore_custom_model()
    lab.press_create()
    lab.press_ask()
    assert "Recorded on" in lab.picture.svg and recorded("custom")[
        "question"] in lab.picture.svg and nobody in lab.status.value


def test_a_server_without_models_offers_the_tiny_ones(nobody, monkeypatch):
    with stand_in(lambda path, body: (200, b'{"models": []}')) as url:
        monkeypatch.setenv("OLLAMA_HOST", url)
        lab = explore_comparison()
        assert "no model is installed" in lab.status.value and "Add the tiny models" in lab.status.value
        assert not lab.buttons["tiny"].disabled


def test_what_cannot_be_asked_and_a_server_that_went_away_are_sentences(nobody, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with stand_in(ollama_that) as url:
        monkeypatch.setenv("OLLAMA_HOST", url)
        lab = explore_comparison("hi", models=("m:loop", "m:500"))
        for name, value, words in (("prompts", "  ", "there is no prompt"),
                                   ("prompts", "hi\nhi", "prompt 2 is prompt 1 again"),
                                   ("prompts", "none.csv", "none.csv cannot be read"),
                                   ("right", "(", "cannot be read")):
            before = lab.values()[name]
            lab.set(**{name: value})
            lab.buttons["run"].click()
            finish(lab)
            assert words in lab.status.value
            lab.set(**{name: before})
        lab.set(models=())
        lab.buttons["check"].click()
        finish(lab)
        assert "no model to ask" in lab.status.value
    lab.set(others="m:loop")
    lab.buttons["run"].click()
    finish(lab)
    assert "No Ollama answers" in lab.status.value and "Done" not in lab.status.value


def test_the_model_made_before_is_not_offered_as_its_own_base(nobody, monkeypatch):
    def server(path, body):
        names = ("coding-assistant:latest", "tinyllama:1.1b", *more)
        return 200, json.dumps(
            {"models": [{"model": name, "modified_at": "2026-01-01T00:00:00Z", "size": 1, "digest": name,
                         "details": {"quantization_level": "Q8_0"}} for name in names]}).encode()

    with stand_in(server) as url:
        monkeypatch.setenv("OLLAMA_HOST", url)
        more = ()
        assert explore_custom_model().controls["base"].value == "tinyllama:1.1b"
        more = ("zephyr:7b", recorded("custom")["modelfile"].split()[1])
        assert explore_custom_model().controls["base"].value == more[1]
        assert explore_custom_model("zephyr:7b").controls["base"].value == "zephyr:7b"


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", "</text></svg><img src=x onerror=alert(1)>",
                                  "\x1b[31mred\x00\x08", "日本語" * 200, "🦙" * 50, "a" * 5000, "\ud800lone",
                                  "\n" * 100 + "x"])
def test_what_a_model_says_is_only_ever_text(evil):
    from xml.etree import ElementTree

    from quantlab.stage.base import html_table
    from quantlab.stage.touchable import png

    rows = [{"quantization": evil[:40], "response": evil, "text": evil, "tokens_per_second": 1.0,
             "flags": [evil[:50]]}, {"quantization": "q", "error": evil}]
    shown = show_comparison(evil, rows)
    ElementTree.fromstring(shown.picture.svg)
    assert "<script" not in shown.picture.svg and "<img" not in shown.picture.svg + html_table(
        shown.picture.table)
    assert png(shown.picture)[:4] == b"\x89PNG"
