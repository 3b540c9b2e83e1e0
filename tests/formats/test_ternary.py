"""TQ1_0 and TQ2_0: five digits to the base 3 in a byte, taken out again without dividing, and shared by their
weights bit by bit.
"""

import gguf
import numpy as np
import pytest

from quantlab.formats.layout import Owner
from quantlab.formats.tensor import dequantize, quantize
from quantlab.formats.ternary import DIGITS, STRETCHED, TQ1_0
from tests.formats import ggml_oracle as ggml

needs_ggml = pytest.mark.skipif(ggml.GGML is None, reason=ggml.REASON)


def random_ternary(n: int) -> np.ndarray:
    return np.random.default_rng(11).integers(0, 3, (n, 256), dtype=np.uint8)


def test_the_digits_of_every_number_come_back_out_of_its_byte():
    for number in range(243):
        digits = [number // 3 ** (4 - place) % 3 for place in range(5)]
        assert DIGITS[:, STRETCHED[number]].tolist() == digits


def test_every_byte_has_digits_from_0_to_2_as_gguf_reads_them():
    raw = np.zeros((256, 54), np.uint8)
    raw[:, :48] = np.arange(256)[:, None]
    raw[:, 52:] = np.float16(1).tobytes()[0], np.float16(1).tobytes()[1]
    ours = TQ1_0.unpack(raw.view(TQ1_0.dtype)[:, 0])["q"]
    assert (ours.astype(np.float32) - 1 == gguf.dequantize(raw, gguf.GGMLQuantizationType.TQ1_0)).all()
    assert set(np.unique(ours)) == {0, 1, 2}


def test_unpack_undoes_pack():
    q, d = random_ternary(500), np.random.default_rng(12).random(500).astype(np.float16)
    values = TQ1_0.unpack(TQ1_0.pack(q=q, d=d))
    assert (values["q"] == q).all() and (values["d"][:, 0] == d).all()


def test_weight_0_is_the_first_digit_of_byte_0_and_weight_32_its_second():
    q = np.zeros((1, 256), np.uint8)
    q[0, 0], q[0, 32] = 2, 1
    assert TQ1_0.pack(q=q, d=np.ones(1, np.float16))["qs"][0, 0] == STRETCHED[2 * 81 + 1 * 27]


def test_a_bit_belongs_to_all_weights_of_its_byte_and_to_no_other():
    block = TQ1_0.pack(q=random_ternary(1), d=np.ones(1, np.float16))
    raw, before = block.view(np.uint8), TQ1_0.unpack(block)["q"][0]
    assert TQ1_0.owners[0][3] == Owner("q", (0, 32, 64, 96, 128), 3)
    assert TQ1_0.owners[51][7] == Owner("q", (243, 247, 251, 255), 7)
    assert TQ1_0.owners[53][7] == Owner("d", 0, 15)
    for byte in range(52):
        for bit in range(8):
            flipped = raw.copy()
            flipped[byte] ^= 1 << bit
            changed = np.flatnonzero(TQ1_0.unpack(flipped.view(TQ1_0.dtype))["q"][0] != before)
            assert set(changed.tolist()) <= set(TQ1_0.owners[byte][bit].index)


@pytest.mark.parametrize("qtype", ["TQ1_0", "TQ2_0"])
def test_ternary_weights_come_back_exactly(qtype):
    x = (random_ternary(64).astype(np.float32) - 1) * np.float32(0.375)
    assert (quantize(x, qtype).dequantize() == x).all()


@pytest.mark.parametrize("qtype", ["TQ1_0", "TQ2_0"])
def test_half_the_largest_is_rounded_away_from_zero(qtype):
    x = np.zeros(256, np.float32)
    below = np.nextafter(np.float32(0.5), np.float32(0))
    x[:5] = 1, 0.5, -0.5, below, -below
    assert quantize(x, qtype).dequantize()[:5].tolist() == [1, 1, -1, 0, 0]


def test_tq2_0_decodes_two_bits_a_weight():
    raw = bytes([0b11_10_01_00] * 64) + np.float16(3).tobytes()
    assert dequantize(raw, "TQ2_0", (256,)).reshape(2, 4, 32)[0, :, 0].tolist() == [-3, 0, 3, 6]


@needs_ggml
@pytest.mark.parametrize("qtype", ["TQ1_0", "TQ2_0"])
def test_after_a_nan_c_forgets_the_largest_and_so_do_we(qtype):
    x = np.random.default_rng(13).standard_normal((64, 256), dtype=np.float32) * 100
    x[:, 200] = np.nan
    x[:, 201:] *= np.float32(0.01)
    assert quantize(x, qtype, allow_nonfinite=True).tobytes() == ggml.quantize(x, qtype).tobytes()
