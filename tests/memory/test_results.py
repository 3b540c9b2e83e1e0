"""What the memory room and the recipes answer shows itself: a table in a cell, text in a terminal."""

import json
import pickle

import pytest

import quantlab as ql
from quantlab.memory.fit import recommend

ESTIMATE = ql.estimate_memory("qwen3:8b", "Q4_K_M", n_ctx=8192)
OPTIONS = recommend("qwen3:14b", 12, n_ctx=16384, ftypes=["Q5_K_M", "Q4_K_M", "F16"])
SPEED = ql.expected_speed("llama3.1:8b", "Q4_K_M", 272e9, n_ctx=8192)
RECIPE = ql.recipe("Q4_K_M", "llama3.1:8b")


def test_an_estimate_is_a_table_of_its_parts():
    lines = repr(ESTIMATE).splitlines()
    assert lines[0].split() == ["Q4_K_M,", "8,192", "tokens", "bytes", "GiB"]
    assert lines[1].startswith("weights") and f"{ESTIMATE.weights:,}" in lines[1]
    assert f"{ESTIMATE.needed:,}" in repr(ESTIMATE) and "llama.cpp" in repr(ESTIMATE)
    assert "Ollama's file, with attn_v as F16" in lines[-1]
    assert all(len(line) < 130 for line in lines) and str(ESTIMATE) == repr(ESTIMATE)


def test_a_recommendation_is_one_line_a_type():
    lines = repr(OPTIONS).splitlines()
    assert len(lines) == 4 and "at 16,384 tokens" in lines[0] and "quality" not in lines[0]
    assert lines[1].startswith("Q4_K_M") and "fits, 0.62 GiB to spare" in lines[1]
    assert "too much; 39 layers fit" in lines[2]
    assert repr(OPTIONS[0]).splitlines()[1].split() == lines[1].split()
    assert repr(recommend("qwen3:14b", 12, ftypes=[])).startswith("type")
    known = recommend("qwen3:14b", 12, ftypes=["Q4_K_M"], quality={"Q4_K_M": "<b>good</b>"})
    assert "&lt;b&gt;good&lt;/b&gt;" in known._repr_html_() and "<b>" not in known._repr_html_()


def test_a_speed_says_tokens_and_bytes():
    assert "19.1 to 43" in repr(SPEED) and "5.69 GB" in repr(SPEED) and "47.8" in repr(SPEED)


def test_a_recipe_is_a_dict_that_counts_its_types():
    assert isinstance(RECIPE, dict) and RECIPE["output.weight"] == "Q6_K" and dict(RECIPE) == RECIPE
    assert "attn_v       16 × Q6_K, 16 × Q4_K" in repr(RECIPE)
    assert len(repr(RECIPE).splitlines()) < 20 and json.loads(json.dumps(RECIPE)) == RECIPE


@pytest.mark.parametrize("result", [ESTIMATE, OPTIONS, OPTIONS[0], SPEED, RECIPE],
                         ids=lambda result: type(result).__name__)
def test_every_result_is_a_table_in_a_cell_and_survives_a_journey(result):
    assert result._repr_html_().startswith('<table class="ql-table"><thead>')
    assert pickle.loads(pickle.dumps(result)) == result


def test_a_notebook_prints_the_table_where_it_shows_no_html():
    pretty = pytest.importorskip("IPython.lib.pretty").pretty
    for result in (ESTIMATE, OPTIONS, SPEED, RECIPE):
        assert pretty(result) == repr(result)
