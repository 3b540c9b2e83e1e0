"""Recorded runs say when and where they were made, are shown as such, and add up to what the lessons tell."""

import json
from statistics import median

import pytest

from quantlab.lab.checks import has
from quantlab.lab.compare import compare_quantizations
from quantlab.lab.records import (
    RecordedComparison,
    is_right,
    provenance,
    recorded,
    seed_scores,
)
from quantlab.lab.versions import CHECKED
from quantlab.models.library import snapshot
from tests.lab.stand_in import TAGS, stand_in

PAIR = ["135m-instruct-q4_K_M", "135m-instruct-q8_0"]
PROMPTS = [prompt.text for prompt in RecordedComparison("smollm2").plan.prompts]
NAMES = ("seeds", "clock", "custom", "own_file", "speed", "resident")


@pytest.mark.parametrize("name", NAMES)
def test_each_record_says_when_and_where(name):
    run = recorded(name)
    assert all(run[key] for key in ("about", "date", "ollama", "build", "variant", "machine", "models"))
    assert all(run[key] in provenance(name) for key in ("date", "ollama", "variant", "machine"))
    assert run["ollama"] == CHECKED and max(run["load"].values()) <= 0.1
    assert "/tmp" not in json.dumps(run) and "/home" not in json.dumps(run)


def test_an_unknown_record_names_those_there_are():
    with pytest.raises(ValueError, match="clock, custom, own_file, resident, seeds, speed"):
        recorded("pace")


def test_recorded_names_are_real_tags():
    tags = {name.split(":")[1] for name in RecordedComparison("smollm2").plan.models}
    assert tags - {"135m-instruct-q2_K"} <= set(snapshot()["models"]["smollm2"]["tags"])


def test_the_reference_profile_returns_the_record_and_says_so(monkeypatch):
    monkeypatch.setenv("QUANTLAB_PROFILE", "reference")
    made = RecordedComparison("smollm2")
    for prompt in PROMPTS:
        rows = compare_quantizations(prompt, "smollm2", PAIR, or_recorded=True)
        assert [row["quantization"] for row in rows] == PAIR and all(
            made.provenance in row["recorded"] for row in rows
        )
    rows = compare_quantizations(prompt, "smollm2", [PAIR[0], "360m"], or_recorded=True)
    assert "text" in rows[0] and rows[1].keys() == {"quantization",
                                                    "error"} and "was not recorded" in rows[1]["error"]


def test_without_a_server_the_record_comes_only_when_asked_for(nobody):
    assert "error" in compare_quantizations(PROMPTS[0], "smollm2", PAIR)[0]
    assert nobody in compare_quantizations(PROMPTS[0], "smollm2", PAIR,
                                           or_recorded=True)[0]["recorded"]


def test_a_server_without_the_models_does_not_spoil_the_lesson(monkeypatch):
    monkeypatch.setenv("QUANTLAB_PROFILE", "live")
    with stand_in(lambda path, body: (200, json.dumps(TAGS).encode())) as url:
        monkeypatch.setenv("OLLAMA_HOST", url)
        rows = compare_quantizations(PROMPTS[0], "smollm2", PAIR, or_recorded=True)
    assert "ollama pull smollm2:135m-instruct-q4_K_M" in rows[0]["recorded"]


@pytest.mark.parametrize("name", ["tiny", "smollm2"])
def test_each_recorded_comparison_says_when_and_where(name):
    made = RecordedComparison(name)
    head = next(record for record in made.records if record["kind"] == "recorded")
    assert head["ollama"] == CHECKED and head["variant"] in made.provenance
    assert max(head["load"].values()) <= 0.1


def test_what_lesson_07_tells_is_in_the_record():
    scores = seed_scores()
    assert [tuple(row.values()) for row in scores.values()] == [(3, 4), (6, 7), (5, 5), (6, 6), (5, 4)]
    assert len(recorded("seeds")["runs"]) == 5 * 8 * 2
    assert is_right("It was LEONARDO.", ["leonardo"]) and not is_right("Leo", ["leonardo"])
    legs = [run["text"] for run in recorded("seeds")["runs"] if "spider" in run["question"]
            and is_right(run["text"], recorded("seeds")["rules"][run["question"]])]
    assert len(legs) == 6 and all(sum(words in text for text in legs) == 1
                                  for words in ("16 legs", "14 legs", "each leg having two legs"))
    for run in recorded("clock")["runs"]:
        if run["turn"] == "cold":
            assert run["wall_tokens_per_second"] < run["tokens_per_second"] / 2
    clock = {(run["quantization"], run["turn"]): run for run in recorded("clock")["runs"]}
    cold, warm = clock[PAIR[0], "cold"], clock[PAIR[1], "warm 1"]
    assert recorded("clock")["runs"][4] is clock[PAIR[1], "cold"], "the run of the exercise"
    assert cold["tokens_per_second"] == pytest.approx(warm["tokens_per_second"], rel=0.15)
    assert warm["wall_tokens_per_second"] > 2 * cold["wall_tokens_per_second"]
    rows = RecordedComparison("smollm2").rows()
    first = {row["quantization"]: row for row in rows if "Mona" in row["prompt"] and not row["round"]}
    assert all("Leonardo" in first[name]["text"] for name in ("Q4_K_M", "Q8_0"))
    faster = first["Q4_K_M"]["tokens_per_second"] / first["Q8_0"]["tokens_per_second"]
    assert 1.1 < faster < 145 / 105, "somewhat faster, though not by as much as its bytes promise"
    speeds = {name: median(row["tokens_per_second"] for row in rows if row["quantization"] == name)
              for name in first}
    assert speeds["Q2_K"] > speeds["Q4_K_M"] > speeds["Q8_0"] > speeds["F16"]
    table = RecordedComparison("smollm2", check=has()).summary()
    assert [round(12 * rate) for rate in table["pass_rate"]] == [10, 10, 8, 8]
    assert table["paired_p"].min() >= 0.5
    assert list(RecordedComparison("smollm2").summary()["answer"])[1:] == [
        "good enough",
        "cannot tell",
        "worse",
    ]


def test_what_lesson_09_tells_is_in_the_record():
    run = recorded("custom")
    assert run["bytes"] - run["base_bytes"] == 57
    assert all(line in run["show"] for line in run["modelfile"].splitlines()
               if line.startswith(("SYSTEM", "PARAMETER")))
