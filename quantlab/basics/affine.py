"""The simplest quantizers: a scale, whole numbers, and back. One scale for all weights, for a row, or for a
block.

    absmax      x ≈ scale * q                     levels lie evenly around zero
    affine      x ≈ scale * (q - zero_point)      levels lie evenly between minimum and maximum
    NF4         x ≈ scale * NF4[q]                16 levels, most where normally distributed weights are

Scales are rounded to float16, as ggml stores them.  Lessons: 01, 02.
"""

from dataclasses import dataclass

import numpy as np

#: The 16 levels of "4-bit NormalFloat": QLoRA (Dettmers et al. 2023, arXiv 2305.14314), appendix E.
NF4 = np.array([-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
                -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
                0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
                0.7229568362236023, 1.0], np.float32)


@dataclass(frozen=True, eq=False)
class Quantized:
    """Whole numbers and what turns them back into weights.

    q: codes in the shape of x.  scale, zero_point: one per group of `block_size` consecutive weights.
    codebook: what a code means before the scale; None when a code means itself.
    rmse: root mean square of (weights back - weights), in units of the weights.
    """

    q: np.ndarray
    scale: np.ndarray
    zero_point: np.ndarray
    bits: int
    block_size: int
    code_range: tuple[int, int]
    rmse: float
    codebook: np.ndarray | None = None

    def dequantize(self) -> np.ndarray:
        """float32 weights in the shape of `q`."""
        groups = self.q.reshape(-1, self.block_size)
        return _restore(groups, self.scale, self.zero_point, self.codebook).reshape(self.q.shape)

    def levels(self, group: int = 0) -> np.ndarray:
        """Every value that can be written with the scale of one group, ascending."""
        low, high = self.code_range
        every = np.arange(low, high + 1, dtype=np.int32)[None]
        return _restore(every, self.scale[[group]], self.zero_point[[group]], self.codebook)[0]

    @property
    def bpw(self) -> float:
        """Bits per weight: the code, its share of the group's 16-bit scale, and of a zero point, if any."""
        extra = 16 + (self.bits if self.zero_point.any() else 0)
        return self.bits + extra / self.block_size

    @property
    def nbytes(self) -> float:
        """Bytes of codes and scales, tightly packed."""
        return self.bpw * self.q.size / 8


def quantize_absmax(x: np.ndarray, bits: int = 4, *, block_size: int | None = None) -> Quantized:
    """Divide by a scale, round, keep the whole numbers from -(2^(bits-1) - 1) to the same above zero.

    x: finite floats, any shape.  bits: a whole number, 2 to 16.  block_size: weights that share a scale, a
    divisor of the row length; None means one scale for the whole tensor, `x.shape[-1]` one per row (channel).
    Raises ValueError otherwise.
    """
    groups = _groups(x, bits, block_size, least=2)
    top = 2 ** (bits - 1) - 1
    scale = _as_float16(np.abs(groups).max(axis=1) / np.float32(top))
    q = np.clip(np.rint(_divide(groups, scale)), -top, top).astype(np.int32)
    return _quantized(x, groups, q, scale, np.zeros(len(scale), np.int32), bits, (-top, top))


def quantize_affine(x: np.ndarray, bits: int = 4, *, block_size: int | None = None) -> Quantized:
    """Spread 2^bits codes evenly from the minimum to the maximum, moved a little so that zero is a level.

    Arguments as for `quantize_absmax`, bits from 1.  The range always includes zero, so that zero stays
    exactly zero.
    """
    groups = _groups(x, bits, block_size, least=1)
    top = 2**bits - 1
    low, high = np.minimum(groups.min(axis=1), 0), np.maximum(groups.max(axis=1), 0)
    scale = _as_float16((high - low) / np.float32(top))
    zero_point = np.clip(np.rint(_divide(-low[:, None], scale)), 0, top).astype(np.int32)[:, 0]
    q = np.clip(np.rint(_divide(groups, scale)) + zero_point[:, None], 0, top).astype(np.int32)
    return _quantized(x, groups, q, scale, zero_point, bits, (0, top))


def quantize_nf4(x: np.ndarray, *, block_size: int | None = 64) -> Quantized:
    """Divide by the block's largest magnitude and take the nearest of the 16 NF4 levels (QLoRA, whose block
    is 64).
    """
    groups = _groups(x, 4, block_size, least=4)
    scale = _as_float16(np.abs(groups).max(axis=1))
    middles = (NF4[1:] + NF4[:-1]) / 2
    q = np.searchsorted(middles, _divide(groups, scale)).astype(np.int32)
    return _quantized(x, groups, q, scale, np.zeros(len(scale), np.int32), 4, (0, 15), NF4)


def _groups(x: np.ndarray, bits: int, block_size: int | None, least: int) -> np.ndarray:
    """Check the arguments; x as (n_groups, block_size) float32."""
    x = np.asarray(x, np.float32)
    if not least <= bits <= 16 or bits != int(bits):
        raise ValueError(f"bits must be {least} to 16 for this quantizer, got {bits}")
    if x.size == 0:
        raise ValueError(f"there is nothing to quantize in an array of shape {x.shape}")
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        raise ValueError(f"weights must be finite: x{bad[0].tolist()} is {x[tuple(bad[0])]}")
    size = x.size if block_size is None else int(block_size)
    row = x.shape[-1] if x.ndim else 1
    if block_size is not None and (size < 1 or row % size):
        raise ValueError(f"a block of {block_size} weights does not divide a row of {row}")
    return x.reshape(-1, size)


def _as_float16(scale: np.ndarray) -> np.ndarray:
    if scale.max() > 65504:
        raise ValueError(f"the weights are too large: a scale of {scale.max():g} is beyond float16's largest "
                         "number, 65504")
    return scale.astype(np.float16).astype(np.float32)


def _divide(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """x / scale per group; zero where the scale is zero."""
    return x / np.where(scale == 0, np.float32(np.inf), scale)[:, None]


def _restore(q: np.ndarray, scale: np.ndarray, zero_point: np.ndarray,
             codebook: np.ndarray | None) -> np.ndarray:
    """Codes (groups, block_size) back as weights."""
    meaning = (q - zero_point[:, None]).astype(np.float32) if codebook is None else codebook[q]
    return meaning * scale[:, None]


def _quantized(x, groups, q, scale, zero_point, bits, code_range, codebook=None) -> Quantized:
    """The codes with their error, in the shape of x."""
    error = _restore(q, scale, zero_point, codebook) - groups
    rmse = rms(error)
    return Quantized(q.reshape(np.shape(x)), scale, zero_point, bits, groups.shape[1], code_range, rmse,
                     codebook)


def rms(values: np.ndarray) -> float:
    """Root mean square, in double precision."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
