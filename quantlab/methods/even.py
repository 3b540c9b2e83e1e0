"""The even grid of a block: with its scales given, each weight may take the values `start + step * q`.

A method that chooses the codes itself first lets ggml's search choose the scales (`searched`), asks what
each weight can then be, and packs its own codes into the same blocks. What a code means is asked of the
decoder, so this holds for every format whose codes lie evenly, whatever its scales look like.
"""

from dataclasses import dataclass

import numpy as np

from ..formats.table import Format
from ..formats.tensor import get_format, quantize

#: The formats of which a weight is start + step * q, by bits.
EVEN = ("TQ1_0", "TQ2_0", "Q2_K", "Q3_K", "Q4_0", "Q4_1", "Q4_K", "Q5_0", "Q5_1", "Q5_K", "Q6_K", "Q8_0")


def even_format(qtype: str, method: str) -> Format:
    """The format of that name. ValueError where its codes do not lie evenly; method: for the words."""
    form = get_format(qtype)
    if form.name not in EVEN:
        raise ValueError(f"{method} chooses codes on an even grid, and those of {form.name} do not lie "
                         f"evenly; these do: {', '.join(EVEN)}")
    return form


@dataclass(frozen=True, eq=False)
class EvenGrid:
    """Blocks whose scales are settled, (n_blocks,); their codes are still to be chosen.

    start, step: (n_blocks, block_size) float64: a weight is start + step * q.  low, high: the codes there
    are.
    """

    form: Format
    blocks: np.ndarray
    start: np.ndarray
    step: np.ndarray
    low: int
    high: int

    def nearest(self, x: np.ndarray, which=slice(None)) -> np.ndarray:
        """The code of the nearest value to each of x, for the weights `which` of every block; where all codes
        say the same, any.
        """
        start, step = self.start[:, which], self.step[:, which]
        steps = np.divide(x - start, step, out=np.zeros(np.shape(x)), where=step != 0)
        return np.clip(np.rint(steps), self.low, self.high)

    def packed(self, codes: np.ndarray) -> np.ndarray:
        """The blocks with these codes, (n_blocks, block_size), and the scales as they are."""
        return _with_codes(self.form, self.blocks, codes)


def searched(x: np.ndarray, form: Format, importance: np.ndarray | None = None) -> EvenGrid:
    """The grid that ggml's search would choose for (rows, n) weights, with the importance of each column."""
    blocks = quantize(x, form.name, importance).blocks
    low, high = code_range(form)
    zero, one = (form.decode(_with_codes(form, blocks, np.full((len(blocks), form.block_size), code)))
                 .astype(np.float64) for code in (0, 1))
    return EvenGrid(form, blocks, zero, one - zero, low, high)


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


