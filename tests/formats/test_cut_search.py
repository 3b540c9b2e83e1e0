"""IQ1_S and IQ1_M: all cuts through the sorted weights are tried, and the one that C keeps is kept. (Bytes
against ggml: test_grid_search.py, test_truth.py.)
"""

import numpy as np
import pytest

from quantlab.formats import cut_search
from quantlab.formats.cfloat import columns
from quantlab.formats.table import FORMATS
from quantlab.formats.tensor import quantize
from tests.formats.hard_weights import bell


@pytest.fixture(autouse=True)
def as_in_c():
    with np.errstate(all="ignore"):
        yield


def weights(size: int) -> np.ndarray:
    return columns(bell(3)[:2], size)


def by_hand(x: np.ndarray, w: np.ndarray, q: np.ndarray) -> float:
    """How much less the error is than with zeros alone, with the best scale, in float64."""
    x, w, q = (v.astype(float) for v in (x, w, q))
    return (w * x * q).sum() ** 2 / (w * q * q).sum()


@pytest.mark.parametrize(("size", "shifts"), [(32, cut_search.ONE_SHIFT), (16, cut_search.TWO_SHIFTS)])
def test_no_other_cut_and_no_other_shift_is_better(size, shifts):
    x = weights(size)[:, :6]
    w = np.random.default_rng(1).random(x.shape, np.float32)
    order = np.argsort(x, axis=0, kind="stable")
    kept, scale = cut_search.best_of_all(x, w, order, shifts, np.zeros(6, bool))
    for group in range(6):
        gains = []
        for low in range(size + 1):
            for high in range(low, size + 1):
                levels = np.empty(size)
                levels[order[:, group]] = np.repeat([-1, 0, 1], [low, high - low, size - high])
                gains += [by_hand(x[:, group], w[:, group], levels + shift.repeat(8)) for shift in shifts]
        assert len(gains) == len(shifts) * (size + 1) * (size + 2) // 2
        assert gains[kept[group]] == pytest.approx(max(gains), rel=1e-6)
    nobody = cut_search.best_of_all(x, w, order, shifts, np.ones(6, bool))
    assert (nobody[0] == -1).all() and np.isfinite(scale).all()


def test_of_equally_good_candidates_the_first_is_kept():
    group = np.array([0, 0, 0, 0, 2])                                                 # none of group 1
    sum_qx, sum_q2 = np.float32([1, 2, -2, 1, 0]), np.float32([1, 2, 2, 0.5, 0])
    assert cut_search.best_candidate(group, sum_qx, sum_q2, 3).tolist() == [1, -1, -1]


def test_where_squares_leave_float32_all_candidates_are_gone_through():
    tiny, huge = np.float32([[1e-30, 3e-30], [1e-30, 1e-30]]), np.float32([[1e25, 2e25], [1, 1]])
    both = np.zeros(2, int)
    assert cut_search.best_candidate(both, *tiny, 1).tolist() == [0]      # both squares are 0: 0 > 0 is false
    assert cut_search.best_candidate(both, *huge, 1).tolist() == [0]      # both are infinite
    for size in (1e-25, 1e25):
        x, w = weights(32)[:, :2] * np.float32(size), np.ones((32, 2), np.float32)
        running = [(cut_search.added_up(w * np.sort(x, axis=0)), cut_search.added_up(w))]
        group, number = cut_search.promising(running, cut_search.ONE_SHIFT, np.array([False, True]))
        np.testing.assert_array_equal(number, np.arange(33 * 34))
        assert not group.any()


@pytest.mark.parametrize("qtype", ["IQ1_S", "IQ1_M"])
def test_any_number_of_blocks_gives_the_same_bytes(qtype):
    x, form = bell(2)[:2].reshape(-1, 256).copy(), FORMATS[qtype]
    imatrix, before = np.linspace(0, 2, 256, dtype=np.float32)[None].repeat(8, axis=0), x.copy()
    whole = form.encode_blocks(x, imatrix)
    parts = [form.encode_blocks(x[i : i + 1], imatrix[i : i + 1]) for i in range(8)]
    assert whole.tobytes() == b"".join(part.tobytes() for part in parts)
    np.testing.assert_array_equal(x, before)


def test_a_shift_for_eight_weights_lowers_the_error():
    x = bell(4)[:8]
    error = {qtype: np.square(quantize(x, qtype, np.ones(1024)).dequantize() - x).mean()
             for qtype in ("IQ1_S", "IQ1_M")}
    assert error["IQ1_M"] < 0.95 * error["IQ1_S"]
