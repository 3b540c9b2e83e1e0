"""The K-quants: any number of blocks at a time, blocks of any bits, blocks made by hand, stale codes. That
their bytes are ggml's on hard and bad weights is tested for all types in test_truth.py.
"""

import numpy as np
import pytest

from quantlab.formats import kquants
from quantlab.formats.search import symmetric
from quantlab.formats.search_affine import affine
from tests.formats import ggml_oracle as ggml

TYPES = ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K")
needs_ggml = pytest.mark.skipif(ggml.GGML is None, reason=ggml.REASON)


def encode(x: np.ndarray, qtype: str, imatrix: np.ndarray | None = None, at_a_time: int = 640) -> bytes:
    """Rows -> bytes, some blocks at a time."""
    function = getattr(kquants, f"encode_{qtype.lower()}")
    blocks = x.reshape(-1, 256)
    weights = None if imatrix is None else np.broadcast_to(imatrix, x.shape).reshape(-1, 256)
    with np.errstate(all="ignore"):
        return b"".join(function(blocks[i : i + at_a_time],
                                 None if weights is None else weights[i : i + at_a_time]).tobytes()
                        for i in range(0, len(blocks), at_a_time))


def decode(raw: np.ndarray, qtype: str) -> np.ndarray:
    layout = getattr(kquants, qtype)
    with np.errstate(all="ignore"):
        return getattr(kquants, f"decode_{qtype.lower()}")(raw.view(layout.dtype)[:, 0])


def bell(rows: int, n: int, seed: int = 2026) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, n), dtype=np.float32) * np.float32(0.05)


def imatrix(n: int) -> np.ndarray:
    return np.random.default_rng(11).random(n, dtype=np.float32) ** 2


@needs_ggml
@pytest.mark.parametrize("at_a_time", [1, 3, 37])
@pytest.mark.parametrize("qtype", TYPES)
def test_how_many_blocks_are_encoded_at_a_time_changes_nothing(qtype, at_a_time):
    x, weights = bell(5, 2048), imatrix(2048)
    assert encode(x, qtype, None, at_a_time) == ggml.quantize(x, qtype).tobytes()
    assert encode(x, qtype, weights, at_a_time) == ggml.quantize(x, qtype, weights).tobytes()


@needs_ggml
@pytest.mark.parametrize("qtype", TYPES)
def test_blocks_of_any_bits_decode_to_ggmls_bits(qtype):
    size = getattr(kquants, qtype).type_size
    raw = np.random.default_rng(8).integers(0, 256, (4096, size), dtype=np.uint8)
    ours, theirs = decode(raw, qtype), ggml.dequantize(raw, qtype, 256)
    nan = np.isnan(theirs)
    np.testing.assert_array_equal(np.isnan(ours), nan)
    np.testing.assert_array_equal(ours.view(np.uint32)[~nan], theirs.view(np.uint32)[~nan])
    assert np.isfinite(theirs).mean() > 0.9


def hand_made(qtype: str) -> dict[str, np.ndarray]:
    """d = 1/2, dmin = 1/4; group j has scale code j (+ offset) and minimum code j; weight j of a group has
    code j (or what fits).
    """
    layout = getattr(kquants, qtype)
    groups, codes = layout.counts["sc"], 1 << layout.widths["q"]
    index, weight = np.arange(groups), np.arange(256) % (256 // groups) % codes
    values = dict(d=np.float16([[0.5]]), dmin=np.float16([[0.25]]), sc=index[None].astype(np.uint8),
                  m=index[None].astype(np.uint8), q=weight[None].astype(np.uint8))
    return {name: values[name] for name in layout.counts}


@pytest.mark.parametrize(("qtype", "formula"), [
    ("Q2_K", lambda sc, q: 0.5 * sc * q - 0.25 * sc), ("Q4_K", lambda sc, q: 0.5 * sc * q - 0.25 * sc),
    ("Q5_K", lambda sc, q: 0.5 * sc * q - 0.25 * sc), ("Q3_K", lambda sc, q: 0.5 * (sc - 32) * (q - 4)),
    ("Q6_K", lambda sc, q: 0.5 * sc * (q - 32))])
def test_a_block_made_by_hand_decodes_as_the_formula_says(qtype, formula):
    layout, values = getattr(kquants, qtype), hand_made(qtype)
    raw = layout.pack(**values).view(np.uint8).reshape(1, -1)
    sc = values["sc"][0].repeat(256 // values["sc"].size).astype(int)
    np.testing.assert_array_equal(decode(raw, qtype)[0], formula(sc, values["q"][0].astype(int)))


@pytest.mark.parametrize(("qtype", "search"),
                         [("Q2_K", lambda x: affine(x, np.abs(x), 3, -0.5, 0.1, 15, absolute=True)),
                          ("Q6_K", lambda x: symmetric(x, x * x, 32))])
def test_a_group_whose_scale_rounds_to_zero_keeps_the_stale_codes_of_the_search(qtype, search):
    x = bell(1, 256)
    # beside the first group's scale all others are nothing
    x[:, :16] *= 1e5
    layout = getattr(kquants, qtype)
    values = layout.unpack(np.frombuffer(encode(x, qtype), layout.dtype))
    assert values["sc"][0, 0] != 0 and not values["sc"][0, 1:].any()
    columns = np.ascontiguousarray(x.reshape(16, 16).T)
    np.testing.assert_array_equal(values["q"].reshape(16, 16)[1:], search(columns).levels(columns).T[1:])


@pytest.mark.parametrize("qtype", TYPES)
def test_the_weights_are_left_alone(qtype):
    x, weights = bell(2, 512), imatrix(512)
    before = x.copy(), weights.copy()
    encode(x, qtype)
    encode(x, qtype, weights)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(weights, before[1])


def test_an_importance_matrix_moves_the_error_to_where_it_does_not_matter():
    x, weights = bell(64, 1024), np.full(1024, 0.01, np.float32)
    weights[::8] = 1
    for qtype in TYPES:
        size = getattr(kquants, qtype).type_size
        plain, by_importance = (decode(np.frombuffer(encode(x, qtype, w), np.uint8).reshape(-1, size),
                                       qtype).reshape(x.shape) for w in (None, weights))
        assert ((by_importance - x)[:, ::8] ** 2).mean() < 0.9 * ((plain - x)[:, ::8] ** 2).mean(), qtype
