"""The five plain formats say what their decoders do, keep C's habits, and with an imatrix never do worse by
its own measure.
"""

import numpy as np
import pytest

from quantlab.formats.cfloat import mean_square
from quantlab.formats.tensor import dequantize, quantize
from tests.formats import ggml_oracle as ggml
from tests.formats.hard_weights import FAMILIES

LEGACY = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")
SEARCHED = LEGACY[:4]
needs_ggml = pytest.mark.skipif(ggml.GGML is None, reason=ggml.REASON)


@needs_ggml
@pytest.mark.parametrize("n_blocks", [1, 3, 1025])
@pytest.mark.parametrize("qtype", LEGACY)
def test_any_number_of_blocks_gives_the_same_bytes(qtype, n_blocks):
    x = np.resize(FAMILIES["bell"](), (1, n_blocks * 32))
    assert quantize(x, qtype).tobytes() == ggml.quantize(x, qtype).tobytes()


@needs_ggml
@pytest.mark.parametrize("n_blocks", [1, 1025])
@pytest.mark.parametrize("qtype", SEARCHED)
def test_with_an_imatrix_the_squares_of_the_whole_row_count(qtype, n_blocks):
    x = np.resize(FAMILIES["bell"](), (2, n_blocks * 32))
    x[1, :3] = 40
    imatrix = np.random.default_rng(4).random(n_blocks * 32, dtype=np.float32)
    assert quantize(x, qtype, imatrix).tobytes() == ggml.quantize(x, qtype, imatrix).tobytes()


def hand_made(qtype: str) -> bytes:
    """A block with d = 2 (m = 1), weight j of code j."""
    d, m = np.float16(2).tobytes(), np.float16(1).tobytes()
    low = bytes(j % 16 | (j + 16) % 16 << 4 for j in range(16))
    fifth = (0xFFFF0000).to_bytes(4, "little")
    return {"Q4_0": d + low, "Q4_1": d + m + low, "Q5_0": d + fifth + low, "Q5_1": d + m + fifth + low,
            "Q8_0": d + bytes(range(32))}[qtype]


@pytest.mark.parametrize(("qtype", "expected"), [
    ("Q4_0", [2 * (j % 16 - 8) for j in range(32)]), ("Q4_1", [2 * (j % 16) + 1 for j in range(32)]),
    ("Q5_0", [2 * (j - 16) for j in range(32)]), ("Q5_1", [2 * j + 1 for j in range(32)]),
    ("Q8_0", [2 * j for j in range(32)])])
def test_a_block_made_by_hand_decodes_as_the_formula_says(qtype, expected):
    assert dequantize(hand_made(qtype), qtype, (32,)).tolist() == expected


@pytest.mark.parametrize("qtype", LEGACY)
def test_what_was_decoded_encodes_to_itself_where_the_block_uses_its_ends(qtype):
    weights = dequantize(hand_made(qtype), qtype, (32,))
    if qtype == "Q8_0":                              # its largest code, 31 here, would become 127
        weights[0] = 254
    assert dequantize(quantize(weights, qtype).tobytes(), qtype, (32,)).tolist() == weights.tolist()


def test_all_zero_weights_give_a_negative_zero_scale_in_q4_0_as_in_c():
    assert quantize(np.zeros((1, 32), np.float32), "Q4_0").tobytes()[:3] == b"\x00\x80\x88"


def test_of_two_zeros_the_first_becomes_the_minimum():
    for first, sign in ((0.0, 0), (-0.0, 0x80)):
        x = np.full(32, 1, np.float32)
        x[[3, 4]] = first, -first
        assert quantize(x, "Q4_1").tobytes()[2:4] == bytes([0, sign])


def test_infinity_and_nan_are_written_as_c_writes_them():
    x = np.arange(32, dtype=np.float32)
    x[5] = np.nan
    # the cast of a NaN gives 0
    assert quantize(x, "Q4_0", allow_nonfinite=True).blocks["qs"][0, 5] & 15 == 0
    x[5] = np.inf
    block = quantize(x, "Q4_0", allow_nonfinite=True).blocks
    # 4 / inf is 0, inf / inf NaN
    assert block["d"][0] == -np.inf and block["qs"][0, 4] & 15 == 8 and block["qs"][0, 5] & 15 == 0
    with pytest.raises(ValueError, match=r"x\[5\] is inf"):
        quantize(x, "Q4_0")


def weighted_error(x: np.ndarray, decoded: np.ndarray, imatrix: np.ndarray) -> float:
    """What the searches minimize, added up over all blocks in float64."""
    w = imatrix.astype(np.float64) * np.sqrt(mean_square(x).astype(np.float64)[:, None]
                                             + x.astype(np.float64) ** 2)
    return float((w * (x - decoded.astype(np.float64)) ** 2).sum())


@pytest.mark.parametrize("qtype", SEARCHED)
def test_the_search_beats_the_plain_scale_by_its_own_measure(qtype):
    x = FAMILIES["bell"]()
    imatrix = np.random.default_rng(6).random(x.shape[1], dtype=np.float32) ** 4
    plain = weighted_error(x, quantize(x, qtype).dequantize(), imatrix)
    searched = weighted_error(x, quantize(x, qtype, imatrix).dequantize(), imatrix)
    assert searched < 0.9 * plain


def test_encoders_leave_the_weights_alone():
    x = FAMILIES["bell"]()
    before = x.copy()
    for qtype in LEGACY:
        quantize(x, qtype, None if qtype == "Q8_0" else np.ones(x.shape[1], np.float32))
    assert (x == before).all()
