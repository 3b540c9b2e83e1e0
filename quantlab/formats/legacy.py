"""The five plain block formats, byte for byte as ggml writes them: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0.

Each one cuts a row into blocks of 32 weights and gives every block its own scale `d`:

    Q4_0  Q5_0  Q8_0     weight = d * (code - offset)     codes lie evenly around zero
    Q4_1  Q5_1           weight = d * code + m            codes start at the block's minimum `m`

`encode_*` takes (n, 32) float32, all finite, and returns n blocks as a NumPy structured array with ggml's field names;
`decode_*` takes them back to (n, 32) float32. Source: ggml-quants.c, quantize_row_*_ref and dequantize_row_*.
Inside, the arrays are (32, n), one *column* per block: NumPy is fastest when it walks along many blocks at once.
"""

import numpy as np

Q4_0 = np.dtype([("d", "<f2"), ("qs", "u1", 16)])                                   # 18 bytes
Q4_1 = np.dtype([("d", "<f2"), ("m", "<f2"), ("qs", "u1", 16)])                     # 20 bytes
Q5_0 = np.dtype([("d", "<f2"), ("qh", "u1", 4), ("qs", "u1", 16)])                  # 22 bytes
Q5_1 = np.dtype([("d", "<f2"), ("m", "<f2"), ("qh", "u1", 4), ("qs", "u1", 16)])    # 24 bytes
Q8_0 = np.dtype([("d", "<f2"), ("qs", "i1", 32)])                                   # 34 bytes


def encode_q4_0(x: np.ndarray) -> np.ndarray:
    """The weight farthest from zero becomes code 0, which decodes to -8 d; so zero itself is code 8."""
    x, blocks = columns(x), np.empty(len(x), Q4_0)
    d = farthest_from_zero(x) / np.float32(-8)
    blocks["d"] = d
    blocks["qs"] = nibbles(codes(x, d, np.float32(8.5), 15))
    return blocks


def decode_q4_0(blocks: np.ndarray) -> np.ndarray:
    return d_times(blocks, two_nibbles(blocks).view(np.int8) - np.int8(8))


def encode_q4_1(x: np.ndarray) -> np.ndarray:
    """Code 0 is the block's smallest weight, code 15 its largest."""
    x, blocks = columns(x), np.empty(len(x), Q4_1)
    m, d = range_of(x, 15)
    blocks["d"], blocks["m"] = d, m
    blocks["qs"] = nibbles(codes(above(x, m, d), d, np.float32(0.5), 15))
    return blocks


def decode_q4_1(blocks: np.ndarray) -> np.ndarray:
    return plus_m(blocks, d_times(blocks, two_nibbles(blocks)))


def encode_q5_0(x: np.ndarray) -> np.ndarray:
    """Q4_0 with 32 levels instead of 16; the fifth bit of every code goes to `qh`."""
    x, blocks = columns(x), np.empty(len(x), Q5_0)
    d = farthest_from_zero(x) / np.float32(-16)
    q = codes(x, d, np.float32(16.5), 31)
    blocks["d"], blocks["qh"], blocks["qs"] = d, fifth_bits(q), nibbles(q)
    return blocks


def decode_q5_0(blocks: np.ndarray) -> np.ndarray:
    return d_times(blocks, (two_nibbles(blocks) | sixteens(blocks)).view(np.int8) - np.int8(16))


def encode_q5_1(x: np.ndarray) -> np.ndarray:
    """Q4_1 with 32 levels instead of 16; the fifth bit of every code goes to `qh`."""
    x, blocks = columns(x), np.empty(len(x), Q5_1)
    m, d = range_of(x, 31)
    q = codes(above(x, m, d), d, np.float32(0.5), 31)
    blocks["d"], blocks["m"], blocks["qh"], blocks["qs"] = d, m, fifth_bits(q), nibbles(q)
    return blocks


def decode_q5_1(blocks: np.ndarray) -> np.ndarray:
    return plus_m(blocks, d_times(blocks, two_nibbles(blocks) | sixteens(blocks)))


def encode_q8_0(x: np.ndarray) -> np.ndarray:
    """Whole numbers from -127 to 127: the weight farthest from zero is always ±127."""
    x, blocks = columns(x), np.empty(len(x), Q8_0)
    d = np.abs(np.maximum(-x.min(axis=0), x.max(axis=0))) / np.float32(127)     # abs: never -0
    x *= inverse(d)
    x += almost_half(x)                              # C's roundf, halves away from zero, is: add almost a half and cut
    blocks["d"], blocks["qs"] = d, x.astype(np.int8).T
    return blocks


def decode_q8_0(blocks: np.ndarray) -> np.ndarray:
    return d_times(blocks, blocks["qs"])


# ---- scales and codes of one column per block: (32, n) -> (n,) or (32, n) ------------------------------------------

def almost_half(x: np.ndarray) -> np.ndarray:
    """0.49999997 with the sign of x: copysign, written with bits because NumPy's takes twice as long."""
    sign = x.view(np.uint32) & np.uint32(0x80000000)
    return (sign | np.float32(0.49999997).view(np.uint32)).view(np.float32)


def columns(x: np.ndarray) -> np.ndarray:
    """(n, 32) -> a fresh (32, n): row j holds weight j of every block."""
    return np.array(x.T, np.float32, order="C")


def farthest_from_zero(x: np.ndarray) -> np.ndarray:
    """The weight with the largest magnitude, with its sign; of several, the first one (C compares with `<`)."""
    low, high = x.min(axis=0), x.max(axis=0)
    far = np.where(-low > high, low, high)
    tied = np.flatnonzero(low == -high)
    if len(tied):
        first = np.abs(x[:, tied]).argmax(axis=0)
        far[tied] = x[first, tied] + np.float32(0)   # + 0 turns a -0 into the +0 that C starts from
    return far


def range_of(x: np.ndarray, n_steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The minimum `m` and the step `d` between minimum and maximum."""
    m, high = x.min(axis=0), x.max(axis=0)
    zero = np.flatnonzero(m == 0)
    if len(zero):                                    # of +0 and -0 C keeps the first, NumPy does not promise
        first = (x[:, zero] == 0).argmax(axis=0)
        m[zero] = x[first, zero]
    return m, np.abs(high - m) / np.float32(n_steps)                              # abs: never -0


def above(x: np.ndarray, m: np.ndarray, d: np.ndarray) -> np.ndarray:
    """x - m, in place; zero where the range is too large for float32, as those codes are all 0 in C."""
    x -= m
    if np.isinf(d).any():
        x[:, np.isinf(d)] = 0
    return x


def inverse(d: np.ndarray) -> np.ndarray:
    """1 / d, and 0 where that is infinite: a scale of zero, or one so small that C's codes come out as 0."""
    one_over = np.float32(1) / d
    one_over[np.isinf(one_over)] = 0
    return one_over


def codes(x: np.ndarray, d: np.ndarray, half: np.float32, top: int) -> np.ndarray:
    """C's MIN(top, (int8_t)(x / d + half)): rounded by adding and cutting. Works in place; returns (32, n) uint8."""
    one_over = inverse(d)
    x *= one_over
    x += half
    q = x.astype(np.uint8)                           # cuts; all values lie between 0 and top + 1.5
    np.minimum(q, np.full(q.shape[1], top, np.uint8), out=q)     # a full row: with one number NumPy is six times slower
    if not one_over.all():
        q[:, (one_over == 0) & (d != 0)] = 0                     # 1 / d is infinite: C's cast of inf and NaN gives 0
    return q


# ---- packing: two codes share a byte, weight j in the low four bits, weight j + 16 in the high four ---------------

def nibbles(q: np.ndarray) -> np.ndarray:
    """(32, n) codes -> (n, 16) bytes of their low four bits."""
    return ((q[:16] & 15) | q[16:] * np.uint8(16)).T     # times 16 is faster than << 4 here, and drops a fifth bit, too


def plus_m(blocks: np.ndarray, x: np.ndarray) -> np.ndarray:
    """(n, 32) float32, each row plus its block's minimum, in place."""
    x += blocks["m"].astype(np.float32)[:, None]
    return x


def two_nibbles(blocks: np.ndarray) -> np.ndarray:
    """`qs` of n blocks -> (n, 32) uint8 from 0 to 15."""
    qs = np.ascontiguousarray(blocks["qs"])
    q = np.empty((len(qs), 32), np.uint8)
    q[:, :16], q[:, 16:] = qs & 15, qs >> 4
    return q


def fifth_bits(q: np.ndarray) -> np.ndarray:
    """(32, n) codes -> (n, 4) bytes: bit j of the 32 is the fifth bit of code j."""
    bits = (q > 15).view(np.uint8).reshape(4, 8, -1)
    byte = bits[:, 7]
    for j in range(6, -1, -1):                       # from the highest bit down: double, and add the next one
        byte = byte + byte + bits[:, j]
    return byte.T


def sixteens(blocks: np.ndarray) -> np.ndarray:
    """`qh` of n blocks -> (n, 32) uint8, 16 where the fifth bit is set."""
    return np.unpackbits(blocks["qh"], axis=1, bitorder="little") * np.uint8(16)


def d_times(blocks: np.ndarray, q: np.ndarray) -> np.ndarray:
    """(n, 32) whole numbers -> float32, each row times its block's scale."""
    x = q.astype(np.float32)
    x *= blocks["d"].astype(np.float32)[:, None]
    return x
