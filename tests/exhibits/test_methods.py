"""Lesson 18's exhibits: two weights and their inputs, the methods at the same bytes, the map of the field."""

import itertools
import json

import numpy as np
import pytest

from quantlab.exhibits.error_feedback import (
    CORRELATIONS,
    CURVES,
    PLACES,
    explore_error_feedback,
    fed_back_steps,
    inputs_of,
    pair_of,
    share_left,
)
from quantlab.exhibits.field import LETTERS, MECHANISMS, explore_field, known_field
from quantlab.exhibits.methods import explore_methods
from quantlab.exhibits.methods_facts import SHOWN, MethodRows
from quantlab.inference.recorded_methods import FOLDER, MODELS
from quantlab.methods.feedback import factor, output_error
from quantlab.words import percent


def test_two_weights_have_the_best_second_step_and_are_never_worse():
    """By trying all pairs near them."""
    for correlation, first, second in itertools.product(CORRELATIONS[::6], PLACES[5:35:3], PLACES[5:35:4]):
        pair, moments = pair_of(first, second, correlation), inputs_of(2, correlation)
        costs = [output_error(np.array([[pair.fed[0] - first, step - second]]), moments)
                 for step in range(-4, 9)]
        assert pair.cost_fed == pytest.approx(min(costs))
        assert pair.fed[0] == pair.nearest[0] and pair.cost_fed <= pair.cost_nearest + 1e-12


@pytest.mark.parametrize("n", CURVES)
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9, -0.9])
def test_the_curve_is_what_thousands_of_weights_lose(n, correlation):
    random, moments = np.random.default_rng(0), inputs_of(n, correlation)
    nearest = fed = 0.0
    for weights in random.uniform(0, 50, (600, n)):
        nearest += output_error((np.rint(weights) - weights)[None], moments)
        fed += output_error((fed_back_steps(weights, moments)[0] - weights)[None], moments)
    assert fed / nearest == pytest.approx(share_left(n, correlation), abs=0.05)


def test_a_move_is_the_error_times_the_correlation():
    assert pair_of(2.4, 1.3, 0.8).moved == pytest.approx(1.3 + 0.8 * 0.4)
    assert pair_of(2.4, 1.3, 0.0).moved == 1.3
    upper = factor(inputs_of(2, 0.8), 2, damping=0).upper
    assert -upper[0, 1] / upper[0, 0] == pytest.approx(0.8)


def test_every_stop_of_the_pair_draws_and_each_preset_says_another_thing():
    explorer = explore_error_feedback()
    assert explorer.finding == "The nearest pair (1, 1) costs 0.61, (1, 2) only 0.088"
    seen = set()
    for correlation, first in itertools.product(CORRELATIONS[::3], PLACES[::5]):
        explorer.set(correlation=correlation, first=first)
        seen.add(explorer.view.value)
    assert len(seen) == len(CORRELATIONS[::3]) * len(PLACES[::5])
    explorer.buttons["Not correlated"].click()
    assert explorer.finding.startswith("Both ways choose (1, 1)")
    explorer.buttons["One up, the other down"].click()
    assert "only" in explorer.finding


@pytest.mark.parametrize("model", MODELS)
def test_every_file_has_its_picture(model):
    explorer, rows = explore_methods(model), MethodRows(model)
    seen = set()
    for (ftype, method, text), row in rows.rows.items():
        explorer.set(ftype=ftype, method=method, **{"text": text} if text == "code" else {})
        seen.add(explorer.view.value)
        assert explorer.picture.numbers["kld"] == row["kld"] and ftype in explorer.finding
    assert len(seen) == len(rows.rows)
    assert len(explorer.picture.table) == len(rows.rows) + 1


def test_a_text_that_was_not_measured_is_said():
    rows = MethodRows("tiny")
    del rows.rows["Q4_0", "scaling", "code"]
    with pytest.raises(ValueError, match="not measured at Q4_0 with activation-aware scaling on Py"):
        rows.at("Q4_0", "scaling", "code")


def test_passages_and_errors_are_those_of_the_record():
    record = json.loads((FOLDER / "tiny.json").read_text(encoding="utf-8"))
    explorer = explore_methods(ftype="Q2_K", method="feedback")
    row = next(one for one in record["rows"] if (one["ftype"], one["method"], one["calibration"])
               == ("Q2_K", "feedback", "scenes"))
    whole = sum(right == 32 for right, _ in row["passages"])
    assert explorer.picture.numbers["recited"] == whole and f"{whole} of 28 passages" in explorer.finding
    assert explorer.view.value.count("✓") == whole
    for role, (_, outputs) in row["errors"].items():
        assert f">{role}<" in explorer.view.value and f">{percent(outputs)}<" in explorer.view.value
    failed = next(i for i, (right, _) in enumerate(row["passages"]) if right < 32)
    explorer.touched({"cell": failed})
    assert explorer.controls["passage"].value == failed
    explorer.touched({"key": "PageUp"})
    assert explorer.controls["ftype"].value == "Q3_K"


@pytest.mark.parametrize("wrong", [{"model": "llama"}, {"ftype": "Q9"}, {"method": "rotation"}])
def test_other_names_are_refused(wrong):
    with pytest.raises(ValueError):
        explore_methods(**wrong)


def test_the_field_is_told_in_mechanisms_that_are_here_with_a_source_and_a_date():
    assert {"GPTQ", "AWQ", "EXL3", "FP8", "NVFP4", "MXFP4", "Gemma 3 QAT", "Unsloth Dynamic 2.0"} <= {
        row.name for row in known_field()}
    for row in known_field():
        assert row.mechanisms and set(row.mechanisms) <= MECHANISMS.keys()
        year, month = map(int, row.since.split("-"))
        assert 2020 <= year <= 2026 and 1 <= month <= 12
        assert all(words for words in row) and ("arXiv:" in row.source or "." in row.source)
        assert len(f"Source: {row.source}") <= LETTERS, "it is drawn in one line"
    assert set(SHOWN) <= MECHANISMS.keys()


def test_lesson_18_counts_what_runs_in_ollama_as_the_table_does():
    lesson = (FOLDER.parents[2] / "notebooks/18_beyond_rounding.ipynb").read_text(encoding="utf-8")
    words = {3: "Three", 4: "Four", 5: "Five"}
    runs = sum("Ollama" in row.programs for row in known_field())
    assert f"{words[runs]} of the names run in Ollama 0.34.2" in lesson


def test_every_name_of_the_field_has_its_picture():
    explorer = explore_field()
    seen = set()
    for row in known_field():
        explorer.touched({"key": "ArrowDown" if seen else "Home"})
        seen.add(explorer.view.value)
        assert explorer.finding == f"{row.name} is {row.said}"
    assert len(seen) == len(known_field())
    explorer.touched({"cell": 0})
    assert explorer.controls["name"].value == known_field()[0].name
    with pytest.raises(ValueError, match="AWQ"):
        explore_field("AWP")
