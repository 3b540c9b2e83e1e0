"""IQ4_NL and IQ4_XS: the table decides like C's comparisons, and the search never does worse than the plain
scale.
"""

import gguf
import numpy as np
import pytest

from quantlab.formats import nonlinear
from quantlab.formats.tensor import dequantize, quantize
from tests.formats import ggml_oracle as ggml
from tests.formats.hard_weights import FAMILIES

needs_ggml = pytest.mark.skipif(ggml.GGML is None, reason=ggml.REASON)


def nearest_by_comparing(v: np.ndarray) -> np.ndarray:
    """ggml's best_index_int8, one number at a time: how many middles has v reached?"""
    middles = (nonlinear.ENTRIES[1:] + nonlinear.ENTRIES[:-1]).astype(np.float64)
    return (2 * v.astype(np.float64)[:, None] >= middles).sum(axis=1)


def test_the_entries_are_ggmls():
    assert nonlinear.ENTRIES.tolist() == list(gguf.quants.IQ4_NL.kvalues)


def test_the_table_finds_the_nearest_entry_on_and_beside_every_middle():
    middles = (nonlinear.ENTRIES[1:] + nonlinear.ENTRIES[:-1]) / 2
    v = np.concatenate([middles, np.nextafter(middles, np.float32(-np.inf)),
                        np.nextafter(middles, np.float32(np.inf)), nonlinear.ENTRIES,
                        np.linspace(-140, 140, 9999, dtype=np.float32),
                        np.float32([1e30, -1e30, 0, -0.0, 1e-40])])
    np.testing.assert_array_equal(nonlinear.nearest_code(v), nearest_by_comparing(v))


def test_infinity_takes_an_end_and_nan_the_last_entry_as_in_c():
    with np.errstate(invalid="ignore"):
        assert nonlinear.nearest_code(np.float32([np.inf, -np.inf, np.nan])).tolist() == [15, 0, 15]


@needs_ggml
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("qtype", ["IQ4_NL", "IQ4_XS"])
@pytest.mark.parametrize("n_blocks", [1, 2, 33])
def test_any_number_of_blocks_gives_the_same_bytes(qtype, weighted, n_blocks):
    x = np.resize(FAMILIES["bell"](), (1, n_blocks * 256))
    imatrix = np.random.default_rng(8).random(x.shape[1], dtype=np.float32) if weighted else None
    assert quantize(x, qtype, imatrix).tobytes() == ggml.quantize(x, qtype, imatrix).tobytes()


def test_a_block_made_by_hand_decodes_to_its_entries():
    codes = bytes(j | j << 4 for j in range(16))
    weights = dequantize(np.float16(2).tobytes() + codes, "IQ4_NL", (32,))
    assert weights.tolist() == [2 * entry for entry in nonlinear.ENTRIES] * 2
    # group g has step g - 32
    scales = bytes([0b00000000, 0b00000000]) + bytes([0x10, 0x32, 0x54, 0x76])
    weights = dequantize(np.float16(0.5).tobytes() + scales + codes * 8, "IQ4_XS", (256,))
    expected = np.arange(-32, -24)[:, None] * 0.5 * np.tile(nonlinear.ENTRIES, 2)
    assert (weights.reshape(8, 32) == expected).all()


def test_the_trace_is_the_error_of_each_candidate_and_the_smallest_is_kept():
    x = np.ascontiguousarray(FAMILIES["bell"]()[:4].reshape(-1, 32).T)
    trace = []
    d = nonlinear.best_scale(x, x * x, trace)
    scales, errors = (np.array([tried[column] for tried in trace]) for column in (1, 3))
    kept = errors[(scales == d).argmax(axis=0), np.arange(x.shape[1])]
    assert len(trace) == 16 and (kept <= errors.min(axis=0) * 1.001).all()         # near ties are rounding's
    # the first is the plain scale
    assert kept.sum() < errors[0].sum() / 2


def test_groups_of_nothing_get_no_scale():
    assert nonlinear.best_scale(np.full((32, 3), 1e-16, np.float32),
                                np.ones((32, 3), np.float32)).tolist() == [0, 0, 0]
