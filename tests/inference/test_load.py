"""`load_lm`: the weights that a file holds, or would hold; and files that are no Llama, in words."""

import re

import numpy as np
import pytest

import quantlab as ql
from quantlab.inference.families import FAMILIES
from quantlab.inference.sensitivity import collect_imatrix
from quantlab.models.recipes import recipe
from quantlab.models.source import BUNDLED, from_show, open_model
from tests.inference.files import copied
from tests.inference.random_models import write as random_model
from tests.models.written import SMALL, write

TINY = BUNDLED["tiny"]


def test_by_name_by_path_and_from_an_open_model_it_is_the_same():
    by_name, by_path = ql.load_lm("tiny"), ql.load_lm(TINY)
    with open_model("tiny") as model:
        opened = ql.load_lm(model)
        # and it is still open
        assert all(np.array_equal(model.tensor(name), by_name.weights[name]) for name in model.types)
    for other in (by_path, opened):
        assert other.weights.keys() == by_name.weights.keys()
        assert all(np.array_equal(other.weights[name], values) for name, values in by_name.weights.items())
    assert all(values.dtype == np.float32 for values in by_name.weights.values())
    assert (by_name.n_vocab, by_name.n_ctx_train) == (by_name.tokenizer.n_vocab,
                                                      by_name.graph.n_ctx_train)


@pytest.mark.parametrize(("ftype", "pure"), [("Q4_K_M", False), ("Q3_K", True), ("BF16", False)])
def test_a_mix_gives_the_weights_that_its_file_holds(tmp_path, ftype, pure):
    file = ql.quantize_model("tiny", tmp_path / "new.gguf", ftype, pure=pure, progress=None)
    made, read = ql.load_lm("tiny", ftype, pure=pure), ql.load_lm(file)
    assert all(np.array_equal(made.weights[name], values) for name, values in read.weights.items())
    with open_model(file) as model, open_model("tiny") as source:
        assert {name: qtype for name, (qtype, _) in model.types.items()} == recipe(ftype, source, pure=pure)


def test_vectors_are_never_quantized():
    plain, pure = ql.load_lm("tiny"), ql.load_lm("tiny", "Q2_K", pure=True)
    for name, values in plain.weights.items():
        assert np.array_equal(values, pure.weights[name]) == (values.ndim == 1), name


def test_an_importance_matrix_is_used():
    plain = ql.load_lm("tiny", "Q4_K_M")
    name, columns = "blk.0.ffn_up.weight", plain.graph.n_embd
    weighted = ql.load_lm("tiny", "Q4_K_M", imatrix={name: np.linspace(0.01, 100, columns)})
    assert not np.array_equal(weighted.weights[name], plain.weights[name])
    assert np.array_equal(weighted.weights["blk.1.ffn_up.weight"], plain.weights["blk.1.ffn_up.weight"])


def test_a_quantized_file_can_be_quantized_again(tmp_path):
    file = ql.quantize_model("tiny", tmp_path / "q.gguf", "Q4_0", progress=None)
    again = ql.load_lm(file, "Q8_0")
    assert np.abs(again.weights["blk.0.attn_q.weight"]
                  - ql.load_lm(file).weights["blk.0.attn_q.weight"]).max() > 0


@pytest.mark.parametrize(("call", "words"), [
    (lambda: ql.load_lm("tiny", "Q4_K_L"), "Q4_K_L"),
    (lambda: ql.load_lm("tiny", "IQ3"), "IQ3"),
    (lambda: ql.load_lm("tiny", pure=True), "no ftype is given"),
    (lambda: ql.load_lm("tiny", imatrix={}), "no ftype is given"),
    (lambda: ql.load_lm("tiny", "IQ2_XXS"), "needs an imatrix"),
    (lambda: ql.load_lm("tiny", "Q4_K_M", imatrix={"blk.0.ffn_up.weight": [1, 2]}),
     "belongs to another model"),
    (lambda: ql.load_lm("no such model"), "no such model"),
    (lambda: ql.load_lm("missing.gguf"), "there is no file"),
    (lambda: ql.load_lm(from_show({"tensors": [{"name": "a", "type": "F32", "shape": [1]}]}, "far")),
     "the weights of far are not at hand"),
])
def test_what_cannot_be_loaded_is_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(("change", "words"), [
    ({"arch": "qwen2"}, "does not say qwen2.attention.head_count"),
    ({"arch": "mamba"}, "architecture 'mamba', which cannot be run here; .* explore_comparison"),
    ({"tensors": {"blk.1.ffn_up.weight": None}}, "has no tensor blk.1.ffn_up.weight"),
    ({"tensors": {"token_embd.weight": None}}, "token_embd.weight"),
    ({"tensors": {"blk.1.ffn_up.weight": np.zeros((3, 256), np.float32)}},
     r"ffn_up.weight of t.gguf has the shape \(256, 3\); .* must be"),
    ({"tensors": {"blk.0.attn_q_norm.weight": np.zeros(64, np.float32)}},
     "a tensor blk.0.attn_q_norm.weight .* that no llama has"),
    ({"tensors": {"blk.0.attn_q.bias": np.zeros(3, np.float32)}},
     r"attn_q.bias of t.gguf has the shape \(3,\); .* must be \(256,\)"),
    ({"metadata": {"llama.expert_count": 8, "llama.expert_used_count": 2}},
     "has no tensor blk.0.ffn_gate_inp.weight"),
    ({"metadata": {"llama.rope.scaling.type": "su"}},
     "rope.scaling.type of t.gguf is 'su'; known are none, linear, yarn, longrope"),
    ({"metadata": {"llama.expert_count": 2, "llama.expert_used_count": 3}}, "is 3; it must be from 1 to 2"),
    ({"metadata": {"llama.attention.value_length": 32}}, "64 columns for keys and 32 for values"),
    ({"metadata": {"llama.attention.head_count_kv": 3}}, "3 heads of keys and values for 4 heads"),
    ({"metadata": {"llama.attention.head_count_kv": [2, 2, 1, 2]}}, "given for each layer, from 1 to 2"),
    ({"metadata": {"llama.attention.head_count_kv": 1.5}}, "is 1.5; a whole number"),
    ({"metadata": {"llama.rope.scaling.finetuned": "x", "llama.attn_logit_softcapping": 30.0}},
     "says llama.attn_logit_softcapping = 30.0, which is not known"),
    ({"metadata": {"llama.rope.scaling.yarn_beta_fast": 16.0}}, "says llama.rope.scaling.yarn_beta_fast"),
    ({"metadata": {"llama.attention.causal": False}}, "says llama.attention.causal = False"),
    ({"metadata": {"llama.attention.layer_norm_rms_epsilon": None}}, "does not say llama.attention.layer_n"),
    ({"metadata": {"llama.rope.dimension_count": 32}}, "RoPE is to turn 32 of the 64"),
    ({"metadata": {"llama.rope.freq_base": -1.0}}, "rope.freq_base of t.gguf is -1.0; it must be above 0"),
    ({"metadata": {"llama.rope.freq_base": float("nan")}}, "rope.freq_base of t.gguf is nan; a number"),
    ({"metadata": {"llama.context_length": None}}, "does not say llama.context_length"),
    ({"metadata": {"tokenizer.ggml.pre": "bloom"}}, "pre-tokenizer 'bloom'"),
    ({"metadata": {"tokenizer.ggml.model": "bert"}}, "of the kind 'bert'"),
    ({"metadata": {"tokenizer.ggml.tokens": ["a", "b"]}}, "2 tokens, but tokenizer.ggml.token_type has 1024"),
])
def test_a_file_that_is_no_llama_is_refused_in_words(tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        ql.load_lm(copied(TINY, tmp_path / "t.gguf", **change))


def test_more_tokens_than_vectors_are_refused(tmp_path):
    tokens = [f"t{i}" for i in range(1025)]
    metadata = {"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": [1] * 1025,
                "tokenizer.ggml.merges": None}
    with pytest.raises(ValueError, match="1025 tokens, but word vectors for 1024 only"):
        ql.load_lm(copied(TINY, tmp_path / "t.gguf", metadata=metadata))


@pytest.mark.parametrize("arch", SMALL)
def test_each_family_that_is_planned_can_be_run_or_is_refused_by_its_name(tmp_path, arch):
    write(tmp_path / "small.gguf", SMALL[arch], "F16")
    said = {f"{arch}.attention.layer_norm_rms_epsilon": 1e-6, "tokenizer.ggml.pre": "gpt-2",
            "tokenizer.ggml.merges": None}
    file = copied(tmp_path / "small.gguf", tmp_path / "m.gguf", metadata=said)
    if arch in FAMILIES:
        assert np.isfinite(ql.load_lm(file).logits([1, 2, 3])).all()
    else:
        with pytest.raises(ValueError, match=f"architecture '{arch}', which cannot be run here"):
            ql.load_lm(file)


@pytest.mark.parametrize("arch", FAMILIES)
def test_each_family_can_be_quantized_on_the_way(tmp_path, arch):
    """Experts with importances of their own."""
    file = random_model(tmp_path / "m.gguf", arch)
    imatrix = collect_imatrix(ql.load_lm(file), list(range(64)), n_ctx=32, progress=None)
    written = ql.quantize_model(file, tmp_path / "q.gguf", "Q4_0", imatrix, pure=True, progress=None)
    made, plain = ql.load_lm(file, "Q4_0", imatrix=imatrix, pure=True), ql.load_lm(file).weights
    for name, values in ql.load_lm(written).weights.items():
        np.testing.assert_array_equal(made.weights[name], values, err_msg=name)
        kept = values.ndim == 1 or "ffn_gate_inp" in name or name.endswith("bias")
        assert np.array_equal(values, plain[name]) == kept, name


def test_a_reference_that_is_none_is_refused():
    with pytest.raises(ValueError, match="reference='f16': it is one of exact, "):
        ql.load_lm("tiny", reference="f16")


def test_a_picture_encoder_in_the_same_file_is_left_out(tmp_path):
    """Ollama's own Gemma 3 files have one, and lack the key that llama.cpp demands."""
    plain = random_model(tmp_path / "m.gguf", "gemma3")
    file = copied(plain, tmp_path / "o.gguf", metadata={"gemma3.attention.layer_norm_rms_epsilon": None,
                                                        "gemma3.vision.block_count": 3},
                  tensors={"v.blk.0.attn_q.weight": np.ones((4, 4), np.float32)})
    np.testing.assert_array_equal(ql.load_lm(file).logits([1, 2, 3]), ql.load_lm(plain).logits([1, 2, 3]))


@pytest.mark.parametrize(("arch", "name", "place"), [
    ("llama", "blk.3.ffn_down.weight", (60, 95)), ("qwen3moe", "blk.2.ffn_up_exps.weight", (5, 31, 63)),
    ("llama", "token_embd.weight", (256, 0)),
])
def test_a_weight_that_is_no_number_is_named_with_its_matrix_row_and_column(tmp_path, arch, name, place):
    path = random_model(tmp_path / "x.gguf", arch)
    with open_model(path) as model:
        info = model.gguf.infos[name]
    with open(path, "r+b") as file:
        file.seek(info.offset + 4 * int(np.ravel_multi_index(place, info.shape[::-1])))
        file.write(np.float32("nan").tobytes())
    which = f"matrix {place[0]}, " if len(place) > 2 else ""
    where = rf"{which}row {place[-2]}, column {place[-1]} \(counted from 0\)"
    with pytest.raises(ValueError, match=f"^tensor {re.escape(name)}: {where} is nan"):
        ql.load_lm(path, "Q5_0")
    ql.load_lm(path)                        # nothing is rounded, and nothing refused
