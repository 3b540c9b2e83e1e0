"""The exercises of lessons 01 and 02: the right answer, each near miss, and nonsense; and what their
predictions claim.
"""

import numpy as np
import pytest

from quantlab.basics.affine import quantize_absmax
from quantlab.basics.sample import sample_weights
from quantlab.exhibits.bits import LINEUP
from quantlab.lessons.checks import check_bits_per_weight, check_q4_0_gigabytes


@pytest.mark.parametrize(("answer", "voice"), [(..., "not started"), (4.5, "correct"), (4, "almost"),
                                               (36, "almost"), (4.5e9, "almost"), (4.19095, "almost"),
                                               (32, "almost"), (16, "almost"), (8.5, "almost"),
                                               (5, "almost"), (7, "not yet"), ("much", "wrong kind"),
                                               (float("nan"), "wrong kind")])
def test_gigabytes_of_q4_0(answer, voice):
    assert check_q4_0_gigabytes(answer).voice == voice


@pytest.mark.parametrize(("answer", "voice"),
                         [(..., "not started"), (lambda bits, block_size: bits + 16 / block_size, "correct"),
                          (lambda bits, block_size: bits, "almost"),
                          (lambda bits, block_size: bits + 16, "almost"), (lambda bits: bits, "not yet"),
                          (4.5, "wrong kind"), (lambda bits, block_size: None, "not yet")])
def test_bits_per_weight(answer, voice):
    assert check_bits_per_weight(answer).voice == voice


def test_the_original_of_the_lineup_is_the_fourth_option():
    assert list(LINEUP.values()).index(None) == 3


def test_a_bit_more_halves_the_error():
    error = {bits: quantize_absmax(sample_weights()[0], bits).rmse for bits in (4, 5, 8)}
    assert error[4] / error[5] == pytest.approx(2.2, abs=0.1)
    assert error[4] / error[8] == pytest.approx(18, abs=0.5)
    assert error[8] / sample_weights()[0].std() == pytest.approx(0.006, abs=0.0005)


def test_an_outlier_three_times_the_largest_zeroes_half_of_the_others():
    for factor, low, high in ((2, 0.25, 0.4), (3, 0.45, 0.55), (10, 0.9, 1)):
        x = sample_weights().ravel()[:1024]
        x[500] = factor * np.abs(x).max()
        assert low < (np.delete(quantize_absmax(x, 4).q, 500) == 0).mean() < high
    assert np.abs(sample_weights()).max() / sample_weights().std() == pytest.approx(8, abs=0.2)


def test_rows_help_more_than_blocks_do_after_them():
    error = {size: quantize_absmax(sample_weights(), 4, block_size=size).rmse for size in (None, 384, 32)}
    assert error[None] - error[384] > error[384] - error[32] > 0
