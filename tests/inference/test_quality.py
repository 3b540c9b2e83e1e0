"""Perplexity and KL divergence of real models against llama.cpp's own logits; bad texts refused in words;
memory that does not grow.
"""

import re
import tracemalloc

import numpy as np
import pytest

from quantlab.inference import quality
from quantlab.inference.compare import HELD_OUT, numbers
from quantlab.inference.load import load_lm
from quantlab.inference.quality import Reference, divergence, perplexity, scored_logits
from quantlab.inference.scores import chunks_of, tokens_of
from quantlab.models.source import BUNDLED
from tests.inference.files import copied
from tests.inference.llama_oracle import LlamaCpp
from tests.inference.perplexity_oracle import printed, scored

N_CTX, CHUNKS = 256, 3


@pytest.fixture(scope="module")
def tiny():
    return load_lm("tiny")


@pytest.fixture(scope="module")
def text():
    return HELD_OUT.read_text(encoding="utf-8")


def test_perplexity_is_that_of_llama_cpps_logits(tiny, text):
    tokens = tiny.tokenizer.encode(text)
    with LlamaCpp(BUNDLED["tiny"], N_CTX) as oracle:
        pairs = scored(oracle, tokens, N_CTX, CHUNKS)
    expected = printed([(logits, logits, right) for logits, right in pairs], stored=False)
    found = perplexity(tiny, text, chunks=CHUNKS)
    assert found.n == CHUNKS * (N_CTX - 1 - N_CTX // 2) == len(pairs)
    # its activations are float16
    assert (found.ppl, found.ppl_se) == pytest.approx((expected["ppl"], expected["ppl_se"]), rel=1e-3)


def test_on_32_bit_weights_every_number_is_llama_cpps(tiny, text, tmp_path):
    tokens, small = tiny.tokenizer.encode(text), load_lm("tiny", "Q3_K", pure=True)
    matrices = {name: values for name, values in small.weights.items() if values.ndim == 2}
    pairs = []
    for name, changed in (("base.gguf", {}), ("small.gguf", matrices)):
        with LlamaCpp(copied(BUNDLED["tiny"], tmp_path / name, f32=True, tensors=changed), N_CTX) as oracle:
            pairs.append(scored(oracle, tokens, N_CTX, CHUNKS))
    expected = printed([(base, other, right) for (base, right), (other, _) in zip(*pairs, strict=True)],
                       stored=False)
    found = numbers(divergence(tiny, small, text, chunks=CHUNKS))
    assert found["ppl"] == pytest.approx(expected["ppl"],
                                         rel=1e-5) and found["ppl_base"] == pytest.approx(
                                             expected["ppl_base"], rel=1e-5)
    assert {name: found[name] for name in expected if name in found} == pytest.approx(
        {name: value for name, value in expected.items() if name in found}, rel=1e-3, abs=1e-6)


def test_only_the_second_half_of_a_chunk_is_scored(tiny, text):
    chunk = chunks_of(tiny, text, 64, 1)[0]
    np.testing.assert_allclose(scored_logits(tiny, chunk), tiny.logits(chunk)[32:63], atol=1e-4)
    found = Reference(tiny, text, n_ctx=64, chunks=2).divergence(tiny)
    assert found.place.tolist() == [*range(33, 64), *range(97, 128)]


def test_what_does_not_fit_in_memory_is_computed_again_with_the_same_numbers(tiny, text, monkeypatch):
    other = load_lm("tiny", "Q4_0", pure=True)
    kept = numbers(divergence(tiny, other, text, chunks=2))
    monkeypatch.setattr(quality, "KEPT", 0)
    reference = Reference(tiny, text, chunks=2)
    reference.prepare()
    assert numbers(reference.divergence(other)) == kept and not reference._logits


def test_memory_does_not_grow_with_the_text(tiny, text, monkeypatch):
    monkeypatch.setattr(quality, "KEPT", 0)
    peaks = []
    for chunks in (1, 6):
        reference = Reference(tiny, text, chunks=chunks)
        tracemalloc.start()
        reference.divergence(tiny)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_flips_show_where_both_would_go_on_differently(tiny, text):
    other = load_lm("tiny", "Q2_K", pure=True)
    reference = Reference(tiny, text, chunks=2)
    found = reference.divergence(other)
    flips = reference.flips(found)
    assert len(flips) == round((1 - found.top1) * found.n) > 0
    assert (flips.base != flips.other).all() and flips.p_base.between(0, 1).all() and flips.p_other.between(0,
                                                                                                            1).all()
    tokens = reference.chunks.reshape(-1)
    row = flips.iloc[0]
    assert row.right == tiny.tokenizer.decode([tokens[row.place]])
    assert tiny.tokenizer.decode(tokens[: row.place].tolist()).endswith(row.before)


def test_a_text_is_cut_into_whole_chunks_and_may_be_tokens(tiny, text):
    tokens = tokens_of(tiny, text)
    assert tokens.tolist() == tiny.tokenizer.encode(text)
    assert chunks_of(tiny, tokens[:700]).shape == (2, 256) and chunks_of(tiny, tokens, 100, 3).shape == (3,
                                                                                                         100)
    np.testing.assert_array_equal(chunks_of(tiny, tokens, 100)[1], tokens[100:200])


def test_a_model_trained_with_bos_gets_it_at_the_start_of_each_chunk(tiny, text):
    marked = load_lm("tiny")
    marked.tokenizer.add_bos = True
    cut = chunks_of(marked, text, 64, 3)
    assert (cut[:, 0] == marked.tokenizer.bos).all()
    assert cut[0, 1:].tolist() == tiny.tokenizer.encode(text)[:63]


def test_special_tokens_in_a_text_are_just_characters(tiny):
    assert tiny.tokenizer.eos not in tokens_of(tiny, "An <|endoftext|> in the text")


@pytest.mark.parametrize(("given", "settings", "words"),
                         [("", {}, "empty"), (" \n", {}, "empty"), ([], {}, "0 tokens"),
                          ([5], {}, "1 token:"), ([5, 6], {}, "3 are the least"),
                          ("To be, or not", {}, "fewer than one chunk of n_ctx=256"),
                          ([1] * 300, {"n_ctx": 257}, "beyond the 256 tokens"),
                          ([1] * 300, {"n_ctx": 2}, "n_ctx=2"), ([1] * 300, {"n_ctx": 64.0}, "n_ctx=64.0"),
                          ([1] * 300, {"chunks": 0}, "chunks=0"),
                          ([1] * 299 + [1024], {}, "token 1024 is outside the vocabulary"),
                          ([1] * 299 + [-1], {}, "token -1 is outside"),
                          ([0.5] * 300, {}, "not list of float64"), (b"To be", {}, "not bytes"),
                          ([[1, 2]], {}, "list"), ([[1, 2], [3]], {}, "list of object")])
def test_bad_texts_are_refused_in_words(tiny, given, settings, words):
    for measure in (perplexity, lambda lm, *a, **k: divergence(lm, lm, *a, **k)):
        with pytest.raises(ValueError, match=re.escape(words)):
            measure(tiny, given, **settings)


def test_the_name_of_a_model_is_no_model(tiny, text):
    for measure in (lambda: perplexity("tiny", text), lambda: divergence(tiny, "tiny", text),
                    lambda: divergence("tiny", tiny, text)):
        with pytest.raises(ValueError, match=r"load_lm\('tiny'\), not 'tiny'"):
            measure()


def test_models_of_other_vocabularies_are_not_compared(tiny, text, smollm_f16):
    with pytest.raises(ValueError, match=r"has 1,024 tokens and .* has 49,152"):
        divergence(tiny, load_lm(smollm_f16), text, chunks=1)
    other = load_lm("tiny")
    other.tokenizer.tokens = ["!", *reversed(other.tokenizer.tokens[1:])]
    with pytest.raises(ValueError, match="token 0 is"):
        divergence(tiny, other, text, chunks=1)


def test_broken_weights_are_said_to_be_broken(tiny, text):
    broken = tiny.with_weights({"output_norm.weight": np.full_like(tiny.weights["output_norm.weight"],
                                                                   np.nan)})
    with pytest.raises(ValueError, match="no numbers"):
        perplexity(broken, text, chunks=1)
