"""The grid of a block: with its scales given, which values each weight may take, one for each code.

A method that chooses the codes itself first lets ggml's search choose the scales (`searched`), asks what
each weight can then be, and packs its own codes into the same blocks. What a code means is asked of the
decoder, so this holds for every format in which each weight has a code of its own, whatever its scales look
like: where the values lie evenly, start + step * code; else they are listed, at most 16 of them.
"""

from dataclasses import dataclass

import numpy as np

from ..formats.table import Format
from ..formats.tensor import get_format, quantize

#: The formats of which a weight is start + step * code.
EVEN = ("Q1_0", "TQ1_0", "TQ2_0", "Q2_0", "Q2_K", "Q3_K", "Q4_0", "Q4_1", "Q4_K", "Q5_0", "Q5_1", "Q5_K",
        "Q6_K", "Q8_0")
#: Those with a list of values, times a scale.
LISTED = ("IQ4_NL", "IQ4_XS", "MXFP4", "NVFP4")


def format_with_codes(qtype: str, method: str) -> Format:
    """The format of that name. ValueError where a code stands for several weights; method: for the words."""
    form = get_format(qtype)
    if form.name not in EVEN + LISTED:
        raise ValueError(f"{method} chooses the code of each weight, and {form.name} has none for a single "
                         f"one; these have: {', '.join(EVEN + LISTED)}")
    return form


@dataclass(frozen=True, eq=False)
class BlockGrid:
    """Blocks whose scales are settled, (n_blocks,); their codes are still to be chosen.

    low, high: the codes there are.  values: float64, what the codes stand for: (2, n_blocks, block_size),
    those of 0 and 1, where all lie evenly, else (codes, n_blocks, block_size).
    """

    form: Format
    blocks: np.ndarray
    low: int
    high: int
    values: np.ndarray

    def nearest(self, x: np.ndarray, which=slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """The code of the nearest value to each of x, for the weights `which` of every block, and the value;
        where all codes say the same, any.
        """
        values = self.values[:, :, which]
        if self.form.name in LISTED:
            codes = np.abs(values - x).argmin(axis=0)
            return codes, np.take_along_axis(values, codes[None], axis=0)[0]
        start, step = values[0], values[1] - values[0]
        steps = np.divide(x - start, step, out=np.zeros(np.shape(x)), where=step != 0)
        codes = np.clip(np.rint(steps), self.low, self.high)
        return codes, start + step * codes

    def packed(self, codes: np.ndarray) -> np.ndarray:
        """The blocks with these codes, (n_blocks, block_size), and the scales as they are."""
        return _with_codes(self.form, self.blocks, codes)


def searched(x: np.ndarray, form: Format, importance: np.ndarray | None = None) -> BlockGrid:
    """The grid that ggml's search would choose for (rows, n) weights, with the importance of each column."""
    blocks = quantize(x, form.name, importance).blocks
    low, high = code_range(form)
    shown = range(high + 1) if form.name in LISTED else (0, 1)
    shape = len(blocks), form.block_size
    values = np.stack([form.decode(_with_codes(form, blocks, np.full(shape, code))) for code in shown])
    return BlockGrid(form, blocks, low, high, values.astype(np.float64))


def code_range(form: Format) -> tuple[int, int]:
    """The lowest and highest code: all that its bits can say; three values where it is ternary, and Q8_0
    leaves out -128, as ggml does.
    """
    if form.name == "Q8_0":
        return -127, 127
    return 0, 2 if form.name.startswith("TQ") else form.layout.top(code_name(form))


def code_name(form: Format) -> str:
    """What the layout calls the codes, of which there is one a weight."""
    return max(form.layout.counts, key=form.layout.counts.__getitem__)


def _with_codes(form: Format, blocks: np.ndarray, codes: np.ndarray) -> np.ndarray:
    values, name = form.layout.unpack(blocks), code_name(form)
    return form.layout.pack(**values | {name: codes.astype(values[name].dtype)})
