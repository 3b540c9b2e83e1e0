"""What llama.cpp does and quantlab does not: before a quantized matrix is used, its inputs are rounded too,
mostly to 8-bit integers.

With this rounding added, a model of one layer agrees with llama.cpp to a few millionths in most logits (the
rest: codes that fell on the other side of a tie). Through more layers each such code moves others, and after
five the imitation is hardly nearer than no rounding at
all: it can be judged on one layer only.
Sources: ggml-cpu.c (type_traits_cpu: vec_dot_type), quantize_row_q8_0 and quantize_row_q8_K_ref.
"""

from dataclasses import dataclass, field, fields

import numpy as np

from quantlab.inference.llama import LanguageModel
from quantlab.models.source import open_model

# their inputs become Q8_0 or Q8_1
BLOCKS_OF_32 = {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "IQ4_NL", "MXFP4"}
FLOATS = {"F32": np.float32, "F16": np.float16}


@dataclass(frozen=True, eq=False)
class Rounding(LanguageModel):
    """A LanguageModel that rounds the inputs of each matrix as llama.cpp does for the matrix's type."""

    types: dict = field(default_factory=dict)

    @classmethod
    def of(cls, model: LanguageModel, file) -> "Rounding":
        with open_model(file) as opened:
            types = {name: qtype for name, (qtype, _) in opened.types.items()}
        return cls(**{f.name: getattr(model, f.name) for f in fields(LanguageModel)}, types=types)

    def _times(self, x, name, expert=0):
        return super()._times(rounded(x, self.types[name + ".weight"]), name, expert)


def rounded(x: np.ndarray, qtype: str) -> np.ndarray:
    """x (T, row length) as a matrix of this type gets to see it."""
    if qtype in FLOATS:
        return x.astype(FLOATS[qtype]).astype(np.float32)
    blocks = x.reshape(-1, 32 if qtype in BLOCKS_OF_32 else 256)
    largest = blocks[np.arange(len(blocks)), np.abs(blocks).argmax(axis=1)][:, None]
    if qtype in BLOCKS_OF_32:
        d = np.abs(largest) / np.float32(127)
        stored = d.astype(np.float16).astype(np.float32)
    else:
        d = stored = -largest / np.float32(127)         # the largest becomes -127, whatever its sign
    codes = np.rint(np.divide(blocks, d, out=np.zeros_like(blocks), where=d != 0))
    return (np.minimum(codes, 127) * stored).reshape(x.shape)
