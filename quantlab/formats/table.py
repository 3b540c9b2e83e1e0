"""Every ggml tensor type in one table: its declared layout, and the way into blocks and back."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType

import numpy as np

from . import (
    codebook,
    cut_search,
    floats,
    grid_search,
    kquants,
    legacy,
    lowbit,
    microscaling,
    nonlinear,
    ternary,
)
from .cfloat import mean_square
from .layout import Layout


@dataclass(frozen=True, eq=False)
class Format:
    """A ggml tensor type: `block_size` weights in `type_size` bytes, laid out as `layout` declares.

    imatrix: what the encoder does with an importance matrix, as in ggml: "ignored", "used" (weights and
    squares of one block), "used by row" (the squares of a whole row count), "needed" (ggml refuses to write
    the type without one).
    nonfinite: ggml writes NaN and infinity in some way instead of aborting the process.
    chunk: how many weights to encode at a time, measured.
    """

    layout: Layout
    decoder: Callable[..., np.ndarray]
    encoder: Callable[..., np.ndarray]
    imatrix: str = "ignored"
    nonfinite: bool = True
    chunk: int = 1 << 16

    @property
    def name(self) -> str:
        return self.layout.name

    @property
    def block_size(self) -> int:
        """Weights of one block."""
        return self.layout.block_size

    @property
    def type_size(self) -> int:
        """Bytes of one block."""
        return self.layout.type_size

    @property
    def bpw(self) -> float:
        """Bits per weight, scales included."""
        return 8 * self.type_size / self.block_size

    @property
    def dtype(self) -> np.dtype:
        """The struct of one block."""
        return self.layout.dtype

    def encode(self, x: np.ndarray, imatrix: np.ndarray | None = None) -> np.ndarray:
        """Rows of finite float weights -> the blocks of all rows, one after the other.

        x: (rows, n) with n a multiple of block_size.  imatrix: (n,), how much each column matters, at least
        0. Checks shapes only; `ql.quantize` checks the numbers, takes any shape and works in pieces.
        ValueError without the imatrix that a type needs.
        """
        x = np.ascontiguousarray(x, np.float32)
        if x.ndim != 2 or x.shape[1] % self.block_size or not x.shape[1]:
            raise ValueError(f"{self.name}.encode wants rows, shape (rows, a multiple of {self.block_size}), "
                             f"got {x.shape}; see quantize()")
        self.check_imatrix(imatrix, x.shape[1])
        weights = None
        if imatrix is not None and self.imatrix != "ignored":
            weights = np.broadcast_to(np.asarray(imatrix, np.float32), x.shape).reshape(-1, self.block_size)
        squares = None
        if weights is not None and self.imatrix == "used by row":
            squares = mean_square(x).repeat(x.shape[1] // self.block_size)
        return self.encode_blocks(x.reshape(-1, self.block_size), weights, squares)

    def encode_blocks(self, x: np.ndarray, imatrix: np.ndarray | None = None,
                      squares: np.ndarray | None = None, *,
                      options: dict[str, bool] | None = None) -> np.ndarray:
        """(n, block_size) weights, their importances and the mean squares of their rows -> n blocks; nothing
        is checked.  options: those of `reference`.
        """
        if not len(x):
            return np.empty(0, self.dtype)
        with np.errstate(all="ignore"):         # huge and tiny weights overflow float16 and 1 / d, as in C
            return self.encoder(*(v for v in (x, imatrix, squares) if v is not None), **(options or {}))

    def decode(self, blocks: np.ndarray) -> np.ndarray:
        """n blocks of `dtype`, or (n, type_size) uint8 -> (n, block_size) float32."""
        blocks = np.ascontiguousarray(blocks)
        if blocks.dtype != self.dtype:
            if blocks.dtype != np.uint8 or blocks.ndim != 2 or blocks.shape[1] != self.type_size:
                raise ValueError(f"{self.name}.decode wants (n, {self.type_size}) bytes, got {blocks.dtype} "
                                 f"of shape {blocks.shape}")
            blocks = blocks.view(self.dtype)[:, 0]
        if not len(blocks):
            return np.empty((0, self.block_size), np.float32)
        with np.errstate(all="ignore"):
            return self.decoder(blocks).astype(np.float32, copy=False)

    def check_imatrix(self, imatrix: np.ndarray | None, n: int) -> None:
        """ValueError unless this type can be written with (or without) that importance matrix for rows of `n`
        weights.
        """
        if imatrix is None:
            if self.imatrix == "needed":
                raise ValueError(f"{self.name} is only written with an importance matrix, as in ggml: pass "
                                 f"imatrix=, one number for each of the {n} columns")
            return
        weights = np.asarray(imatrix)
        if weights.shape != (n,) or weights.dtype.kind not in "fiu":
            raise ValueError(f"an imatrix holds one number per column: {n} of them, got {weights.dtype} of "
                             f"shape {weights.shape}")
        with np.errstate(over="ignore"):
            bad = np.flatnonzero(~np.isfinite(weights.astype(np.float32)) | (weights < 0))
        if len(bad):
            raise ValueError(
                f"an imatrix holds finite numbers from 0 up: imatrix[{bad[0]}] is {weights[bad[0]]}")

    def __str__(self) -> str:
        return self.name


def _of(module: ModuleType, name: str, imatrix: str = "ignored", *, writer: ModuleType | None = None,
        **more) -> Format:
    """A format from its module, which has its layout Q4_K and decode_q4_k; encode_q4_k is there, too, or in
    `writer`.
    """
    encoder = getattr(writer or module, f"encode_{name.lower()}")
    return Format(getattr(module, name), getattr(module, f"decode_{name.lower()}"), encoder, imatrix, **more)


#: The codebook formats: ggml aborts the process on NaN and infinity.
_cut = partial(_of, codebook, writer=cut_search, nonfinite=False, chunk=1 << 17)
_on_grid = partial(_of, codebook, writer=grid_search, nonfinite=False, chunk=1 << 17)
# the K searches' best; at powers of two the transposed arrays get into each other's way in the cache
SEARCHED = 640 * 256

#: name -> Format, for every tensor type that holds weights.
FORMATS: dict[str, Format] = {form.name: form for form in (
    _of(floats, "F32"), _of(floats, "F16"), _of(floats, "BF16"),
    _of(legacy, "Q4_0", "used by row", chunk=1 << 18), _of(legacy, "Q4_1", "used by row", chunk=1 << 18),
    _of(legacy, "Q5_0", "used by row", chunk=1 << 18), _of(legacy, "Q5_1", "used by row", chunk=1 << 18),
    _of(legacy, "Q8_0", chunk=1 << 18),
    _of(kquants, "Q2_K", "used", chunk=SEARCHED), _of(kquants, "Q3_K", "used", chunk=SEARCHED),
    _of(kquants, "Q4_K", "used", chunk=SEARCHED), _of(kquants, "Q5_K", "used", chunk=SEARCHED),
    _of(kquants, "Q6_K", "used", chunk=SEARCHED),
    _of(nonlinear, "IQ4_NL", "used", chunk=1 << 17), _of(nonlinear, "IQ4_XS", "used", chunk=1 << 17),
    _cut("IQ1_S", "needed"), _cut("IQ1_M", "used"),
    _on_grid("IQ2_XXS", "needed"), _on_grid("IQ2_XS", "needed"), _on_grid("IQ2_S", "used"),
    _on_grid("IQ3_XXS", "used"), _on_grid("IQ3_S", "used"),
    _of(lowbit, "Q1_0", chunk=1 << 17), _of(lowbit, "Q2_0", chunk=1 << 17),
    _of(ternary, "TQ1_0", chunk=1 << 17), _of(ternary, "TQ2_0", chunk=1 << 17),
    _of(microscaling, "MXFP4", chunk=1 << 17), _of(microscaling, "NVFP4", chunk=1 << 17),
)}
