"""MXFP4 and NVFP4: scales of eight bits are C's to the last boundary, and counting middles finds the code of
the smallest error.
"""

import gguf
import numpy as np
import pytest

from quantlab.formats import microscaling as fp4
from quantlab.formats.tensor import dequantize, quantize
from tests.formats import ggml_oracle as ggml

needs_ggml = pytest.mark.skipif(ggml.GGML is None, reason=ggml.REASON)
MAGNITUDES = {"MXFP4": 32, "NVFP4": 16}              # weights that share a scale


def blocks_around(qtype: str, largest: np.ndarray) -> np.ndarray:
    """Rows of weights in which every group has one of the `largest` and some smaller ones."""
    size = MAGNITUDES[qtype]
    largest = largest[: len(largest) // 64 * 64]
    parts = np.random.default_rng(21).choice(np.float32([0, 0.25, -0.3, 0.5, -0.75, 0.9, -1]),
                                             (len(largest), size))
    parts[:, size // 2] = 1
    return (largest[:, None] * parts).reshape(-1, size * 64)


def around_powers_of_two() -> np.ndarray:
    """Every power of two that float32 has, and its 64 neighbours on either side."""
    bits = (np.arange(1, 255)[:, None] << 23) + np.arange(-64, 65)
    return bits.astype(np.uint32).ravel().view(np.float32)


def small_floats() -> np.ndarray:
    """From 2^-13 to 2^12 with eleven bits of mantissa, and the neighbours of each: all that can decide about
    a UE4M3 scale.
    """
    bits = np.arange((127 - 13) << 11, (127 + 12) << 11, dtype=np.uint32) << 12
    return np.concatenate([bits - 1, bits, bits + 1]).view(np.float32)


def denormals() -> np.ndarray:
    return np.random.default_rng(22).integers(1, 1 << 23, 4096).astype(np.uint32).view(np.float32)


@needs_ggml
@pytest.mark.parametrize("make", [around_powers_of_two, small_floats, denormals])
@pytest.mark.parametrize("qtype", MAGNITUDES)
def test_bytes_are_ggmls_at_every_boundary_of_the_scale(qtype, make):
    x = blocks_around(qtype, make())
    assert quantize(x, qtype).tobytes() == ggml.quantize(x, qtype).tobytes()


def test_entries_are_ggmls():
    assert fp4.E2M1.tolist() == list(gguf.quants.MXFP4.kvalues)


def test_a_number_just_below_a_power_of_two_counts_as_one_like_log2f_says():
    below = np.nextafter(np.float32([1, 2**64]), np.float32(0))
    assert fp4.e8m0(np.float32([1, below[0], 2**64, below[1]])).tolist() == [125, 124, 189, 189]


def test_e8m0_of_nothing_and_of_too_much_is_0_and_of_too_little_wraps_around():
    with np.errstate(divide="ignore"):
        assert fp4.e8m0(np.float32([0, np.inf, 2**-126, 2**-127])).tolist() == [0, 0, 255, 254]


@pytest.mark.parametrize(("value", "code"), [(0, 0), (1, 0b0111_000), (1.0625, 0b0111_001), (448, 126),
                                             (1e9, 126), (250, 126), (240, 0b1110_111), (2**-9, 1),
                                             (2**-10, 1), (2**-11, 0), (7.4 * 2**-9, 7)])
def test_ue4m3_rounds_half_up_and_jumps_to_448(value, code):
    assert fp4.ue4m3(np.float32([value])).tolist() == [code]


def test_every_scale_byte_decodes_as_ggml_reads_it():
    assert fp4.UE4M3[fp4.ue4m3(np.float32([0.5, 1, 1.5, 240, 448]))].tolist() == [0.25, 0.5, 0.75, 120, 224]
    assert fp4.UE4M3[0x7F] == 0 and fp4.UE4M3[0xFF] == 240
    weights = dequantize(bytes([0]) + bytes([0x22] * 16), "MXFP4", (32,))
    assert weights.tolist() == [2.0**-127] * 32


@pytest.mark.parametrize("d", [0.25, 1, 1.5, 2.0**-128, 2.0**120])
def test_counting_middles_finds_the_smallest_error_and_ties_go_to_the_smaller(d):
    d = np.float32(d)
    middles = np.concatenate([fp4.MIDDLES, fp4.ENTRIES]) * d
    x = np.concatenate([middles, np.nextafter(middles, np.float32(0)),
                        np.nextafter(middles, np.float32(np.inf))])
    x = np.concatenate([x, -x, np.linspace(-16, 16, 2048 - 2 * len(x), dtype=np.float32) * d])
    xt = x.reshape(-1, 4)                            # one group of 2048 weights, as quads
    found = fp4.nearest_entry(xt, np.full(1, d), np.full(1, 16 * d))
    np.testing.assert_array_equal(found, fp4.smallest_error(xt, d))


def test_the_smallest_error_is_found_by_looking_at_all_sixteen():
    x = np.random.default_rng(23).standard_normal(1000).astype(np.float32) * 6
    best = np.abs(fp4.E2M1[:, None] - x).argmin(axis=0)
    np.testing.assert_array_equal(fp4.smallest_error(x, np.float32(1)), best)


def test_weights_far_beyond_the_largest_scale_come_out_as_c_has_them():
    """1e30 minus any multiple of 224 is 1e30 in float32: all errors are equal, so code 0 wins and the weight
    is lost.
    """
    x = np.zeros(64, np.float32)
    x[:2] = 1e30, 3000
    decoded = quantize(x, "NVFP4").dequantize()
    assert decoded[:2].tolist() == [0, 2688]
