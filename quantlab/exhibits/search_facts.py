"""What a scale search tries and keeps for one group of weights: the numbers behind `explore_scale_search`.

A candidate is named by its number of `steps`: into how many steps it divides the weight farthest from zero
(one scale), or the range between smallest and largest weight (scale and minimum). Codes are rounded with that
scale, then scale and minimum are replaced by the best ones for those codes, as in `formats.search` and
`formats.search_affine`.  Lesson: 11.
"""

from typing import NamedTuple

import numpy as np

from ..formats.search import symmetric
from ..formats.search_affine import BY_IMPORTANCE, affine


class Landscape(NamedTuple):
    """The errors of all scales for a group of weights.  steps, error: (n,) a fine sweep.  tried, tried_error:
    ggml's candidates, the plain one first.  best: which of them it kept.

    plain, levels: every value that the plain scale and the kept one can write.  Errors are weighted sums of
    squares as shares of the plain scale's, each with the best scale for the candidate's codes.
    """

    steps: np.ndarray
    error: np.ndarray
    tried: np.ndarray
    tried_error: np.ndarray
    best: int
    plain: np.ndarray
    levels: np.ndarray


class Search(NamedTuple):
    """How ggml looks for the scale of a group of `size` weights when it has an importance matrix.

    factor: a weight counts as  imatrix * sqrt(factor * mean square + x^2);  None: as the imatrix says.
    steps: (rmin, rdelta, nstep) of the search for scale and minimum; None: one scale.
    """

    size: int
    nmax: int
    factor: int | None
    steps: tuple[float, float, int] | None = None


SEARCHES = {"Q2_K": Search(16, 3, 1, BY_IMPORTANCE), "Q3_K": Search(16, 4, 2), "Q4_0": Search(32, 8, 1),
            "Q4_K": Search(32, 15, 2, BY_IMPORTANCE), "Q5_K": Search(32, 31, 2, BY_IMPORTANCE),
            "Q6_K": Search(16, 32, None)}


def one_scale(x: np.ndarray, w: np.ndarray, nmax: int, sweep: np.ndarray) -> Landscape:
    """x, w: (size,) weights and how much each matters.  nmax: as in `symmetric`.  sweep: the steps of the
    fine sweep.
    """
    trace: list = []
    kept = symmetric(x[:, None], w[:, None], nmax, trace)
    far = float(kept.far[0])
    tried = np.array([-float(inverse[0]) * far for inverse, *_ in trace])
    errors = np.array([float(error[0]) for *_, error in trace])
    fine = np.array([_fit_scale(x, w, np.clip(np.rint(-x * steps / far), -nmax, nmax - 1))
                     for steps in sweep])
    codes, whole = np.arange(-nmax, nmax), errors[0] or 1.0
    return Landscape(sweep, fine / whole, tried, errors / whole, int(np.argmin(errors)), -far / nmax * codes,
                     float(kept.scale[0]) * codes)


def scale_and_minimum(x: np.ndarray, w: np.ndarray, nmax: int, search: tuple[float, float, int],
                      sweep: np.ndarray) -> Landscape:
    """Likewise for `affine`; search: its (rmin, rdelta, nstep)."""
    trace: list = []
    affine(x[:, None], w[:, None], nmax, *search, trace=trace)
    low, high = min(float(x.min()), 0.0), float(x.max())
    first, step, more = search
    tried = nmax + np.array([0, *(first + step * i for i in range(more + 1))])
    errors = np.array([float(error[0]) for *_, error in trace])
    fine = np.array([_fit_affine(x, w, np.clip(np.rint((x - low) * steps / (high - low)), 0, nmax))
                     for steps in sweep])
    best, whole = int(np.argmin(errors)), errors[0] or 1.0
    plain, levels = (float(scale[0]) * np.arange(nmax + 1) + float(minimum[0])
                     for _, scale, minimum, _ in (trace[0], trace[best]))
    return Landscape(sweep, fine / whole, tried, errors / whole, best, plain, levels)


def _fit_scale(x: np.ndarray, w: np.ndarray, codes: np.ndarray) -> float:
    """Error with the best scale for these codes."""
    sl2 = float((w * codes * codes).sum())
    scale = float((w * x * codes).sum()) / sl2 if sl2 else 0.0
    return float((w * (x - scale * codes) ** 2).sum())


def _fit_affine(x: np.ndarray, w: np.ndarray, codes: np.ndarray) -> float:
    """Error with the best scale and (not positive) minimum for these codes."""
    total, sl, sl2, sx, sxl = (float(v.sum())
                               for v in (w, w * codes, w * codes * codes, w * x, w * x * codes))
    spread = total * sl2 - sl * sl
    scale, minimum = ((total * sxl - sx * sl) / spread, (sl2 * sx - sl * sxl)
                      / spread) if spread > 0 else (0.0, 0.0)
    if minimum > 0:
        scale, minimum = sxl / sl2, 0.0
    return float((w * (x - scale * codes - minimum) ** 2).sum())
