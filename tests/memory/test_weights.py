"""Weight bytes: against llama-quantize's recorded sizes and llama.cpp's own allocation."""

import pytest

import quantlab as ql
from quantlab.memory.weights import FTYPES, weight_bytes, weights_of
from quantlab.models.catalog import MODELS, PUBLISHED
from tests.memory.test_kv_cache import measured

RECORDED = {"llama2:7b": "llama-2-7b", "llama3.1:8b": "llama-3.1-8b"}


@pytest.mark.parametrize("row", {row["model"]: row for row in measured()}.values(), ids=lambda r: r["model"])
def test_the_card_holds_what_llama_cpp_puts_there(row):
    made = weights_of(MODELS[row["model"]].unnamed, "Q4_K_M")       # by llama-quantize, not the pulled file
    assert made.placed().card == int(row["weights_gpu_bytes"])


@pytest.mark.parametrize("row", {row["model"]: row for row in measured()}.values(), ids=lambda r: r["model"])
def test_word_vectors_stay_in_main_memory(row):
    weights = weights_of(MODELS[row["model"]].unnamed, "Q4_K_M")
    assert weights.placed().host == int(row["weights_host_bytes"]) > 0
    if MODELS[row["model"]].tied_embeddings:                                # there twice
        assert weights.placed().card >= weights.nbytes


@pytest.mark.parametrize("ftype", FTYPES)
@pytest.mark.parametrize("name", RECORDED)
def test_recorded_models_are_exact(name, ftype):
    table = ql.tensor_list(RECORDED[name], ftype)
    assert weight_bytes(table) == table.nbytes.sum() == weight_bytes(name, ftype)
    assert weight_bytes(list(zip(table["shape"], table["type"], strict=True))) == weight_bytes(table)


@pytest.mark.parametrize("name", [name for name in MODELS if PUBLISHED[name].q4_k_m_bytes])
def test_q4_k_m_is_what_llama_quantize_wrote(name):
    assert weight_bytes(MODELS[name].unnamed, "Q4_K_M") == PUBLISHED[name].q4_k_m_bytes


@pytest.mark.parametrize("name", MODELS)
def test_more_bits_are_more_bytes(name):
    plain, ftypes = MODELS[name].unnamed, ("Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16")
    sizes = [weight_bytes(plain, ftype) for ftype in ftypes]
    assert sizes == sorted(sizes)
    # 1.1 % more in Gemma 3n: its small matrices stay F32
    assert sizes[-1] == pytest.approx(2 * MODELS[name].n_params, rel=1.2e-2)


def test_by_role_the_feed_forward_part_is_the_largest():
    roles = ql.tensor_list("llama-2-7b", "Q4_K_M").groupby("role").nbytes.sum()
    assert roles.idxmax() == "ffn_down" and roles["ffn_down"] > roles["attn_q"]


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="llama9"):
        weight_bytes("llama9:1b", "Q4_K_M")
    with pytest.raises(ValueError, match="Q9_X"):
        weight_bytes("llama2:7b", "Q9_X")
    with pytest.raises(ValueError, match="100 weights"):
        weight_bytes([((100, 2), "Q4_0")])
