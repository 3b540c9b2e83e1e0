"""A 16-bit file that a quantized one could have been made from, for models of which no other is at hand.

    make(GEMMA, Path("gemma-3-270m.F16.gguf"))

Decoded weights lie on the steps of their type, and a type whose steps meet those looks better, or worse, than
it is (lesson 07). So each weight is put somewhere between the two borders of its step, evenly and at random:
what rounding would have brought to the same code. Types then cost what they cost from real 16-bit weights.
The tiny Llama, whose 16-bit weights are here, shows how nearly: tests/inference/test_recorded.py.
"""

from pathlib import Path

import numpy as np

from quantlab.formats.table import FORMATS
from quantlab.models.source import open_model
from tools.test_models import in_16_bits

SEED = 0
CODES = ("qs", "ql")                # fields with the low bits of the codes
HIGH = ("qh",)                      # with their high bits


def steps(blocks: np.ndarray, qtype: str) -> np.ndarray:
    """(n_blocks, block_size) float32: how far apart two neighbouring codes of each weight are decoded."""
    ends = []
    for code in (0, 1):
        flat = blocks.copy()
        for field in blocks.dtype.names:
            if field in CODES:          # two codes of 4 bits a byte, or one of 8
                flat[field] = code if qtype == "Q8_0" else 17 * code
            elif field in HIGH:
                flat[field] = 0
        ends.append(FORMATS[qtype].decode(flat))
    return np.abs(ends[1] - ends[0])


def moved(raw: bytes, qtype: str, rng: np.random.Generator) -> np.ndarray:
    """A tensor's weights in float32, each at a random place of its step."""
    form = FORMATS[qtype]
    if form.block_size == 1:
        return form.decode(np.frombuffer(raw, form.dtype)).astype(np.float32).reshape(-1)
    blocks = np.frombuffer(raw, form.dtype)
    weights = form.decode(blocks).reshape(len(blocks), -1)
    place = rng.random(weights.shape, np.float32) - np.float32(0.5)
    return (weights + place * steps(blocks, qtype).reshape(weights.shape)).reshape(-1)


def make(source: Path, target: Path) -> Path:
    """Write `target` with the matrices of `source` in 16 bits, off their grids; the rest stays as it is."""
    with open_model(source) as model:
        in_16_bits(source, target, (
            (name, moved(model.gguf.raw(name), qtype, np.random.default_rng([SEED, number]))
             .reshape(shape[::-1])) for number, (name, (qtype, shape)) in enumerate(model.types.items())))
    return target
