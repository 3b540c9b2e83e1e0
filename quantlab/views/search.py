"""A scale search: the error of every candidate as a curve, and the levels of the first and the best one under the weights."""

from collections.abc import Sequence
from typing import NamedTuple

from .style import BLUE, GREEN, GREY, INK, LINE, MEANING, MUTE, SMALL, VERMILION, Picture
from .svg import circle, line, page, polyline, rect, text

LEFT, RIGHT, TOP, BOTTOM = 74, 740, 96, 262
DOTS_Y, STEP_Y = 316, 9


class Candidate(NamedTuple):
    """steps: into how many steps the candidate divides the largest weight (or the range).  error: as a share of the plain scale's."""

    steps: float
    error: float


def draw_search(curve: Sequence[Candidate], tried: Sequence[Candidate], best: int, weights: Sequence[float], importance: Sequence[float],
                plain: Sequence[float], levels: Sequence[float], picked: int, *, finding: str, subtitle: str, x_words: str,
                table: tuple[tuple[str, ...], ...] = ()) -> Picture:
    """curve: all candidates, a fine sweep.  tried: ggml's own, the plain one first.  best: which of those it kept.

    weights, importance: the group, importances relative to 1.  plain, levels: what the first and the kept candidate can write.
    picked: the weight that the sliders are about.
    """
    most = max(1.6, min(3.0, max(c.error for c in tried) * 1.1))
    first, last = curve[0].steps, curve[-1].steps

    def at(candidate: Candidate) -> tuple[float, float]:
        return (LEFT + (candidate.steps - first) / (last - first) * (RIGHT - LEFT),
                BOTTOM - min(candidate.error, most) / most * (BOTTOM - TOP))

    body = [text(LEFT, TOP - 10, "weighted squared error, the plain scale's is 100 %", size=12, fill=MUTE),
            *_axes(most, first, last, at), text(RIGHT, BOTTOM + 34, x_words, size=12, fill=MUTE, anchor="end"),
            polyline([at(c) for c in curve], stroke=GREY), *_tried(tried, best, at),
            *_line(weights, importance, plain, levels, picked)]
    return page(442, body, finding=finding, subtitle=subtitle, table=table)


def _axes(most: float, first: float, last: float, at) -> list[str]:
    shapes = []
    for k in range(int(most / 0.5) + 1):
        y = at(Candidate(first, 0.5 * k))[1]
        shapes += [line(LEFT, y, RIGHT, y), text(LEFT - 8, y + 4, f"{50 * k} %", size=SMALL, fill=MUTE, anchor="end")]
    for steps in range(int(first) + 1, int(last) + 1):
        x = at(Candidate(steps, 0))[0]
        shapes += [line(x, BOTTOM, x, BOTTOM + 5, stroke=INK), text(x, BOTTOM + 18, steps, size=SMALL, fill=MUTE, anchor="middle")]
    return shapes


def _tried(tried: Sequence[Candidate], best: int, at) -> list[str]:
    shapes = [circle(*at(c), 3.5, BLUE) for c in tried[1:]]
    (x, y), (best_x, best_y) = at(tried[0]), at(tried[best])
    shapes += [circle(x, y, 6, "none", stroke=VERMILION),
               text(x, max(y - 12, TOP + 8), "plain", size=12, fill=VERMILION, anchor="middle", bold=True)]
    if best:
        words = f"kept: {100 * tried[best].error:.0f} %"
        side = "start" if best_x < (LEFT + RIGHT) / 2 else "end"
        shapes += [circle(best_x, best_y, 6, GREEN, stroke=INK),
                   text(best_x + (11 if side == "start" else -11), best_y + 17, words, size=12, fill=GREEN, anchor=side, bold=True)]
    return shapes


def _line(weights: Sequence[float], importance: Sequence[float], plain: Sequence[float], levels: Sequence[float], picked: int) -> list[str]:
    """The weights as dots, as large as they are important, between the plain levels above and the kept ones below."""
    low, high = min(*weights, *plain, *levels), max(*weights, *plain, *levels)

    def at(value: float) -> float:
        return LEFT + (value - low) / (high - low or 1) * (RIGHT - LEFT)

    top, bottom = DOTS_Y + 4, DOTS_Y + 4 + 6 * STEP_Y + 18
    shapes = [text(LEFT - 8, top + 3, "plain", size=SMALL, fill=VERMILION, anchor="end"), line(LEFT, top, RIGHT, top),
              text(LEFT - 8, bottom + 3, "kept", size=SMALL, fill=GREEN, anchor="end"), line(LEFT, bottom, RIGHT, bottom)]
    shapes += [rect(at(v) - 1, top - 6, 2, 9, VERMILION, radius=0) for v in plain]
    shapes += [rect(at(v) - 1, bottom - 3, 2, 9, GREEN, radius=0) for v in levels]
    order = sorted(range(len(weights)), key=lambda j: -importance[j])
    for j in order:
        y, size = DOTS_Y + 15 + STEP_Y * (j % 6), max(1.6, min(11.0, 3.2 * importance[j] ** 0.5))
        chosen = j == picked
        shapes.append(circle(at(weights[j]), y, size, MEANING["scale"] if chosen else GREY, opacity=0.85, stroke=INK if chosen else "none"))
    words = f"{len(weights)} weights (dots, large ones matter more), and the {len(levels)} levels of both scales (ticks)"
    return [*shapes, text(LEFT, bottom + 26, words, size=12, fill=MUTE), line(at(0), top - 8, at(0), bottom + 8, stroke=LINE, dash="2 3")]
