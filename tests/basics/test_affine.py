"""The teaching quantizers: against gguf's Q8_0, the QLoRA paper's construction of NF4, and what rounding must
obey.
"""

from statistics import NormalDist

import gguf
import numpy as np
import pytest

from quantlab.basics.affine import NF4, quantize_absmax, quantize_affine, quantize_nf4
from quantlab.basics.sample import sample_weights


def test_absmax_at_8_bits_with_blocks_of_32_is_nearly_q8_0():
    x = sample_weights()
    oracle = gguf.quantize(x, gguf.GGMLQuantizationType.Q8_0).reshape(-1, 34)
    stored = quantize_absmax(x, 8, block_size=32)
    assert stored.bpw == 8.5
    np.testing.assert_array_equal(stored.scale.astype(np.float16),
                                  oracle[:, :2].copy().view(np.float16)[:, 0])
    codes = oracle[:, 2:].view(np.int8).reshape(x.shape)
    assert (stored.q != codes).mean() < 0.01      # ggml divides by the scale before it is rounded to float16
    assert np.abs(stored.q - codes).max() <= 1


@pytest.mark.parametrize("block_size", [None, 384, 64])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("quantizer", [quantize_absmax, quantize_affine])
def test_no_weight_moves_farther_than_half_a_step(quantizer, bits, block_size):
    x = sample_weights()[:64]
    stored = quantizer(x, bits, block_size=block_size)
    moved = np.abs(stored.dequantize() - x).reshape(-1, stored.block_size)
    # affine shifts its range by up to half a step to hit zero
    steps = 0.5 if quantizer is quantize_absmax else 1.0
    # float16 has 11 bits; felt at the far end of the range
    rounded_scale = 2.0 ** (bits - 11)
    assert (moved <= (steps + rounded_scale) * stored.scale[:, None] + 1e-7).all()


def test_rmse_is_the_error_of_what_comes_back():
    x = sample_weights()
    for stored in (quantize_absmax(x, 4, block_size=32), quantize_affine(x, 3), quantize_nf4(x)):
        error = stored.dequantize().astype(float) - x
        assert stored.rmse == pytest.approx(float(np.sqrt(np.mean(error**2))), rel=1e-5)


def test_every_decoded_weight_is_one_of_the_levels():
    x = sample_weights()[:2]
    for stored in (quantize_absmax(x, 4), quantize_affine(x, 4), quantize_nf4(x, block_size=None)):
        assert set(stored.dequantize().ravel()) <= set(stored.levels())
    assert len(quantize_absmax(x, 4).levels()) == 15 and len(quantize_affine(x, 4).levels()) == 16


def test_zero_stays_exactly_zero():
    x = np.array([[0, 1, 2, 5], [0, -3, -1, 7], [0, 0, 0, 0], [4, 4, 4, 0]], np.float32)
    for quantizer in (quantize_absmax, quantize_affine, quantize_nf4):
        assert (quantizer(x, block_size=4).dequantize()[x == 0] == 0).all()


def test_nf4_is_the_papers_construction():
    normal = NormalDist()
    offset = 0.9677083                     # (1 - 1/30 + 1 - 1/32) / 2, as the paper's code has it
    positive = [normal.inv_cdf(p) for p in np.linspace(offset, 0.5, 9)[:-1]]
    negative = [-normal.inv_cdf(p) for p in np.linspace(offset, 0.5, 8)[:-1]]
    expected = np.sort([*positive, 0, *negative]) / max(positive)
    np.testing.assert_allclose(NF4, expected, atol=2e-6)


def test_nf4_takes_the_nearest_level():
    x = np.linspace(-1, 1, 4096, dtype=np.float32)[None]
    nearest = NF4[np.abs(x[0][:, None] - NF4).argmin(axis=1)]
    back = quantize_nf4(x, block_size=None).dequantize()[0]
    np.testing.assert_allclose(np.abs(back - x[0]), np.abs(nearest - x[0]), atol=1e-6)


def test_nf4_beats_absmax_on_bell_shaped_weights():
    x = sample_weights()
    assert quantize_nf4(x, block_size=64).rmse < quantize_absmax(x, 4, block_size=64).rmse


def test_scales_cost_bits():
    x = sample_weights()
    assert quantize_absmax(x, 4, block_size=32).bpw == 4.5
    assert quantize_absmax(x, 4).bpw == pytest.approx(4 + 16 / x.size)
    assert quantize_affine(x, 4, block_size=32).bpw == 4 + 20 / 32
    assert quantize_absmax(x, 4, block_size=32).nbytes == x.size * 4.5 / 8


@pytest.mark.parametrize(("call", "words"), [
    (lambda x: quantize_absmax(x, 1), "bits must be 2 to 16 for this quantizer, got 1"),
    (lambda x: quantize_affine(x, 17), "got 17"),
    (lambda x: quantize_absmax(x, 4.5), "got 4.5"),
    (lambda x: quantize_absmax(x, 4, block_size=7), "a block of 7 weights does not divide a row of 384"),
    (lambda x: quantize_absmax(x, 4, block_size=0), "a block of 0"),
    (lambda x: quantize_absmax(x * np.float32(1e7), 4), "beyond float16's largest number"),
    (lambda x: quantize_absmax(np.where(x == x[1, 2], np.nan, x)), r"x\[1, 2\] is nan"),
    (lambda x: quantize_nf4(x[:0]), "nothing to quantize"),
])
def test_bad_input_is_refused_with_the_number(call, words):
    with pytest.raises(ValueError, match=words):
        call(sample_weights())
