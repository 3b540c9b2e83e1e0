"""Lesson 12: rulers whose marks are not evenly spaced, and eight weights that become the number of an entry
in a codebook.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from ..basics.affine import NF4
from ..basics.sample import given_weights
from ..canvas.plane import Axis
from ..canvas.style import BLUE, GREEN, GREY, INK, MEANING, SOFT, VERMILION, Picture
from ..canvas.svg import circle, fact_lines, line, page, polyline, quiet, rect, swatches, text
from ..formats.codebook import EVEN_SIGNS, SIGNS
from ..formats.grid import codebook
from ..formats.table import FORMATS
from ..stage.base import Stage, show
from ..stage.handles import menu, slider
from ..stage.share import recalled
from ..words import number, one_of
from .errors import off_by

LEFT, RIGHT = 112, 740


BOOKS = ("IQ2_XXS", "IQ2_XS", "IQ2_S")
#: Formats whose levels are drawn as rulers, and what is said below each; NF4 only for comparison.
RULERS = {"Q4_0": "16 levels, evenly spaced, one more below zero than above",
          "IQ4_NL": "16 levels, closer together near zero",
          "NF4": "for comparison: bitsandbytes' levels, made for bell-shaped weights (lesson 02)",
          "MXFP4": "15 levels: the numbers that a float of four bits can write (0, 0.5, 1, 1.5, 2, 3, 4, 6)",
          "TQ2_0": "3 levels, for models that were trained to have only −1, 0 and 1"}


def _levels(name: str) -> list[float]:
    """Every value that a block of the format can hold with its scale set to one, the largest magnitude then
    made 1: decoded, not typed.
    """
    if name == "NF4":
        return NF4.tolist()
    form = FORMATS[name]
    codes = np.arange(form.block_size, dtype=np.uint8) % 2 ** min(form.layout.widths["q"], 4)
    codes = np.minimum(codes, 2) if name == "TQ2_0" else codes
    blocks = form.layout.pack(q=codes[None], **{key: np.full((1, n), 128 if key == "e" else 1)
                                                for key, n in form.layout.counts.items() if key != "q"})
    values = np.unique(form.decode(blocks)[0])
    return (values / np.abs(values).max()).tolist()


class Ranking(NamedTuple):
    """All entries of a codebook for eight weights, the best first.

    signs: (8,); number: what the signs are stored as; turned: which one was turned over, or -1.
    order: numbers of the entries; errors: shares of the weights; scales: the best for each.
    """

    signs: np.ndarray
    number: int
    turned: int
    order: np.ndarray
    errors: np.ndarray
    scales: np.ndarray


def _ranked(x: np.ndarray, book: str) -> Ranking:
    """The entries of a codebook by how well they meet the eight weights x."""
    points = codebook(book).astype(np.float64)
    signs, turned = np.where(x < 0, -1, 1), -1
    even = FORMATS[book].layout.widths["signs"] == 7
    if even and (signs < 0).sum() % 2:
        turned = int(np.abs(x).argmin())                     # the smallest matters least
        signs[turned] *= -1
    number = int(((EVEN_SIGNS if even else SIGNS) == signs).all(axis=1).argmax())
    size = x * signs
    squares = (points**2).sum(axis=1)
    scales = points @ size / squares
    errors = np.sqrt(np.maximum((size**2).sum() - scales**2 * squares, 0) / max((size**2).sum(), 1e-30))
    order = np.argsort(errors, kind="stable")
    return Ranking(signs, number, turned, order, errors[order], scales[order])


def _words(rank: int, turned: int) -> str:
    nearer = {0: "no entry is nearer", 1: "1 entry is nearer"}.get(rank, f"{rank} entries are nearer")
    return nearer + (", and one sign is wrong" if turned >= 0 else "")


def _draw(x: np.ndarray, found: Ranking, rank: int, book: str, eight: int) -> Picture:
    """Eight weights, the codebook entry that stands for them, and how far all the entries are off."""
    rank, widths = min(rank, len(found.order) - 1), FORMATS[book].layout.widths
    at, off = found.order[rank], f"{100 * found.errors[rank]:.0f} %"
    entry = codebook(book)[at]
    stored = found.signs * entry * found.scales[rank]
    lines = (("entry", f"number {at} of {len(found.order):,}"),
             ("its numbers", " ".join(str(int(v)) for v in entry)), ("off by (rms)", off),
             ("bits for eight weights", f"{widths['grid']} + {widths['signs']}"))
    tones = [(GREY, "before"), (GREEN, "stored"),
             (VERMILION, f"stored with the wrong sign: weight {found.turned}")]
    body = [*_eight(x, stored, found.turned), *swatches(16, 290, tones[: 3 if found.turned >= 0 else 2]),
            *_bits(92, "entry", f"{at:0{widths['grid']}b}", MEANING["code"]),
            *_bits(142, "signs", f"{found.number:0{widths['signs']}b}", BLUE),
            *fact_lines(500, 744, 206, lines), *_ranking(found.errors, rank)]
    return page(390, body,
                finding=f"Entry {at} stands for eight weights and is off by {off}: "
                        f"{_words(rank, found.turned)}",
                subtitle=f"{book}: {len(found.order):,} entries. Weights {8 * eight} to {8 * eight + 7} of a "
                         "real matrix; the scale is the best for this entry",
                table=(("weight", "before", "stored"),
                       *((str(i), f"{a:.4f}", f"{b:.4f}")
                         for i, (a, b) in enumerate(zip(x, stored, strict=True))))
                ).telling({"off": float(found.errors[rank]), "wrong_signs": int(found.turned >= 0)})


def _eight(before: np.ndarray, stored: np.ndarray, turned: int) -> list[str]:
    """A pair of bars for each weight; `turned` is the one whose sign had to be turned over."""
    middle, unit = 172, 72 / (max(np.abs(before).max(), np.abs(stored).max()) or 1.0)
    shapes = [line(16, middle, 470, middle, stroke=INK)]
    for i, pair in enumerate(zip(before, stored, strict=True)):
        left, tones = 24 + 56 * i, (GREY, VERMILION if i == turned else GREEN)
        for x, value, tone, when in zip((left, left + 20), pair, tones, ("before", "stored"), strict=True):
            shapes.append(rect(x, middle - max(value, 0) * unit, 18, abs(value) * unit, tone,
                               title=f"{when} {number(value)}"))
        shapes.append(quiet(left + 19, middle + 92, i, anchor="middle"))
    return shapes


def _bits(y: float, words: str, bits: str, colour: str) -> list[str]:
    shapes = [quiet(500, y - 6, f"{words}, {len(bits)} bits")]
    for i, bit in enumerate(bits):
        shapes += [rect(500 + 22 * i, y, 20, 24, colour, radius=3),
                   text(510 + 22 * i, y + 17, bit, size=12, fill="#ffffff", anchor="middle", bold=True)]
    return shapes


def _ranking(errors: np.ndarray, rank: int) -> list[str]:
    """The errors of all entries, best first: a curve with a mark."""
    left, right, top, bottom = 60, 740, 312, 366
    most = float(errors.max()) or 1.0
    x, y = Axis(0, len(errors) - 1, left, right), Axis(0, most, bottom, top)
    return [rect(left, top, right - left, bottom - top, SOFT),
            polyline([(x(i), y(errors[i])) for i in range(0, len(errors), max(1, len(errors) // 256))]),
            circle(x(rank), y(errors[rank]), 5, GREEN, stroke=INK),
            quiet(left - 6, bottom, "0 %", anchor="end"),
            quiet(left - 6, top + 8, f"{100 * most:.0f} %", anchor="end"),
            quiet(left, bottom + 16, f"all {len(errors)} entries, the best first: how far they are off")]


def _off(weights: np.ndarray) -> dict[str, str]:
    """Format -> its rmse in percent of the weights' spread; of the rulers whose blocks the weights fill."""
    return {name: f"{100 * off_by(weights, name):.1f} %" for name in RULERS
            if name in FORMATS and weights.size % FORMATS[name].block_size == 0}


def _draw_levels(weights: np.ndarray, off: dict[str, str]) -> Picture:
    """A histogram of weights, each divided by the largest of its block, above the levels of several formats.

    weights: (blocks, 32).  off: format -> its error in words; empty: none is told.
    """
    shares = weights / np.maximum(np.abs(weights).max(axis=1, keepdims=True), 1e-30)
    counts, _ = np.histogram(shares, bins=54, range=(-1, 1))
    levels = {name: _levels(name) for name in RULERS}
    at = Axis(-1.08, 1.08, LEFT, RIGHT)
    tallest, width = counts.max(), (at(1) - at(-1)) / len(counts)
    body = [rect(at(-1) + i * width, 150 - 62 * n / tallest, width - 1, 62 * n / tallest, GREY, radius=0)
            for i, n in enumerate(counts)]
    body += [text(LEFT - 8, 146, "real weights", size=12, anchor="end"),
             line(LEFT, 150, RIGHT, 150, stroke=INK)]
    for i, (name, marks) in enumerate(levels.items()):
        y = 186 + 50 * i
        body += [text(LEFT - 8, y + 5, name, anchor="end", bold=True), line(at(-1), y, at(1), y),
                 *(rect(at(level) - 1.5, y - 9, 3, 18, MEANING["code"], radius=1) for level in marks),
                 quiet(at(-1), y + 25, RULERS[name])]
        if name in off:
            body.append(text(at(1), y + 25, f"off by {off[name]}", size=12, anchor="end", bold=True))
    body += [quiet(at(v), 182 + 50 * len(levels), words, anchor="middle")
             for v, words in ((-1, "− largest"), (0, "0"), (1, "+ largest"))]
    inner = (f"{100 * float((np.abs(shares) < 0.5).mean()):.0f} % of the weights lie in the inner half of "
             "their block's range")
    errors = ", ".join(f"{name} is off by {off[name]}" for name in ("Q4_0", "IQ4_NL") if name in off)
    return page(194 + 50 * len(levels), body, finding=errors or inner,
                subtitle=f"{weights.size:,} real weights, each divided by the largest of its block of 32"
                         + "; errors: rmse as a share of the weights' spread" * bool(off),
                table=(("format", "levels, as shares of the largest", *["off by"] * bool(off)),
                       *((name, ", ".join(f"{v:.3g}" for v in marks),
                          *[off.get(name, "–")] * bool(off))
                         for name, marks in levels.items())))


@recalled
def plot_levels(x: np.ndarray | None = None, errors: bool = False) -> Stage:
    """The levels of the 4-bit formats (and of a ternary one) under a histogram of weights divided by the
    largest of their block of 32.

    errors: also say how far each format is off on these weights.
    """
    flat = given_weights(x, 32).ravel()
    weights = flat[: flat.size // 32 * 32].reshape(-1, 32)
    return show(_draw_levels(weights, _off(weights) if errors else {}))


@recalled
def explore_codebook(x: np.ndarray | None = None, book: str = "IQ2_XS") -> Stage:
    """Eight real weights at a time: which entry of a codebook meets them best, and how much worse the others
    are.

    x: finite weights, at least 64 (the bundled ones by default).  book: IQ2_XXS, IQ2_XS or IQ2_S.  Raises
    ValueError for another one. Each eight is fitted by itself here, with a scale of its own; in a file 16 or
    32 weights share one.
    """
    book = one_of("codebook of eights", book, BOOKS)
    flat = given_weights(x, 64).ravel()
    weights = flat[: min(flat.size // 8, 64) * 8].reshape(-1, 8)
    books = [(f"{name}: {len(codebook(name)):,} entries", name) for name in BOOKS]
    handles = [slider("eight", "eight weights", 4, 0, len(weights) - 1),
               slider("rank", "entry, by rank", 0, 0, 255), menu("book", "codebook", book, books)]

    @cache
    def ranked(eight: int, book: str) -> Ranking:
        return _ranked(weights[eight], book)

    def draw(eight: int, rank: int, book: str) -> Picture:
        return _draw(weights[eight], ranked(eight, book), rank, book, eight)

    presets = {"The best entry": dict(rank=0), "The second best": dict(rank=1), "Far off": dict(rank=200)}
    return Stage(handles, draw, presets=presets, width=370,
                 note="Grey before, green stored. Walk through the entries from the best one on.")
