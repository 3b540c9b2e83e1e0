"""What a file type mixes: counts and bytes agree with gguf's own block sizes, and the lesson's table stays as
printed.
"""

import gguf
import pytest

import quantlab as ql
from quantlab.exhibits.types import COMMON_TABLE, mix

MODELS = ("llama-2-7b", "llama-3.1-8b")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("ftype", COMMON_TABLE)
def test_bytes_are_those_of_ggufs_block_sizes(model, ftype):
    expected = 0
    for n_weights, qtype in zip(ql.tensor_list(model, ftype).n_weights, ql.tensor_list(model, ftype).type,
                                strict=True):
        block_size, type_size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[qtype]]
        expected += n_weights // block_size * type_size
    made = mix(model, ftype)
    assert made.nbytes == expected == sum(share.nbytes for share in made.shares)
    assert sum(share.n_tensors for share in made.shares) == len(ql.tensor_list(model, ftype))


def test_the_mix_of_q4_k_m_in_words():
    shares = {share.qtype: share for share in mix("llama-3.1-8b", "Q4_K_M").shares}
    assert {name: share.n_tensors for name, share in shares.items()} == {"Q4_K": 193, "Q6_K": 33, "F32": 66}
    assert shares["Q6_K"].where == "output, 16 of 32 attn_v, 16 of 32 ffn_down"
    assert shares["Q4_K"].where == "all other matrices" and "norms" in shares["F32"].where
    assert mix("llama-3.1-8b", "Q8_0").shares[0].where == "all matrices"


def test_a_file_costs_more_than_the_number_in_its_name():
    for model in MODELS:
        for ftype in COMMON_TABLE:
            assert mix(model, ftype).bpw > int(ftype.removeprefix("Q").removeprefix("F").split("_")[0])


def test_the_lessons_q4_0_is_codes_without_scales():
    assert COMMON_TABLE["Q4_0"] == 7e9 * 4 / 8 / 1e9


def test_what_was_not_recorded_is_refused():
    with pytest.raises(ValueError, match="no model 'llama-9' here"):
        mix("llama-9", "Q4_0")
    with pytest.raises(ValueError, match="no ftype"):
        mix("llama-2-7b", "Q4_K_L")
