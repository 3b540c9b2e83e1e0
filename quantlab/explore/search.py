"""The scale-search explorer: how the error of a group changes with its scale, and how importance moves the best place."""

from typing import NamedTuple

import ipywidgets as widgets
import numpy as np

from ..basics.sample import sample_weights
from ..formats.cfloat import mean_square
from ..formats.kquants import BY_IMPORTANCE
from ..formats.landscape import Landscape, one_scale, scale_and_minimum
from ..profile import stable
from ..views.numbers import number
from ..views.search import Candidate, draw_search
from ..views.style import Picture
from .base import Explorer


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
            "Q4_K": Search(32, 15, 2, BY_IMPORTANCE), "Q5_K": Search(32, 31, 2, BY_IMPORTANCE), "Q6_K": Search(16, 32, None)}
TIMES = (0, 0.1, 0.3, 1, 3, 10, 30, 100)
REACH = 1.45            # how far beyond nmax the fine sweep goes
WIDE = dict(style=dict(description_width="150px"), layout=dict(width="375px"))


def explore_scale_search(x: np.ndarray | None = None, qtype: str = "Q4_0") -> Explorer:
    """One group of real weights and the error of every scale: choose a group, make weights more or less important, watch the best move.

    x: finite weights, at least 256 (the bundled ones by default).  qtype: Q2_K, Q3_K, Q4_0, Q4_K, Q5_K or Q6_K, whose search with an
    importance matrix is shown.  Raises ValueError for another one.
    """
    if qtype not in SEARCHES:
        raise ValueError(f"no scale search to show for {qtype!r}; there are {', '.join(SEARCHES)}")
    weights = np.asarray(sample_weights() if x is None else x, np.float32).ravel()
    weights = weights[: weights.size // 256 * 256].reshape(-1, 256)
    if not weights.size:
        raise ValueError("at least 256 weights are wanted")
    important = [(f"{times:g} ×" if times else "none at all", times) for times in TIMES]
    controls = {
        "qtype": widgets.Dropdown(options=list(SEARCHES), value=qtype, description="search of", **WIDE),
        "group": widgets.IntSlider(6, min=0, max=min(len(weights), 64) * 8 - 1, description="group", **WIDE),
        "far": widgets.SelectionSlider(options=important, value=1, description="the largest matters", **WIDE),
        "picked": widgets.IntSlider(7, min=0, max=31, description="another weight", **WIDE),
        "times": widgets.SelectionSlider(options=important, value=1, description="it matters", **WIDE)}
    presets = {"All matter alike": dict(far=1, times=1), "Ignore the largest": dict(far=0, times=1),
               "One matters most": dict(far=1, times=100)}
    return Explorer(lambda **values: _draw(weights, **values), controls, presets=presets,
                    note="Blue: the candidates that ggml tries. Grey: all others (with a minimum: the first one; ggml keeps a better "
                         "one for the next candidates). Each error: with the best scale for its codes.")


def _draw(rows: np.ndarray, qtype: str, group: int, far: float, picked: int, times: float) -> Picture:
    size, nmax, factor, search = SEARCHES[qtype]
    row, place = rows[group // 8], group % 8
    x = row.reshape(-1, size)[place * (32 // size)]
    importance = np.ones(size, np.float32)
    farthest, picked = int(np.abs(x).argmax()), picked % size
    importance[picked], importance[farthest] = times, far
    w = importance if factor is None else importance * np.sqrt(mean_square(row[None], factor) + x * x)
    if not x.any() or not w.any():
        raise ValueError("Nothing matters in this group: all its weights are zero, or of no importance")
    sweep = np.linspace(nmax - REACH, nmax + REACH, 291)
    land = one_scale(x, w, nmax, sweep) if search is None else scale_and_minimum(x, w, nmax, search, sweep)
    whole = float(land.tried_error[0]) or 1.0
    curve, tried = ([Candidate(float(s), float(e) / whole) for s, e in zip(steps, errors, strict=True)]
                    for steps, errors in ((land.steps, land.error), (land.tried, land.tried_error)))
    words = "steps from zero to the largest weight" if search is None else "steps from the smallest weight to the largest"
    return draw_search(curve, tried, land.best, x.tolist(), importance.tolist(), land.plain.tolist(), land.levels.tolist(), picked,
                       finding=_finding(x, land, nmax), table=_table(land), x_words=words,
                       subtitle=f"{qtype}, group {group} of real weights: {len(tried)} candidates; picked weight "
                                f"{picked} is {number(float(x[picked]))}, the one farthest from zero {number(float(x[farthest]))}")


def _finding(x: np.ndarray, land: Landscape, nmax: int) -> str:
    if not land.best:
        return "The plain scale is already the best of the candidates here"
    left = 100 * stable(float(land.tried_error[land.best] / land.tried_error[0]), 2)
    low, high = (bool(end) for end in (land.levels.min() <= x.min(), land.levels.max() >= x.max()))
    why = {(True, True): "its levels reach both ends", (False, False): "both ends are cut off a little",
           (True, False): "the upper end is cut off a little", (False, True): "the lower end is cut off a little"}[low, high]
    if abs(land.tried[land.best] - nmax) < 1e-6:
        return f"As many steps, but the best line through the codes: {left:.0f} % of the plain squared error; {why}"
    return f"{land.tried[land.best]:.4g} steps instead of {nmax}: {left:.0f} % of the plain squared error; {why}"


def _table(land: Landscape) -> tuple[tuple[str, ...], ...]:
    order = np.argsort(land.tried)
    return (("steps", "weighted squared error, % of the plain scale's", ""),
            *((f"{land.tried[i]:.4g}", f"{100 * stable(float(land.tried_error[i] / (land.tried_error[0] or 1))):.3g}",
               "plain" if i == 0 else "kept" if i == land.best else "") for i in order))
