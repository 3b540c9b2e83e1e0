"""Matrices that stay as they are stored, in a file or in blocks, and are decoded in pieces when they are
multiplied: a model of 8 billion weights takes 32 GB as float32, and here a few MB at a time.

    matrix = of_file(file, "blk.0.ffn_up.weight")
    product(x, matrix)                      # x @ matrix.T, for an array as well

The forward pass (llama.py) does the same whether a matrix is an array or stored.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod

import numpy as np

from ..formats.tensor import QuantizedTensor, dequantize, get_format, quantize
from ..models.gguf_file import GGUFFile
from ..models.progress import Progress, watched

PIECE = 1 << 22         # weights decoded at a time: 16 MiB of float32
#: Weights are kept as float32 where they take no more than this share of the memory that is free.
SHARE = 0.5


@dataclass(frozen=True, eq=False)
class Stored:
    """A matrix, or the matrices of all experts, of which rows can be decoded.

    shape: (rows, row length), or (experts, rows, row length).  decode: (first row, the one after the last) ->
    (rows, row length) float32, rows counted through all experts.  first: the row where this matrix begins.
    """

    shape: tuple[int, ...]
    decode: Callable[[int, int], np.ndarray]
    first: int = 0

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, which):
        """The matrix of expert `which`, still stored; or the rows `which` (T,) of a matrix, (T, row length).
        """
        if self.ndim == 3:
            return Stored(self.shape[1:], self.decode, int(which) * self.shape[1])
        return np.concatenate([self.decode(self.first + row, self.first + row + 1) for row in which.tolist()])

    def pieces(self) -> Iterator[tuple[slice, np.ndarray]]:
        """(which rows, their weights), through all of the matrices."""
        rows, step = prod(self.shape[:-1]), max(PIECE // self.shape[-1], 1)
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            yield slice(start, stop), self.decode(self.first + start, self.first + stop)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        """All of it as float32."""
        return np.concatenate([piece for _, piece in self.pieces()]).reshape(self.shape).astype(
            dtype or np.float32, copy=False)


Matrix = np.ndarray | Stored


def of_file(file: GGUFFile, name: str) -> Stored:
    """A tensor of an open file, which must stay open."""
    return Stored(file.infos[name].shape[::-1], lambda start, stop: file.rows(name, start, stop))


def of_blocks(tensor: QuantizedTensor) -> Stored:
    """A quantized tensor that stays in its blocks."""
    n, name, per_row = tensor.shape[-1], tensor.format.name, tensor.shape[-1] // tensor.format.block_size
    return Stored(tensor.shape, lambda start, stop: dequantize(tensor.blocks[start * per_row:stop * per_row],
                                                               name, (stop - start, n)))


def product(x: np.ndarray, matrix: Matrix) -> np.ndarray:
    """(T, row length) times a matrix of (rows, row length) -> (T, rows)."""
    if isinstance(matrix, np.ndarray):
        return x @ matrix.T
    y = np.empty((len(x), matrix.shape[0]), np.float32)
    for rows, piece in matrix.pieces():
        y[:, rows] = x @ piece.T
    return y


def rounded(matrix: Matrix, qtype: str, told: Callable[[int], None] = lambda n: None) -> Matrix:
    """The matrix after it was quantized: as float32, or in its blocks where it was stored.  told: called
    after each piece with the number of its weights.
    """
    if isinstance(matrix, np.ndarray):
        made = quantize(matrix, qtype).dequantize()
        told(matrix.size)
        return made
    form, blocks = get_format(qtype), []
    for _, piece in matrix.pieces():
        blocks.append(quantize(piece, qtype).blocks)
        told(piece.size)
    return of_blocks(QuantizedTensor(form, matrix.shape, np.concatenate(blocks)))


def all_rounded(weights: Mapping[str, Matrix], types: Mapping[str, str],
                progress: Callable[[Progress], object] | None = None) -> dict[str, Matrix]:
    """The matrices that `types` names, each rounded to its type.  progress: called with a Progress after each
    piece; Cancelled when it returns False.
    """
    left: Counter[str] = Counter()
    for name, qtype in types.items():
        left[qtype] += prod(weights[name].shape)
    tick = watched(left, "weights", progress, None)
    return {name: rounded(weights[name], qtype, partial(_told, tick, name, qtype))
            for name, qtype in types.items()}


def _told(tick: Callable[[str, int, str], None], name: str, qtype: str, n: int) -> None:
    tick(qtype, n, name)


def can_be_kept(n_weights: int) -> bool:
    """Whether so many weights can be kept as float32 on this machine, now; where nobody says what is free (in
    WebAssembly), in what a process can address.
    """
    try:
        import psutil
    except (ImportError, NotImplementedError):
        return 4 * n_weights <= SHARE * sys.maxsize
    return 4 * n_weights <= SHARE * psutil.virtual_memory().available
