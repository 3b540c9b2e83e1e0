"""Lesson 01: drag the bits over real weights; a line-up of suspects; what one weight takes, in bars."""

from math import ceil
from typing import Any

import numpy as np

from ..basics.affine import quantize_absmax
from ..basics.sample import given_weights, sample_weights
from ..canvas.raster import image
from ..canvas.style import BLUE, GREEN, GREY, INK, MEANING, SOFT, Picture
from ..canvas.svg import circle, fact_lines, line, page, quiet, rect, text
from ..formats.table import FORMATS
from ..stage.base import Stage, show
from ..stage.handles import menu, slider
from ..stage.share import recalled
from ..words import number, percent, size

PIECES = {"one row: 384 weights": slice(0, 1), "32 weights": (slice(0, 1), slice(0, 32)),
          "the whole matrix: 147,456": slice(None)}
#: The suspects of the line-up, in the order in which they stand: bits of each, None for the original.
LINEUP = dict(zip("ABCDE", (4, 8, 2, None, 3), strict=True))
SUSPECT = (slice(0, 27), slice(0, 27))


def _rounding_finding(bits: int, n_levels: int, rmse: float, zeros: float) -> str:
    lost = f"; {percent(zeros)} became 0" if zeros > 0.3 else ""
    smaller = f"{32 / bits:.3g} times smaller than FP32"
    return f"{bits} bits: {n_levels} levels, rmse {number(rmse, 2)}, {smaller}{lost}"


def _lineup_finding(reveal: bool) -> str:
    if not reveal:
        return "Line-up: one of these five is the original, in 32 bits. Which?"
    original = next(letter for letter, bits in LINEUP.items() if bits is None)
    return f"It was {original}. Suspect B keeps 8 of the 32 bits, suspect A only 4"


def _suspect(weights: np.ndarray, bits: int | None) -> tuple[np.ndarray, tuple[str, str, str]]:
    """A suspect's weights, and what is said of it: how it is stored, bytes, error."""
    if bits is None:
        return weights, ("FP32, the original", size(weights.nbytes), "rmse 0")
    stored = quantize_absmax(weights, bits)
    return stored.dequantize(), (f"{bits} bits, {2**bits - 1} shades", size(ceil(stored.nbytes)),
                                 f"rmse {number(stored.rmse, 2)}")


def _lineup(reveal: bool) -> Picture:
    """Square grey pictures in a row, each with a letter and, once revealed, lines of words under it."""
    weights = np.ascontiguousarray(sample_weights()[SUSPECT])
    # the brightest shade; the few beyond are clipped
    shown = 2.2 * np.abs(weights).std() + np.abs(weights).mean()
    step = 728 / len(LINEUP)
    scale = int((step - 8) // len(weights))
    side, shapes, rows = len(weights) * scale, [], []
    for i, (letter, bits) in enumerate(LINEUP.items()):
        values, words = _suspect(weights, bits)
        x, middle = 16 + i * step, 16 + i * step + side / 2
        shapes += [image(x, 74, values / (2 * shown), scale),
                   text(middle, 94 + side, letter, bold=True, anchor="middle", size=15)]
        if reveal:
            rows.append((letter, *words))
            shapes += [quiet(middle, 114 + side + 17 * k, line, anchor="middle")
                       for k, line in enumerate(words)]
    return page(104 + side + 17 * 3 * reveal, shapes,
                finding=_lineup_finding(reveal),
                subtitle=f"{weights.size} attention weights of a real model as shades of grey. "
                         "The other four were stored with 8, 4, 3 and 2 bits",
                table=(("picture", "stored as", "takes", "error"), *rows) if reveal else ())


def _bit_bars() -> Picture:
    """One bar for each type: the bits of the code, and what scales and minima add."""
    rows = [(name, FORMATS[name].bpw) for name in ("F32", "F16", "Q8_0", "Q5_0", "Q4_0")]
    unit = 520 / rows[0][1]
    shapes = [quiet(744, 78, "7 billion weights", anchor="end")]
    table = [("type", "bits of a code", "bits per weight", "7 billion weights")]
    for i, (name, bpw) in enumerate(rows):
        y, code, takes = 88 + i * 38, int(bpw), size(7e9 * bpw / 8)
        shapes += [text(16, y + 19, name, bold=True), rect(70, y, code * unit, 28, MEANING["code"], radius=3),
                   text(70 + min(code * unit / 2, 60), y + 19, code, fill="#ffffff", anchor="middle",
                        bold=True), text(744, y + 19, takes, anchor="end", bold=True)]
        if bpw > code:
            shared = "scale and minimum" if bpw - code >= 1 else "the scale"
            shapes += [rect(70 + code * unit, y, (bpw - code) * unit, 28, MEANING["scale"],
                            title="the scale's share"),
                       text(78 + bpw * unit, y + 19,
                            f"+ {bpw - code:g} for its share of {shared} = {bpw:g} bits", size=11)]
        table.append((name, str(code), f"{bpw:g}", takes))
    return page(100 + 38 * len(rows), shapes, table=tuple(table),
                finding="“4-bit” weights take 4.5 bits: every 32 of them store a scale, too",
                subtitle="Bits for one weight: green the code, blue the weight's share of its block's scale")


def _rounding(weights: np.ndarray, bits: int) -> Picture:
    """A histogram of weights over the levels they are rounded to, some weights on their way there, size and
    error.
    """
    stored = quantize_absmax(weights, bits)
    restored, levels, rmse = stored.dequantize(), stored.levels(), stored.rmse
    zeros, error = float((restored == 0).mean()), rmse / max(float(weights.std()), 1e-30)
    reach = 1.06 * max(float(np.abs(weights).max()), float(np.abs(levels).max()), 1e-30)
    facts = (("levels", f"{len(levels)}"),
             ("from one to the next", number(float(levels[1] - levels[0]), 3)),
             ("root mean square error", number(rmse, 3)),
             ("… of a typical weight", percent(error)),
             ("weights that became 0", percent(zeros)))
    shapes = [*_histogram(weights, reach), *_journeys(weights, restored, levels, reach),
              *_size_bars(weights.size, bits, stored.nbytes), *fact_lines(520, 744, 196, facts, 22)]
    return page(352, shapes, finding=_rounding_finding(bits, len(levels), rmse, zeros),
                subtitle="Attention weights of all-MiniLM-L6-v2, a real model; each goes to the nearest "
                         "level",
                table=(("what", "value"), *facts, ("bytes", size(stored.nbytes)),
                       ("as FP32", size(4 * weights.size)))
                ).telling({"weights": weights.size, "error": error, "zeros": zeros})


def _x(value: float, reach: float) -> float:
    return 252 + value / reach * 232


def _histogram(weights: np.ndarray, reach: float) -> list[str]:
    counts, _ = np.histogram(weights, bins=58, range=(-reach, reach))
    tallest = 104 / max(counts.max(), 1)
    shapes = [quiet(20, 84, "how many weights have which value")]
    shapes += [rect(20 + 8 * i, 200 - n * tallest, 7, n * tallest, GREY, radius=0)
               for i, n in enumerate(counts) if n]
    return [*shapes, line(20, 200, 484, 200, stroke=INK)]


def _journeys(weights: np.ndarray, restored: np.ndarray, levels: np.ndarray, reach: float) -> list[str]:
    """Up to 32 weights as dots above the levels, each with a line to where it lands; as many again as there
    is room.
    """
    every = max(1, weights.size // 32)
    shapes = [quiet(20, 222, f"{min(32, weights.size)} of them (dots), and the level where each one lands")]
    for i, (before, after) in enumerate(zip(weights[::every][:32], restored[::every][:32], strict=True)):
        x, y, end = _x(float(before), reach), 236 + 9 * (i % 5), _x(float(after), reach)
        shapes += [line(x, y, end, 294), circle(x, y, 3.2, GREY, opacity=0.9)]
    ticks = "".join(f"M{_x(float(level), reach):.1f} 294v12" for level in levels)
    thin = 1 if len(levels) > 64 else 2.5
    shapes += [f'<path d="{ticks}" style="stroke:{BLUE};stroke-width:{thin};fill:none"/>',
               line(20, 300, 484, 300, stroke=INK)]
    shapes += [quiet(_x(value, reach), 322, number(value, 3), anchor="middle")
               for value in (-reach / 1.06, 0, reach / 1.06)]
    return [*shapes, text(252, 340, f"{len(levels)} levels (blue)", size=11, fill=BLUE, anchor="middle")]


def _size_bars(n_weights: int, bits: int, nbytes: float) -> list[str]:
    full = 4 * n_weights
    shapes = [quiet(520, 84, f"{n_weights:,} weights take")]
    for y, words, amount, colour in ((94, "32 bits", full, GREY), (128, f"{bits} bits", nbytes, GREEN)):
        width = 150 * amount / full
        shapes += [rect(520, y, 150, 26, SOFT), rect(520, y, width, 26, colour),
                   text(524, y + 17, words, size=11, fill="#ffffff", bold=True)
                   if width > 44 else text(526 + width, y + 17, words, size=11, bold=True),
                   text(744, y + 17, size(amount), size=12, anchor="end", bold=True)]
    return shapes


@recalled
def explore_bits(x: np.ndarray | None = None) -> Stage:
    """Bits against error and size, on real weights: every weight goes to the nearest of the levels that the
    bits can name.

    x: weights to use in place of the bundled matrix; a 2-D array then.  ValueError when it holds no finite
    numbers.
    """
    matrix = given_weights(x)
    pieces: dict[str, Any] = PIECES if x is None else {f"all {matrix.size:,} weights": slice(None)}
    handles = [slider("bits", "bits per weight", 4, 2, 8),
               menu("piece", "which weights", next(iter(pieces)), pieces)]
    presets = {"2 bits": {"bits": 2}, "4 bits": {"bits": 4}, "8 bits": {"bits": 8}}
    return Stage(handles, lambda bits, piece: _rounding(matrix[pieces[piece]].ravel(), bits), presets=presets,
                 note="All weights share one scale here: the largest weight decides how far apart the "
                      "levels lie.")


@recalled
def plot_lineup(reveal: bool = False) -> Stage:
    """Five pictures of the same 729 real weights; one is the original. `reveal` says which, with bits, bytes
    and error.
    """
    return show(_lineup(reveal))


@recalled
def plot_bit_bars() -> Stage:
    """What one weight takes in F32, F16, Q8_0, Q5_0 and Q4_0, and what 7 billion take; computed from the
    block formats.
    """
    return show(_bit_bars())
