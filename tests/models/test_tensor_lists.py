"""Sizes against llama-quantize's own (test_recipes.py has them for every ftype), parameter counts against
published ones.
"""

import pytest

from quantlab.models.architecture import Architecture
from quantlab.models.catalog import MODELS
from quantlab.models.recipes import tensor_list
from quantlab.models.types import tensor_nbytes


@pytest.mark.parametrize(("model", "nbytes"), [("llama-2-7b", 4080263168), ("llama-3.1-8b", 4912898304)])
def test_q4_k_m_tensor_bytes_are_exact(model, nbytes):
    assert tensor_list(model, "Q4_K_M").nbytes.sum() == nbytes


def test_parameter_counts_are_the_published_ones():
    assert MODELS["llama2:7b"].n_params == 6_738_415_616
    # plus the 64 numbers of rope_freqs
    assert MODELS["llama3.1:8b"].n_params == 8_030_261_248 + 64
    assert MODELS["smollm2:135m"].n_params == 134_515_008


def test_m_raises_only_attn_v_and_ffn_down_in_half_of_the_layers():
    table = tensor_list("llama-3.1-8b", "Q4_K_M")
    raised = table[(table.type == "Q6_K") & table.layer.notna()]
    assert set(raised.role) == {"attn_v", "ffn_down"}
    assert raised.groupby("role").size().tolist() == [16, 16]
    assert table[table.name == "output.weight"].type.item() == "Q6_K"


def test_small_tensors_stay_f32():
    table = tensor_list("llama-3.1-8b", "Q2_K")
    small = table[table["shape"].map(len) == 1]
    assert set(small.type) == {"F32"}
    assert small.bpw.eq(32).all() and len(small) == 66
    assert "rope_freqs.weight" in set(small.name)


def test_names_of_ollama_and_lower_case_are_understood():
    assert tensor_list("llama3.1:8b", "q4_K_M").equals(tensor_list("llama-3.1-8b", "Q4_K_M"))


def test_the_table_has_the_promised_columns_and_is_a_fresh_copy():
    table = tensor_list("llama-2-7b", "Q8_0")
    assert list(table.columns) == ["name", "role", "layer", "shape", "type", "n_weights", "nbytes", "bpw"]
    table.loc[:, "nbytes"] = 0
    assert tensor_list("llama-2-7b", "Q8_0").nbytes.sum() > 0


@pytest.mark.parametrize(("model", "ftype", "word"), [
    ("llama-9", "Q4_K_M", "llama-9"), ("llama-2-7b", "Q4_K_L", "Q4_K_L"), ("", "", "''")])
def test_unknown_names_are_refused_by_name(model, ftype, word):
    with pytest.raises(ValueError, match=word):
        tensor_list(model, ftype)


def test_rows_that_are_no_whole_blocks_are_refused():
    with pytest.raises(ValueError, match="576"):
        tensor_nbytes((576, 10), "Q4_K")
    assert tensor_nbytes((576, 10), "Q5_0") == 576 // 32 * 22 * 10


# The exact counts that model cards and keras-hub's presets publish, one or more of each family.
PUBLISHED = [
    (dict(arch="qwen3", n_layer=28, n_embd=1024, n_head=16, n_head_kv=8, head_dim=128, n_ff=3072,
          n_vocab=151936,
          tied_embeddings=True), 596_049_920),
    (dict(arch="qwen3", n_layer=36, n_embd=4096, n_head=32, n_head_kv=8, head_dim=128, n_ff=12288,
          n_vocab=151936),
     8_190_735_360),
    (dict(arch="qwen2", n_layer=28, n_embd=3584, n_head=28, n_head_kv=4, head_dim=128, n_ff=18944,
          n_vocab=152064),
     7_615_616_512),
    (dict(arch="gemma3", n_layer=34, n_embd=2560, n_head=8, n_head_kv=4, head_dim=256, n_ff=10240,
          n_vocab=262144,
          tied_embeddings=True), 3_880_099_328),
    (dict(arch="gemma2", n_layer=42, n_embd=3584, n_head=16, n_head_kv=8, head_dim=256, n_ff=14336,
          n_vocab=256000,
          tied_embeddings=True), 9_241_705_984),
    (dict(arch="llama", n_layer=32, n_embd=4096, n_head=32, n_head_kv=8, head_dim=128, n_ff=14336,
          n_vocab=32000,
          n_expert=8, n_expert_used=2), 46_702_792_704),
    (dict(arch="qwen3moe", n_layer=48, n_embd=2048, n_head=32, n_head_kv=4, head_dim=128, n_ff=6144,
          n_vocab=151936,
          n_expert=128, n_expert_used=8, n_ff_exp=768), 30_532_122_624),
    (dict(arch="phi3", n_layer=40, n_embd=5120, n_head=40, n_head_kv=10, head_dim=128, n_ff=17920,
          n_vocab=100352),
     14_659_507_200),
    (dict(arch="gpt-oss", n_layer=24, n_embd=2880, n_head=64, n_head_kv=8, head_dim=64, n_ff=2880,
          n_vocab=201088,
          n_expert=32, n_expert_used=4), 20_914_757_184),
    (dict(arch="deepseek2", n_layer=27, n_embd=2048, n_head=16, n_head_kv=16, head_dim=192, n_ff=10944,
          n_vocab=102400,
          n_expert=64, n_expert_used=6, n_ff_exp=1408, n_expert_shared=2, n_layer_dense=1, kv_lora_rank=512,
          rope_dim=64, qk_nope_dim=128, v_head_dim=128), 15_706_484_224),
]


@pytest.mark.parametrize(("numbers", "n_params"), PUBLISHED,
                         ids=[numbers["arch"] for numbers, _ in PUBLISHED])
def test_family_has_the_published_number_of_parameters(numbers, n_params):
    assert Architecture(**numbers).n_params == n_params


def test_sliding_layers_follow_the_family():
    def sliding(**extra):
        base = MODELS["llama2:7b"].__dict__ | extra
        return [layer for layer in range(12) if Architecture(**base).is_sliding(layer)]

    assert sliding() == []
    assert sliding(arch="gemma3", sliding_window=1024) == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert sliding(arch="gpt-oss", sliding_window=128) == [0, 2, 4, 6, 8, 10]
    assert sliding(sliding_window=4096, swa_pattern=0) == list(range(12))
    assert sliding(arch="gemma2", sliding_window=4096, swa_pattern=3) == [0, 1, 3, 4, 6, 7, 9, 10]


@pytest.mark.parametrize(("wrong", "words"), [
    (dict(arch="gpt2"), "gpt2"), (dict(n_layer=0), "n_layer=0"), (dict(n_layer=5000), "n_layer=5000"),
    (dict(n_embd=-1), "n_embd=-1"), (dict(n_head_kv=5), "n_head_kv=5"), (dict(n_ff=2.5), "n_ff=2.5"),
    (dict(n_vocab=2**41), "n_vocab="), (dict(n_expert=2, n_expert_used=3), "n_expert_used=3"),
    (dict(n_layer_dense=99), "n_layer_dense=99"), (dict(n_head=True), "n_head=True"),
])
def test_impossible_architectures_are_refused_by_number(wrong, words):
    with pytest.raises(ValueError, match=words):
        Architecture(**(MODELS["llama2:7b"].__dict__ | wrong))
