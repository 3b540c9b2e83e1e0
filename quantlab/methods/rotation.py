"""Rotation: a matrix is turned before it is rounded, so that no weight stands out.

    turned = rotated(weights, seed=0)
    rounded = turned_back(quantize(turned, "Q4_0").dequantize(), seed=0)

An orthogonal matrix R (R R^T = 1) changes no length and no angle, so W x = (W R)(R^T x) exactly. Hadamard's
matrix, all of +1 and -1 over the square root of n, mixes n columns in equal shares: a single large weight
becomes n small ones, and a block's step is no longer spent on one. Random signs in front keep any pattern
of the weights from meeting one of R's.

As a method for files it needs a program that turns the inputs, too (QuaRot and QuIP# have theirs). llama.cpp
does so for a KV cache of few bits only, without random signs (inference/kept.py). So here it is for pictures:
what it does to a matrix, and to its rounding error.

Sources: QuIP (Chee et al., arXiv:2307.13304), QuIP# (arXiv:2402.04396), QuaRot (Ashkboos et al.,
arXiv:2404.00456).
"""

from functools import cache

import numpy as np


@cache
def hadamard(n: int) -> np.ndarray:
    """(n, n) float32: the Walsh-Hadamard matrix that is its own inverse.  n: a power of two."""
    matrix = np.full((1, 1), n ** -0.5, np.float32)
    while len(matrix) < n:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix


def mixing(n: int) -> np.ndarray:
    """(n, n) float32, orthogonal: along the diagonal the Hadamard matrix of the largest power of two that
    divides n. ValueError for an odd n, which would mix nothing.
    """
    size = n & -n if n > 0 else 0
    if size < 2:
        raise ValueError(f"{n} columns cannot be mixed: their number must be even, best a power of 2")
    return np.kron(np.eye(n // size, dtype=np.float32), hadamard(size))


def rotation(n: int, seed: int = 0) -> np.ndarray:
    """(n, n) float32: random signs, then Hadamard's matrix."""
    signs = np.random.default_rng(seed).choice(np.array([-1, 1], np.float32), n)
    return signs[:, None] * mixing(n)


def rotated(x: np.ndarray, seed: int = 0) -> np.ndarray:
    """(rows, n) weights, every row turned."""
    return (x @ rotation(x.shape[-1], seed)).astype(np.float32)


def turned_back(x: np.ndarray, seed: int = 0) -> np.ndarray:
    """What `rotated` has turned, as it was, but for float32's own rounding."""
    return (x @ rotation(x.shape[-1], seed).T).astype(np.float32)


def peak(x: np.ndarray) -> float:
    """The largest magnitude over the root mean square: 1 where all are alike, 3 to 5 for bell-shaped weights,
    more where some stand out.
    """
    return float(np.abs(x).max() / np.sqrt(np.square(x, dtype=np.float64).mean()))
