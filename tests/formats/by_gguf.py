"""What the `gguf` package knows of every tensor type: sizes and a decoder. What it does not know yet is
written down here from ggml's own structs (block_q1_0 and block_q2_0 in ggml-common.h), bit by bit.
"""

import gguf
import numpy as np

#: type -> (weights, bytes) of a block.
SIZES = {t.name: size for t, size in gguf.GGML_QUANT_SIZES.items()} | {"Q2_0": (64, 18)}


def dequantize(raw: np.ndarray, qtype: str) -> np.ndarray:
    """(n, bytes of a block) uint8 -> (n, weights) float32."""
    if qtype not in ("Q1_0", "Q2_0"):
        return gguf.dequantize(raw, gguf.GGMLQuantizationType[qtype])
    rows = np.ascontiguousarray(raw).reshape(-1, 18)
    d = rows[:, :2].copy().view("<f2").astype(np.float32)
    if qtype == "Q1_0":
        bits = np.stack([rows[:, 2 + j // 8] >> j % 8 & 1 for j in range(128)], axis=1)
        return np.where(bits, d, -d)
    codes = np.stack([rows[:, 2 + j // 4] >> 2 * (j % 4) & 3 for j in range(64)], axis=1)
    return (codes.astype(np.float32) - 1) * d
