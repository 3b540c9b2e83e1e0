"""The members of DeepSeek's family beyond V2, as their files are (biased routers, groups of experts), against
llama.cpp's planner on hollow files.
"""

import os
from dataclasses import replace

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFWriter

import quantlab as ql
from quantlab.memory.weights import aligned
from quantlab.models.recipes import recipe
from quantlab.models.types import tensor_nbytes
from tests.memory.own_shapes import SHAPES

oracle = pytest.importorskip("quantlab.oracles.planner")
pytest.importorskip("xllamacpp", reason="the planner is not installed: pip install 'quantlab[oracles]'")

V3 = replace(SHAPES["deepseek-v2-236b"], n_layer=6, n_embd=7168, n_ff=18432, n_vocab=129280, n_expert=256,
             n_expert_used=8, n_ff_exp=2048, n_expert_shared=1, n_layer_dense=3)
#: Fewer layers than the published ones have: V3 (and R1), the same as made before April 2025, Kimi K2,
#: GLM-4.7-Flash.
MEMBERS = {
    "v3": V3,
    "v3-2024": replace(V3, full_kv=True),
    "kimi-k2": replace(V3, n_head=64, n_head_kv=64, n_expert=384, n_layer_dense=1, n_vocab=163840),
    "glm-4.7-flash": replace(V3, n_embd=2048, n_head=20, n_head_kv=20, head_dim=256, q_lora_rank=768,
                             v_head_dim=256, qk_nope_dim=192, n_expert=64, n_expert_used=4, n_ff_exp=1536,
                             n_ff=10240, n_vocab=154880, n_layer_dense=1),
}


def write(path, a, grouped: bool) -> None:
    """A hollow file with what `write_hollow` leaves out: a bias for each router, and groups."""
    writer, total = GGUFWriter(path, a.arch), 0
    keys = oracle.keys_of(a) | {f"{a.arch}.expert_gating_func": 2}
    if grouped:
        keys |= {f"{a.arch}.expert_group_count": 8, f"{a.arch}.expert_group_used_count": 4}
    for key, value in keys.items():
        (writer.add_float32 if isinstance(value, float) else writer.add_uint32)(key, value)
    writer.add_bool(f"{a.arch}.expert_weights_norm", True)
    writer.add_tokenizer_model("no_vocab")
    types = recipe("Q4_K_M", a)
    tensors = [(tensor.name, tensor.shape, types[tensor.name]) for tensor in a.tensors()]
    tensors += [(f"blk.{layer}.exp_probs_b.bias", (a.n_expert,), "F32")
                for layer in range(a.n_layer_dense, a.n_layer)]
    for name, shape, qtype in tensors:
        nbytes = tensor_nbytes(shape, qtype)
        writer.add_tensor_info(name, shape[::-1], np.dtype(np.float16), nbytes,
                               raw_dtype=GGMLQuantizationType[qtype])
        total += aligned(nbytes, 32)
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_ti_data_to_file,
                 writer.close):
        step()
    os.truncate(path, aligned(os.path.getsize(path), 32) + total)


@pytest.mark.parametrize("name", MEMBERS)
def test_every_member_is_exact(name, tmp_path):
    write(tmp_path / "a.gguf", MEMBERS[name], grouped=name.startswith("v3"))
    with ql.open_model(tmp_path / "a.gguf") as model:
        assert model.architecture == MEMBERS[name]
        for settings in (dict(n_ctx=4096), dict(n_ctx=32768, n_parallel=2), dict(n_ctx=8192, n_gpu_layers=3),
                         dict(n_ctx=4096, flash_attention=False, n_outputs=512)):
            ours, found = ql.estimate_memory(model, **settings), oracle.measure(model, **settings)
            assert ours.exact and (ours.weights, ours.kv_cache, ours.compute) == found[:3], settings
