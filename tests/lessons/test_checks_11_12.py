"""The exercises of lessons 11 and 12: the right answer, and the usual wrong ones with their hints."""

import numpy as np
import pytest

import quantlab as ql


def test_best_scale_is_the_one_of_least_squares():
    x, codes, counts = np.array([0.21, -0.12, 0.38]), np.array([2, -1, 4]), np.array([1, 1, 2])
    answer = (counts * x * codes).sum() / (counts * codes * codes).sum()
    assert ql.check_best_scale(answer).voice == "correct"
    assert ql.check_best_scale(0.0968).voice == "correct"
    tried = np.linspace(0.05, 0.15, 2001)
    errors = [(counts * (x - scale * codes) ** 2).sum() for scale in tried]
    assert abs(tried[int(np.argmin(errors))] - answer) < 1e-4        # found by trying, too


@pytest.mark.parametrize(("answer", "words"),
                         [(0.38 / 4, "plain scale"), ((0.42 + 0.12 + 1.52) / 21, "count alike"),
                          (3.58, "sum above"), (37, "sum below"), (..., "three dots"),
                          ("x", "number is wanted"), (5, "too large")])
def test_wrong_scales_get_their_own_hint(answer, words):
    feedback = ql.check_best_scale(answer)
    assert feedback.voice != "correct" and words in feedback.message


def test_bits_of_iq2_xs_are_those_of_its_struct():
    assert ql.check_iq2_xs_bits((16 + 32 * 9 + 32 * 7 + 16 * 4) / 256).voice == "correct"
    assert ql.check_iq2_xs_bits(8 * ql.FORMATS["IQ2_XS"].dtype.itemsize / 256).voice == "correct"


@pytest.mark.parametrize(("answer", "words"), [(2, "scales cost"), (592, "bits of the block"),
                                               (74, "bytes of the block"), (2.4375, "Seven bits"),
                                               (2.25, "float16"), (2.0625, "sub-scales"), (..., "three dots"),
                                               (None, "number is wanted")])
def test_wrong_bits_get_their_own_hint(answer, words):
    feedback = ql.check_iq2_xs_bits(answer)
    assert feedback.voice != "correct" and words in feedback.message
