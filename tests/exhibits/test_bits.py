"""Lesson 01's explorers: every stop of every handle draws, says its numbers, and the numbers are the
package's.
"""

import itertools
import re

import numpy as np
import pytest

from quantlab.basics.affine import quantize_absmax
from quantlab.basics.sample import sample_weights
from quantlab.exhibits.bits import LINEUP, explore_bits, plot_bit_bars, plot_lineup
from quantlab.exhibits.floats import explore_float
from quantlab.formats.table import FORMATS


def test_every_stop_of_explore_bits_has_its_own_picture():
    explorer = explore_bits()
    seen, said = set(), set()
    stops = list(itertools.product(range(2, 9), explorer.controls["piece"].options))
    for bits, piece in stops:
        explorer.set(bits=bits, piece=piece)
        seen.add(explorer.view.value)
        said.add(explorer.finding)
        assert explorer.finding.startswith(f"{bits} bits: {2**bits - 1} levels, rmse 0.")
        assert len(explorer.view.value) < 100_000
    assert len(seen) == len(said) == len(stops)


def test_two_bits_and_one_scale_turn_nearly_the_whole_matrix_into_zeros():
    explorer = explore_bits()
    explorer.set(bits=2, piece="the whole matrix: 147,456")
    share = (quantize_absmax(sample_weights(), 2).q == 0).mean()
    assert share > 0.99 and explorer.finding.endswith(f"{100 * share:.1f} % became 0")


@pytest.mark.parametrize("x", [np.zeros((2, 8)), np.full(8, 1e5), np.full((1, 3), -1e-40), np.array([7.0])])
def test_extreme_weights_still_draw(x):
    explorer = explore_bits(x)
    for bits in range(2, 9):
        explorer.set(bits=bits)
        assert not re.search(r'="[^"]*\b(nan|inf)\b', explorer.view.value)


def test_weights_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match=r"x\[0, 1\] is nan"):
        explore_bits(np.array([1, np.nan]))


def test_the_lineup_hides_and_reveals():
    hidden, revealed = plot_lineup(), plot_lineup(reveal=True)
    assert "rmse" not in hidden.view.value and "FP32, the original" in revealed.view.value
    assert f"It was {next(k for k, bits in LINEUP.items() if bits is None)}" in revealed.finding
    assert sorted(bits or 32 for bits in LINEUP.values()) == [2, 3, 4, 8, 32]


def test_the_bars_show_the_formats_own_bits():
    drawn = plot_bit_bars()
    for name in ("F32", "F16", "Q8_0", "Q5_0", "Q4_0"):
        row = next(row for row in drawn.picture.table if row[0] == name)
        assert float(row[2]) == FORMATS[name].bpw
    assert ("Q4_0", "4", "4.5", "3.94 GB") in drawn.picture.table


NUMBERS = [0.1, -0.148619622, 3.14159, 1e5, 1e-6, 1.0, 0.0, -0.0, 1e300, -2.5e-40, float("inf"), float("nan")]


def test_every_number_has_its_bits_and_a_sentence():
    explorer = explore_float()
    said = set()
    for value in NUMBERS:
        explorer.set(value=value)
        said.add(explorer.finding)
        assert "Error" not in explorer.finding and len(explorer.view.value) < 100_000
    assert len(said) >= len(NUMBERS) - 2          # the two zeros and what is rounded to zero may speak alike


def test_the_bits_drawn_are_numpys():
    explorer = explore_float()
    explorer.set(value=0.1)
    rows = {row[0]: row for row in explorer.picture.table[1:]}
    assert "".join(rows["FP16"][1:4]) == f"{int(np.float16(0.1).view(np.uint16)):016b}"
    assert "".join(rows["FP32"][1:4]) == f"{int(np.float32(0.1).view(np.uint32)):032b}"


@pytest.mark.parametrize(("value", "words"), [(1e5, "too large for FP16, whose largest number is 65,504"),
                                              (1e-9, "too small for FP16"), (1.0, "exact in 16 bits"),
                                              (3.0e-6, "BF16 comes closer"), (0.3, "FP16 comes closer")])
def test_the_finding_names_the_better_of_the_two(value, words):
    explorer = explore_float(value)
    assert words in explorer.finding


def test_buttons_set_the_number():
    explorer = explore_float()
    explorer.buttons["100,000"].click()
    assert explorer.values()["value"] == 1e5
    explorer.buttons["Reset"].click()
    assert explorer.values()["value"] == pytest.approx(float(sample_weights()[0, 0]))
