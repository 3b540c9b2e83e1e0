"""Whole tensors: any shape, row by row, in pieces that fit the processor's cache.

    quantize(x, "Q4_0").nbytes
    dequantize(data, "Q8_0", (384, 384))
"""

from dataclasses import dataclass

import numpy as np

from .table import FORMATS, Format

CHUNK = 1 << 16      # weights at a time: 256 KiB of float32, measured best for the block formats


@dataclass(frozen=True, eq=False)
class QuantizedTensor:
    """A tensor as blocks.  shape: as NumPy has it (row length last); blocks: (n_blocks,) of `format.dtype`."""

    format: Format
    shape: tuple[int, ...]
    blocks: np.ndarray

    @property
    def nbytes(self) -> int:
        return self.blocks.nbytes

    @property
    def bpw(self) -> float:
        """Bits per weight, scales included."""
        return self.format.bpw

    def tobytes(self) -> bytes:
        """The bytes as they stand in a GGUF file."""
        return self.blocks.tobytes()

    def dequantize(self) -> np.ndarray:
        """float32 of `shape`."""
        return _decoded(self.blocks, self.format, self.shape)

    def __repr__(self) -> str:
        return (f"QuantizedTensor({self.format.name}, shape={self.shape}, {self.nbytes:,} bytes, "
                f"{self.bpw:g} bits per weight)")


def quantize(x: np.ndarray, qtype: str, imatrix: np.ndarray | None = None) -> QuantizedTensor:
    """Encode a float array as ggml's `qtype` blocks, each row (last axis) by itself: ggml_quantize_chunk.

    x: any shape whose last axis is a multiple of the block size; converted to float32 first.
    Raises ValueError for a type or row length that does not fit, for weights that are not finite, and for what cannot
    be written yet.
    """
    form = get_format(qtype)
    x = np.asarray(x)
    if x.dtype.kind not in "fiu":
        raise ValueError(f"weights must be real numbers, got an array of {x.dtype}")
    if x.ndim == 0:
        raise ValueError("weights must be an array with at least one axis, got a single number")
    _check_row(x.shape[-1], form)
    flat = np.ascontiguousarray(x).reshape(-1, form.block_size)
    blocks = np.empty(len(flat), form.dtype)
    for piece in _pieces(len(flat), form):
        part = _float32(flat[piece])
        if not np.isfinite(part).all():
            _refuse(x)
        blocks[piece].view(np.uint8)[:] = form.encode(part, imatrix).view(np.uint8)      # as bytes: no field-by-field copy
    return QuantizedTensor(form, x.shape, blocks)


def dequantize(data, qtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Decode the bytes of a tensor to float32 of `shape` (NumPy's order, row length last).

    data: bytes, a memoryview or any contiguous array.  ValueError when its length is not what shape and type need.
    """
    form = get_format(qtype)
    shape = tuple(int(n) for n in np.atleast_1d(shape))
    if not shape or min(shape) < 0:
        raise ValueError(f"a tensor's shape is made of positive numbers, got {shape}")
    _check_row(shape[-1], form)
    data = np.ascontiguousarray(data) if isinstance(data, np.ndarray) else np.frombuffer(data, np.uint8)
    n_blocks = int(np.prod(shape, dtype=object)) // form.block_size
    if data.nbytes != n_blocks * form.type_size:
        raise ValueError(f"{shape} in {form.name} is {n_blocks:,} blocks of {form.type_size} bytes = "
                         f"{n_blocks * form.type_size:,} bytes, got {data.nbytes:,}")
    return _decoded(data.reshape(-1).view(np.uint8).view(form.dtype), form, shape)


def get_format(qtype: str) -> Format:
    """The format of that name, in upper or lower case; ValueError with what to write instead."""
    form = FORMATS.get(str(qtype).upper())
    if form is not None:
        return form
    base = str(qtype).upper().rsplit("_", 1)[0]
    if base in FORMATS and str(qtype).upper()[-2:] in ("_S", "_M", "_L"):
        raise ValueError(f"{qtype!r} is a mix of types for a whole file; one tensor has one type, such as {base!r}")
    raise ValueError(f"no tensor type {qtype!r}; there are {', '.join(FORMATS)}")


def _decoded(blocks: np.ndarray, form: Format, shape: tuple[int, ...]) -> np.ndarray:
    out = np.empty((len(blocks), form.block_size), np.float32)
    for piece in _pieces(len(blocks), form):
        out[piece] = form.decode(blocks[piece])
    return out.reshape(shape)


def _pieces(n_blocks: int, form: Format) -> list[slice]:
    step = CHUNK // form.block_size
    return [slice(start, start + step) for start in range(0, n_blocks, step)]


def _float32(part: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):                 # what is too large becomes infinite, and is refused as such
        return part.astype(np.float32, copy=False)


def _check_row(length: int, form: Format) -> None:
    if length % form.block_size:
        fitting = ", ".join(f.name for f in FORMATS.values() if length % f.block_size == 0)
        raise ValueError(f"a row of {length} weights is no whole number of {form.name} blocks of {form.block_size}; "
                         f"that length fits {fitting}")


def _refuse(x: np.ndarray) -> None:
    """Name the first weight that is not a finite float32; ggml would write it, and its block would decode to NaN."""
    where = np.argwhere(~np.isfinite(_float32(x)))[0].tolist()
    raise ValueError(f"weights must be finite float32 numbers: x{where} is {x[tuple(where)]}")
