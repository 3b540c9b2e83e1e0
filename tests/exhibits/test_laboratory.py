"""The laboratory of lesson 07 against a server that answers at once: what can be set, what is kept, what is
said when it ends early, and the link to the report.
"""

import json
import time

import pytest

import quantlab as ql
from quantlab.exhibits.comparison import PROMPTS
from quantlab.exhibits.kept import FILE, keep, kept
from tests.lab.stand_in import stand_in
from tests.lab.test_comparison import Pretend

STUDY = [{"prompt": "one", "expected": "moo", "tags": "cows"},
         {"prompt": "two", "expected": "woof", "tags": "dogs"},
         {"prompt": "sum", "expected": 42, "check": "number", "tags": "cows, sums"}, "free"]


class Cows(Pretend):
    """A server whose models also write what the replay asks for: nothing, in no time."""

    def __call__(self, path, body):
        if body and body.get("raw"):
            return 200, b'{"done": true, "response": ""}\n'
        return super().__call__(path, body)


@pytest.fixture
def cows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUANTLAB_PROFILE", "live")
    monkeypatch.setenv("QUANTLAB_REGISTRY", "http://127.0.0.1:9")
    pretend = Cows()
    with stand_in(pretend) as url:
        monkeypatch.setenv("OLLAMA_HOST", url)
        yield pretend


def pressed(lab, name: str):
    lab.buttons[name].click()
    lab.thread.join(30)
    assert not lab.thread.is_alive()
    return lab.status.value


def test_it_starts_with_eight_prompts_for_fewer_give_no_verdict(cows):
    lab = ql.explore_comparison()
    assert len(lab.comparison().plan.prompts) == len(PROMPTS.split("\n")) == 8
    assert lab.live and lab.layout is not None and lab.made is None


def test_a_study_is_set_run_judged_and_shown_beside_what_was_expected(cows):
    lab = ql.explore_comparison(STUDY, ["m:a", "m:b"], rounds=1)
    schema = '{"type": "object"}'
    lab.set(system="Say moo.", form=schema, judge="has", margin="25 %", think="no", tags="cows, dogs")
    made = lab.comparison()
    assert made.plan.system == "Say moo." and made.plan.format == {"type": "object"}
    assert [prompt.text for prompt in made.plan.prompts] == ["one", "two", "sum"]
    assert made.metric.margin == 0.25 and [check.name for check in made.checks][1:] == [
        "has what is expected", "says the expected number"]
    assert "Done." in pressed(lab, "run")
    assert {(body["system"], body["format"]["type"]) for _, body in cows.sent} == {("Say moo.", "object")}
    said = lab.pieces["said"].value
    assert "expected: moo; right if it has what is expected" in said and "the reference · passed" in said
    lab.controls["prompt"].value = 1
    assert "the same words · not passed" in lab.pieces["said"].value
    passed = lab.made.table().groupby("prompt")["passed"].all()
    assert passed.to_dict() == {"one": True, "sum": False, "two": False}
    assert "The report is in" in pressed(lab, "report") and "No model is shown" in lab.status.value
    link, file = lab.pieces["page"].value, lab.made.file
    assert f'href="{file.stem}.html" data-file="{file.stem}.html"' in link
    assert file.with_suffix(".html").exists()
    assert "is a line of" in pressed(lab, "csv") and "not passed" in file.with_suffix(".csv").read_text()


@pytest.mark.parametrize("set_to, words", [
    ({"think": "yes"}, "m:a cannot think"), ({"form": '{"type": "thing"}'}, "has the type &#x27;thing&#x27;"),
    ({"prompts": "p.json"}, "p.json cannot be read"),
    ({"margin": "much"}, "is no number: write 0.05, or 5 %"),
    ({"judge": "has", "prompts": "one\ntwo"}, "can judge no prompt"),
    ({"tags": "cats"}, "no tag of a prompt"),
    ({"form": "yaml"}, "neither"), ({"margin": "-1"}, "margin=-1.0"),
])
def test_what_cannot_work_is_said_and_nothing_is_asked(cows, set_to, words):
    lab = ql.explore_comparison(STUDY, ["m:a", "m:b"], rounds=1)
    lab.set(**set_to)
    assert words in pressed(lab, "run") and cows.asked == [] and lab.made is None


def test_settings_outlive_the_kernel_and_what_was_measured_is_shown_again(cows, tmp_path):
    before = {"system": "Say moo.", "form": "json", "margin": "5 %", "rounds": 1, "models": ("m:b", "m:a"),
              "reference": "m:b", "right": "moo", "think": "as it likes", "prompts": "three\nfour",
              "heat": 0.5}
    lab = ql.explore_comparison()
    lab.set(**before)
    pressed(lab, "run")
    asked = len(cows.asked)
    again = ql.explore_comparison()         # as in a kernel that knows nothing
    assert {name: again.values()[name] for name in before} == before
    assert again.made.missing == 0 and len(cows.asked) == asked and again.finding == lab.finding
    assert ql.explore_comparison(rounds=3).values()["rounds"] == 3, "another call has settings of its own"
    assert ".at(" in again.code() and "Say moo." in again.code()
    (tmp_path / FILE).write_text("{damaged")
    assert ql.explore_comparison().values()["system"] == ""


def test_settings_of_another_version_or_hand_are_taken_as_far_as_they_fit(cows):
    call = "ql.explore_comparison()"
    keep(call, {"system": 7, "rounds": 99, "think": "hard", "models": ["gone:1b", "m:b"],
                "reference": "gone:1b", "margin": "0.2", "colour": "red", "prompts": "gone.jsonl"})
    lab = ql.explore_comparison()
    values = [lab.values()[name] for name in ("system", "rounds", "think", "models", "margin")]
    assert values == ["", 20, "no", ("m:b",), "0.2"]
    assert "gone.jsonl cannot be read" in lab.status.value and kept("ql.other()") == {}


def test_cancelled_before_the_first_answer_nothing_is_measured_yet(cows):
    lab = ql.explore_comparison(["one", "two"], ["m:a", "m:b"])
    told = lab.tell
    lab.tell = lambda words, *more: (told(words, *more), "0 of 8" in words and lab.cancel.set())
    said = pressed(lab, "run")
    assert "Nothing is measured yet, 0 of 8 calls; Run goes on" in said and "cannot tell" not in said.lower()
    assert lab.finding == "Nothing is measured yet; Run goes on from here"
    assert "annot tell" not in lab.picture.svg + json.dumps(lab.picture.table)
    assert {line["verdict"] for line in lab.made.judged()} == {"the reference", "nothing measured yet"}
    assert "cannot tell" not in lab.made.report("r.html").read_text()
    lab.tell = told
    assert "Done." in pressed(lab, "run")


@pytest.mark.parametrize("how, most", [("closed", 30), ("silent", 300)])
def test_a_server_that_goes_away_is_said_within_three_seconds(cows, monkeypatch, how, most):
    """Killed, it closes its connections; asleep, it leaves them open and says nothing."""
    left, said = [], []

    def answer(path, body):
        if (body or {}).get("prompt") == "two":
            left.append(time.monotonic())
        if left and how == "closed":
            raise ConnectionAbortedError
        return (200, [b"", 6.0]) if left else cows(path, body)

    with stand_in(answer) as url:
        monkeypatch.setenv("OLLAMA_HOST", url)
        lab = ql.explore_comparison(["one", "two"], ["m:a"], rounds=1)
        told = lab.tell
        lab.tell = lambda words, *a, **k: (told(words, *a, **k), said.append((time.monotonic(), words)))
        lab.buttons["run"].click()
        end = time.monotonic() + 20
        while not any("any more" in words for _, words in said) and time.monotonic() < end:
            time.sleep(0.02)
        lab.buttons["cancel"].click()
        lab.thread.join(10)
    at = next(at for at, words in said if "No Ollama answers" in words and f"waited for, {most} s" in words)
    assert at - left[0] < 3 and len(lab.made.rows()) == 1
    assert "1 of 2 calls are kept; Run goes on from there" in lab.status.value
