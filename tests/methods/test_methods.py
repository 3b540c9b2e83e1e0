"""The methods of rounding: their blocks are ordinary ones, and each keeps what it promises."""

import numpy as np
import pytest

import quantlab as ql
from quantlab.methods import scaling
from quantlab.methods.feedback import column_order, factor, fed_back, output_error
from quantlab.methods.grids import EVEN, LISTED, searched
from quantlab.methods.rotation import mixing, peak, rotated, turned_back
from quantlab.methods.table import METHODS
from tests.formats import by_gguf

N = 512


def drawn(seed: int = 0, rows: int = 24, tokens: int = 4096, n: int = N) -> tuple[np.ndarray, np.ndarray]:
    """(rows, n) weights, and the second moments of inputs that are correlated and of different sizes."""
    random = np.random.default_rng(seed)
    mixed = random.normal(size=(n, n)) * random.lognormal(0, 1, n) * np.geomspace(1, 0.02, n)[:, None]
    x = random.normal(size=(tokens, n)) @ mixed
    return random.normal(size=(rows, n)).astype(np.float32), x.T @ x / tokens


def cost(blocks: np.ndarray, qtype: str, weights: np.ndarray, moments: np.ndarray) -> float:
    decoded = by_gguf.dequantize(blocks.view(np.uint8).reshape(len(blocks), -1), qtype)
    return output_error(decoded.reshape(weights.shape) - weights.astype(np.float64), moments)


@pytest.mark.parametrize("qtype", EVEN + LISTED)
def test_a_grid_says_what_the_decoder_says(qtype):
    weights, form = drawn()[0], ql.FORMATS[qtype]
    grid = searched(weights, form)
    codes = np.random.default_rng(1).integers(grid.low, grid.high + 1, grid.values.shape[1:])
    listed = grid.values[0] + (grid.values[1] - grid.values[0]) * codes if qtype in EVEN else (
        np.take_along_axis(grid.values, codes[None], axis=0)[0])
    np.testing.assert_allclose(form.decode(grid.packed(codes)), listed, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("qtype", EVEN + LISTED)
def test_the_nearest_codes_are_never_farther_than_the_encoder_s(qtype):
    weights, form = drawn()[0], ql.FORMATS[qtype]
    grid, x = searched(weights, form), weights.reshape(-1, form.block_size)
    codes, values = grid.nearest(x)
    ours = form.decode(grid.packed(codes))
    np.testing.assert_allclose(ours, values, rtol=2e-6, atol=1e-6)
    assert (np.abs(ours - x) <= np.abs(form.decode(grid.blocks) - x) + 1e-5).all()


@pytest.mark.parametrize("qtype", EVEN + LISTED)
def test_error_feedback_changes_the_output_less_than_any_rounding_without(qtype):
    weights, moments = drawn()
    costs = {name: cost(METHODS[name].encoder(qtype, moments)(weights), qtype, weights, moments)
             for name in ("nearest", "importance", "feedback")}
    assert costs["feedback"] < 0.75 * min(costs["nearest"], costs["importance"])


def test_a_column_counts_by_what_later_ones_cannot_make_good():
    """1 / U_jj^2 is the variance of input j that all later inputs do not tell (a regression)."""
    moments = drawn()[1]
    known = factor(moments, 32)
    damped = (moments + 0.01 * np.diag(moments).mean() * np.eye(N))[np.ix_(known.order, known.order)]
    for place in (0, 100, N - 2):
        later = damped[place + 1:, place]
        told = later @ np.linalg.solve(damped[place + 1:, place + 1:], later)
        assert known.importance[known.order[place]] == pytest.approx(damped[place, place] - told, rel=1e-4)
    assert known.importance[known.order[-1]] == pytest.approx(damped[-1, -1], rel=1e-4)


@pytest.mark.parametrize("qtype", ["Q4_K", "Q3_K", "Q2_K", "Q5_K", "Q6_K", "TQ2_0"])
def test_inputs_without_correlation_leave_nothing_to_make_good(qtype):
    """H is diagonal: each code is the nearest on its block's grid, whatever was rounded before."""
    weights, moments = drawn()
    form, diagonal = ql.FORMATS[qtype], np.diag(np.diag(moments))
    blocks = fed_back(weights, qtype, factor(diagonal, form.block_size))
    known = factor(diagonal, form.block_size)
    grid = searched(weights, form, known.importance)
    nearest = grid.packed(grid.nearest(weights.reshape(-1, form.block_size))[0])
    assert (form.decode(blocks) == form.decode(nearest)).mean() > 0.9999


@pytest.mark.parametrize("qtype", ["Q4_0", "Q4_K", "Q2_K"])
def test_rows_may_be_rounded_in_pieces(qtype):
    weights, moments = drawn()
    encode = METHODS["feedback"].encoder(qtype, moments)
    pieces = np.concatenate([encode(weights[:5]), encode(weights[5:])])
    same = pieces.view(np.uint8) == encode(weights).view(np.uint8)
    assert same.mean() > 0.999


def test_blocks_stay_together_when_columns_are_ordered():
    weight = np.random.default_rng(3).random(N)
    order = column_order(weight, 32)
    assert sorted(order) == list(range(N))
    blocks = order.reshape(-1, 32) // 32
    assert (blocks == blocks[:, :1]).all()
    sums = weight.reshape(-1, 32).sum(1)[blocks[:, 0]]
    assert (np.diff(sums) <= 0).all() and (np.diff(weight[order].reshape(-1, 32)) <= 0).all()


@pytest.mark.parametrize(("moments", "words"), [
    (np.zeros((8, 8)), "all inputs of the 8 columns were 0"),
    (np.ones((8, 4)), r"got the shape \(8, 4\)"),
    (np.full((8, 8), np.nan), r"\[0, 0\] is nan"),
    (np.diag([1.0, -1.0] * 16), "negative size"),
])
def test_what_are_no_second_moments_is_refused_with_the_number(moments, words):
    with pytest.raises(ValueError, match=words):
        factor(moments, min(32, len(moments)))


def test_a_type_whose_codes_stand_for_several_weights_is_refused_by_name():
    weights, moments = drawn()
    for qtype in set(ql.FORMATS) - {*EVEN, *LISTED}:
        with pytest.raises(ValueError, match=f"{qtype} has none for a single one; these have: Q1_0"):
            METHODS["feedback"].encoder(qtype, moments)
    with pytest.raises(ValueError, match="are of 512 columns; the matrix has 256"):
        fed_back(weights[:, :256], "Q4_0", factor(moments, 32))


def test_scaling_helps_where_few_columns_get_large_inputs_and_never_hurts_on_what_it_saw():
    random = np.random.default_rng(5)
    sizes = np.where(np.arange(N) % 64 == 3, 30.0, 1.0)
    x = random.normal(size=(4096, N)) * sizes
    weights, moments = random.normal(size=(64, N)).astype(np.float32), x.T @ x / 4096
    none = scaling.cost_of([weights], moments, ["Q4_0"], np.ones(N, np.float32))
    found = scaling.column_scales([weights], moments, ["Q4_0"])
    assert found[3] > 1.5 * found[4]
    assert scaling.cost_of([weights], moments, ["Q4_0"], found) < 0.8 * none


def test_columns_that_share_a_number_get_the_same():
    moments = drawn()[1]
    shared = scaling.column_scales([drawn()[0]], moments, ["Q4_0"], repeats=(2, 64)).reshape(-1, 2, 64)
    assert (shared[:, 0] == shared[:, 1]).all() and len(np.unique(shared)) > 64


@pytest.mark.parametrize("n", [2, 64, 576, 768, 1024])
def test_a_rotation_changes_no_length_and_can_be_turned_back(n):
    np.testing.assert_allclose(mixing(n) @ mixing(n).T, np.eye(n), atol=1e-5)
    x = np.random.default_rng(n).normal(size=(5, n)).astype(np.float32)
    np.testing.assert_allclose(turned_back(rotated(x)), x, atol=1e-5)


def test_a_rotation_spreads_what_stands_out():
    x = np.random.default_rng(0).normal(size=(64, 256)).astype(np.float32)
    x[:, 17] = 40
    turned = rotated(x)
    assert peak(x) > 12 and peak(turned) < 6
    before, after = (np.square(ql.quantize(w, "Q4_0").dequantize() - w).mean() for w in (x, turned))
    assert after < before / 2
    with pytest.raises(ValueError, match="577 columns cannot be mixed"):
        mixing(577)


def test_every_method_says_what_it_needs_changes_and_costs():
    assert [*METHODS] == ["nearest", "importance", "scaling", "feedback", "rotation"]
    for name, method in METHODS.items():
        assert method.name == name and method.title and method.changes and method.costs and method.paper
