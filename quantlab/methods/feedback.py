"""Rounding with error feedback: what rounding one column does to the output, the columns that are not rounded
yet make good.

    fed_back(weights, "Q4_0", Factor(moments, block_size=32))

A matrix W (rows, n) is multiplied with inputs x. Rounding it to Q costs, in the mean over the inputs read,

    mean |(W - Q) x|^2  =  trace of (W - Q) H (W - Q)^T          H = mean of x x^T, (n, n)

H is what a calibration has measured: the second moments of the inputs. Take the columns in turn. Once column
j is rounded, with the error e = w_j - q_j, the best that the columns after it can do is to move by

    w_k  +=  - e * U_jk / U_jj        for k after j              U upper triangular, U^T U = H^-1

and the whole cost turns out to be the sum of the (e / U_jj)^2. So 1 / U_jj^2 says how much column j matters
when all that follow help: with this importance ggml's search chooses the scales of a block, when its turn has
come and all earlier errors are in it. Where inputs are not correlated, H is diagonal, nothing can be made
good, and this is rounding by importance.

The order is ours: an error is made good by later columns only, so those that matter most go first. In a file
the columns of a block share their scales; so whole blocks are ordered, and the columns within each.
Blocks far ahead get the errors of a whole block at once (a product of matrices), the near ones at once.

Source: GPTQ (Frantar et al., arXiv:2210.17323), after Optimal Brain Surgeon (Hassibi and Stork, 1993); the
order "act_order" of its authors' code. Rows do not know of each other and may be rounded in pieces.
"""

from dataclasses import dataclass

import numpy as np

from .grids import format_with_codes, searched

#: Added to H's diagonal, as a share of its mean: what was never seen together is not trusted entirely.
DAMPING = 0.01


@dataclass(frozen=True, eq=False)
class Factor:
    """The order of the columns, (n,), and U (n, n) float64 for it, of a matrix whose inputs have these
    second moments.
    """

    order: np.ndarray
    upper: np.ndarray

    @property
    def importance(self) -> np.ndarray:
        """(n,) float32, by the column's own place: how much its error costs when later ones help."""
        found = np.empty(len(self.order), np.float32)
        found[self.order] = 1 / np.diag(self.upper) ** 2
        return found


def factor(moments: np.ndarray, block_size: int, damping: float = DAMPING) -> Factor:
    """What `fed_back` needs of H = `moments`, (n, n), for blocks of so many columns.

    Raises ValueError where it is no matrix of second moments: not square, not finite, or all zero.
    """
    moments = checked_moments(moments)
    weight = np.diag(moments)
    order = column_order(weight, block_size)
    damped = moments[np.ix_(order, order)]
    damped[np.diag_indices_from(damped)] += damping * weight.mean()
    # H = V V^T with V upper triangular is Cholesky's factor read from the other end; and U = V^-1
    try:
        turned = np.linalg.cholesky(damped[::-1, ::-1])[::-1, ::-1]
    except np.linalg.LinAlgError:
        raise ValueError(f"the second moments of {len(moments)} columns are none: one direction would have "
                         "inputs of negative size; measure them again") from None
    return Factor(order, np.linalg.inv(turned))


def checked_moments(moments: np.ndarray) -> np.ndarray:
    """(n, n) float64. ValueError for what no inputs can have."""
    moments = np.asarray(moments, np.float64)
    if moments.ndim != 2 or moments.shape[0] != moments.shape[1] or not moments.size:
        raise ValueError("second moments are a square, a row and a column for each column of the matrix; got "
                         f"the shape {moments.shape}")
    wrong = np.argwhere(~np.isfinite(moments))
    if len(wrong):
        row, column = wrong[0].tolist()
        raise ValueError(f"second moments are finite numbers: [{row}, {column}] is {moments[row, column]}")
    if not np.diag(moments).any():
        raise ValueError(f"all inputs of the {len(moments)} columns were 0: nothing says which error counts")
    return moments


def column_order(weight: np.ndarray, block_size: int) -> np.ndarray:
    """The columns by falling weight (n,): first by their block's, then by their own."""
    blocks = weight.reshape(-1, block_size)
    within = np.argsort(-blocks, axis=1, kind="stable") + np.arange(len(blocks))[:, None] * block_size
    return within[np.argsort(-blocks.sum(axis=1), kind="stable")].reshape(-1)


def fed_back(x: np.ndarray, qtype: str, known: Factor) -> np.ndarray:
    """(rows, n) weights as blocks of `qtype`, row after row, rounded with error feedback.

    Raises ValueError for a type without a code for each weight, and where `known` has other columns.
    """
    form = format_with_codes(qtype, "error feedback")
    n, size = x.shape[1], form.block_size
    if len(known.order) != n:
        raise ValueError(f"the second moments are of {len(known.order)} columns; the matrix has {n}")
    left = np.ascontiguousarray(x.T[known.order], np.float64)           # (n, rows), in the order of rounding
    blocks = np.empty((len(x), n // size), form.dtype)
    importance = known.importance
    for begin in range(0, n, size):
        upper = known.upper[begin:begin + size, begin:]
        place = int(known.order[begin]) // size
        first = place * size
        where = known.order[begin:begin + size] - first                 # of the columns within their block
        block = np.empty((len(x), size), np.float32)
        block[:, where] = left[begin:begin + size].T
        grid = searched(block, form, importance[first:first + size])
        codes, errors = np.empty(block.shape), np.empty((size, len(x)))
        near = left[begin:begin + size]
        for i, column in enumerate(where):
            codes[:, column], values = grid.nearest(near[i], column)
            errors[i] = (near[i] - values) / upper[i, i]
            near[i + 1:] -= upper[i, i + 1:size, None] * errors[i]
        left[begin + size:] -= upper[:, size:].T @ errors
        blocks[:, place] = grid.packed(codes)
    return blocks.reshape(-1)


def output_error(difference: np.ndarray, moments: np.ndarray) -> float:
    """mean |D x|^2 over the inputs with these second moments, for the error D (rows, n) of a matrix."""
    return float(((difference @ moments) * difference).sum())
