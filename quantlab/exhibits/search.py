"""Lesson 11: the error of a group of weights for every scale, the candidates that ggml tries, and how
importance moves the best one.

A candidate is named by its number of `steps`: into how many steps it divides the weight farthest from zero
(one scale), or the range between smallest and largest weight (scale and minimum). Codes are rounded with that
scale, then scale and minimum are replaced by the best ones for those codes, as in `formats.search` and
`formats.search_affine`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..basics.sample import given_weights
from ..canvas.style import BLUE, GREEN, GREY, INK, LINE, MEANING, MUTE, SMALL, VERMILION, Picture, Table
from ..canvas.svg import circle, line, page, polyline, quiet, rect, text
from ..formats.cfloat import mean_square
from ..formats.search import symmetric
from ..formats.search_affine import BY_IMPORTANCE, affine
from ..profile import stable
from ..stage.base import Stage
from ..stage.handles import menu, slider, stops
from ..words import number, one_of


class Landscape(NamedTuple):
    """steps, error: (n,) a fine sweep.  tried, tried_error: ggml's candidates, the plain one first.  best:
    which of them it kept.

    plain, levels: every value that the plain scale and the kept one can write.  Errors are weighted sums of
    squares, each with the best scale for the candidate's codes.
    """

    steps: np.ndarray
    error: np.ndarray
    tried: np.ndarray
    tried_error: np.ndarray
    best: int
    plain: np.ndarray
    levels: np.ndarray


LEFT, RIGHT, TOP, BOTTOM = 74, 740, 96, 262
DOTS_Y, STEP_Y = 316, 9


class ScaleTried(NamedTuple):
    """steps: into how many steps the candidate divides the largest weight (or the range).  error: as a share
    of the plain scale's.
    """

    steps: float
    error: float


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

TIMES = (0, 0.1, 0.3, 1, 3, 10, 30, 100)
REACH = 1.45            # how far beyond nmax the fine sweep goes


def _finding(x: np.ndarray, land: Landscape, nmax: int) -> str:
    if not land.best:
        return "The plain scale is already the best of the candidates here"
    left = 100 * stable(float(land.tried_error[land.best] / land.tried_error[0]), 2)
    low, high = (bool(end) for end in (land.levels.min() <= x.min(), land.levels.max() >= x.max()))
    why = {(True, True): "its levels reach both ends", (False, False): "both ends are cut off a little",
           (True, False): "the upper end is cut off a little",
           (False, True): "the lower end is cut off a little"}[low, high]
    if abs(land.tried[land.best] - nmax) < 1e-6:
        return (
            f"As many steps, but the best line through the codes: {left:.0f} % of the plain squared error; "
            f"{why}")
    return (f"{land.tried[land.best]:.4g} steps instead of {nmax}: {left:.0f} % of the plain squared error; "
        f"{why}")


def _table(land: Landscape) -> Table:
    order = np.argsort(land.tried, kind="stable")
    return (("steps", "weighted squared error, % of the plain scale's", ""),
            *((f"{land.tried[i]:.4g}",
               f"{100 * stable(float(land.tried_error[i] / (land.tried_error[0] or 1))):.3g}", "plain"
               if i == 0 else "kept" if i == land.best else "") for i in order))


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
    curve, tried = ([ScaleTried(float(s), float(e) / whole) for s, e in zip(steps, errors, strict=True)]
                    for steps, errors in ((land.steps, land.error), (land.tried, land.tried_error)))
    words = ("steps from zero to the largest weight" if search is None
             else "steps from the smallest weight to the largest")
    return draw_search(curve, tried, land.best, x.tolist(), importance.tolist(), land.plain.tolist(),
                       land.levels.tolist(), picked, finding=_finding(x, land, nmax), table=_table(land),
                       x_words=words,
                       subtitle=f"{qtype}, group {group} of real weights: {len(tried)} candidates; picked "
                                "weight "
                       f"{picked} is {number(float(x[picked]))}, the one farthest from zero "
                       f"{number(float(x[farthest]))}")


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
    best = int(np.argmin(errors))
    codes = np.arange(-nmax, nmax)
    return Landscape(sweep, fine, tried, errors, best, -far / nmax * codes, float(kept.scale[0]) * codes)


def scale_and_minimum(x: np.ndarray, w: np.ndarray, nmax: int, search: tuple[float, float, int],
                      sweep: np.ndarray) -> Landscape:
    """Likewise for `affine`; search: its (rmin, rdelta, nstep)."""
    trace: list = []
    affine(x[:, None], w[:, None], nmax, *search, trace=trace)
    low, high = min(float(x.min()), 0.0), float(x.max())
    first, step, more = search
    tried = nmax + np.array([0, *(first + step * i for i in range(more + 1))])
    errors = np.array([float(error[0]) for *_, error in trace])
    fits = [(float(scale[0]), float(minimum[0])) for _, scale, minimum, _ in trace]
    fine = np.array([_fit_affine(x, w, np.clip(np.rint((x - low) * steps / (high - low)), 0, nmax))
                     for steps in sweep])
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
    total, sl, sl2, sx, sxl = (float(v.sum())
                               for v in (w, w * codes, w * codes * codes, w * x, w * x * codes))
    spread = total * sl2 - sl * sl
    scale, minimum = ((total * sxl - sx * sl) / spread, (sl2 * sx - sl * sxl)
                      / spread) if spread > 0 else (0.0, 0.0)
    if minimum > 0:
        scale, minimum = sxl / sl2, 0.0
    return float((w * (x - scale * codes - minimum) ** 2).sum())


def draw_search(curve: Sequence[ScaleTried], tried: Sequence[ScaleTried], best: int, weights: Sequence[float],
                importance: Sequence[float], plain: Sequence[float], levels: Sequence[float], picked: int, *,
                finding: str, subtitle: str, x_words: str,
                table: Table = ()) -> Picture:
    """curve: all candidates, a fine sweep.  tried: ggml's own, the plain one first.  best: which of those it
    kept.

    weights, importance: the group, importances relative to 1.  plain, levels: what the first and the kept
    candidate can write.
    picked: the weight that the sliders are about.
    """
    most = max(1.6, min(3.0, max(c.error for c in tried) * 1.1))
    first, last = curve[0].steps, curve[-1].steps

    def at(candidate: ScaleTried) -> tuple[float, float]:
        return (LEFT + (candidate.steps - first) / (last - first) * (RIGHT - LEFT),
                BOTTOM - min(candidate.error, most) / most * (BOTTOM - TOP))

    body = [text(LEFT, TOP - 10, "weighted squared error, the plain scale's is 100 %", size=12, fill=MUTE),
            *_axes(most, first, last, at), text(RIGHT, BOTTOM + 34, x_words, size=12, fill=MUTE,
                                                anchor="end"), polyline([at(c) for c in curve], stroke=GREY),
            *_tried(tried, best, at), *_line(weights, importance, plain, levels, picked)]
    return page(442, body, finding=finding, subtitle=subtitle, table=table)


def _axes(most: float, first: float, last: float, at) -> list[str]:
    shapes = []
    for k in range(int(most / 0.5) + 1):
        y = at(ScaleTried(first, 0.5 * k))[1]
        shapes += [line(LEFT, y, RIGHT, y), quiet(LEFT - 8, y + 4, f"{50 * k} %", anchor="end")]
    for steps in range(int(first) + 1, int(last) + 1):
        x = at(ScaleTried(steps, 0))[0]
        shapes += [line(x, BOTTOM, x, BOTTOM + 5, stroke=INK),
                   quiet(x, BOTTOM + 18, steps, anchor="middle")]
    return shapes


def _tried(tried: Sequence[ScaleTried], best: int, at) -> list[str]:
    shapes = [circle(x, y, 3.5, BLUE) for x, y in map(at, tried[1:])]
    (x, y), (best_x, best_y) = at(tried[0]), at(tried[best])
    shapes += [circle(x, y, 6, "none", stroke=VERMILION),
               text(x, max(y - 12, TOP + 8), "plain", size=12, fill=VERMILION, anchor="middle", bold=True)]
    if best:
        words = f"kept: {100 * tried[best].error:.0f} %"
        side = "start" if best_x < (LEFT + RIGHT) / 2 else "end"
        shapes += [circle(best_x, best_y, 6, GREEN, stroke=INK),
                   text(best_x + (11 if side == "start" else -11), best_y + 17, words, size=12, fill=GREEN,
                        anchor=side, bold=True)]
    return shapes


def _line(weights: Sequence[float], importance: Sequence[float], plain: Sequence[float],
          levels: Sequence[float], picked: int) -> list[str]:
    """The weights as dots, as large as they are important, between the plain levels above and the kept ones
    below.
    """
    low, high = min(*weights, *plain, *levels), max(*weights, *plain, *levels)

    def at(value: float) -> float:
        return LEFT + (value - low) / (high - low or 1) * (RIGHT - LEFT)

    top, bottom = DOTS_Y + 4, DOTS_Y + 4 + 6 * STEP_Y + 18
    shapes = [text(LEFT - 8, top + 3, "plain", size=SMALL, fill=VERMILION, anchor="end"),
              line(LEFT, top, RIGHT, top), text(LEFT - 8, bottom + 3, "kept", size=SMALL, fill=GREEN,
                                                anchor="end"), line(LEFT, bottom, RIGHT, bottom)]
    shapes += [rect(at(v) - 1, top - 6, 2, 9, VERMILION, radius=0) for v in plain]
    shapes += [rect(at(v) - 1, bottom - 3, 2, 9, GREEN, radius=0) for v in levels]
    order = sorted(range(len(weights)), key=lambda j: -importance[j])
    for j in order:
        y, size = DOTS_Y + 15 + STEP_Y * (j % 6), max(1.6, min(11.0, 3.2 * importance[j] ** 0.5))
        chosen = j == picked
        shapes.append(circle(at(weights[j]), y, size, MEANING["scale"] if chosen else GREY, opacity=0.85,
                             stroke=INK if chosen else "none"))
    words = (
        f"{len(weights)} weights (dots, large ones matter more), and the {len(levels)} levels of both "
        "scales (ticks)")
    return [*shapes, text(LEFT, bottom + 26, words, size=12, fill=MUTE),
            line(at(0), top - 8, at(0), bottom + 8, stroke=LINE, dash="2 3")]


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
                 note=(
                     "Blue: the candidates that ggml tries. Grey: all others (with a minimum: the first "
                     "one; ggml keeps a better one "
                     "for the next candidates). Each error: with the best scale for its codes."))
