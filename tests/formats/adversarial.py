"""Seeded weights that attack one habit of float32 arithmetic each, and importance matrices that make the
searches lose their way.

Small families (64 rows of 256), so that all types can be tried with all matrices. NaN appears with its usual
bits only: what becomes of other payloads is nobody's promise.
"""

import numpy as np

from quantlab.formats.table import FORMATS

ROWS, N = 64, 256
LARGEST = np.float32(3.4028235e38)


def _bell(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((ROWS, N), dtype=np.float32)


def _chosen(seed: int, *values: float) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array(values, np.float32), (ROWS, N))


def _sized(seed: int, shape: tuple[int, int], low: int = -149, high: int = 127) -> np.ndarray:
    """Bell-shaped weights times powers of two, drawn per `shape` and repeated."""
    power = np.random.default_rng(seed).integers(low, high, shape)
    with np.errstate(all="ignore"):
        return np.ldexp(_bell(seed + 1), power.repeat(N // shape[1], axis=1).repeat(ROWS // shape[0], axis=0))


def _spoiled(seed: int, *values: float, share: float = 0.01) -> np.ndarray:
    x, rng = _bell(seed), np.random.default_rng(seed + 1)
    for value in values:
        x[rng.random((ROWS, N)) < share] = value
    return x


def _times(seed: int, power: int) -> np.ndarray:
    with np.errstate(all="ignore"):
        return (_bell(seed).astype(np.float64) * 10.0**power).astype(np.float32)


def _outliers(seed: int) -> np.ndarray:
    x, rng = _bell(seed) * np.float32(1e-3), np.random.default_rng(seed + 1)
    x[np.arange(ROWS), rng.integers(0, N, ROWS)] = rng.choice(np.array([-1e4, 1e4], np.float32), ROWS)
    return x


def _first_of_group(seed: int) -> np.ndarray:
    x = _bell(seed)
    x[:, ::16] = np.nan
    return x


def _minus_zero_in_sight(seed: int) -> np.ndarray:
    """-0 wherever the importances with holes are not zero; elsewhere any weight below zero, in every other
    row above it, too.
    """
    x = -np.abs(_bell(seed))
    x[1::2] = np.abs(x[1::2]) * _chosen(seed + 1, -1, 1)[1::2]
    return np.where(IMATRICES["holes"] > 0, np.float32(-0.0), x)


def _sparser(seed: int) -> np.ndarray:
    """One to four weights in a group of 32, the others +0."""
    rng = np.random.default_rng(seed)
    share = rng.choice(np.array([1, 2, 4]) / 32, (ROWS, 1))
    return np.where(rng.random((ROWS, N)) < share, _bell(seed), np.float32(0))


def _denormals(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 1 << 23, (ROWS, N)).astype(np.uint32).view(np.float32)
    return sizes * rng.choice(np.array([-1, 1], np.float32), (ROWS, N))


#: name -> (64, 256) finite float32 weights.
FINITE = {
    "zeros": lambda: np.zeros((ROWS, N), np.float32), "minus zeros": lambda: -np.zeros((ROWS, N), np.float32),
    "both zeros": lambda: _chosen(1, 0.0, -0.0),
    "a constant a row": lambda: np.repeat(_bell(2)[:, :1], N, axis=1),
    "a constant per 16": lambda: np.repeat(_bell(3)[:, :16], 16, axis=1),
    "an outlier a row": lambda: _outliers(4),
    "sparse": lambda: _bell(5) * (np.random.default_rng(6).random((ROWS, N)) < 0.05),
    "all positive": lambda: np.abs(_bell(7)),
    "all negative": lambda: -np.abs(_bell(8)),
    "far from zero": lambda: _bell(9) * np.float32(0.01) + np.float32(100),
    "ties": lambda: _chosen(10, -1, 1, 0.5, -0.5),
    "whole numbers": lambda: np.random.default_rng(11).integers(-8, 9, (ROWS, N)).astype(np.float32),
    "halves": lambda: np.random.default_rng(12).integers(-16, 17, (ROWS, N)).astype(np.float32) / 2,
    "heavy tails": lambda: (_bell(13) / np.maximum(np.abs(_bell(14)), np.float32(1e-4))).astype(np.float32),
    "every size, alone": lambda: np.clip(_sized(15, (ROWS, N)), -LARGEST, LARGEST),
    "every size, per row": lambda: np.clip(_sized(17, (ROWS, 1)), -LARGEST, LARGEST),
    "every size, per 16": lambda: np.clip(_sized(19, (ROWS, 16)), -LARGEST, LARGEST),
    "-0 where the importances look": lambda: _minus_zero_in_sight(29), "sparser": lambda: _sparser(30),
    "denormals": lambda: _denormals(21), "largest": lambda: _chosen(22, LARGEST, -LARGEST),
    **{f"times 1e{power}": lambda power=power: np.clip(_times(23 + power % 7, power), -LARGEST, LARGEST)
       for power in (-44, -40, -38, -36, -30, -20, -15, -8, -5, 4, 5, 6, 10, 18, 19, 20, 30, 37, 38)},
}
#: The same with NaN and infinity among them.
NONFINITE = {"some +inf": lambda: _spoiled(31, np.inf), "some -inf": lambda: _spoiled(32, -np.inf),
             "some of both": lambda: _spoiled(33, np.inf, -np.inf), "some NaN": lambda: _spoiled(34, np.nan),
             "NaN first of each 16": lambda: _first_of_group(35),
             "all NaN": lambda: np.full((ROWS, N), np.nan, np.float32),
             "NaN and inf": lambda: _spoiled(36, -np.float32(np.nan), np.inf),}


def _imatrices() -> dict[str, np.ndarray | None]:
    rng = np.random.default_rng(40)
    usual = rng.random(N, dtype=np.float32) ** 2
    holes = np.where(rng.random(N) < 0.3, np.float32(0), usual)
    return {"none": None, "usual": usual, "holes": holes, "all zero": np.zeros(N, np.float32),
            "tiny": usual * np.float32(1e-30), "wild": np.exp2(rng.integers(-60, 60, N)).astype(np.float32)}


IMATRICES = _imatrices()


def aborts(qtype: str, x: np.ndarray, imatrix: np.ndarray | None) -> bool:
    """Whether ggml may abort: in the codebook types, where an error  w (scale q - x)^2  is no float32."""
    if FORMATS[qtype].nonfinite:
        return False
    most = float(np.abs(x).max())
    weight = most if imatrix is None else float(imatrix.max())
    return not most**3 * max(weight, 1) < 1e34
