"""The weights of one sub-block on a number line: before quantization, as stored, and as an edit of the bytes
left them.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

from ..words import told
from .style import GREY, INK, MEANING, MUTE, SOFT, VERMILION, WIDTH
from .svg import circle, line, quiet, rect, spot, text

LEFT, AXIS, RIGHT = 16, 92, WIDTH - 22
CELLS, LANE, ROW = 24, 40, 13                          # heights
IN_A_ROW = 64                                          # cells


@dataclass(frozen=True)
class WeightGroup:
    """title: which weights, in words.  first: number of the first one.  chosen: number of the chosen one.
    cells: (words, how many weights, how full from 0 to 1) of each code, in the order of the weights.
    before, stored, now: one number for each weight; before may be empty, now is stored as long as nothing is
    edited.
    levels, levels_now: what the chosen weight's code can choose from.  moved: numbers of the weights that an
    edit moved.
    others: (words, first weight, levels, levels as stored) of every sub-block, where there is more than one.
    """

    title: str
    first: int
    chosen: int
    cells: Sequence[tuple[str, int, float]]
    before: Sequence[float]
    stored: Sequence[float]
    now: Sequence[float]
    levels: Sequence[float]
    levels_now: Sequence[float]
    moved: Collection[int]
    others: Sequence[tuple[str, int, Sequence[float], Sequence[float]]]


def group_height(group: WeightGroup) -> float:
    rows = -(-sum(span for _, span, _ in group.cells) // IN_A_ROW)
    return 20 + rows * CELLS + 3 * LANE + 34 + (18 + ROW * (len(group.others) + 1) // 2 if group.others
                                                else 0)


def draw_group(group: WeightGroup, y: float) -> list[str]:
    """Codes in the order of the weights, the number line, and the levels of all sub-blocks; from y downwards.
    """
    shapes = [quiet(LEFT, y + 10, group.title, size=12), *_cells(group, y + 16)]
    y += 22 + CELLS * -(-sum(span for _, span, _ in group.cells) // IN_A_ROW)
    shapes += _lanes(group, y)
    return shapes + _others(group, y + 3 * LANE + 40)


def _cells(group: WeightGroup, y: float) -> list[str]:
    """A cell for each code, as wide as the weights it is for; one path for all of one strength."""
    n = sum(span for _, span, _ in group.cells)
    pitch, weight = min((WIDTH - 32) / min(n, IN_A_ROW), 46 if n > 1 else 92), group.first
    fills: dict[float, list[str]] = {}
    words, marks = [], []
    for code, span, full in group.cells:
        row, column = divmod(weight - group.first, IN_A_ROW)
        x, top, width = LEFT + column * pitch, y + row * CELLS, span * pitch - 1.5
        fills.setdefault(round(0.12 + 0.5 * full, 2),
                         []).append(f"M{x:.1f} {top}h{width:.1f}v{CELLS - 3}h{-width:.1f}z")
        chosen = weight <= group.chosen < weight + span
        words.append(text(x + width / 2, top + 15, code, size=11 if pitch > 16 and len(code) < 4 * span
                          else 9, anchor="middle", bold=chosen))
        hot = [f"M{x + (w - weight) * pitch:.1f} {top + CELLS - 6}h{pitch - 1.5:.1f}v3h{1.5 - pitch:.1f}z"
               for w in range(weight, weight + span) if w in group.moved]
        marks += [f'<path d="{"".join(hot)}" fill="{VERMILION}"/>'] if hot else []
        if chosen:
            at = x + (group.chosen - weight) * pitch
            marks.append(rect(at - 1, top - 1, min(pitch, width) + 1, CELLS - 1, "none", stroke=INK,
                              stroke_width=2.5, radius=4))
        weight += span
    boxes = [f'<path d="{"".join(shapes)}" fill="{MEANING["code"]}" fill-opacity="{strength}"/>'
             for strength, shapes in fills.items()]
    return boxes + words + marks + [spot(LEFT, y + CELLS * (i // IN_A_ROW), pitch * min(n - i, IN_A_ROW),
                                         CELLS - 3, weight=group.first + i, weights=min(n - i, IN_A_ROW))
                                    for i in range(0, n, IN_A_ROW)]


def _lanes(group: WeightGroup, y: float) -> list[str]:
    """Three lanes with one dot for each weight; in the lower two the dots stand on the levels."""
    low, high = _ends((group.before, group.stored, group.now, group.levels, group.levels_now))
    scale = (RIGHT - AXIS) / (high - low or 1)
    lanes = [("before", group.before, ()), ("stored", group.stored, group.levels)]
    lanes += [("edited", group.now, group.levels_now)] if group.moved else []
    dots, shapes = [], []
    for lane, (name, values, levels) in enumerate(lanes, 1):
        base = y + lane * LANE - 8
        shapes.append(quiet(LEFT, base, name if values else "", size=12))
        places = [AXIS + (v - low) * scale if isfinite(v) else None for v in values]
        shapes += _comb([AXIS + (v - low) * scale for v in levels if isfinite(v)], base)
        dots.append(_stacked(places, base - 4 if levels else base - 2))
        if None in places:
            shapes.append(text(RIGHT, base - 14, f"{places.count(None)} not finite", size=11, fill=VERMILION,
                               anchor="end"))
    shapes += _dots(group, dots)
    if not group.moved:
        shapes.append(quiet(AXIS, y + 3 * LANE - 8,
                            "Flip a bit, and see here which weights move and where to."))
    base = y + 3 * LANE + 2
    return [*shapes, line(AXIS, base, RIGHT, base),
            quiet(AXIS, base + 14, told(low), size=10),
            quiet(RIGHT, base + 14, told(high), size=10, anchor="end"),
            *([line(AXIS - low * scale, base - 3, AXIS - low * scale, base + 3, stroke=INK),
               quiet(AXIS - low * scale, base + 14, "0", size=10, anchor="middle")]
              if low < 0 < high else [])]


def _ends(rows: Iterable[Sequence[float]]) -> tuple[float, float]:
    """The smallest and the largest finite number; 0 and 0 where there is none."""
    finite = [value for row in rows for value in row if isfinite(value)]
    return min(finite, default=0.0), max(finite, default=0.0)


def _stacked(places: Sequence[float | None], base: float) -> list[tuple[float, float] | None]:
    """A dot at each x: those that would cover each other stand on each other's heads."""
    columns = [None if x is None else round(x / 5) for x in places]
    tallest = max(Counter(c for c in columns if c is not None).values(), default=1)
    step, seen, dots = min(5.0, (LANE - 14) / tallest), Counter[int | None](), []
    for x, column in zip(places, columns, strict=True):
        dots.append(None if x is None else (x, base - 2 - step * seen[column]))
        seen[column] += 1
    return dots


def _dots(group: WeightGroup, lanes: Sequence[Sequence[tuple[float, float] | None]]) -> list[str]:
    """Every weight in every lane; the chosen one is followed from lane to lane, and so is what an edit moved.
    """
    shapes, mine = [], group.chosen - group.first
    if group.moved:
        shapes += [line(*a, *b, stroke=VERMILION, width=0.8)
                   for i, (a, b) in enumerate(zip(*lanes[1:], strict=True), group.first)
                   if a and b and i in group.moved]
    for lane, dots in enumerate(lanes):
        spots: dict[str, list[str]] = {GREY: [], VERMILION: []}
        for i, dot in enumerate(dots):
            if dot and i != mine:
                spots[VERMILION if lane == 2 and group.first + i in group.moved
                      else GREY].append("M{:.1f} {:.1f}h0".format(*dot))
        shapes += [f'<path d="{"".join(places)}" stroke="{colour}" stroke-width="5" stroke-linecap="round"/>'
                   for colour, places in spots.items() if places]
    path = [dot for dots in lanes if dots and (dot := dots[mine])]
    shapes += [line(*a, *b, stroke=MEANING["code"], width=1.5) for a, b in pairwise(path)]
    return shapes + [circle(x, y, 4.2, MEANING["code"], stroke=INK) for x, y in path]


def _comb(places: Sequence[float], base: float, height: float = 6, ink: str = INK) -> list[str]:
    """A line with a tick for each level, as one path."""
    if not places:
        return []
    ticks = "".join(f"M{x:.1f} {base - height}v{height}" for x in sorted({round(x, 1) for x in places}))
    thin = 1 if len(places) < 64 else 0.6
    return [f'<path d="M{min(places):.1f} {base}H{max(places):.1f}{ticks}" '
            f'style="stroke:{ink};stroke-width:{thin};fill:none"/>']


def _others(group: WeightGroup, y: float) -> list[str]:
    """The levels of all sub-blocks in two columns, on one scale: each has its own."""
    if not group.others:
        return []
    low, high = _ends([levels for _, _, *both in group.others for levels in both])
    half, per, width = (WIDTH - 32) / 2, (len(group.others) + 1) // 2, 228
    shapes = [quiet(LEFT, y + 4, "the levels of all sub-blocks, on one scale", size=12)]

    def places(x: float, levels: Sequence[float]) -> list[float]:
        return [x + 122 + (v - low) * width / (high - low or 1) for v in levels if isfinite(v)]

    for i, (words, first, levels, stored) in enumerate(group.others):
        x, base = LEFT + i // per * half, y + 22 + ROW * (i % per)
        chosen = first == group.first
        if chosen:
            shapes.append(rect(x - 4, base - 10, half - 4, ROW, SOFT, radius=3))
        shapes += [text(x, base, words, size=10, fill=INK if chosen else MUTE, bold=chosen),
                   *(_comb(places(x, stored), base, 7, VERMILION) if stored != levels else ()),
                   *_comb(places(x, levels), base, 7, INK if chosen else MUTE),
                   spot(x, base - 10, half - 8, ROW, weight=first, weights=1)]
    return shapes
