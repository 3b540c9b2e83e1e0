"""The statistics against the same definitions written without our code, and against what they must be by
reason.
"""

import math

import numpy as np
import pytest

from quantlab.inference.compare import numbers
from quantlab.inference.quality import _compared, log_softmax
from quantlab.inference.scores import Divergence, Perplexity, joined, standard_error
from tests.inference.perplexity_oracle import printed


def pair(noise: float, n: int = 300, n_vocab: int = 40, seed: int = 0):
    rng = np.random.default_rng(seed)
    base = 3 * rng.standard_normal((n, n_vocab), dtype=np.float32)
    other = base + np.float32(noise) * rng.standard_normal((n, n_vocab), dtype=np.float32)
    return base, other, rng.integers(0, n_vocab, n)


def compared(base, other, right) -> Divergence:
    return _compared(base, other, right, np.arange(len(right)))


def everything(found: Divergence) -> dict[str, float]:
    return {name: value for name, value in numbers(found).items() if name != "predicted"} | {
        "top1_se": found.top1_se, "rms_p_diff_se": found.rms_p_diff_se}


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
    assert {k: v for k, v in found.items() if k != "top1"} == pytest.approx({k: v for k, v in expected.items()
                                                                             if k != "top1"}, rel=2e-3,
                                                                            abs=2e-5)


def test_a_model_is_at_no_distance_from_itself():
    base, _, right = pair(0)
    found = compared(base, base, right)
    assert found.mean_kld == found.kld_percentile(
        99) == found.ln_ratio == found.rms_p_diff == 0 and found.top1 == 1
    assert found.ppl == found.base.ppl


def test_kl_divergence_of_two_coins_by_hand():
    base, other = np.log([[0.5, 0.5]]).astype(np.float32), np.log([[0.75, 0.25]]).astype(np.float32)
    found = compared(base, other, np.array([1]))
    assert found.mean_kld == pytest.approx(0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25), rel=1e-6)
    assert found.ppl == pytest.approx(4, rel=1e-6) and found.mean_p_diff == pytest.approx(-0.25, rel=1e-6)


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
    parts = joined([_compared(base[a:b], other[a:b], right[a:b], np.arange(a, b))
                    for a, b in ((0, 7), (7, 250), (250, 300))])
    assert everything(parts) == everything(whole)
    np.testing.assert_array_equal(parts.place, whole.place)
    assert "KLD" in repr(whole) and "PPL" in repr(Perplexity(whole.nll))
