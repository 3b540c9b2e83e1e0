"""The guesses of the lessons: each is asked, each option has a sentence of its own, and the true one is
worked out from the tables."""

import gc
import json
import re
from pathlib import Path

import pytest

import quantlab as ql
from quantlab.lessons.predictions import prediction, written
from quantlab.stage import ledger
from quantlab.stage.aims import aims

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
#: What the lessons teach, by number: where the computed answer moves away from it, a lesson holds no more.
TAUGHT = {"00-1": 1, "01-1": 3, "01-2": 1, "02-1": 1, "02-2": 0, "03-1": 1, "03-2": 1, "03-3": 2, "04-1": 2,
          "04-2": 1, "04-3": 1, "05-1": 2, "05-2": 2, "05-3": 1, "05-4": 2, "06-1": 2, "06-2": 2,
          "07-1": 2, "07-2": 0, "07-4": 2, "07-5": 1, "08-1": 3, "08-2": 2, "09-1": 2,
          "09-2": 2, "09-3": 2, "09-4": 2, "09-5": 2, "10-1": 0, "11-1": 1, "11-2": 1, "11-3": 1, "12-1": 0,
          "12-2": 1, "12-3": 1, "13-1": 2, "13-2": 2, "14-1": 0, "14-2": 2, "15-1": 1, "15-2": 0, "15-3": 1,
          "16-1": 1, "16-2": 2, "17-1": 2, "17-2": 1, "18-1": 2, "18-2": 1, "18-3": 2,
          "19-1": 1, "19-2": 2}


@pytest.fixture(autouse=True)
def own_files(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.mark.parametrize("number", sorted(written()))
def test_a_guess_is_computed_and_every_option_answers(number):
    found = prediction(number)
    assert 0 <= found.right < len(found.options)
    assert found.right == TAUGHT[number]
    told = [found.question, *(words for option in found.options for words in option)]
    assert not any("{" in words or "}" in words or "nan" in words for words in told)
    assert all(len(why) > 20 for _, why in found.options)
    assert len({text for text, _ in found.options}) == len(found.options) >= 3


def test_each_written_guess_has_one_lesson_that_asks_it():
    asked = [number for file in NOTEBOOKS.glob("*.ipynb") for cell in json.loads(file.read_text())["cells"]
             for number in re.findall(r'ql\.predict\("(\d\d-\d+)"\)', "".join(cell["source"]))
             if file.name.startswith(number[:2])]
    assert sorted(asked) == sorted(written())


def test_the_call_and_what_is_saved_below_it_hold_no_answer():
    guess = ql.predict("05-4")
    shown = guess._repr_mimebundle_()
    for _, why in prediction("05-4").options:
        assert why not in str(shown) and why not in guess.still_html()


@pytest.mark.parametrize("number", ["01-1", "05-4", "09-1"])
def test_a_wrong_guess_is_told_why_and_what_is_true(number):
    found, guess = prediction(number), ql.predict(number)
    guess.choose(0)
    assert found.right != 0 and found.options[0][1] in guess.finding
    assert repr(found.options[found.right][0]) in guess.finding


def test_an_unknown_number_names_the_nearest():
    with pytest.raises(ValueError, match=r"05-9.*05-"):
        ql.predict("05-9")


def test_the_first_guess_stands_in_the_ledger_and_outlives_the_session(monkeypatch):
    monkeypatch.delenv("QUANTLAB_PROFILE", raising=False)
    guess = ql.predict("05-4")
    guess.choose(0)
    guess.choose(2)
    assert [(one.guessed, one.right) for one in ledger.GUESSES.rows("05").values()] == [("an attn_v", False)]
    monkeypatch.setattr(ledger.GUESSES, "session", {})                              # the kernel was restarted
    ql.predict("01-2").choose(1)
    assert list(ledger.GUESSES.rows()) == ["01-2", "05-4"] and ledger.GUESSES.rows("01")["01-2"].right


def test_the_reference_profile_leaves_no_trace(monkeypatch):
    monkeypatch.setenv("QUANTLAB_PROFILE", "reference")
    ql.predict("01-2").choose(0)
    assert not ledger.GUESSES.file.exists() and ledger.GUESSES.rows()["01-2"].guessed.startswith("it shrinks")


@pytest.mark.parametrize("spoiled", ["", "[1, 2]", '{"05-4": 7}', '{"05-4": ["a", "b"]}', "\x00"])
def test_a_spoiled_ledger_is_an_empty_one(monkeypatch, spoiled):
    monkeypatch.delenv("QUANTLAB_PROFILE", raising=False)
    ledger.GUESSES.file.parent.mkdir(parents=True)
    ledger.GUESSES.file.write_text(spoiled)
    assert ledger.GUESSES.rows() == {}
    ql.predict("05-4").choose(2)
    assert ledger.GUESSES.rows()["05-4"].right


def test_a_ledger_that_cannot_be_written_is_kept_in_the_session(monkeypatch, tmp_path):
    monkeypatch.delenv("QUANTLAB_PROFILE", raising=False)
    (tmp_path / "quantlab").write_text("a file where a folder should be")
    ql.predict("05-4").choose(1)
    assert ledger.GUESSES.rows()["05-4"].guessed == "an ffn_down"


def test_a_target_that_is_reached_stands_in_the_ledger_too(monkeypatch):
    monkeypatch.delenv("QUANTLAB_PROFILE", raising=False)
    asked, shown = ql.quiz("00"), ql.explore_llama().aim("00-1")
    assert "0 of 2 reached" in asked.guesses.value
    shown.set(**aims()["00-1"].solution)
    assert "1 of 2 reached" in asked.guesses.value and aims()["00-1"].task in asked.guesses.value
    monkeypatch.setattr(ledger.TARGETS, "session", {})                              # the kernel was restarted
    assert list(ledger.TARGETS.rows("00")) == ["00-1"] and "1 of 2" in ql.quiz("00").guesses.value


def test_a_quiz_that_is_shown_again_leaves_nothing_listening_behind():
    before = len(ledger._watching)
    for _ in range(5):
        ql.quiz("00")
    gc.collect()
    ledger.GUESSES.enter("00-1", ledger.Guess("?", "a", "b", False))
    alive = [watcher for watcher in ledger._watching if watcher()]
    assert len(ledger._watching) == len(alive) <= before + 5
