"""The error of one group of weights for any candidate scale, not only for those that ggml tries: the curve a search walks along.

A candidate is named by its number of `steps`: into how many steps it divides the weight farthest from zero (one scale), or the range
between smallest and largest weight (scale and minimum). Codes are rounded with that scale, then scale and minimum are replaced by the
best ones for those codes, as in `search` and `search_affine`. Lesson: 11.
"""

from typing import NamedTuple

import numpy as np

from .search import symmetric
from .search_affine import affine


class Landscape(NamedTuple):
    """steps, error: (n,) a fine sweep.  tried, tried_error: ggml's candidates, the plain one first.  best: which of them it kept.

    plain, levels: every value that the plain scale and the kept one can write.  Errors are weighted sums of squares, each with the best
    scale for the candidate's codes.
    """

    steps: np.ndarray
    error: np.ndarray
    tried: np.ndarray
    tried_error: np.ndarray
    best: int
    plain: np.ndarray
    levels: np.ndarray


def one_scale(x: np.ndarray, w: np.ndarray, nmax: int, sweep: np.ndarray) -> Landscape:
    """x, w: (size,) weights and how much each matters.  nmax: as in `symmetric`.  sweep: the steps of the fine sweep."""
    trace: list = []
    kept = symmetric(x[:, None], w[:, None], nmax, trace)
    far = float(kept.far[0])
    tried = np.array([-float(inverse[0]) * far for inverse, *_ in trace])
    errors = np.array([float(error[0]) for *_, error in trace])
    fine = np.array([_fit_scale(x, w, np.clip(np.rint(-x * steps / far), -nmax, nmax - 1)) for steps in sweep])
    best = int(np.argmin(errors))
    codes = np.arange(-nmax, nmax)
    return Landscape(sweep, fine, tried, errors, best, -far / nmax * codes, float(kept.scale[0]) * codes)


def scale_and_minimum(x: np.ndarray, w: np.ndarray, nmax: int, search: tuple[float, float, int], sweep: np.ndarray) -> Landscape:
    """Likewise for `affine`; search: its (rmin, rdelta, nstep)."""
    trace: list = []
    affine(x[:, None], w[:, None], nmax, *search, trace=trace)
    low, high = min(float(x.min()), 0.0), float(x.max())
    first, step, more = search
    tried = nmax + np.array([0, *(first + step * i for i in range(more + 1))])
    errors = np.array([float(error[0]) for *_, error in trace])
    fits = [(float(scale[0]), float(minimum[0])) for _, scale, minimum, _ in trace]
    fine = np.array([_fit_affine(x, w, np.clip(np.rint((x - low) * steps / (high - low)), 0, nmax)) for steps in sweep])
    best = int(np.argmin(errors))
    plain, levels = (fits[i][0] * np.arange(nmax + 1) + fits[i][1] for i in (0, best))
    return Landscape(sweep, fine, tried, errors, best, plain, levels)


def _fit_scale(x: np.ndarray, w: np.ndarray, codes: np.ndarray) -> float:
    """Error with the best scale for these codes."""
    sl2 = float((w * codes * codes).sum())
    scale = float((w * x * codes).sum()) / sl2 if sl2 else 0.0
    return float((w * (x - scale * codes) ** 2).sum())


def _fit_affine(x: np.ndarray, w: np.ndarray, codes: np.ndarray) -> float:
    """Error with the best scale and (not positive) minimum for these codes."""
    total, sl, sl2, sx, sxl = (float(v.sum()) for v in (w, w * codes, w * codes * codes, w * x, w * x * codes))
    spread = total * sl2 - sl * sl
    scale, minimum = ((total * sxl - sx * sl) / spread, (sl2 * sx - sl * sxl) / spread) if spread > 0 else (0.0, 0.0)
    if minimum > 0:
        scale, minimum = sxl / sl2, 0.0
    return float((w * (x - scale * codes - minimum) ** 2).sum())
