"""The order of `recommend`: measured quality first, broken types last; what is published in one type
stays that.
"""

import csv
import json
from itertools import product

import pytest

import quantlab as ql
from quantlab import oracles
from quantlab.memory import ranking
from quantlab.memory.advice import Situation, candidates, choose, instead, types_of, uses, ways
from quantlab.memory.fit import fits, recommend
from quantlab.memory.settings import Settings
from quantlab.memory.weights import weights_of
from quantlab.models.catalog import DATA, MODELS, PUBLISHED
from quantlab.models.recipe_rules import PROGRAMS
from tests.thinned import some

GIB = 2**30
ONE_TYPE = [name for name, shape in MODELS.items() if shape.only_type]
TABLES = [DATA / "tiny" / "quality.json", DATA / "tiny" / "budget.json"]

OFFERED = PROGRAMS["llama.cpp"].offered


def test_every_type_has_a_place_and_only_measured_ones_a_number():
    assert set(OFFERED) <= set(ranking.recorded_kld()) | set(ranking.BEHIND)
    assert not set(ranking.recorded_kld()) & set(ranking.BEHIND)
    assert set(ranking.BEHIND.values()) <= set(ranking.recorded_kld())
    assert {ftype for ftype in OFFERED if ranking.is_broken(ftype)} == {"TQ1_0", "TQ2_0"}
    assert {ftype for ftype in PROGRAMS["llama.cpp"].usual if ranking.is_broken(ftype)} == {
        "TQ1_0", "TQ2_0", "IQ1_S", "IQ1_M", "Q1_0", "Q2_0"}


@pytest.mark.parametrize(("model", "vram"), some(product(
    ["qwen3:30b", "llama3.1:70b", "llama3.1:8b", "gemma3:27b", "qwen3:0.6b"], [1, 8, 24, (8, 8)]), 5))
def test_broken_types_come_last_whatever_fits(model, vram):
    order = [option.ftype for option in recommend(model, vram)]
    assert set(order[-2:]) == {"TQ1_0", "TQ2_0"} and len(order) == 30


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.stem)
def test_of_those_that_fit_none_stands_before_one_that_was_measured_clearly_better(table):
    rows = json.loads(table.read_text())["rows"]
    kld = {row.get("ftype", row.get("name")): (row["kld"], row["kld_se"]) for row in rows
           if not row.get("pure") and row.get("kind", "mix") == "mix"}
    order = [option.ftype for option in recommend("llama3.1:8b", 80) if option.ftype in kld]
    assert len(order) >= 7 and all(option.fits for option in recommend("llama3.1:8b", 80))
    for i, first in enumerate(order):
        for later in order[i + 1:]:
            (a, error_a), (b, error_b) = kld[first], kld[later]
            assert a <= b + 4 * (error_a**2 + error_b**2) ** 0.5, (first, later)


def test_what_measuring_cannot_tell_apart_goes_by_bits():
    order = [option.ftype for option in recommend("llama3.1:8b", 80)]
    assert order.index("Q4_K_M") + 1 == order.index("Q4_K_S") < order.index("Q4_1")
    assert order.index("Q5_K_S") < order.index("Q5_1"), "more bits, but measured worse"


def test_gpt_oss_is_what_its_makers_published():
    assert [name for name in ONE_TYPE if "qat" not in name] == ["gpt-oss:20b", "gpt-oss:120b"]
    (option,) = recommend("gpt-oss:20b", 16, n_ctx=8192)
    assert option.ftype == "MXFP4_MOE" and option.fits
    assert round(option.estimate.needed / GIB, 2) == 12.56, "with BF16 beside the experts, as in the library"
    plain = MODELS["gpt-oss:20b"].unnamed                   # with Q8_0 beside them, as llama-quantize has it
    assert round(recommend(plain, 12, n_ctx=8192)[0].estimate.needed / GIB, 2) == 11.49
    assert not recommend("gpt-oss:20b", 12, n_ctx=8192, ftypes=["Q4_K_M"])[0].fits, "asked for, it is shown"
    with (DATA / "models.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            assert not row["only_type"] or ("published" in row["source"] and "2025" in row["source"])


@pytest.mark.parametrize("name", ONE_TYPE)
def test_a_model_of_one_type_starts_from_it_everywhere(name):
    only = MODELS[name].only_type
    card = 80 * GIB
    assert ql.estimate_memory(name).ftype == only == fits(name, card).estimate.ftype
    assert weights_of(name) == weights_of(name, only) and weights_of(name).nbytes == ql.weight_bytes(name)
    assert ql.tensor_list(name).equals(ql.tensor_list(name, only))
    assert types_of(MODELS[name]) == [only]
    options = candidates(name, card, 8192)
    assert [option.estimate.ftype for option in options] == [only]
    assert all(choose(options, wish) is options[0] for wish in ("balance", "quality", "memory", "speed"))
    assert choose(candidates(name, GIB // 2, 8192), "balance") is None
    assert "would fit" in instead(name, 2 * GIB, 2048)
    for size in (card, 8 * GIB):
        now = Situation(MODELS[name], only, 8192, "f16", 1, True, size)
        assert not [change for _, _, change in (*ways(now), *uses(now)) if "ftype" in change]


def test_the_planner_agrees_on_the_published_file():
    pytest.importorskip("xllamacpp", reason="the planner is not installed: pip install 'quantlab[oracles]'")
    settings = [Settings(n_ctx=8192), Settings(n_ctx=32768, n_gpu_layers=12)]
    for one, found in zip(settings, oracles.measure_all("gpt-oss:20b", None, settings), strict=True):
        ours = ql.estimate_memory("gpt-oss:20b", **one.as_dict())
        assert (ours.weights, ours.kv_cache, ours.compute) == found[:3]


def test_all_others_are_as_before():
    for name, shape in MODELS.items():
        if name not in ONE_TYPE:
            assert shape.usual_type == "Q4_K_M" and PUBLISHED[name].source


def test_what_stands_first_thanks_to_importances_says_so():
    few, many = ql.recommend("llama3.1:8b", 4.5), ql.recommend("llama3.1:8b", 24)
    assert few[0].ftype in ranking.with_importances() and few[0].fits
    assert "importance matrix" in repr(few) and few[0].ftype in few.notes[-1]
    assert many[0].ftype not in ranking.with_importances() and "importance" not in repr(many)
