"""Every method of rounding in one table: what it needs, what it changes, what it costs, and who found it.

    METHODS["feedback"].needs, METHODS["feedback"].paper

All write the same bytes of the same formats; they differ in which of the possible files they choose.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..formats.tensor import quantize
from .feedback import checked_moments, factor, fed_back
from .grids import format_with_codes

NOTHING, SQUARES, MOMENTS = "nothing", "squares", "second moments"
Encoder = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Method:
    """A way to round.

    title: for a sentence.  needs: "nothing", "squares" (the mean square of each column's inputs) or "second
    moments" (of each pair of columns).  changes: what of a file is otherwise than with plain rounding.
    costs: in time and memory, in words.  paper: where it was published.
    scales: columns are scaled first (scaling.py).  in_files: `quantize_model` can write it.
    """

    name: str
    title: str
    needs: str
    changes: str
    costs: str
    paper: str
    scales: bool = False
    in_files: bool = True

    def encoder(self, qtype: str, moments: np.ndarray | None = None) -> Encoder:
        """A function from (rows, n) weights to their blocks in `qtype`; what the moments (n, n) say is worked
        out once.

        moments: of the inputs; where columns are scaled, of the scaled ones.  None: plain rounding, as for a
        matrix that was not measured.  ValueError for moments that cannot be.
        """
        if moments is None or self.needs == NOTHING:
            return partial(_plain, qtype=qtype)
        if self.name == "feedback":
            form = format_with_codes(qtype, self.title)
            return partial(fed_back, qtype=qtype, known=factor(moments, form.block_size))
        return partial(_plain, qtype=qtype,
                       importance=np.diag(checked_moments(moments)).astype(np.float32))


def _plain(x: np.ndarray, qtype: str, importance: np.ndarray | None = None) -> np.ndarray:
    return quantize(x, qtype, importance).blocks


METHODS = {method.name: method for method in (
    Method("nearest", "plain rounding", NOTHING, "nothing: this is what the others are compared with",
           "the time of encoding, no memory", "ggml's quantize_row_*_ref"),
    Method("importance", "search by importance", SQUARES,
           "scales and codes: an error in a column with large inputs counts more",
           "up to twice the time of encoding; one number a column",
           "llama.cpp's imatrix (Kawrakow, 2024, pull request 4861)"),
    Method("scaling", "activation-aware scaling", MOMENTS,
           "columns with large inputs are larger, the norm or matrix in front smaller; then as by importance",
           "eleven trials of encoding 256 rows; a square of columns in memory",
           "AWQ (Lin et al., arXiv:2306.00978)", scales=True),
    Method("feedback", "error feedback", MOMENTS,
           "codes: later columns make good what rounding earlier ones did to the output",
           "about n multiplications a weight for n columns; a square of columns in memory, twice",
           "GPTQ (Frantar et al., arXiv:2210.17323)"),
    Method("rotation", "rotation", NOTHING, "the basis of the columns: no weight stands out",
           "a program that turns the inputs, too: llama.cpp does not, so it is a picture here",
           "QuIP (arXiv:2307.13304), QuaRot (arXiv:2404.00456)", in_files=False),
)}
