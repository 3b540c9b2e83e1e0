"""Lesson 11: the error of a group of weights for every scale, the candidates that ggml tries, and how
importance moves the best one.

A candidate is named by its number of `steps`: into how many steps it divides the weight farthest from zero
(one scale), or the range between smallest and largest weight (scale and minimum). Codes are rounded with that
scale, then scale and minimum are replaced by the best ones for those codes, as in `formats.search` and
`formats.search_affine`.
"""

from math import ceil
from typing import NamedTuple

import numpy as np

from ..basics.sample import given_weights
from ..canvas.plane import Axis
from ..canvas.style import BLUE, GREEN, GREY, INK, MEANING, SMALL, VERMILION, Picture, Table
from ..canvas.svg import circle, line, page, polyline, quiet, rect, text
from ..formats.cfloat import mean_square
from ..formats.search import symmetric
from ..formats.search_affine import BY_IMPORTANCE, affine
from ..profile import stable
from ..stage.base import Stage
from ..stage.handles import menu, slider, stops
from ..stage.share import recalled
from ..words import number, one_of


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

LEFT, RIGHT, TOP, BOTTOM = 74, 740, 96, 262
TIMES = (0, 0.1, 0.3, 1, 3, 10, 30, 100)
REACH = 1.45            # how far beyond nmax the fine sweep goes


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


def _finding(x: np.ndarray, land: Landscape, nmax: int) -> str:
    if not land.best:
        return "The plain scale is already the best of the candidates here"
    left = 100 * stable(float(land.tried_error[land.best]), 2)
    ends = bool(land.levels.min() <= x.min()), bool(land.levels.max() >= x.max())
    why = {(True, True): "its levels reach both ends", (False, False): "both ends are cut off a little",
           (True, False): "the upper end is cut off a little",
           (False, True): "the lower end is cut off a little"}[ends]
    steps = land.tried[land.best]
    what = ("As many steps, but the best line through the codes" if abs(steps - nmax) < 1e-6
            else f"{steps:.4g} steps instead of {nmax}")
    return f"{what}: {left:.0f} % of the plain squared error; {why}"


def _table(land: Landscape) -> Table:
    kinds = {land.best: "kept", 0: "plain"}
    return (("steps", "weighted squared error, % of the plain scale's", ""),
            *((f"{land.tried[i]:.4g}", f"{100 * stable(float(land.tried_error[i])):.3g}", kinds.get(i, ""))
              for i in np.argsort(land.tried, kind="stable")))


def _draw(rows: np.ndarray, qtype: str, group: int, far: float, picked: int, times: float) -> Picture:
    """The error of all candidates as a curve, ggml's own as dots; below, the group and what both scales can
    write.
    """
    size, nmax, factor, search = SEARCHES[qtype]
    row = rows[group // 8]
    x = row.reshape(-1, size)[group % 8 * (32 // size)]
    importance = np.ones(size, np.float32)
    farthest, picked = int(np.abs(x).argmax()), picked % size
    importance[picked], importance[farthest] = times, far
    w = importance if factor is None else importance * np.sqrt(mean_square(row[None], factor) + x * x)
    if not x.any() or not w.any():
        raise ValueError("Nothing matters in this group: all its weights are zero, or of no importance")
    sweep = np.linspace(nmax - REACH, nmax + REACH, 291)
    land = one_scale(x, w, nmax, sweep) if search is None else scale_and_minimum(x, w, nmax, search, sweep)
    steps = Axis(nmax - REACH, nmax + REACH, LEFT, RIGHT)
    error = Axis(0, max(1.6, min(3.0, float(land.tried_error.max()) * 1.1)), BOTTOM, TOP)
    words = ("steps from zero to the largest weight" if search is None
             else "steps from the smallest weight to the largest")
    body = [quiet(LEFT, TOP - 10, "weighted squared error, the plain scale's is 100 %", size=12),
            *_axes(steps, error), quiet(RIGHT, BOTTOM + 34, words, size=12, anchor="end"),
            polyline(zip(map(steps, sweep), map(error, land.error), strict=True), stroke=GREY),
            *_tried(land, steps, error), *_weights(land, x, importance, picked)]
    return page(442, body, finding=_finding(x, land, nmax), table=_table(land),
                subtitle=f"{qtype}, group {group} of real weights: {len(land.tried)} candidates; picked "
                         f"weight {picked} is {number(float(x[picked]))}, the one farthest from zero "
                         f"{number(float(x[farthest]))}")


def _axes(steps: Axis, error: Axis) -> list[str]:
    shapes = []
    for share in error.ticks():
        y = error(share)
        shapes += [line(LEFT, y, RIGHT, y), quiet(LEFT - 8, y + 4, f"{100 * share:.0f} %", anchor="end")]
    for count in range(ceil(steps.low), int(steps.high) + 1):
        x = steps(count)
        shapes += [line(x, BOTTOM, x, BOTTOM + 5, stroke=INK),
                   quiet(x, BOTTOM + 18, count, anchor="middle")]
    return shapes


def _tried(land: Landscape, steps: Axis, error: Axis) -> list[str]:
    places = [*zip(map(steps, land.tried), map(error, land.tried_error), strict=True)]
    (x, y), (best_x, best_y) = places[0], places[land.best]
    shapes = [circle(*place, 3.5, BLUE) for place in places[1:]]
    shapes += [circle(x, y, 6, "none", stroke=VERMILION),
               text(x, max(y - 12, TOP + 8), "plain", size=12, fill=VERMILION, anchor="middle", bold=True)]
    if land.best:
        side, away = ("start", 11) if best_x < (LEFT + RIGHT) / 2 else ("end", -11)
        shapes += [circle(best_x, best_y, 6, GREEN, stroke=INK),
                   text(best_x + away, best_y + 17, f"kept: {100 * land.tried_error[land.best]:.0f} %",
                        size=12, fill=GREEN, anchor=side, bold=True)]
    return shapes


def _weights(land: Landscape, x: np.ndarray, importance: np.ndarray, picked: int) -> list[str]:
    """The weights as dots, as large as they are important, between the plain levels above and the kept ones
    below.
    """
    every = np.concatenate([x, land.plain, land.levels])
    at, top, bottom = Axis(every.min(), every.max(), LEFT, RIGHT), 320, 392
    shapes = []
    for name, y, up, levels, ink in (("plain", top, 6, land.plain, VERMILION),
                                     ("kept", bottom, 3, land.levels, GREEN)):
        shapes += [text(LEFT - 8, y + 3, name, size=SMALL, fill=ink, anchor="end"), line(LEFT, y, RIGHT, y),
                   *(rect(at(level) - 1, y - up, 2, 9, ink, radius=0) for level in levels)]
    for j in np.argsort(-importance, kind="stable"):
        radius = max(1.6, min(11.0, 3.2 * float(importance[j]) ** 0.5))
        fill, stroke = (MEANING["scale"], INK) if j == picked else (GREY, "none")
        shapes.append(circle(at(x[j]), 331 + 9 * (j % 6), radius, fill, opacity=0.85, stroke=stroke))
    words = (f"{len(x)} weights (dots, large ones matter more), and the {len(land.levels)} levels of both "
             "scales (ticks)")
    return [*shapes, quiet(LEFT, bottom + 26, words, size=12),
            line(at(0), top - 8, at(0), bottom + 8, dash="2 3")]


@recalled
def explore_scale_search(x: np.ndarray | None = None, qtype: str = "Q4_0") -> Stage:
    """One group of real weights and the error of every scale: choose a group, make weights more or less
    important, watch the best move.

    x: finite weights, at least 256 (the bundled ones by default).  qtype: Q2_K, Q3_K, Q4_0, Q4_K, Q5_K or
    Q6_K, whose search with an importance matrix is shown.  Raises ValueError for another one.
    """
    qtype = one_of("scale search of", qtype, SEARCHES)
    flat = given_weights(x, 256).ravel()
    weights = flat[: flat.size // 256 * 256].reshape(-1, 256)
    important = [(f"{times:g} ×" if times else "none at all", times) for times in TIMES]
    handles = [menu("qtype", "search of", qtype, SEARCHES),
               slider("group", "group", 6, 0, min(len(weights), 64) * 8 - 1),
               stops("far", "the largest matters", 1, important),
               slider("picked", "another weight", 7, 0, 31), stops("times", "it matters", 1, important)]
    presets = {"All matter alike": dict(far=1, times=1), "Ignore the largest": dict(far=0, times=1),
               "One matters most": dict(far=1, times=100)}
    return Stage(handles, lambda **values: _draw(weights, **values), presets=presets, width=375,
                 label_width=150,
                 note="Blue: the candidates that ggml tries. Grey: all others (with a minimum: the first "
                 "one; ggml keeps a better one for the next candidates). Each error: with the best scale "
                 "for its codes.")
