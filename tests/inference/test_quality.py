"""Perplexity and KL divergence: the statistics against their definitions, real models against llama.cpp's own
logits, and memory that does not grow.
"""

import math
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from quantlab.inference import quality
from quantlab.inference.chunks import chunks_of
from quantlab.inference.load import load_lm
from quantlab.inference.quality import (
    Divergence,
    Perplexity,
    Reference,
    compared,
    divergence,
    joined,
    log_softmax,
    perplexity,
    scored_logits,
    standard_error,
)
from quantlab.models.source import BUNDLED
from tests.inference.files import copied
from tests.inference.llama_oracle import LlamaCpp
from tests.inference.perplexity_oracle import printed, scored

N_CTX, CHUNKS = 256, 3


# ---- the statistics

def pair(noise: float, n: int = 300, n_vocab: int = 40, seed: int = 0):
    rng = np.random.default_rng(seed)
    base = 3 * rng.standard_normal((n, n_vocab), dtype=np.float32)
    other = base + np.float32(noise) * rng.standard_normal((n, n_vocab), dtype=np.float32)
    return base, other, rng.integers(0, n_vocab, n)


def everything(found: Divergence) -> dict[str, float]:
    return {name: value for name, value in found.numbers().items() if name != "predicted"}


@pytest.mark.parametrize("noise", [0.01, 0.3, 3])
def test_every_statistic_is_the_definition(noise):
    base, other, right = pair(noise)
    expected = printed(zip(base, other, right.tolist(), strict=True), stored=False)
    assert everything(compared(base, other, right)) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("noise", [0.1, 1])
def test_the_16_bits_of_the_tools_file_hardly_move_them(noise):
    base, other, right = pair(noise)
    expected = printed(zip(base, other, right.tolist(), strict=True), stored=True)
    found = everything(compared(base, other, right))
    assert found["kld"] == pytest.approx(expected["kld"], abs=2e-5)
    del found["top1"], expected["top1"]
    assert found == pytest.approx(expected, rel=2e-3, abs=2e-5)


def test_a_model_is_at_no_distance_from_itself():
    base, _, right = pair(0)
    found = everything(compared(base, base, right))
    assert found["kld"] == found["kld99"] == found["ln_ratio"] == found["rms_p_diff"] == 0
    assert found["top1"] == 1 and found["ppl"] == found["ppl_base"]


def test_kl_divergence_of_two_coins_by_hand():
    base, other = np.log([[0.5, 0.5]]).astype(np.float32), np.log([[0.75, 0.25]]).astype(np.float32)
    found = everything(compared(base, other, np.array([1])))
    assert found["kld"] == pytest.approx(0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25), rel=1e-6)
    assert found["ppl"] == pytest.approx(4, rel=1e-6)
    assert found["mean_p_diff"] == pytest.approx(-0.25, rel=1e-6)


def test_guessing_among_all_words_has_a_perplexity_of_their_number():
    found = compared(np.zeros((20, 50), np.float32), np.zeros((20, 50), np.float32), np.arange(20))
    assert found.ppl == pytest.approx(50) and found.ppl_se == pytest.approx(0, abs=1e-9)


def test_huge_logits_overflow_nowhere():
    z = np.array([[3e38, -3e38, 0], [1e4, 1e4, -1e4]], np.float32)
    with np.errstate(over="raise", invalid="raise"):
        ln_p = log_softmax(z)
    np.testing.assert_allclose(np.exp(ln_p), [[1, 0, 0], [0.5, 0.5, 0]])


def test_the_standard_error_is_that_of_the_mean():
    values = np.random.default_rng(1).standard_exponential(1000)
    assert standard_error(values) == pytest.approx(values.std(ddof=1) / math.sqrt(1000))
    assert math.isnan(standard_error(np.ones(1)))


def test_the_standard_error_covers_what_another_text_gives():
    rng = np.random.default_rng(2)
    means = [Perplexity(rng.standard_exponential(400)) for _ in range(300)]
    within = np.mean([abs(math.log(found.ppl) - 1) < found.ppl_se / found.ppl for found in means])
    assert 0.6 < within < 0.76          # 68 % for one standard error


def test_pieces_joined_are_the_whole():
    base, other, right = pair(0.5)
    whole = compared(base, other, right)
    parts = joined([compared(base[a:b], other[a:b], right[a:b]) for a, b in ((0, 7), (7, 250), (250, 300))])
    assert everything(parts) == everything(whole)
    assert "KLD" in repr(whole) and "PPL" in repr(Perplexity(whole.nll))


# ---- of real models

def test_on_32_bit_weights_every_number_is_llama_cpps(tiny, text, tmp_path):
    tokens, small = tiny.tokenizer.encode(text), load_lm("tiny", "Q3_K", pure=True)
    matrices = {name: values for name, values in small.weights.items() if values.ndim == 2}
    pairs = []
    for name, changed in (("base.gguf", {}), ("small.gguf", matrices)):
        with LlamaCpp(copied(BUNDLED["tiny"], tmp_path / name, f32=True, tensors=changed), N_CTX) as oracle:
            pairs.append(scored(oracle, tokens, N_CTX, CHUNKS))
    expected = printed([(base, other, right) for (base, right), (other, _) in zip(*pairs, strict=True)],
                       stored=False)
    found = divergence(tiny, small, text, chunks=CHUNKS).numbers()
    assert found["predicted"] == CHUNKS * (N_CTX - 1 - N_CTX // 2) == len(pairs[0])
    for name, value in expected.items():
        rel = 1e-5 if name in ("ppl", "ppl_base") else 1e-3
        assert found[name] == pytest.approx(value, rel=rel, abs=1e-6), name
    assert perplexity(tiny, text, chunks=CHUNKS).ppl == found["ppl_base"]


def test_only_the_second_half_of_a_chunk_is_scored(tiny, text):
    chunk = chunks_of(tiny, text, 64, 1)[0]
    scored = np.concatenate(list(scored_logits(tiny, chunk)))
    np.testing.assert_allclose(scored, tiny.logits(chunk)[32:63], atol=1e-4)


def test_what_does_not_fit_in_memory_is_computed_again_with_the_same_numbers(tiny, text, monkeypatch):
    other = load_lm("tiny", "Q4_0", pure=True)
    kept = divergence(tiny, other, text, chunks=2, n_ctx=64).numbers()
    monkeypatch.setattr(quality, "LOGITS_KEPT", 0)
    reference = Reference(tiny, text, chunks=2, n_ctx=64)
    reference.prepare()
    assert reference.divergence(other).numbers() == kept and not reference._logits


def test_memory_does_not_grow_with_the_text(tiny, text, monkeypatch):
    monkeypatch.setattr(quality, "LOGITS_KEPT", 0)
    peaks = []
    for chunks in (1, 4):
        reference = Reference(tiny, text, chunks=chunks)
        tracemalloc.start()
        reference.divergence(tiny)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_models_of_other_vocabularies_are_not_compared(tiny, text):
    larger = replace(tiny, graph=replace(tiny.graph, n_vocab=49152))
    with pytest.raises(ValueError, match=r"has 1,024 tokens and .* has 49,152"):
        divergence(tiny, larger, text, chunks=1)
    other = load_lm("tiny")
    other.tokenizer.tokens = ["!", *reversed(other.tokenizer.tokens[1:])]
    with pytest.raises(ValueError, match="token 0 is"):
        divergence(tiny, other, text, chunks=1)


def test_broken_weights_are_said_to_be_broken(tiny, text):
    broken = tiny.with_weights({"output_norm.weight": np.full(256, np.nan)})
    with pytest.raises(ValueError, match="no numbers"):
        perplexity(broken, text, chunks=1)
