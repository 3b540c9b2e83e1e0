"""The workbench of the block explorer: real weights, the blocks they become in each format, and what a learner changed in these."""

import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import numpy as np

from ..basics.sample import sample_weights
from ..formats.table import FORMATS
from ..formats.tensor import QuantizedTensor, get_format, quantize


class Bench:
    """Blocks by (format, number).

    x: float weights (the bundled ones by default), quantized here, one block at a time; or a `QuantizedTensor`, shown as it is.
    qtype: the format to begin with.  ValueError for weights or a format that do not fit.
    """

    def __init__(self, x: np.ndarray | QuantizedTensor | None, qtype: str):
        self._known: dict[tuple[str, int], bytes] = {}
        self._edited: dict[tuple[str, int], bytes] = {}
        self.weights, self.recorded = None, {}
        if isinstance(x, QuantizedTensor):
            self.first, self.lengths = x.format.name, {x.format.name: len(x.blocks)}
            self._raw = x.tobytes()
            return
        if x is None:
            self.recorded = {name: blocks for name, blocks in recorded_blocks().items() if FORMATS[name].encoder is None}
        array = np.asarray(sample_weights() if x is None else x)
        self.weights = quantize(array, "F32").dequantize().reshape(-1)         # refuses what is not finite or no number
        self.first = get_format(qtype).name
        self.lengths = dict(self._offered())
        if self.first not in self.lengths:
            raise ValueError(self._refusal())

    def _offered(self) -> Iterable[tuple[str, int]]:
        """(format, how many blocks) of all formats that these weights can be shown in."""
        for name, form in FORMATS.items():
            if name in self.recorded:
                yield name, len(self.recorded[name]) // form.type_size
            elif form.encoder and self.weights.size and self.weights.size % form.block_size == 0:
                yield name, self.weights.size // form.block_size

    def _refusal(self) -> str:
        form = FORMATS[self.first]
        if not self.weights.size or self.weights.size % form.block_size:
            return (f"a row of {self.weights.size} weights is no whole number of {form.name} blocks of {form.block_size}; "
                    f"it fits {', '.join(self.lengths)}")
        return f"{form.name} blocks can be read here, but not written: pass a QuantizedTensor, or leave the weights out"

    def before(self, qtype: str, block: int) -> np.ndarray | None:
        """The weights of a block before they were quantized, (block_size,); None where only the blocks are known."""
        if self.weights is None:
            return None
        size = FORMATS[qtype].block_size
        return self.weights[block * size : (block + 1) * size]

    def most(self, qtype: str, even: bool) -> tuple[int, int]:
        """The block (and in it the largest weight) whose largest weight is nearest to, or furthest from, the other weights."""
        size = FORMATS[qtype].block_size
        blocks = np.abs(self.weights[: self.lengths[qtype] * size].reshape(-1, size))
        share = blocks.max(axis=1) / np.maximum(blocks.mean(axis=1, dtype=float), 1e-30)
        block = int(share.argmin() if even else share.argmax())
        return block, int(blocks[block].argmax())

    def stored(self, qtype: str, block: int) -> bytes:
        """A block as ggml writes it."""
        if (qtype, block) not in self._known:
            self._known[qtype, block] = self._made(qtype, block)
        return self._known[qtype, block]

    def _made(self, qtype: str, block: int) -> bytes:
        form = FORMATS[qtype]
        raw = self._raw if self.weights is None else self.recorded.get(qtype)
        if raw is not None:
            return raw[block * form.type_size : (block + 1) * form.type_size]
        even = np.ones(form.block_size, np.float32) if form.imatrix == "needed" else None
        return form.encode(self.before(qtype, block)[None], even).tobytes()

    def raw(self, qtype: str, block: int) -> bytes:
        """A block as it is now, edits included."""
        return self._edited.get((qtype, block)) or self.stored(qtype, block)

    def edit(self, qtype: str, block: int, raw: bytes) -> None:
        """Keep a changed block in place of the stored one."""
        self._edited[qtype, block] = raw

    def undo(self, qtype: str, block: int) -> None:
        """Forget what was changed in a block."""
        self._edited.pop((qtype, block), None)

    def undo_all(self) -> None:
        self._edited.clear()


@cache
def recorded_blocks() -> dict[str, bytes]:
    """Format -> its first blocks of `ql.sample_weights()`, as ggml's own C wrote them: for types that are only read here."""
    text = (files("quantlab") / "data" / "codebook_blocks.json").read_text()
    return {name: bytes.fromhex(blocks) for name, blocks in json.loads(text).items()}
