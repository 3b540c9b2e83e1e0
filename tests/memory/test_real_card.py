"""The estimate and the planner against a real card: 1,900 cases that an H200 answered, byte for byte."""

import json
import random

import pytest

from benchmarks.card_results import RESULTS, planner_agrees, verdict
from quantlab.memory.estimate import OVERHEAD
from quantlab.memory.fusion import fused
from quantlab.memory.ggml import CGraph
from quantlab.models.catalog import MODELS
from tests.thinned import some

RECORD = json.loads((RESULTS / "cuda_h200.json").read_text())
CASES = RECORD["cases"]


def test_every_case_is_the_estimate_to_the_byte():
    asked = some(CASES, 4)
    verdicts = [verdict(case) for case in asked]
    assert [case for case, found in zip(asked, verdicts, strict=True) if found != "equal"] == []
    assert {"equal": len(CASES)} == RECORD["estimate"] == RECORD["planner"]


def test_a_byte_more_would_be_noticed():
    case = next(case for case in CASES if case["model"] == "qwen3:30b" and len(case["cards"]) == 1)
    weights, kv_cache, compute = case["cards"][0]
    assert verdict(case | {"cards": [[weights, kv_cache, compute + 1]]}) == "other"


def test_the_planner_says_what_the_card_says():
    pytest.importorskip("xllamacpp", reason="the planner is not installed: pip install 'quantlab[oracles]'")
    few = [case for case in CASES if case["settings"].get("n_ubatch") == 2]
    mixed = [case for case in CASES if case["model"] in ("qwen3:30b", "deepseek-v2:16b-mla", "gpt-oss:20b")]
    choose = random.Random(0)
    sample = some(choose.sample(few, 6) + choose.sample(mixed, 12) + choose.sample(CASES, 6), 3)
    assert planner_agrees(sample) == {"equal": len(sample)}


def test_what_lives_beside_the_buffers_is_in_the_assumed_range():
    usual = [case for case in CASES if "beside" in case and case["settings"].get("n_ubatch", 512) <= 512
             and case.get("env", {}).get("CUDA_MODULE_LOADING") != "EAGER"]
    computing = [case["beside"][1] for case in usual]
    assert len(usual) > 100 and OVERHEAD.low < min(computing) and max(computing) < OVERHEAD.high
    flash = [case["beside"][1] for case in usual if case["settings"].get("flash_attention", True)
             and case["ftype"] != "F16" and not MODELS.get(case["model"], MODELS["qwen3:4b"]).n_expert]
    assert max(flash) < 0.61 * 2**30                                    # without cuBLAS, which needs more


def router(n_expert: int, by_logits: bool = False) -> CGraph:
    graph = CGraph()
    logits = graph.mul_mat(graph.stored((512, n_expert), "F32", 0, weight=True), graph.input((512, 7)))
    chances = graph.soft_max(logits)
    chosen = graph.top_k(logits if by_logits else chances, 2)
    weights = graph.reshape(graph.get_rows(graph.reshape(chances, 1, n_expert, 7), chosen), 2, 7)
    total = graph.like("CLAMP", graph.sum_rows(weights))
    graph.expand(graph.reshape(graph.like("DIV", weights, total), 1, 2, 7))
    return graph


@pytest.mark.parametrize(("n_expert", "by_logits", "one_step"), [
    (64, False, True), (512, False, True), (288, False, True), (160, False, False), (1024, False, False),
    (64, True, False)])
def test_only_a_whole_router_is_one_step(n_expert, by_logits, one_step):
    graph = router(n_expert, by_logits)
    order, kept = fused(graph.nodes)
    assert order == graph.nodes and bool(kept) == one_step
    assert not one_step or {until for _, until in kept} == {len(graph.nodes)}
    assert not fused(graph.nodes[:4])[1]                                # the choice is not there yet


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize(("used", "one_step"), [(1, False), (2, True), (15, True), (16, False)])
def test_only_a_whole_sum_is_one_step(used, one_step, scaled):
    graph = CGraph()
    results, *factors = (graph.input((width, used, 7)) for width in ((2048, 1, 1) if scaled else (2048, 1)))
    product = results
    for factor in factors:
        product = graph.mul(product, factor)
    views = [graph.view(product, (2048, 7), (product.nb[2],)) for _ in range(used)]
    graph.expand(product, *views)
    total = views[0]
    for view in views[1:]:
        total = graph.add(total, view)
    graph.expand(total)
    _, kept = fused(graph.nodes)
    last = len(graph.nodes) - 1
    assert kept == ([(part, last) for part in (results, *factors)] if one_step else [])
    assert fused(graph.nodes[:-1])[1] == []


@pytest.mark.parametrize(("qtype", "n_ff", "place", "one_step"), [
    ("Q4_K", 768, 0, True), ("F16", 768, 0, False), ("Q4_K", 1536, 0, False), ("Q4_K", 768, None, False)])
def test_a_shared_expert_of_the_same_kind_goes_with_the_others(qtype, n_ff, place, one_step):
    graph = CGraph()
    x, chosen = graph.rms_norm(graph.input((512, 7))), graph.input((2, 7), "I32")
    given = graph.reshape(x, 512, 1, 7)
    experts = [graph.stored((512, 768, 8), qtype, place, weight=True) for _ in range(2)]
    up, gate = (graph.mul_mat_id(matrix, given, chosen) for matrix in experts)
    routed = graph.glu(gate, up)
    down = graph.mul_mat_id(graph.stored((768, 512, 8), qtype, 0, weight=True), routed, chosen)
    shared = [graph.mul_mat(graph.stored((512, n_ff), qtype, 0, weight=True), x) for _ in range(2)]
    own = graph.glu(shared[1], shared[0])
    graph.expand(up, gate, routed, down, *shared, own)
    order, kept = fused(graph.nodes)
    if one_step:
        begin = order.index(up)
        assert order[begin:begin + 7] == [up, gate, routed, *shared, own, down]
        assert kept == [(given, begin + 5), (chosen, begin + 5)]
    else:
        assert (order, kept) == (graph.nodes, [])
