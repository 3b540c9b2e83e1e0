"""MXFP4 and NVFP4: four-bit floating-point codes under a scale of eight bits.

A code is a float of its own: a sign, two bits of exponent, one of mantissa (E2M1). ggml stores twice its
value, so that all are whole:

    code       0   1   2   3   4   5   6   7      + 8 for the same below zero
    entry      0   1   2   3   4   6   8  12      weight = d * entry

    MXFP4      32 weights, one scale, a power of two (E8M0):  d = 2^(e - 128)
    NVFP4      64 weights in four groups of 16, each with a small float for a scale (UE4M3: four bits of
               exponent, three of mantissa)

`encode_*` takes (n, block_size) float32 and returns n blocks, `decode_*` takes them back. Neither format has
a use for an imatrix.
ggml: quantize_row_mxfp4_ref, quantize_row_nvfp4_ref, best_index_mxfp4. Lesson: 12.
"""

import numpy as np

from .cfloat import fourfold, largest_magnitude, quads, to_blocks
from .layout import Bits, Layout


def _ue4m3_values() -> np.ndarray:
    """What each of 256 bytes stands for, halved because the entries are doubled; the top bit is ignored, 0x7F
    (NaN) counts as 0.
    """
    code = np.arange(256)
    exponent, mantissa = code >> 3 & 15, code & 7
    value = np.where(exponent == 0, mantissa / 8 * 2.0**-6, (1 + mantissa / 8) * 2.0 ** (exponent - 7.0)) / 2
    value[0x7F] = 0
    return value.astype(np.float32)


UE4M3 = _ue4m3_values()

MXFP4 = Layout("MXFP4", 32, [("e", "u1"), ("qs", "u1", 16)], Bits("q", "qs", 4, run=16))
NVFP4 = Layout("NVFP4", 64, [("d", "u1", 4), ("qs", "u1", 32)], Bits("q", "qs", 4, run=8),
               stands_for={"d": UE4M3})

ENTRIES = np.array([0, 1, 2, 3, 4, 6, 8, 12], np.float32)
E2M1 = np.concatenate([ENTRIES, -ENTRIES + np.float32(0)])       # ggml's kvalues_mxfp4; + 0: no -0 among them
MIDDLES = (ENTRIES[1:] + ENTRIES[:-1]) / 2


def encode_mxfp4(x: np.ndarray) -> np.ndarray:
    """The largest weight, rounded down to a power of two, becomes entry 8 (which stands for 4); what is above
    12 is cut off.
    """
    xt = quads(x)
    most = largest_magnitude(x, xt)
    e = e8m0(most)
    return MXFP4.pack(e=e, q=to_blocks(nearest_entry(xt, power_of_two(e), most), len(x)))


def decode_mxfp4(blocks: np.ndarray) -> np.ndarray:
    return power_of_two(blocks["e"])[:, None] * E2M1[MXFP4.unpack(blocks)["q"]]


def encode_nvfp4(x: np.ndarray) -> np.ndarray:
    """The largest weight of each group of 16 becomes about entry 12, which stands for 6."""
    xt = quads(x, 16)
    most = largest_magnitude(x.reshape(-1, 16), xt)
    d = ue4m3(most / np.float32(6))
    return NVFP4.pack(d=d.reshape(-1, 4), q=to_blocks(nearest_entry(xt, UE4M3[d], most), len(x)))


def decode_nvfp4(blocks: np.ndarray) -> np.ndarray:
    entries = E2M1[NVFP4.unpack(blocks)["q"]].reshape(len(blocks), 4, 16)
    return (UE4M3[blocks["d"]][:, :, None] * entries).reshape(len(blocks), 64)


# ---- scales

def e8m0(most: np.ndarray) -> np.ndarray:
    """floor(log2(largest magnitude)) - 2 + 127 as a byte, 0 for zeros and infinity.

    C's log2f rounds to float32, so a number just below a power of two counts as one. Where the sum is
    negative (weights below 2^-125) C's cast to uint8 wraps around.
    """
    power = np.floor(np.log2(most.astype(np.float64)).astype(np.float32)) + np.float32(125)
    return np.where(np.isfinite(power), power, np.float32(0)).astype(np.int32).astype(np.uint8)


def power_of_two(e: np.ndarray) -> np.ndarray:
    """2^(e - 128) as float32: half of what E8M0 means, because the entries are doubled."""
    return np.ldexp(np.float32(1), e.astype(np.int32) - 128)


def ue4m3(v: np.ndarray) -> np.ndarray:
    """(n,) numbers from 0 up -> the nearest code as ggml_fp32_to_ue4m3 finds it: halves go up, and all from
    248 up become 448.
    """
    bits = np.minimum(v, np.float32(448)).view(np.int32)
    code = ((bits + 0x80000) >> 20) - (120 << 3)    # to three bits of mantissa; then exponents count from 120
    code[code >= 120] = 126
    small = bits < 121 << 23                        # no exponent left: whole multiples of 2^-9, at most seven
    code[small] = np.minimum((v[small] * np.float32(512) + np.float32(0.5)).astype(np.int32), 7)
    return code.astype(np.uint8)


# ---- codes

def nearest_entry(xt: np.ndarray, d: np.ndarray, most: np.ndarray) -> np.ndarray:
    """The code of the entry for which |d * entry - x| is smallest; of equals the first. xt: quads of groups
    with scales d.

    ggml computes all sixteen errors in float32. Near the middle of two entries both are exact, as are d times
    the middles, so that counting the middles below |x| finds the same code, nine times faster. Not so where x
    is so large (or d zero) that errors round to the same number and the first wins, or where the largest
    entries overflow. Those groups get the errors.
    """
    size, row = np.abs(xt), fourfold(d)
    q = (size > row * MIDDLES[0]).view(np.uint8)
    for middle in MIDDLES[1:]:
        q += (size > row * middle).view(np.uint8)
    q += (xt < row * -MIDDLES[0]).view(np.uint8) * np.uint8(8)
    far = np.flatnonzero(~(most <= d * np.float32(64)) | np.isinf(d * ENTRIES[-1]))
    if len(far):
        q.reshape(len(q), -1, 4)[:, far] = smallest_error(xt.reshape(len(q), -1, 4)[:, far], d[far, None])
    return q


def smallest_error(x: np.ndarray, d: np.ndarray) -> np.ndarray:
    """ggml's best_index_mxfp4, error by error; a NaN, smaller than nothing, keeps code 0."""
    size = np.abs(x)
    best, q = size.copy(), np.zeros(x.shape, np.uint8)
    for i, entry in enumerate(ENTRIES):
        error = np.abs(entry * d - size)
        better = error < best
        best[better], q[better] = error[better], i
    return q + np.where((x < 0) & (q > 0), np.uint8(8), np.uint8(0))
