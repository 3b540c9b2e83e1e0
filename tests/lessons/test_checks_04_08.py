"""The checks of lessons 04 and 08: right answer, each near miss, untouched, nonsense."""

import pytest

import quantlab as ql

WEIGHTS, NBYTES = 8_190_735_360, 5_021_827_072          # as lesson 04 prints them
BITS = 8 * NBYTES / WEIGHTS


def test_the_right_bits_per_weight():
    feedback = ql.check_file_bits(BITS)
    assert feedback.voice == "correct" and "Q4_K_M" in feedback.message
    assert ql.check_file_bits(4.905).voice == "correct"


@pytest.mark.parametrize("wrong, word", [(BITS / 8, "bytes per weight"), (WEIGHTS / NBYTES, "turn it over"),
                                         (4, "name"), (4.5, "mix"), (NBYTES / 1e9, "rounded"),
                                         (BITS / 1.073741824, "GiB")])
def test_each_near_miss_of_the_bits_has_its_hint(wrong, word):
    feedback = ql.check_file_bits(wrong)
    assert feedback.voice == "almost" and word in feedback.message


def test_the_best_type_is_the_largest_that_fits_in_5_36_gib():
    on_card = {"Q4_K_M": 4.30, "Q5_K_M": 5.00, "Q6_K": 5.73, "Q8_0": 7.43}      # as lesson 08 prints them
    left = 10 - 32768 * 128 / 2**20 - 0.14 - 0.5
    best = max((ftype for ftype, size in on_card.items() if size <= left), key=on_card.get)
    assert ql.check_best_type(best).voice == "correct" and ql.check_best_type(
        f" {best.lower()} ").voice == "correct"


@pytest.mark.parametrize("wrong, word", [("q8_0", "2.07 GiB too much"), ("Q6_K", "0.38 GiB too much"),
                                         ("F16", "weights"), ("Q4_K_M", "more bits"), ("Q4_K_S", "more bits"),
                                         ("Q5_K_S", "more bits")])
def test_each_near_miss_of_the_type_has_its_hint(wrong, word):
    feedback = ql.check_best_type(wrong)
    assert feedback.voice == "almost" and word in feedback.message


@pytest.mark.parametrize("answer, bits, best",
                         [(..., "not started", "not started"), (None, "wrong kind", "wrong kind"),
                          ("Q9", "wrong kind", "not yet"), (7, "not yet", "wrong kind"),
                          (float("nan"), "wrong kind", "wrong kind")])
def test_untouched_and_nonsense(answer, bits, best):
    assert (ql.check_file_bits(answer).voice, ql.check_best_type(answer).voice) == (bits, best)
