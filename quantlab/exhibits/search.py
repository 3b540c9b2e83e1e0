"""The error of a group of weights for every scale, the candidates that ggml tries, and how importance moves
the best one; in a codebook type also the entries that were tried for eight of the weights.

Lessons: 11, 12, 15.
"""

from math import ceil

import numpy as np

from ..basics.sample import given_weights
from ..canvas.plane import Axis
from ..canvas.style import BLUE, GREEN, GREY, INK, MEANING, SMALL, VERMILION, Picture, Table
from ..canvas.svg import circle, line, page, polyline, quiet, rect, text
from ..formats.cfloat import mean_square
from ..formats.grid_search import SEARCHES as BOOKS
from ..profile import stable
from ..stage.base import Stage
from ..stage.handles import menu, slider, stops
from ..stage.share import recalled
from ..words import number, one_of
from .book_search import entry_rows, entry_table, how_found, search_book
from .search_facts import SEARCHES, Landscape, one_scale, scale_and_minimum

LEFT, RIGHT, TOP, BOTTOM = 74, 740, 96, 262
TIMES = (0, 0.1, 0.3, 1, 3, 10, 30, 100)
REACH = 1.45            # how far beyond nmax the fine sweep goes


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


def _book_finding(land: Landscape, words: str) -> str:
    steps, left = land.tried[land.best], 100 * stable(float(land.tried_error[land.best]), 2)
    if left >= 99.5 or not land.tried_error[0]:
        return f"No candidate does better than the middle one here; {words}"
    return f"{steps:.3g} steps instead of {land.tried[0]:.3g}: {left:.0f} % of the squared error; {words}"


def _table(land: Landscape) -> Table:
    kinds = {land.best: "kept", 0: "plain"}
    return (("steps", "weighted squared error, % of the plain scale's", ""),
            *((f"{land.tried[i]:.4g}", f"{100 * stable(float(land.tried_error[i])):.3g}", kinds.get(i, ""))
              for i in np.argsort(land.tried, kind="stable")))


def _draw(rows: np.ndarray, qtype: str, group: int, far: float, picked: int, times: float) -> Picture:
    """The error of all candidates as a curve, ggml's own as dots; below, the group and what both scales can
    write, or the entries of a codebook.
    """
    book = BOOKS.get(qtype)
    size, factor = (book.group, book.spread) if book else (SEARCHES[qtype].size, SEARCHES[qtype].factor)
    row = rows[group // 8]
    x = row.reshape(-1, size)[group % 8 * (32 // size)]
    importance = np.ones(size, np.float32)
    farthest, picked = int(np.abs(x).argmax()), picked % size
    importance[picked], importance[farthest] = times, far
    w = importance if factor is None else importance * np.sqrt(mean_square(row[None], factor) + x * x)
    if not x.any() or not w.any():
        raise ValueError("Nothing matters in this group: all its weights are zero, or of no importance")
    found = search_book(qtype, x, w, picked) if book else None
    land = found.land if found else _landscape(qtype, x, w)
    if found:
        finding, below = _book_finding(land, how_found(found)), entry_rows(found, 334)
    else:
        finding, below = _finding(x, land, SEARCHES[qtype].nmax), _weights(land, x, importance, picked)
    words = ("steps from the smallest weight to the largest" if not book and SEARCHES[qtype].steps
             else "steps from zero to the largest weight")
    numbers = {"left": float(land.tried_error[land.best]), "compared": found.compared if found else 0,
               "steps": float(land.tried[land.best]), "plain": land.best == 0}
    return page(548 if found else 442, [*_errors(land, words), *below], finding=finding,
                table=(*_table(land), *(entry_table(found) if found else ())),
                subtitle=f"{qtype}, group {group} of real weights: {len(land.tried)} candidates; picked "
                         f"weight {picked} is {number(float(x[picked]))}, the one farthest from zero "
                         f"{number(float(x[farthest]))}").telling(numbers)


def _landscape(qtype: str, x: np.ndarray, w: np.ndarray) -> Landscape:
    _, nmax, _, search = SEARCHES[qtype]
    sweep = np.linspace(nmax - REACH, nmax + REACH, 291)
    return one_scale(x, w, nmax, sweep) if search is None else scale_and_minimum(x, w, nmax, search, sweep)


def _errors(land: Landscape, words: str) -> list[str]:
    """The curve of all scales and the dots of those that ggml tries."""
    steps = Axis(float(land.steps[0]), float(land.steps[-1]), LEFT, RIGHT)
    error = Axis(0, max(1.6, min(3.0, float(land.tried_error.max()) * 1.1)), BOTTOM, TOP)
    return [quiet(LEFT, TOP - 10, "weighted squared error, the plain scale's is 100 %", size=12),
            *_axes(steps, error), quiet(RIGHT, BOTTOM + 34, words, size=12, anchor="end"),
            polyline(zip(map(steps, land.steps), map(error, land.error), strict=True), stroke=GREY),
            *_tried(land, steps, error)]


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

    x: finite weights, at least 256 (the bundled ones by default).  qtype: whose search with an importance
    matrix is shown: Q2_K, Q3_K, Q4_0, Q4_K, Q5_K, Q6_K, or a codebook type with signs, IQ2_XXS, IQ2_XS,
    IQ2_S, IQ3_XXS or IQ3_S; there the entries of the book are shown that were tried for the eight (IQ3: four)
    weights around "another weight".  Raises ValueError for another type.
    """
    every = [*SEARCHES, *BOOKS]
    qtype = one_of("scale search of", qtype, every)
    flat = given_weights(x, 256).ravel()
    weights = flat[: flat.size // 256 * 256].reshape(-1, 256)
    important = [(f"{times:g} ×" if times else "none at all", times) for times in TIMES]
    handles = [menu("qtype", "search of", qtype, every),
               slider("group", "group", 6, 0, min(len(weights), 64) * 8 - 1),
               stops("far", "the largest matters", 1, important),
               slider("picked", "another weight", 7, 0, 31), stops("times", "it matters", 1, important)]
    presets = {"All matter alike": dict(far=1, times=1), "Ignore the largest": dict(far=0, times=1),
               "One matters most": dict(far=1, times=100)}
    return Stage(handles, lambda **values: _draw(weights, **values), presets=presets, width=375,
                 label_width=150,
                 note="Blue: the candidates that ggml tries. Grey: all others (with a minimum: the first "
                 "one; ggml keeps a better one for the next candidates). Each error: with the best scale "
                 "for its codes. In a codebook type: the entries that were tried for the chosen weights, the "
                 "kept one first.")
