"""F16, BF16 and F32: sign, exponent and mantissa are where IEEE 754 puts them, and rounding is ggml's."""

import numpy as np
import pytest

from quantlab.formats import floats
from tests.formats import ggml_oracle as ggml

needs_ggml = pytest.mark.skipif(ggml.GGML is None, reason=ggml.REASON)


@pytest.mark.parametrize(("layout", "bias"), [(floats.F32, 127), (floats.F16, 15), (floats.BF16, 127)])
def test_minus_six_and_a_half_taken_apart(layout, bias):
    encode = getattr(floats, f"encode_{layout.name.lower()}")
    values = layout.unpack(encode(np.float32([[-6.5]])))
    sign, exponent, mantissa = (int(values[name][0, 0]) for name in ("sign", "exponent", "mantissa"))
    # -1.625 * 2^2
    assert (sign, exponent - bias, mantissa / 2 ** layout.widths["mantissa"]) == (1, 2, 0.625)
    assert layout.pack(**values).tobytes() == encode(np.float32([[-6.5]])).tobytes()


@needs_ggml
@pytest.mark.parametrize("qtype", ["F16", "BF16"])
def test_all_65536_numbers_decode_as_in_c(qtype):
    layout, decode = getattr(floats, qtype), getattr(floats, f"decode_{qtype.lower()}")
    every = np.arange(1 << 16, dtype="<u2")
    finite = every[(every & 0x7C00) != 0x7C00]      # F16 has a shorter way for pieces of such numbers
    for raw in (every, finite):
        with np.errstate(all="ignore"):
            ours = decode(raw.view(layout.dtype))
        np.testing.assert_array_equal(ours.view(np.uint32),
                                      ggml.dequantize(raw.view(np.uint8), qtype, 1).view(np.uint32))


@needs_ggml
@pytest.mark.parametrize("qtype", ["F16", "BF16"])
def test_between_any_two_numbers_c_rounds_the_same_way(qtype):
    """Every float32 whose upper bits are those of a BF16, with lower bits just below, at and above the
    middle; for F16 likewise.
    """
    low = np.array([0, 1, 0xFFF, 0x1000, 0x1001, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)
    x = ((np.arange(1 << 16, dtype=np.uint32)[:, None] << 16) | low).view(np.float32).reshape(-1, 1)
    with np.errstate(all="ignore"):
        ours = getattr(floats, f"encode_{qtype.lower()}")(x)
    assert ours.tobytes() == ggml.quantize(x.reshape(1, -1), qtype).tobytes()
