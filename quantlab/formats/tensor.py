"""Whole tensors: any shape, row by row, in pieces that fit the processor's cache.

    quantize(x, "Q4_0").nbytes
    dequantize(data, "Q8_0", (384, 384))

A piece is encoded the same wherever it is cut, so pieces can also be sent to any
`concurrent.futures.Executor`; beyond input and output a few MB are needed, however large the tensor.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np

from ..words import one_of
from .cfloat import mean_square
from .reference import REFERENCES, options
from .table import FORMATS, Format

IN_FLIGHT = 1 << 22  # weights that an executor may hold at a time: 16 MiB of float32
AT_ONCE = 1 << 16    # weights whose squares are added up at a time
Key = TypeVar("Key")


@dataclass(frozen=True, eq=False)
class QuantizedTensor:
    """A tensor as blocks.  shape: as NumPy has it (row length last); blocks: (n_blocks,) `format.dtype`."""

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

    def dequantize(self, executor: Executor | None = None) -> np.ndarray:
        """float32 of `shape`."""
        return _decoded(self.blocks, self.format, self.shape, executor)

    def __repr__(self) -> str:
        return (f"QuantizedTensor({self.format.name}, shape={self.shape}, {self.nbytes:,} bytes, "
                f"{self.bpw:g} bits per weight)")


def quantize(x: np.ndarray, qtype: str, imatrix: np.ndarray | None = None, *,
             executor: Executor | None = None, allow_nonfinite: bool = False,
             reference: str = REFERENCES[0]) -> QuantizedTensor:
    """Encode a float array as ggml's `qtype` blocks, each row (last axis) by itself: ggml_quantize_chunk.

    x: any shape whose last axis is a multiple of the block size; converted to float32 first.
    imatrix: (n,), how much each column matters, finite and at least 0. Types that take none ignore it, as in
    ggml.
    executor: any `concurrent.futures.Executor`; the pieces are sent there.
    allow_nonfinite: write NaN and ±infinity as ggml does where it does (its IQ encoders with a codebook abort
    the process instead).
    reference: the ggml whose bytes are written, "0.20.2" or "0.26.0" (`reference.DIFFERENCES`: rare blocks of
    five types; IQ1_M is always written as in the newer one).
    Raises ValueError for a type or row length that does not fit, for weights that are not finite (unless
    allowed), and for an imatrix of the wrong length or with negative or non-finite numbers.
    """
    form = get_format(qtype)
    x = np.asarray(x)
    if x.dtype.kind not in "fiu":
        raise ValueError(f"weights must be real numbers, got an array of {x.dtype}")
    if x.ndim == 0:
        raise ValueError("weights must be an array with at least one axis, got a single number")
    _check_row(x.shape[-1], form)
    form.check_imatrix(imatrix, x.shape[-1])
    more = options(form.name, reference)
    if form.imatrix == "ignored":
        imatrix = None
    allow_nonfinite = allow_nonfinite and form.nonfinite
    blocks = np.empty(x.size // form.block_size, form.dtype)
    work = _tasks(x, form, None if imatrix is None else np.asarray(imatrix, np.float32), allow_nonfinite)
    for piece, encoded in _spread(executor, partial(_encode_piece, more), work, form):
        blocks[piece].view(np.uint8)[:] = encoded.view(np.uint8)         # as bytes: no field-by-field copy
    return QuantizedTensor(form, x.shape, blocks)


def dequantize(data, qtype: str, shape: tuple[int, ...], *, executor: Executor | None = None) -> np.ndarray:
    """Decode the bytes of a tensor to float32 of `shape` (NumPy's order, row length last).

    data: bytes, a memoryview or any contiguous array.  ValueError when its length is not what shape and type
    need.
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
    return _decoded(data.reshape(-1).view(np.uint8).view(form.dtype), form, shape, executor)


def get_format(qtype: str) -> Format:
    """The format of that name, in upper or lower case; ValueError with what to write instead."""
    name = str(qtype).upper()
    if name in FORMATS:
        return FORMATS[name]
    base, _, letter = name.rpartition("_")
    if base in FORMATS and letter in ("S", "M", "L"):
        raise ValueError(
            f"{qtype!r} is a mix of types for a whole file; one tensor has one type, such as {base!r}")
    return FORMATS[one_of("tensor type", qtype, FORMATS)]


# ---- pieces

def _tasks(x: np.ndarray, form: Format, imatrix: np.ndarray | None,
           allow_nonfinite: bool) -> Iterator[tuple[slice, tuple]]:
    """(which blocks, what `_encode_piece` needs for them), piece by piece."""
    per_row = x.shape[-1] // form.block_size
    squares = _mean_squares(x) if imatrix is not None and form.imatrix == "used by row" else None
    for piece in _pieces(x.size // form.block_size, form):
        part = _float32(_blocks_of(x, piece, form.block_size))
        if not allow_nonfinite and not np.isfinite(part).all():
            _refuse(x, form)
        number, rest = np.arange(piece.start, piece.start + len(part)), []
        if imatrix is not None:
            rest.append(imatrix.reshape(per_row, -1)[number % per_row])
        if squares is not None:
            rest.append(squares[number // per_row])
        yield piece, (form.name, np.ascontiguousarray(part), *rest)


def _encode_piece(more: dict[str, bool], qtype: str, *arrays: np.ndarray) -> np.ndarray:
    return FORMATS[qtype].encode_blocks(*arrays, options=more)


def _decode_piece(qtype: str, blocks: np.ndarray) -> np.ndarray:
    return FORMATS[qtype].decode(blocks)


def check_executor(executor: object) -> None:
    """ValueError for what work cannot be given to."""
    if executor is not None and not hasattr(executor, "submit"):
        raise ValueError(f"executor={executor!r} cannot be: a concurrent.futures.Executor is needed")


def begin(executor: Executor | None, function: Callable, *arguments):
    """What the function gives, or its future where an executor works it out."""
    return executor.submit(function, *arguments) if executor else function(*arguments)


def in_order(begun: Iterable[tuple[Key, Any]], most: int) -> Iterator[tuple[Key, Any]]:
    """(key, result) for work that begins when it is taken from `begun`, which gives results or futures; in
    order, at most so many at a time.  Where nobody wants the rest, it is cancelled.
    """
    waiting: deque[tuple[Key, Any]] = deque()
    try:
        for one in begun:
            waiting.append(one)
            if len(waiting) >= most:
                yield _finished(*waiting.popleft())
        while waiting:
            yield _finished(*waiting.popleft())
    finally:
        for _, result in waiting:
            if isinstance(result, Future):
                result.cancel()


def _finished(key: Key, result: Any) -> tuple[Key, Any]:
    return key, result.result() if isinstance(result, Future) else result


def _spread(executor: Executor | None, function: Callable, work: Iterable[tuple[slice, tuple]],
            form: Format) -> Iterator[tuple[slice, np.ndarray]]:
    """(piece, function(*arguments)) for all of the work, here or on the executor."""
    begun = ((piece, begin(executor, function, *arguments)) for piece, arguments in work)
    return in_order(begun, -(-IN_FLIGHT // form.chunk) if executor else 1)


def _decoded(blocks: np.ndarray, form: Format, shape: tuple[int, ...],
             executor: Executor | None) -> np.ndarray:
    out = np.empty((len(blocks), form.block_size), np.float32)
    work = ((piece, (form.name, blocks[piece])) for piece in _pieces(len(blocks), form))
    for piece, weights in _spread(executor, _decode_piece, work, form):
        out[piece] = weights
    return out.reshape(shape)


def _pieces(n_blocks: int, form: Format) -> list[slice]:
    step = max(form.chunk // form.block_size, 1)
    return [slice(start, min(start + step, n_blocks)) for start in range(0, n_blocks, step)]


def _blocks_of(x: np.ndarray, piece: slice, block_size: int) -> np.ndarray:
    """Those blocks of x as (n, block_size); an array in another memory order is gathered here, piece by
    piece.
    """
    if x.flags.c_contiguous:
        return x.reshape(-1, block_size)[piece]
    flat = np.arange(piece.start * block_size, piece.stop * block_size)
    return x[np.unravel_index(flat, x.shape)].reshape(-1, block_size)


def _mean_squares(x: np.ndarray) -> np.ndarray:
    """(rows,) float32 mean square of each row, added up in order, many short rows or a part of a long one at
    a time.
    """
    n, rows = x.shape[-1], x.size // max(x.shape[-1], 1)
    step = max(AT_ONCE // n, 1)
    with np.errstate(all="ignore"):
        parts = [_long_mean_square(x, row, n) if n > AT_ONCE
                 else mean_square(_float32(_blocks_of(x, slice(row, min(row + step, rows)), n)))
                 for row in range(0, rows, step)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _long_mean_square(x: np.ndarray, row: int, n: int) -> np.ndarray:
    """(1,) the mean square of one row, carried on from part to part."""
    total = np.zeros(1, np.float32)
    for start in range(row * n, (row + 1) * n, AT_ONCE):
        part = _float32(_blocks_of(x, slice(start, min(start + AT_ONCE, (row + 1) * n)), 1))[:, 0]
        total = np.add.accumulate(np.concatenate([total, part * part]))[-1:]
    return total / np.float32(n)


def _float32(part: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):        # what is too large becomes infinite, and is refused as such
        return part.astype(np.float32, copy=False)


def _check_row(length: int, form: Format) -> None:
    if length % form.block_size:
        fitting = ", ".join(f.name for f in FORMATS.values() if length % f.block_size == 0)
        raise ValueError(f"a row of {length} weights is no whole number of {form.name} blocks of "
                         f"{form.block_size}; that length fits {fitting}")


def _refuse(x: np.ndarray, form: Format) -> None:
    """Name the first weight that is not a finite float32; ggml would write it, and its block would decode to
    NaN.
    """
    for piece in _pieces(x.size, FORMATS["F32"]):
        wrong = np.flatnonzero(~np.isfinite(_float32(_blocks_of(x, piece, 1))))
        if len(wrong):
            where = [int(i) for i in np.unravel_index(piece.start + wrong[0], x.shape)]
            also = "" if form.nonfinite else f", and ggml itself aborts on one in {form.name}"
            raise ValueError(f"weights must be finite float32 numbers: x{where} is {x[tuple(where)]}{also}")
