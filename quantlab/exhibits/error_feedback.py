"""Lesson 18: two weights and their inputs. Drag the correlation, and see which pair of steps is the best one.
"""

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np

from ..canvas.plane import Axis
from ..canvas.style import GREEN, GREY, INK, PAPER, SOFT, VERMILION, Picture
from ..canvas.svg import circle, fact_lines, line, page, polyline, quiet, rect, text
from ..methods.feedback import factor, output_error
from ..stage.exhibit import Exhibit
from ..stage.handles import stops
from ..stage.share import recalled
from ..words import number, percent

LOW, HIGH = -0.5, 4.5                   # of the plane, in steps
LEFT, TOP, SIDE = 50, 92, 330           # pixels
CURVES = (2, 8, 32)                     # columns
CORRELATIONS = tuple(round(0.05 * i, 2) for i in range(-19, 20))
PLACES = tuple(round(0.1 * i, 1) for i in range(41))


# ---- facts

class RoundedPair(NamedTuple):
    """Two weights in steps, and the two whole steps that are nearest, and that error feedback chooses.

    moved: what the second weight is before it is rounded.  cost_nearest, cost_fed: how much each choice
    changes the output, as a mean square. The first step is the same in both, and the second is then the best
    there is: with two columns error feedback is never worse.
    """

    weights: np.ndarray
    nearest: np.ndarray
    fed: np.ndarray
    moved: float
    cost_nearest: float
    cost_fed: float


def inputs_of(n: int, correlation: float) -> np.ndarray:
    """(n, n) second moments of n inputs of mean square 1, of which neighbours have this correlation, those a
    place farther apart its square, and so on.
    """
    places = np.arange(n)
    return float(correlation) ** np.abs(places[:, None] - places)


def fed_back_steps(weights: np.ndarray, moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) whole steps by error feedback, in order, and what each weight was when its turn came."""
    upper = factor(moments, len(weights), damping=0).upper
    left = weights.astype(np.float64)
    chosen = np.empty_like(left)
    for i in range(len(left)):
        chosen[i] = np.rint(left[i])
        left[i + 1:] -= upper[i, i + 1:] * (left[i] - chosen[i]) / upper[i, i]
    return chosen, left


def pair_of(first: float, second: float, correlation: float) -> RoundedPair:
    """Both ways to round two weights."""
    weights, moments = np.array([first, second]), inputs_of(2, correlation)
    nearest = np.rint(weights)
    fed, moved = fed_back_steps(weights, moments)
    costs = (output_error((chosen - weights)[None], moments) for chosen in (nearest, fed))
    return RoundedPair(weights, nearest, fed, float(moved[1]), *costs)


@cache
def share_left(n: int, correlation: float) -> float:
    """What error feedback leaves of the mean output error of n columns: each costs 1 / U_jj^2, not 1."""
    return float((1 / np.diag(factor(inputs_of(n, correlation), n, damping=0).upper) ** 2).mean())


# ---- words

def _finding(pair: RoundedPair) -> str:
    plain, fed = number(pair.cost_nearest, 2), number(pair.cost_fed, 2)
    if (pair.nearest == pair.fed).all():
        return f"Both ways choose {_steps(pair.fed)}: the output changes by {fed}"
    return f"The nearest pair {_steps(pair.nearest)} costs {plain}, {_steps(pair.fed)} only {fed}"


def _signed(value: float) -> str:
    return f"{value:+.2g}".replace("-", "−") if value else "0"


def _steps(pair: np.ndarray) -> str:
    return f"({pair[0]:.0f}, {pair[1]:.0f})"


# ---- picture

def draw_pair(first: float, second: float, correlation: float) -> Picture:
    """The plane of two weights with both choices; beside it what error feedback leaves at every correlation.
    """
    pair = pair_of(first, second, correlation)
    rows = [("second weight, moved to", number(pair.moved, 3)),
            (f"nearest {_steps(pair.nearest)} costs", number(pair.cost_nearest, 3)),
            (f"fed back {_steps(pair.fed)} costs", number(pair.cost_fed, 3))]
    body = [*_plane(pair, correlation), *_curves(correlation), *fact_lines(440, 744, 362, rows)]
    shares = {n: share_left(n, correlation) for n in CURVES}
    return page(TOP + SIDE + 56, body, finding=_finding(pair),
                subtitle=f"two weights, {first:.1f} and {second:.1f} steps; correlation of their inputs: "
                         f"{_signed(correlation)}; cost: mean square change of the output",
                table=(("what", "first", "second", "cost"),
                       ("weights", f"{first:.1f}", f"{second:.1f}", "0"),
                       ("nearest", *(f"{v:.0f}" for v in pair.nearest), number(pair.cost_nearest, 3)),
                       ("error feedback", *(f"{v:.0f}" for v in pair.fed), number(pair.cost_fed, 3)),
                       *((f"{n} columns, share of the error left", "", "", percent(share))
                         for n, share in shares.items()))
                ).telling({"cost_nearest": pair.cost_nearest, "cost_fed": pair.cost_fed,
                           "gain": pair.cost_nearest / max(pair.cost_fed, 1e-9),
                           **{f"left_{n}": share for n, share in shares.items()}})


def _plane(pair: RoundedPair, correlation: float) -> list[str]:
    across, up = Axis(LOW, HIGH, LEFT, LEFT + SIDE), Axis(LOW, HIGH, TOP + SIDE, TOP)

    def at(point) -> tuple[float, float]:
        return across(point[0]), up(point[1])

    shapes = [quiet(16, TOP - 10, "second weight, in steps"), rect(LEFT, TOP, SIDE, SIDE, SOFT, radius=0),
              quiet(LEFT + SIDE, TOP + SIDE + 34, "first weight, in steps", anchor="end")]
    for i in range(5):
        shapes += [quiet(across(i), TOP + SIDE + 16, i, anchor="middle"),
                   quiet(LEFT - 8, up(i) + 4, i, anchor="end")]
    for cost, ink in ((pair.cost_nearest, VERMILION), (pair.cost_fed, GREEN)):
        shapes += [polyline([at(point) for point in run], stroke=ink, width=2)
                   for run in _ellipse(pair.weights, correlation, cost)]
    shapes += [circle(*at(point), 4, PAPER, stroke=GREY) for point in product(range(5), range(5))]
    middle = pair.fed[0], pair.moved
    shapes += [line(*at(pair.weights), *at(middle), stroke=INK, dash="4 3"),
               line(*at(middle), *at(pair.fed), stroke=INK, dash="1 3")]
    if (pair.nearest == pair.fed).all():
        shapes += _mark(*at(pair.fed), GREEN, "both", -10)
    else:
        shapes += _mark(*at(pair.nearest), VERMILION, "nearest", 16)
        shapes += _mark(*at(pair.fed), GREEN, "fed back", -10)
    shapes += [circle(*at(pair.weights), 5, INK), quiet(LEFT, TOP + SIDE + 34, "● the weights as they are")]
    return shapes


def _mark(x: float, y: float, colour: str, words: str, below: float) -> list[str]:
    return [circle(x, y, 8, colour, stroke=INK), text(x + 12, y + below, words, size=12, bold=True)]


def _ellipse(middle: np.ndarray, correlation: float, cost: float) -> Iterator[list[np.ndarray]]:
    """All pairs that cost as much, as lines inside the plane."""
    turn = np.linspace(0, 2 * np.pi, 121)
    along = np.sqrt(cost / 2) * np.stack([np.cos(turn) / np.sqrt(1 + correlation),
                                          np.sin(turn) / np.sqrt(1 - correlation)], axis=1)
    points = middle + along @ np.array([[1, 1], [1, -1]])
    inside = ((points > LOW) & (points < HIGH)).all(axis=1)
    run: list[np.ndarray] = []
    for point, within in zip(points, inside, strict=True):
        if within:
            run.append(point)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _curves(correlation: float) -> list[str]:
    across, up = Axis(-1, 1, 470, 700), Axis(0, 1, 300, TOP + 20)
    shapes = [quiet(440, TOP - 10, "output error left by feedback, on average")]
    for share in (0, 0.5, 1):
        shapes += [line(470, up(share), 700, up(share)),
                   quiet(462, up(share) + 4, percent(share), anchor="end")]
    shapes += [quiet(across(value), 318, _signed(value), anchor="middle") for value in (-1, 0, 1)]
    shapes.append(quiet(across(0), 334, "correlation of neighbours", anchor="middle"))
    for n in CURVES:
        points = [(across(c), up(share_left(n, c))) for c in CORRELATIONS]
        here = across(correlation), up(share_left(n, correlation))
        shapes += [polyline(points, stroke=GREEN, width=2), circle(*here, 4, GREEN, stroke=INK),
                   quiet(704, points[-1][1] + 4, f"{n} col.")]
    return [*shapes, line(across(correlation), TOP + 20, across(correlation), 300, stroke=INK, dash="3 3")]


# ---- handles

@recalled
def explore_error_feedback() -> Exhibit:
    """Two weights are rounded to whole steps: drag the correlation of their inputs, and see when the nearest
    pair is not the best one.
    """
    handles = [stops("correlation", "correlation", 0.9, [(_signed(c), c) for c in CORRELATIONS]),
               stops("first", "first weight", 1.4, [(f"{v:.1f}", v) for v in PLACES]),
               stops("second", "second weight", 1.4, [(f"{v:.1f}", v) for v in PLACES])]
    presets = {"Not correlated": dict(correlation=0.0, first=1.4, second=1.4),
               "Up and down together": dict(correlation=0.9, first=1.4, second=1.4),
               "One up, the other down": dict(correlation=-0.9, first=1.4, second=1.6)}
    return Exhibit(handles, draw_pair, presets=presets, label_width=110, note=(
        "Each oval joins all pairs that change the output as much. Dashed: the second weight makes good what "
        "the first one did."))
