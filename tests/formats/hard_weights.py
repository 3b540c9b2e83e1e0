"""Seeded weights of every kind that has ever made two quantizers disagree: 2^20 of them in 16 families.

Made of whole random numbers and powers of two only, so that they are the same bits on every machine (a `log`
is not).
"""

import numpy as np

ROWS, N = 64, 1024


def bell(seed: int) -> np.ndarray:
    """Nearly normal, standard deviation 1.4: sums of six whole numbers of 22 bits, exact in float32."""
    parts = np.random.default_rng(seed).integers(-(1 << 21), 1 << 21, (6, ROWS, N))
    return parts.sum(axis=0).astype(np.float32) / np.float32(1 << 21)


def chosen(seed: int, values) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array(values, np.float32), (ROWS, N))


def float_bits(seed: int, below: int) -> np.ndarray:
    """Random bit patterns under `below`, with random signs: all sizes of float32, down to denormals."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, below, (ROWS, N), dtype=np.uint32)
    bits |= rng.integers(0, 2, (ROWS, N), dtype=np.uint32) << 31
    return bits.view(np.float32)


def sparse(seed: int) -> np.ndarray:
    """Mostly zeros, of both signs, in no order."""
    full = np.random.default_rng(seed + 100).integers(0, 10, (ROWS, N)) == 0
    return np.where(full, bell(seed), chosen(seed + 1, [0.0, -0.0]))


def one_outlier(seed: int) -> np.ndarray:
    x = bell(seed) * np.float32(1e-3)
    x[:, ::97] = 1e4
    return x


def halves_of_127(seed: int) -> np.ndarray:
    """Codes of Q8_0 that end in .5, or a hair (one unit in the last place) to either side of it."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-254, 255, (ROWS, N)).astype(np.float32) / 2
    x = (x.view(np.uint32) + rng.integers(-1, 2, (ROWS, N)) * (x != 0)).astype(np.uint32).view(np.float32)
    x[:, ::32] = 127
    return x


def powers_per_block(seed: int) -> np.ndarray:
    """Blocks of every size a float32 can have, so that scales overflow float16 and vanish in it."""
    power = np.random.default_rng(seed + 100).integers(-148, 126, (ROWS, N // 32))
    return np.ldexp(np.clip(bell(seed), -2, 2), power.repeat(32, axis=1))


#: Families whose errors are no float32: on these ggml aborts the process in its codebook types.
TOO_LARGE = ("every finite float", "blocks of every size", "largest floats")
#: name -> 65,536 finite float32 weights.
FAMILIES = {
    "bell": lambda: bell(1),
    "all zero": lambda: np.zeros((ROWS, N), np.float32),
    "minus zero": lambda: -np.zeros((ROWS, N), np.float32),
    "mixed zeros": lambda: chosen(2, [0.0, -0.0]),
    "sparse, both zeros": lambda: sparse(3),
    "one constant a block": lambda: bell(5)[:, ::32].repeat(32, axis=1),
    "ties for the largest": lambda: chosen(6, [-1, 1, 0.5, -0.5]),
    "whole numbers": lambda: np.random.default_rng(7).integers(-8, 9, (ROWS, N)).astype(np.float32),
    "halves of 127": lambda: halves_of_127(8),
    "one outlier": lambda: one_outlier(9),
    "all positive": lambda: np.abs(bell(10)),
    "all negative, far off": lambda: -np.abs(bell(11)) - np.float32(100),
    "denormals": lambda: float_bits(12, 1 << 23),
    "every finite float": lambda: float_bits(13, 0x7F800000),
    "blocks of every size": lambda: powers_per_block(14),
    "largest floats": lambda: chosen(15, [3.4028235e38, -3.4028235e38, 3e38, 0, -1]),
}
