"""Activation-aware scaling: columns that get large inputs are made larger before they are rounded.

    s = column_scales([w_q, w_k, w_v], moments, ["Q4_K"] * 3)
    blocks = quantize(w_q * s, "Q4_K", squares / s**2)      and the norm in front of it is divided by s

In y = W x a column can be multiplied by s and its input divided by it: W x = (W s) (x / s), exactly. The
step of a block hardly grows when a few of its columns do, so their rounding error, divided by s, becomes
smaller. What divides the input costs nothing at run time: it goes into the weights of the norm in front, or
into the rows of the matrix in front, once and for all. The file stays an ordinary one.

How much larger is searched: s = (size of the inputs)^alpha, for alpha from 0 (nothing is scaled) to 1, the
one that changes the output least. As matrices with the same input share the norm, they share s.

Source: AWQ (Lin et al., arXiv:2306.00978). There the size is the mean of |x|, and the output is compared on
the inputs themselves; here both come from the second moments, as root mean square, and as the exact mean of
the squared change. Weights are rounded by
importance, with ggml's search of scales, which also does what the paper's search for a range to clip is for.
"""

from collections.abc import Sequence

import numpy as np

from ..formats.tensor import quantize
from .feedback import checked_moments, output_error

ALPHAS = tuple(i / 10 for i in range(11))
#: Rows of a matrix on which an alpha is judged, evenly spread: the search needs a mean, not every row.
JUDGED_ROWS = 256


def column_scales(matrices: Sequence[np.ndarray], moments: np.ndarray, qtypes: Sequence[str], *,
                  repeats: tuple[int, int] = (1, 1), alphas: Sequence[float] = ALPHAS) -> np.ndarray:
    """(n,) float32, by what to multiply the n columns of matrices that get the same input.

    matrices: (rows, n) each, and the types that they will have.  moments: (n, n), of their input.
    repeats: (copies, width): runs of `width` columns stand `copies` times in a row and need the same numbers,
    as the heads that share their values do.  All 1 where no alpha is better than 0.
    """
    moments = checked_moments(moments)
    sizes, judged = input_sizes(moments, repeats), [_some_rows(matrix) for matrix in matrices]
    candidates = [scales_of(sizes, alpha) for alpha in alphas]
    costs = [cost_of(judged, moments, qtypes, scales) for scales in candidates]
    return candidates[int(np.argmin(costs))]


def input_sizes(moments: np.ndarray, repeats: tuple[int, int] = (1, 1)) -> np.ndarray:
    """(n,) the root mean square of each column's input, the same for those that share a number."""
    copies, width = repeats
    squares = np.diag(moments).reshape(-1, copies, width)
    return np.sqrt(np.broadcast_to(squares.mean(axis=1, keepdims=True), squares.shape)).reshape(-1)


def scales_of(sizes: np.ndarray, alpha: float) -> np.ndarray:
    """sizes^alpha, float32, about 1 in the middle. A column without inputs counts as the smallest one."""
    least = sizes[sizes > 0].min()
    powers = np.maximum(sizes, least) ** alpha
    return (powers / np.sqrt(powers.max() * powers.min())).astype(np.float32)


def cost_of(matrices: Sequence[np.ndarray], moments: np.ndarray, qtypes: Sequence[str],
            scales: np.ndarray) -> float:
    """The mean squared change of the outputs when the columns are scaled, rounded, and scaled back."""
    importance = (np.diag(moments) / scales.astype(np.float64) ** 2).astype(np.float32)
    return sum(output_error(quantize(w * scales, qtype, importance).dequantize() / scales - w, moments)
               for w, qtype in zip(matrices, qtypes, strict=True))


def _some_rows(matrix: np.ndarray) -> np.ndarray:
    return matrix[::max(len(matrix) // JUDGED_ROWS, 1)]
