"""Experts, and other tensors, in main memory: weights, cache and compute buffer on both sides against
llama.cpp's planner with the same overrides; what cannot be is said.
"""

import random
from dataclasses import replace

import pytest

import quantlab as ql
from quantlab.memory.settings import Settings
from quantlab.models.catalog import MODELS
from tests.memory.own_shapes import some_settings
from tests.thinned import some

MIXTURES = ["qwen3:30b", "mixtral:8x7b", "gpt-oss:20b", "deepseek-v2:16b-mla", "qwen3.5:35b", "gemma4:26b"]

#: Of all layers, of some, and of single ones between others that are alike.
PATTERNS = [r"\.ffn_down_exps\.=CPU", r"blk\.[0-9]\.ffn_.*_exps\.weight=CPU",
            r"blk\.{}\.ffn_(gate|up|gate_up)_exps=CPU",
            r"blk\.{}\.ffn_gate.*_exps=CPU,blk\.[16]\.ffn_down_exps=CPU"]


def some_overrides(choose: random.Random, name: str) -> Settings:
    """Settings drawn by chance, with experts of some layers, of all, or patterns."""
    shape = MODELS[name]
    one = some_settings(choose, shape)
    one = replace(
        one,
        n_ctx=min(one.n_ctx, 32768),
        n_ubatch=choose.choice((one.n_ubatch, 16)),
        n_gpu_layers=choose.choice((None, None, shape.n_layer // 2, shape.n_layer)),
    )
    kind = choose.randrange(2 + len(PATTERNS))
    if kind < 2:
        return replace(one, n_cpu_moe=shape.n_layer if kind else choose.randint(1, shape.n_layer))
    layer = choose.randint(shape.n_layer // 2, shape.n_layer - 1)
    return replace(one, override_tensor=PATTERNS[kind - 2].format(layer))


@pytest.mark.parametrize("name", MIXTURES)
def test_both_sides_are_exact(name):
    oracle = pytest.importorskip("quantlab.oracles.planner")
    pytest.importorskip("xllamacpp", reason="the planner is not installed: pip install 'quantlab[oracles]'")
    choose = random.Random(name)
    settings = some([some_overrides(choose, name) for _ in range(8)], 2)
    for one, found in zip(settings, oracle.measure_all(name, None, settings), strict=True):
        ours = ql.estimate_memory(name, **one.as_dict())
        host = sum(
            sizes["weights"] + sizes["kv_cache"] for where, sizes in found.buffers.items() if where != "CUDA0"
        )
        assert (ours.weights, ours.kv_cache, ours.compute, ours.host) == (*found[:3], host), one


@pytest.mark.parametrize("layers", ["20", "(9|20|21)"])
def test_a_layer_whose_experts_lie_elsewhere_is_not_taken_for_its_neighbours(layers):
    """Nothing else tells it from them: the types of gate and up are looked at in every layer."""
    oracle = pytest.importorskip("quantlab.oracles.planner")
    pytest.importorskip("xllamacpp", reason="the planner is not installed: pip install 'quantlab[oracles]'")
    pattern = rf"blk\.{layers}\.ffn_up_exps=CPU"
    ours = ql.estimate_memory("mixtral:8x7b", override_tensor=pattern)
    assert ours.compute > ql.estimate_memory("mixtral:8x7b").compute
    assert ours.compute == oracle.measure("mixtral:8x7b", override_tensor=pattern).compute


def test_all_experts_in_main_memory_leave_the_rest_on_the_card():
    whole, split = ql.estimate_memory("qwen3:30b"), ql.estimate_memory("qwen3:30b", n_cpu_moe=48)
    experts = sum(
        row.nbytes for row in ql.tensor_list("qwen3:30b", "Q4_K_M").itertuples() if row.role.endswith("_exps")
    )
    # on a card the last row of each matrix is filled up
    assert split.host - whole.host == experts <= whole.weights - split.weights < experts * 1.00001
    assert split.kv_cache == whole.kv_cache and split.compute > whole.compute
    assert ql.estimate_memory("qwen3:30b", override_tensor=r"\.ffn_.*_exps\.=CPU") == replace(
        split, settings=replace(split.settings, n_cpu_moe=0, override_tensor=r"\.ffn_.*_exps\.=CPU")
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model": "llama3.1:8b", "n_cpu_moe": 3}, "n_cpu_moe=3 asks for experts.*has none"),
        ({"n_cpu_moe": 49}, "n_cpu_moe=49 is more than the 48 layers"),
        ({"n_cpu_moe": -1}, "n_cpu_moe=-1"),
        ({"override_tensor": "ffn_exps=CPU"}, "'ffn_exps', which is in no tensor's name"),
        ({"override_tensor": "exps"}, "PATTERN=CPU"),
        ({"override_tensor": "exps=CUDA1"}, "other places"),
        ({"override_tensor": "(exps=CPU"}, "cannot be read"),
        ({"override_tensor": 3}, "override_tensor=3"),
    ],
)
def test_what_cannot_be_is_said(arguments, words):
    with pytest.raises(ValueError, match=words):
        ql.estimate_memory(**{"model": "qwen3:30b"} | arguments)
