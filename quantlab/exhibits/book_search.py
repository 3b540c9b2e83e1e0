"""What the search of a codebook type tries and keeps for one group of weights: candidate scales, and for
eight of the weights (IQ3: four) the entries of the book that are compared.

With each candidate the sizes are rounded one by one, to 1, 3, 5 and so on times the scale. Most of what comes
out is no entry of the book; then the nearest entries are compared, and the best of them takes its place. Then
the scale is replaced by the best one for these entries, as in `formats.grid_search`, whose own functions are
asked here.  Lesson: 12.
"""

from typing import NamedTuple

import numpy as np

from ..canvas.style import GREY, INK, MEANING, SMALL, VERMILION, Table
from ..canvas.svg import quiet, rect, text
from ..formats.cfloat import c_rules
from ..formats.grid_search import (
    ONE,
    SEARCHES,
    GridSearch,
    best_fit,
    even_signs,
    in_points,
    nearest_points,
    products,
    signs_apart,
)
from .search_facts import Landscape

SHOWN = 7               # entries that are drawn: the kept one and the nearest of the others
LEFT, CELL, ROW = 104, 38, 21
BAR, BAR_WIDTH, WORDS = 430, 90, 568


class Entry(NamedTuple):
    """An entry of the book, and how far it is from the chosen weights: a share of their size, each weight
    counted by the square root of its importance, as ggml compares.

    steps: of the candidate scales that came to it, ascending; () where it was only compared.
    """

    numbers: np.ndarray
    distance: float
    steps: tuple[float, ...]


class Found(NamedTuple):
    """The search of a group, and what it is for the chosen weights, those from number `first` on.

    sizes: (per,) in units of the scale, without their signs (below 0: the sign is turned over).  rounded:
    (per,) each by itself.  compared: how many entries, 0 where the rounded sizes are one.  entries: the kept
    one, then the others that were tried or compared, the nearest first.  top: the largest number of an entry.
    """

    land: Landscape
    top: int
    first: int
    sizes: np.ndarray
    rounded: np.ndarray
    compared: int
    entries: list[Entry]


@c_rules()
def search_book(qtype: str, x: np.ndarray, w: np.ndarray, picked: int) -> Found:
    """x, w: (group,) weights and how much each matters.  picked: one of the chosen weights.  ValueError for a
    group that counts as zero.
    """
    search = SEARCHES[qtype]
    x, w = (v.astype(np.float32)[:, None] for v in (x, w))
    size = (even_signs(x, w) if search.even else signs_apart(x))[0]
    trace: list = []
    fit = best_fit(search, size, w, trace)
    if fit.empty[0]:
        raise ValueError(f"{qtype} counts this group as zero: there is nothing to search for")
    inverse = np.concatenate([one[0] for one in trace])
    point, searched, sum_qx, sum_q2 = _at(search, size, w, inverse)
    best, per = _kept(sum_qx, sum_q2), len(search.grid.columns)
    steps, number = inverse * size.max(), picked // per
    missed = searched[:, best]
    again = {"missed": missed[number], "all": missed.any(), "always": True}[search.again]
    scale = trace[best][1][0] if again and trace[best][1][0] > 0 else ONE / inverse[best]
    chosen = slice(number * per, number * per + per)
    rounded, near = _rounded(search, size[chosen, 0] / scale)
    found: dict[int, list[float]] = {int(fit.point[number, 0]): []}
    for entry, tried in zip(point[number].tolist(), steps.tolist(), strict=True):
        found.setdefault(entry, []).append(tried)
    found |= {entry: [] for entry in near if entry not in found}
    kept, *others = [_entry(search, entry, came, size[chosen, 0], w[chosen, 0], scale)
                     for entry, came in found.items()]
    entries = [kept, *sorted(others, key=lambda entry: entry.distance)]
    land = _landscape(search, size, w, steps, _lost(size, w, sum_qx, sum_q2), best, float(fit.scale[0]))
    return Found(land, int(search.top), chosen.start, size[chosen, 0] / scale, rounded, len(near), entries)


def _at(search: GridSearch, size: np.ndarray, w: np.ndarray, inverse: np.ndarray):
    """(group, 1) sizes and their weights in the error, at n scales: points (points, n), which of them had to
    be searched for (points, n), and the sums of w x q and of w q q (n,), whose quotient is the best scale.
    """
    size, w = (np.repeat(v, len(inverse), axis=1) for v in (size, w))
    per = len(search.grid.columns)
    point, searched = nearest_points(search.grid, in_points(size, per), in_points(np.sqrt(w), per), inverse,
                                     ONE / inverse)
    return point, searched, *products(search.grid, point, w, w * size)


def _kept(sum_qx: np.ndarray, sum_q2: np.ndarray) -> int:
    """The number of the candidate that stays: C compares each with the best so far."""
    best, gain = 0, np.float32(0)
    for i, (qx, q2) in enumerate(zip(sum_qx, sum_q2, strict=True)):
        if q2 > 0 and qx * qx > gain * q2:
            best, gain = i, qx / q2 * qx
    return best


def _lost(size: np.ndarray, w: np.ndarray, sum_qx: np.ndarray, sum_q2: np.ndarray) -> np.ndarray:
    """(n,) squared errors, each with the best scale for its points."""
    qx, q2 = sum_qx.astype(float), sum_q2.astype(float)
    gain = np.divide(qx * qx, q2, out=np.zeros_like(qx), where=q2 > 0)
    return np.maximum(float((w * size * size).sum(dtype=float)) - gain, 0)


def _landscape(search: GridSearch, size: np.ndarray, w: np.ndarray, steps: np.ndarray, error: np.ndarray,
               best: int, scale: float) -> Landscape:
    """The candidates with the middle one first, which counts as the plain one, and a fine sweep around."""
    order = np.roll(np.arange(len(steps)), -search.tries)
    room = 0.05 * float(steps[-1] - steps[0])
    sweep = np.linspace(steps[0] - room, steps[-1] + room, 241).astype(np.float32)
    fine = _lost(size, w, *_at(search, size, w, sweep / size.max())[2:])
    tried, tried_error = steps[order].astype(float), error[order]
    whole, numbers = tried_error[0] or 1.0, np.unique(search.grid.columns)
    levels = np.concatenate([-numbers[::-1], numbers]).astype(float)
    return Landscape(sweep, fine / whole, tried, tried_error / whole,
                     int(np.argmax(order == best)), levels * float(size.max()) / tried[0], levels * scale)


def _rounded(search: GridSearch, sizes: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """(per,) sizes in units of the scale -> what they are rounded to one by one, and the entries that are
    compared where that is none.
    """
    grid = search.grid
    levels = np.clip(np.rint((sizes - ONE) / 2), 0, (search.top - ONE) / 2)
    at = int(grid.where[grid.key(levels[:, None])[0]])
    if at >= 0:
        return 2 * levels + 1, []
    start, count = grid.starts[0, -1 - at], grid.counts[0, -1 - at]
    return 2 * levels + 1, grid.neighbours[start : start + count].tolist()


def _entry(search: GridSearch, entry: int, steps: list[float], size: np.ndarray, w: np.ndarray,
           scale: float) -> Entry:
    numbers, root = search.grid.columns[:, entry], np.sqrt(w)
    off = float((root * (scale * numbers - size) ** 2).sum()) / max(float((root * size**2).sum()), 1e-30)
    return Entry(numbers.astype(int), off**0.5, tuple(sorted(steps)))


# ---- words and picture

def how_found(found: Found) -> str:
    """How the entry came about, for the finding."""
    if not found.compared:
        return "the rounded weights are an entry"
    return f"of {found.compared} entries the nearest is kept"


def came_by(entry: Entry) -> str:
    """The candidates that came to this entry: "with 4.1 to 4.4 steps"."""
    if not entry.steps:
        return "compared"
    low, high = f"{entry.steps[0]:.3g}", f"{entry.steps[-1]:.3g}"
    return f"tried with {low} steps" if low == high else f"tried with {low} to {high} steps"


def entry_rows(found: Found, y: float) -> list[str]:
    """The chosen weights in steps, what they are rounded to, and the entries: a row each, from y down."""
    last, most = found.first + len(found.sizes) - 1, max(e.distance for e in found.entries[:SHOWN]) or 1.0
    met = "no entry of the book" if found.compared else "an entry of the book"
    head = f"weights {found.first} to {last}: their sizes in steps of the scale"
    shapes = [quiet(16, y - 8, head, size=12), quiet(BAR, y - 8, "off by", size=12)]
    shapes += _numbers(y, "size", [f"{v:.1f}".replace("-", "−") for v in found.sizes],
                       [VERMILION if v < 0 else "" for v in found.sizes])
    shapes += _cells(y + ROW, "rounded", found.rounded, found.top, GREY)
    shapes.append(quiet(BAR, y + ROW + 15, met, size=12))
    for i, entry in enumerate(found.entries[:SHOWN]):
        at, tone = y + (i + 2) * ROW + 6, GREY if i else MEANING["code"]
        shapes += [*_cells(at, "" if i else "kept", entry.numbers, found.top, tone),
                   rect(BAR, at + 4, BAR_WIDTH * entry.distance / most, 12, tone),
                   quiet(BAR + BAR_WIDTH + 6, at + 15, f"{100 * entry.distance:.0f} %", size=12),
                   quiet(WORDS, at + 15, came_by(entry), size=12)]
    return shapes


def entry_table(found: Found) -> Table:
    """The same entries as rows of words."""
    return (("entry", "off by, %", ""),
            *((" ".join(map(str, entry.numbers)), f"{100 * entry.distance:.0f}",
               came_by(entry) if i else f"kept: {came_by(entry)}")
              for i, entry in enumerate(found.entries[:SHOWN])))


def _numbers(y: float, name: str, words: list[str], inks: list[str]) -> list[str]:
    return [text(LEFT - 8, y + 15, name, size=SMALL, anchor="end"),
            *(text(LEFT + CELL * j + CELL / 2, y + 15, word, size=12, anchor="middle", fill=ink or INK)
              for j, (word, ink) in enumerate(zip(words, inks, strict=True)))]


def _cells(y: float, name: str, numbers: np.ndarray, top: int, tone: str) -> list[str]:
    """The numbers of an entry in boxes, strong colours for large ones."""
    return [*(rect(LEFT + CELL * j + 1, y + 1, CELL - 2, ROW - 2, tone, opacity=0.12 + 0.5 * float(v) / top)
              for j, v in enumerate(numbers)),
            *_numbers(y, name, [str(int(v)) for v in numbers], [""] * len(numbers))]
