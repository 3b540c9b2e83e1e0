"""Every ggml tensor type in one table: how many weights a block holds, in how many bytes, and the way there and back.

The structs are ggml's (ggml-common.h). The five plain formats and the floats are written here; of the others the
bytes can be read (through `gguf`), not yet written.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from . import legacy


@dataclass(frozen=True)
class Format:
    """A ggml tensor type: `block_size` weights are stored in `type_size` bytes, laid out as `dtype` says."""

    name: str
    block_size: int
    dtype: np.dtype
    decoder: Callable[[np.ndarray], np.ndarray]
    encoder: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def type_size(self) -> int:
        """Bytes of one block."""
        return self.dtype.itemsize

    @property
    def bpw(self) -> float:
        """Bits per weight, scales included."""
        return 8 * self.type_size / self.block_size

    def encode(self, x: np.ndarray, imatrix: np.ndarray | None = None) -> np.ndarray:
        """(n, block_size) finite floats -> n blocks of `dtype`.  ValueError for what cannot be written yet."""
        if self.encoder is None:
            can = ", ".join(name for name, f in FORMATS.items() if f.encoder)
            raise ValueError(f"not yet: {self.name} blocks can be read here, but not written; {can} can be written")
        if imatrix is not None:
            raise ValueError(f"not yet: {self.name} with an importance matrix; leave imatrix out for the plain encoder")
        x = np.asarray(x, np.float32)
        if x.ndim != 2 or x.shape[1] != self.block_size:
            raise ValueError(f"{self.name}.encode wants shape (n, {self.block_size}), got {x.shape}; see quantize()")
        with np.errstate(all="ignore"):         # huge and tiny weights overflow float16 and 1 / d, exactly as in C
            return self.encoder(x)

    def decode(self, blocks: np.ndarray) -> np.ndarray:
        """n blocks of `dtype`, or (n, type_size) uint8 -> (n, block_size) float32."""
        blocks = np.ascontiguousarray(blocks)
        if blocks.dtype != self.dtype:
            if blocks.dtype != np.uint8 or blocks.ndim != 2 or blocks.shape[1] != self.type_size:
                raise ValueError(f"{self.name}.decode wants (n, {self.type_size}) bytes, got {blocks.dtype} "
                                 f"of shape {blocks.shape}")
            blocks = blocks.view(self.dtype)[:, 0]
        with np.errstate(all="ignore"):
            return self.decoder(blocks).astype(np.float32, copy=False)

    def __str__(self) -> str:
        return self.name


def _decode_with_gguf(name: str, blocks: np.ndarray) -> np.ndarray:
    import gguf

    raw = blocks.view(np.uint8).reshape(len(blocks), -1)
    return gguf.dequantize(raw, gguf.GGMLQuantizationType[name])


def _encode_float(dtype: np.dtype, x: np.ndarray) -> np.ndarray:
    return x.astype(dtype["x"])[:, 0].view(dtype)


def _decode_float(blocks: np.ndarray) -> np.ndarray:
    return blocks["x"].astype(np.float32)[:, None]


def _encode_bf16(x: np.ndarray) -> np.ndarray:
    """The upper half of a float32, rounded to nearest, ties to even (ggml_compute_fp32_to_bf16)."""
    bits = np.ascontiguousarray(x[:, 0]).view(np.uint32)
    return ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype("<u2").view(BF16)


def _decode_bf16(blocks: np.ndarray) -> np.ndarray:
    return (blocks["x"].astype(np.uint32) << 16).view(np.float32)[:, None]


F32, F16, BF16 = np.dtype([("x", "<f4")]), np.dtype([("x", "<f2")]), np.dtype([("x", "<u2")])

#: Blocks that are read through gguf: weights per block, and ggml's struct.
_READ_ONLY = {
    "Q2_K": (256, [("scales", "u1", 16), ("qs", "u1", 64), ("d", "<f2"), ("dmin", "<f2")]),
    "Q3_K": (256, [("hmask", "u1", 32), ("qs", "u1", 64), ("scales", "u1", 12), ("d", "<f2")]),
    "Q4_K": (256, [("d", "<f2"), ("dmin", "<f2"), ("scales", "u1", 12), ("qs", "u1", 128)]),
    "Q5_K": (256, [("d", "<f2"), ("dmin", "<f2"), ("scales", "u1", 12), ("qh", "u1", 32), ("qs", "u1", 128)]),
    "Q6_K": (256, [("ql", "u1", 128), ("qh", "u1", 64), ("scales", "i1", 16), ("d", "<f2")]),
    "IQ1_S": (256, [("d", "<f2"), ("qs", "u1", 32), ("qh", "<u2", 8)]),
    "IQ1_M": (256, [("qs", "u1", 32), ("qh", "u1", 16), ("scales", "u1", 8)]),
    "IQ2_XXS": (256, [("d", "<f2"), ("qs", "<u2", 32)]),
    "IQ2_XS": (256, [("d", "<f2"), ("qs", "<u2", 32), ("scales", "u1", 8)]),
    "IQ2_S": (256, [("d", "<f2"), ("qs", "u1", 64), ("qh", "u1", 8), ("scales", "u1", 8)]),
    "IQ3_XXS": (256, [("d", "<f2"), ("qs", "u1", 96)]),
    "IQ3_S": (256, [("d", "<f2"), ("qs", "u1", 64), ("qh", "u1", 8), ("signs", "u1", 32), ("scales", "u1", 4)]),
    "IQ4_NL": (32, [("d", "<f2"), ("qs", "u1", 16)]),
    "IQ4_XS": (256, [("d", "<f2"), ("scales_h", "<u2"), ("scales_l", "u1", 4), ("qs", "u1", 128)]),
    "TQ1_0": (256, [("qs", "u1", 48), ("qh", "u1", 4), ("d", "<f2")]),
    "TQ2_0": (256, [("qs", "u1", 64), ("d", "<f2")]),
    "MXFP4": (32, [("e", "u1"), ("qs", "u1", 16)]),
    "NVFP4": (64, [("d", "u1", 4), ("qs", "u1", 32)]),
}

#: name -> Format, for every tensor type that holds weights.
FORMATS: dict[str, Format] = {f.name: f for f in (
    Format("F32", 1, F32, _decode_float, partial(_encode_float, F32)),
    Format("F16", 1, F16, _decode_float, partial(_encode_float, F16)),
    Format("BF16", 1, BF16, _decode_bf16, _encode_bf16),
    Format("Q4_0", 32, legacy.Q4_0, legacy.decode_q4_0, legacy.encode_q4_0),
    Format("Q4_1", 32, legacy.Q4_1, legacy.decode_q4_1, legacy.encode_q4_1),
    Format("Q5_0", 32, legacy.Q5_0, legacy.decode_q5_0, legacy.encode_q5_0),
    Format("Q5_1", 32, legacy.Q5_1, legacy.decode_q5_1, legacy.encode_q5_1),
    Format("Q8_0", 32, legacy.Q8_0, legacy.decode_q8_0, legacy.encode_q8_0),
    *(Format(name, size, np.dtype(fields), partial(_decode_with_gguf, name))
      for name, (size, fields) in _READ_ONLY.items()),
)}
