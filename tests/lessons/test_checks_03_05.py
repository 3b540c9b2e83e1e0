"""The exercises of lessons 03 and 05: the right answer, each near miss, nothing, and nonsense."""

import pytest

from quantlab.lessons.checks import check_q4_0_bytes, check_q6_k_bits

NONSENSE = ["eighteen", None, [], float("nan"), float("inf"), -1, object()]


@pytest.mark.parametrize(("check", "right"),
                         [(check_q4_0_bytes, 384 * 384 // 32 * 18),
                          (check_q6_k_bits, (256 * 6 + 16 * 8 + 16) / 256)])
def test_the_right_answer_is_right_and_an_empty_one_is_not_started(check, right):
    assert check(right).voice == "correct"
    assert check(...).voice == "not started"
    for wrong in NONSENSE:
        assert check(wrong).voice not in ("correct", "not started")


@pytest.mark.parametrize("near", [73728, 589824, 663552, 156672, 4608, 18])
def test_near_misses_of_lesson_03_get_their_own_hint(near):
    assert check_q4_0_bytes(near).voice == "almost"


@pytest.mark.parametrize("near", [6, 6.5, 210, 6.0625, 210 / 256])
def test_near_misses_of_lesson_05_get_their_own_hint(near):
    assert check_q6_k_bits(near).voice == "almost"
