"""Q1_0 and Q2_0: blocks made by hand, and what becomes of zeros, ties and numbers too small to divide by.
(Bytes against ggml: test_truth.py.)
"""

import numpy as np

from quantlab.formats.lowbit import Q1_0, Q2_0
from quantlab.formats.tensor import dequantize, quantize


def test_q1_0_keeps_signs_and_the_mean_size():
    x = np.resize(np.float32([3, -1, 0, -0.0]), 128)
    stored = quantize(x, "Q1_0")
    assert stored.bpw == 1.125 and stored.blocks["d"][0] == 1 and stored.blocks["qs"][0, 0] == 0b11011101
    assert stored.dequantize()[:4].tolist() == [1, -1, 1, 1]


def test_q2_0_rounds_to_minus_nothing_or_plus_the_largest():
    below = np.nextafter(np.float32(0.5), np.float32(0))
    x = np.zeros(64, np.float32)
    x[:6] = 1, 0.5, -0.5, below, -below, -1
    stored = quantize(x, "Q2_0")
    assert stored.bpw == 2.25 and stored.dequantize()[:7].tolist() == [1, 1, -1, 0, 0, -1, 0]


def test_a_code_of_three_stands_for_twice_the_scale():
    raw = np.float16(3).tobytes() + bytes([0b11_10_01_00] * 16)
    assert dequantize(raw, "Q2_0", (64,))[:4].tolist() == [-3, 0, 3, 6]


def test_where_the_largest_cannot_be_divided_by_all_codes_are_0():
    x = np.zeros(64, np.float32)
    x[3] = 1e-40
    assert not Q2_0.unpack(quantize(x, "Q2_0").blocks)["q"].any()


def test_weight_8_is_the_lowest_bit_of_the_second_byte():
    x = np.full(128, -1, np.float32)
    x[8] = 1
    assert quantize(x, "Q1_0").blocks["qs"][0, 1] == 1
    assert Q1_0.unpack(quantize(x, "Q1_0").blocks)["q"][0].nonzero()[0].tolist() == [8]
