"""Lesson 02's explorer and table: each stop draws, and the damage is what the quantizers really do."""

import itertools

import numpy as np
import pytest

from quantlab.basics.affine import quantize_absmax
from quantlab.basics.sample import sample_weights
from quantlab.exhibits.outliers import BLOCKS, OUTLIER, SIZES, N, explore_outlier, plot_scopes
from quantlab.formats.tensor import quantize


def test_every_stop_has_its_own_picture():
    explorer = explore_outlier()
    stops = list(itertools.product(SIZES, BLOCKS, (2, 4, 8)))
    seen = set()
    for size, block, bits in stops:
        explorer.set(size=size, block=block, bits=bits)
        seen.add(explorer.view.value)
        assert len(explorer.view.value) < 100_000
    assert len(seen) == len(stops)


def spoiled(size: int) -> np.ndarray:
    x = sample_weights().ravel()[:N]
    x[OUTLIER] = size * np.abs(x).max()
    return x


def test_one_scale_sends_all_others_to_zero_and_blocks_save_them():
    explorer = explore_outlier()
    explorer.buttons["One outlier, one scale"].click()
    assert (np.delete(quantize_absmax(spoiled(50), 4).q, OUTLIER) == 0).all()
    assert explorer.finding == "One weight 50× the largest, one scale: all of the other 1,023 became 0"
    explorer.buttons["One outlier, blocks of 32"].click()
    assert "spoils its block of 32; the other 992 weights stay as good as they were" in explorer.finding


@pytest.mark.parametrize("block", BLOCKS[:-1])
def test_weights_outside_the_outliers_block_really_stay_as_they_were(block):
    with_it = quantize_absmax(spoiled(100), 4, block_size=block).dequantize().reshape(-1, block)
    without = (
        quantize_absmax(sample_weights().ravel()[:N], 4, block_size=block).dequantize().reshape(-1, block)
    )
    elsewhere = np.arange(N // block) != OUTLIER // block
    np.testing.assert_array_equal(with_it[elsewhere], without[elsewhere])


def test_the_table_says_what_the_map_shows():
    explorer = explore_outlier()
    explorer.set(size=20, block=64, bits=5)
    restored = quantize_absmax(spoiled(20), 5, block_size=64).dequantize()
    error = np.delete(restored - spoiled(20), OUTLIER)
    facts = dict(explorer.picture.table)
    assert float(facts["rmse of the others"]) == pytest.approx(np.sqrt(np.mean(error**2)), rel=0.01)
    assert facts["bits per weight"] == "5.25"


def test_plot_scopes_ranks_the_quantizers_with_their_true_errors():
    table = {(row[0], row[1].split(",")[0]): row for row in plot_scopes().picture.table[1:]}
    x = sample_weights()
    q4_0 = np.sqrt(np.mean((quantize(x, "Q4_0").dequantize() - x) ** 2))
    assert float(table["Q4_0", "a block of 32"][3]) == pytest.approx(q4_0, rel=0.01)
    errors = [float(table["absmax", scope][3])
              for scope in ("the whole matrix", "a row (channel) of 384", "a block of 32")]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("x", [np.zeros(N), np.full(N, 1e3), np.full(N, 1e-40)])
def test_extreme_weights_still_draw(x):
    explorer = explore_outlier(x)
    for size, block in itertools.product((1, 50), (32, N)):
        explorer.set(size=size, block=block)
        assert "nan" not in explorer.view.value and "inf" not in explorer.finding


def test_a_scale_beyond_float16_is_said_in_words():
    explorer = explore_outlier(np.full(N, 1e4))
    explorer.set(size=100)
    assert "beyond float16's largest number" in explorer.finding


def test_weights_without_an_error_are_refused_in_words():
    for x in (np.zeros((4, 64)), np.full((4, 64), 7.0)):
        with pytest.raises(ValueError, match="nothing to compare"):
            plot_scopes(x)


def test_too_few_weights_are_refused_with_the_number():
    with pytest.raises(ValueError, match="1,024 weights are wanted, got 32"):
        explore_outlier(np.zeros(32))
