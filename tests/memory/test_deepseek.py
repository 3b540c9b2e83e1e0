"""The members of DeepSeek's family beyond V2, as their files are (biased routers, groups of experts), against
llama.cpp's planner on hollow files.
"""

from dataclasses import replace

import pytest

import quantlab as ql
from quantlab.models.recipes import recipe
from tests.memory.own_shapes import SHAPES

oracle = pytest.importorskip("quantlab.oracles.planner")
pytest.importorskip("xllamacpp", reason="the planner is not installed: pip install 'quantlab[oracles]'")

V3 = replace(SHAPES["deepseek-v2-236b"], n_layer=6, n_embd=7168, n_ff=18432, n_vocab=129280, n_expert=256,
             n_expert_used=8, n_ff_exp=2048, n_expert_shared=1, n_layer_dense=3, expert_norm=True,
             router_bias=True, n_expert_groups=8, n_group_used=4)
ONE_GROUP = {"n_expert_groups": 0, "n_group_used": 0}
#: Fewer layers than the published ones have: V3 (and R1), the same as made before April 2025, Kimi K2,
#: GLM-4.7-Flash.
MEMBERS = {
    "v3": V3,
    "v3-2024": replace(V3, full_kv=True),
    "kimi-k2": replace(V3, **ONE_GROUP, n_head=64, n_head_kv=64, n_expert=384, n_layer_dense=1,
                       n_vocab=163840),
    "glm-4.7-flash": replace(V3, **ONE_GROUP, n_embd=2048, n_head=20, n_head_kv=20, head_dim=256,
                             q_lora_rank=768, v_head_dim=256, qk_nope_dim=192, n_expert=64,
                             n_expert_used=4, n_ff_exp=1536,
                             n_ff=10240, n_vocab=154880, n_layer_dense=1),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_every_member_is_exact(name, tmp_path):
    oracle.write_hollow(tmp_path / "a.gguf", MEMBERS[name], recipe("Q4_K_M", MEMBERS[name]))
    with ql.open_model(tmp_path / "a.gguf") as model:
        assert model.architecture == MEMBERS[name]
        for settings in (dict(n_ctx=4096), dict(n_ctx=32768, n_parallel=2), dict(n_ctx=8192, n_gpu_layers=3),
                         dict(n_ctx=4096, flash_attention=False, n_outputs=512)):
            ours, found = ql.estimate_memory(model, **settings), oracle.measure(model, **settings)
            assert ours.exact and (ours.weights, ours.kv_cache, ours.compute) == found[:3], settings
