"""The forward pass against llama.cpp: the same file, the same tokens, the same logits, as near as float32
allows.
"""

from functools import cache

import numpy as np
import pytest

import quantlab as ql
from quantlab.inference.gates import silu, softmax
from quantlab.inference.generate import generate_tokens, prompt_tokens
from quantlab.models.source import BUNDLED
from tests.inference.files import copied
from tests.inference.int8_activations import Rounding
from tests.inference.llama_oracle import ON, LlamaCpp
from tests.thinned import WHOLE, some

TINY = BUNDLED["tiny"]
HELD_OUT = TINY.with_name("held_out.txt")
PROMPTS = ("The capital of France is", "def fibonacci(n):")
VERSES = ("To be, or not to be,", "ROMEO.\n")


@cache
def tiny():
    return ql.load_lm("tiny")


def held_out(model, n):
    return model.tokenizer.encode(HELD_OUT.read_text()[:8 * n])[:n]


def log_shares(logits):
    logits = logits.astype(np.float64)
    logits -= logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def kld(reference, logits):
    """Mean Kullback-Leibler divergence in nats, as llama.cpp's perplexity tool defines it."""
    p, q = log_shares(reference), log_shares(logits)
    return (np.exp(p) * (p - q)).sum(axis=-1).mean()


def perplexity(logits, tokens):
    return np.exp(-log_shares(logits[:-1])[np.arange(len(tokens) - 1), tokens[1:]].mean())


def same_as_llama_cpp(model, file, tokens, prompts, n_ctx):
    """What F32 weights must show: the figures of the issue."""
    with LlamaCpp(file, n_ctx) as oracle:
        theirs, ours = oracle.logits(tokens), model.logits(tokens)
        assert np.abs(ours - theirs).max() <= 2e-3
        np.testing.assert_array_equal(ours.argmax(axis=1), theirs.argmax(axis=1))
        assert perplexity(ours, tokens) == pytest.approx(perplexity(theirs, tokens), rel=1e-4)
        for prompt in prompts:
            same_greedy(model, oracle, prompt_tokens(model, prompt))


def same_greedy(model, oracle, start, n=64 if WHOLE else 32):
    """llama.cpp would have written our n tokens: reading them at once, it finds each the likeliest after
    those before it.
    """
    written = list(generate_tokens(model, start, n))
    likeliest = oracle.logits([*start, *written])[len(start) - 1:].argmax(axis=1)
    np.testing.assert_array_equal(written, likeliest[:len(written)])
    assert len(written) == n or likeliest[-1] in model.tokenizer.ends


def test_smollm2_in_float32_equals_llama_cpp(smollm_f32):
    model = ql.load_lm(smollm_f32)
    same_as_llama_cpp(model, smollm_f32, held_out(model, 128), some(PROMPTS, 2), 256)


def test_tiny_in_float32_equals_llama_cpp(tmp_path):
    file = copied(TINY, tmp_path / "tiny.gguf", f32=True)
    same_as_llama_cpp(tiny(), file, held_out(tiny(), 256), VERSES, 256)


def test_tiny_as_it_ships_equals_llama_cpp():
    """llama.cpp multiplies F16 weights with activations rounded to F16."""
    tokens = held_out(tiny(), 256)
    with LlamaCpp(TINY, 256) as oracle:
        theirs, ours = oracle.logits(tokens), tiny().logits(tokens)
    assert np.abs(ours - theirs).max() <= 0.02 and kld(theirs, ours) <= 1e-6


@pytest.mark.parametrize("ftype", ["Q8_0", "Q4_K_M", "IQ4_XS"])    # all decoders: formats/test_truth.py
def test_a_quantized_tiny_file_equals_llama_cpp(tmp_path, ftype):
    """The same weights: as float32 they give llama.cpp's logits. From the quantized file llama.cpp also
    rounds the activations to 8 bits, and then it is as far from us as from itself without that rounding.
    That is nearer than llama.cpp is to itself when it adds the same numbers in another order, by flash
    attention (benchmarks/same_file.py: 2.3e-4 to 9.7e-4 against 3.0e-4 to 1.2e-3).
    """
    file = ql.quantize_model("tiny", tmp_path / "tiny.gguf", ftype, progress=None)
    tokens, model = held_out(tiny(), 256), ql.load_lm("tiny", ftype)
    ours = model.logits(tokens)
    np.testing.assert_array_equal(ours, ql.load_lm(file).logits(tokens))
    with LlamaCpp(copied(TINY, tmp_path / "f32.gguf", f32=True, tensors=model.weights), 256) as oracle:
        unrounded = oracle.logits(tokens)
    with LlamaCpp(file, 256) as oracle:
        rounded = oracle.logits(tokens)
    with LlamaCpp(file, 256, flash_attn_type=ON) as oracle:
        in_another_order = oracle.logits(tokens)
    assert np.abs(ours - unrounded).max() <= 2e-3 and kld(unrounded, ours) <= 1e-9
    assert kld(rounded, ours) == pytest.approx(kld(rounded, unrounded), rel=0.01)
    assert kld(rounded, ours) < kld(rounded, in_another_order) < 3e-3


@pytest.mark.parametrize("ftype", ["Q8_0", "Q4_0", "Q4_K_M"])
def test_what_llama_cpp_does_otherwise_is_the_rounding_of_activations(tmp_path, ftype):
    later = {name: None for name in tiny().weights if name.startswith("blk.")
             and not name.startswith("blk.0.")}
    one_layer = copied(TINY, tmp_path / "one.gguf", metadata={"llama.block_count": 1}, tensors=later)
    file = ql.quantize_model(one_layer, tmp_path / "q.gguf", ftype, progress=None)
    tokens, model = held_out(tiny(), 128), ql.load_lm(file)
    with LlamaCpp(file, 128) as oracle:
        theirs = oracle.logits(tokens)
    assert np.median(np.abs(theirs - model.logits(tokens))) > 1e-3
    assert np.median(np.abs(theirs - Rounding.of(model, file).logits(tokens))) <= 1e-5


def test_a_quantized_smollm2_equals_llama_cpp(smollm_f16, tmp_path):
    file = ql.quantize_model(smollm_f16, tmp_path / "q.gguf", "Q4_K_M", progress=None)
    model = ql.load_lm(file)
    tokens = held_out(model, 128)
    with LlamaCpp(file, 256) as oracle:
        assert kld(oracle.logits(tokens), model.logits(tokens)) <= 0.01


def variants():
    rng = np.random.default_rng(1)
    weights = tiny().weights
    q, ff = weights["blk.0.attn_q.weight"].shape[0], weights["blk.0.ffn_gate.weight"].shape[0]
    slower = np.linspace(1, 8, tiny().graph.head_dim // 2, dtype=np.float32)
    return {
        "rope_freqs, as Llama 3.1 has them": {"tensors": {"rope_freqs.weight": slower}},
        "an output matrix of its own":
        {"tensors": {"output.weight": weights["token_embd.weight"][::-1].copy()}},
        "biases": {"tensors": {"blk.0.attn_q.bias": rng.normal(size=q).astype(np.float32),
                               "blk.1.ffn_gate.bias": rng.normal(size=ff).astype(np.float32)}},
        "another rope base": {"metadata": {"llama.rope.freq_base": 500000.0}},
        "positions stretched by 2": {"metadata": {"llama.rope.scaling.type": "linear",
                                                  "llama.rope.scaling.factor": 2.0}},
        "a large eps": {"metadata": {"llama.attention.layer_norm_rms_epsilon": 0.01}},
    }


@pytest.mark.parametrize("what", variants())
def test_every_kind_of_llama_equals_llama_cpp(tmp_path, what):
    file = copied(TINY, tmp_path / "tiny.gguf", f32=True, **variants()[what])
    model, tokens = ql.load_lm(file), held_out(tiny(), 128)
    with LlamaCpp(file, 128) as oracle:
        theirs, ours = oracle.logits(tokens), model.logits(tokens)
    assert np.abs(ours - theirs).max() <= 2e-3
    changed = np.abs(ours - tiny().logits(tokens)).max()
    assert changed > 0.01, "the change has no effect, so nothing was tested"


def test_pieces_of_a_text_give_the_logits_of_the_whole():
    tokens = held_out(tiny(), 100)
    whole, cache = tiny().logits(tokens), tiny().new_cache(100)
    parts = [tiny().forward(tokens[start:stop], cache) for start, stop in ((0, 1), (1, 40), (40, 99))]
    np.testing.assert_allclose(np.concatenate(parts), whole[:99], atol=2e-4)
    np.testing.assert_allclose(tiny().forward(tokens[99:], cache, last=True), whole[99:], atol=2e-4)
    cache.n = 40                                            # tokens taken back
    np.testing.assert_allclose(tiny().forward(tokens[40:], cache), whole[40:], atol=2e-4)


def test_a_long_text_passes_in_chunks(monkeypatch):
    tokens = held_out(tiny(), 100)
    whole, last = tiny().logits(tokens), tiny().forward(tokens, tiny().new_cache(), last=True)
    monkeypatch.setattr("quantlab.inference.llama.CHUNK", 7)
    np.testing.assert_allclose(tiny().logits(tokens), whole, atol=2e-4)
    np.testing.assert_allclose(tiny().forward(tokens, tiny().new_cache(), last=True), last, atol=2e-4)


def test_replaced_weights_are_used_and_the_others_shared():
    tokens, name = held_out(tiny(), 16), "blk.0.attn_v.weight"
    other = tiny().with_weights({name: np.zeros_like(tiny().weights[name])})
    assert np.abs(other.logits(tokens) - tiny().logits(tokens)).max() > 0.01
    assert all(other.weights[key] is tiny().weights[key] for key in tiny().weights if key != name)
    np.testing.assert_array_equal(other.with_weights({name: tiny().weights[name]}).logits(tokens),
                                  tiny().logits(tokens))


def test_watch_sees_the_inputs_of_every_matrix():
    from dataclasses import replace

    seen = {}
    model = replace(tiny(), watch=lambda name, x, expert: seen.setdefault(name, x.shape))
    model.logits(held_out(tiny(), 5))
    matrices = {name: (5, values.shape[1]) for name, values in tiny().weights.items() if values.ndim == 2}
    assert seen == matrices


def test_shares_add_up_and_extremes_stay_numbers():
    shares = softmax(np.array([[1e4, 0, -1e4], [-np.inf, 0, 0]], np.float32))
    np.testing.assert_array_equal(shares, [[1, 0, 0], [0, 0.5, 0.5]])
    np.testing.assert_array_equal(silu(np.array([-1e4, 0, 1e4], np.float32)), [0, 0, 1e4])


@pytest.mark.parametrize(("call", "words"), [
    (lambda m: m.logits([]), "no tokens"),
    (lambda m: m.logits([0, m.n_vocab]),
     f"token {tiny().n_vocab} is outside the vocabulary of {tiny().n_vocab}"),
    (lambda m: m.logits([-1]), "token -1 is outside"),
    (lambda m: m.logits([[1, 2]]), r"one row .* \(1, 2\)"),
    (lambda m: m.logits(["To"]), "whole numbers"),
    (lambda m: m.logits([0.5]), "whole numbers"),
    (lambda m: m.logits([0] * (m.n_ctx_train + 1)), "257 tokens is longer than the 256"),
    (lambda m: m.new_cache(0), "n_ctx=0"),
    (lambda m: m.new_cache(10**6), "longer than"),
    (lambda m: m.forward([0] * 5, m.new_cache(4)), "5 more tokens do not fit: the context of 4 holds 0"),
    (lambda m: m.with_weights({"blk.0.attn_v": np.zeros(3)}), "no tensor 'blk.0.attn_v'"),
    (lambda m: m.with_weights({"output_norm.weight": np.zeros(3)}), r"the shape \(256,\); \(3,\) cannot"),
])
def test_what_cannot_be_is_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call(tiny())
