"""The estimate and the planner against a real card: 1,900 cases that an H200 answered, byte for byte."""

import json
import random

import pytest

from benchmarks.card_results import RESULTS, planner_agrees, verdict
from quantlab.memory.estimate import OVERHEAD
from quantlab.models.catalog import MODELS
from quantlab.oracles.fusion import added_up, kept, routed

RECORD = json.loads((RESULTS / "cuda_h200.json").read_text())
CASES = RECORD["cases"]


def test_every_case_is_the_estimate_or_below_what_it_calls_a_bound():
    verdicts = [verdict(case) for case in CASES]
    assert [case for case, found in zip(CASES, verdicts, strict=True) if found == "other"] == []
    assert verdicts.count("equal") == RECORD["estimate"]["equal"] > 0.95 * len(CASES)


def test_a_byte_more_would_be_noticed():
    case = next(case for case in CASES if case["model"] == "qwen3:30b" and len(case["cards"]) == 1)
    weights, kv_cache, compute = case["cards"][0]
    assert verdict(case | {"cards": [[weights, kv_cache, compute + 1]]}) == "other"


def test_the_planner_says_what_the_card_says():
    pytest.importorskip("xllamacpp", reason="the planner is not installed: pip install 'quantlab[oracles]'")
    few = [case for case in CASES if case["settings"].get("n_ubatch") == 2]
    mixed = [case for case in CASES if case["model"] in ("qwen3:30b", "deepseek-v2:16b-mla", "gpt-oss:20b")]
    choose = random.Random(0)
    sample = choose.sample(few, 6) + choose.sample(mixed, 12) + choose.sample(CASES, 6)
    assert planner_agrees(sample) == {"equal": len(sample)}


def test_what_lives_beside_the_buffers_is_in_the_assumed_range():
    usual = [case for case in CASES if "beside" in case and case["settings"].get("n_ubatch", 512) <= 512
             and case.get("env", {}).get("CUDA_MODULE_LOADING") != "EAGER"]
    computing = [case["beside"][1] for case in usual]
    assert len(usual) > 100 and OVERHEAD.low < min(computing) and max(computing) < OVERHEAD.high
    flash = [case["beside"][1] for case in usual if case["settings"].get("flash_attention", True)
             and case["ftype"] != "F16" and not MODELS.get(case["model"], MODELS["qwen3:4b"]).n_expert]
    assert max(flash) < 0.61 * 2**30                                    # without cuBLAS, which needs more


class Node:
    def __init__(self, op, *ne, src=(), view_src=None):
        self.op, self.ne, self.src, self.view_src = op, (*ne, 1, 1)[:4], src, view_src


def test_only_a_whole_router_and_a_whole_sum_are_one_step():
    op = {name: name for name in ("MUL", "VIEW", "ADD")}
    scores = Node("MUL_MAT", 64, 7)
    router = [Node("SOFT_MAX", 64, 7, src=(scores,)), *(Node(name, 64, 7) for name in
              ("RESHAPE", "ARGSORT", "VIEW", "GET_ROWS"))]
    names = [node.op for node in router]
    assert routed(router, names, 0) == 5 and routed(router, names[:4], 0) == 1
    router[0].ne = (160, 7, 1, 1)                                       # CUDA has no router for 160 experts
    assert routed(router, names, 0) == 1
    results, weights = Node("MUL_MAT_ID", 2048, 2, 7), Node("DIV", 1, 2, 7)
    product = Node("MUL", 2048, 2, 7, src=(results, weights))
    views = [Node("VIEW", 2048, 7, view_src=product) for _ in range(2)]
    graph = [product, *views, Node("ADD", 2048, 7), Node("ADD", 2048, 7)]
    assert added_up(graph, [node.op for node in graph], 0) == 4
    assert list(kept(graph, op)) == [(results, 3), (weights, 3)]
    assert added_up(graph[:3], ["MUL", "VIEW", "VIEW"], 0) == 1
