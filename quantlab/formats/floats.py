"""F32, F16 and BF16: weights as floating-point numbers, one to a "block", with the bits of IEEE 754 declared
like any other format.

    value = (-1)^sign * 2^(exponent - bias) * 1.mantissa

The bias is 127 (F32, BF16) or 15 (F16); zeros and tiny numbers have the exponent 0. BF16 is the upper half of
a float32: it has float32's range and fewer bits of precision.

`encode_*` takes (n, 1) float32 and returns n blocks; `decode_*` takes them back.
ggml: ggml_fp32_to_fp16_row, ggml_fp32_to_bf16_row_ref and the way back. Lesson: 01.
"""

import numpy as np

from .cfloat import to_float16
from .layout import Bits, Layout


def _float(name: str, field: str, exponent: int, mantissa: int) -> Layout:
    """A number whose lowest bits are the mantissa, above them the exponent, the sign on top."""
    word = (1 + exponent + mantissa) // 8
    return Layout(name, 1, [("x", field)], Bits("sign", "x", 1, shift=exponent + mantissa, word=word),
                  Bits("exponent", "x", exponent, shift=mantissa, word=word, per=1),
                  Bits("mantissa", "x", mantissa, word=word, per=1))


F32 = _float("F32", "<f4", exponent=8, mantissa=23)
F16 = _float("F16", "<f2", exponent=5, mantissa=10)
BF16 = _float("BF16", "<u2", exponent=8, mantissa=7)


def encode_f32(x: np.ndarray) -> np.ndarray:
    """As they are."""
    return x.astype("<f4")[:, 0].view(F32.dtype)


def decode_f32(blocks: np.ndarray) -> np.ndarray:
    return blocks["x"].astype(np.float32)[:, None]


def encode_f16(x: np.ndarray) -> np.ndarray:
    """Rounded to nearest, ties to even; above 65504 infinite."""
    return to_float16(x[:, 0]).astype("<f2", copy=False).view(F16.dtype)


def decode_f16(blocks: np.ndarray) -> np.ndarray:
    """The bits moved to their places in a float32, and the bias put right by a product: five times as fast as
    NumPy's conversion, which numbers that are not finite need.
    """
    bits = blocks["x"].view("<i2").astype(np.int32)
    if ((bits & 0x7C00) == 0x7C00).any():
        return blocks["x"].astype(np.float32)[:, None] * np.float32(1)  # a signaling NaN turns quiet, as in C
    bits <<= 13
    bits &= ~0x70000000             # the sign was extended over the exponent's upper bits
    return bits.view(np.float32)[:, None] * np.float32(2.0**112)


def encode_bf16(x: np.ndarray) -> np.ndarray:
    """The upper half of a float32, rounded to nearest, ties to even. A NaN gets bit 6 set: cut short, it
    might look infinite.
    """
    bits = np.ascontiguousarray(x[:, 0]).view(np.uint32)
    upper = (bits + (0x7FFF + ((bits >> 16) & 1))) >> 16
    nan = np.isnan(x[:, 0])
    if nan.any():
        upper[nan] = bits[nan] >> 16 | 64
    return upper.astype("<u2").view(BF16.dtype)


def decode_bf16(blocks: np.ndarray) -> np.ndarray:
    return (blocks["x"].astype(np.uint32) << 16).view(np.float32)[:, None]
