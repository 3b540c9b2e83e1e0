"""The check of lesson 06: right answer, each near miss, untouched, nonsense."""

import pytest

import quantlab as ql

RIGHT = 2 * 2 * 32 * 8 * 128        # key and value, two bytes, layers, heads that keep them, numbers a head


def test_the_right_answer():
    assert ql.check_kv_bytes_per_token(RIGHT).voice == "correct"


@pytest.mark.parametrize("wrong, word", [(RIGHT // 2, "Nearly"), (RIGHT // 32, "one layer"), (RIGHT * 8, "bits"), (RIGHT / 1024, "KiB"),
                                         (RIGHT * 4, "n_head_kv"), (RIGHT // 4, "factor of two")])
def test_each_near_miss_has_its_hint(wrong, word):
    feedback = ql.check_kv_bytes_per_token(wrong)
    assert feedback.voice == "almost" and word in feedback.message


@pytest.mark.parametrize("answer, voice", [(..., "not started"), ("many", "wrong kind"), (None, "wrong kind"), (float("nan"), "wrong kind"),
                                           (1, "not yet"), (-RIGHT, "not yet")])
def test_untouched_and_nonsense(answer, voice):
    assert ql.check_kv_bytes_per_token(answer).voice == voice
