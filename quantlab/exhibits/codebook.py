"""Lesson 12: rulers whose marks are not evenly spaced, and eight weights that become the number of an entry
in a codebook.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from ..basics.affine import NF4
from ..basics.sample import given_weights
from ..canvas.style import BLUE, GREEN, GREY, INK, MEANING, SOFT, VERMILION, Picture, Table
from ..canvas.svg import circle, fact_lines, line, page, polyline, quiet, rect, text
from ..formats.codebook import EVEN_SIGNS, SIGNS
from ..formats.grid import codebook
from ..formats.table import FORMATS
from ..stage.base import Stage, show
from ..stage.handles import menu, slider
from ..words import number, one_of

LEFT, RIGHT = 112, 740


class Ruler(NamedTuple):
    """A format's levels, the largest of them 1 or -1, and what is said beside them."""

    name: str
    levels: Sequence[float]
    words: str


BOOKS = ("IQ2_XXS", "IQ2_XS", "IQ2_S")


def _levels(name: str) -> list[float]:
    """Every value that a block of the format can hold with its scale set to one, the largest magnitude then
    made 1: decoded, not typed.
    """
    form = FORMATS[name]
    codes = np.arange(form.block_size, dtype=np.uint8) % 2 ** min(form.layout.widths["q"], 4)
    codes = np.minimum(codes, 2) if name == "TQ2_0" else codes
    blocks = form.layout.pack(q=codes[None], **{key: np.full((1, n), 128 if key == "e" else 1)
                                                for key, n in form.layout.counts.items() if key != "q"})
    values = np.unique(form.decode(blocks)[0])
    return (values / np.abs(values).max()).tolist()


class Ranking(NamedTuple):
    """All entries for eight weights, the best first.

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


def _draw(x: np.ndarray, found: Ranking, rank: int, book: str, eight: int) -> Picture:
    signs, number, turned, order, errors, scales = found
    layout = FORMATS[book].layout
    rank = min(rank, len(order) - 1)
    entry = codebook(book)[order[rank]]
    stored = signs * entry * scales[rank]
    index_bits, sign_bits = (f"{value:0{layout.widths[name]}b}" for name,
                             value in (("grid", int(order[rank])), ("signs", number)))
    lines = (("entry", f"number {order[rank]} of {len(order):,}"),
             ("its numbers", " ".join(str(int(v)) for v in entry)),
             ("off by (rms)", f"{100 * errors[rank]:.0f} %"),
             ("bits for eight weights", f"{len(index_bits)} + {len(sign_bits)}"))
    words = ("no entry is nearer" if rank == 0 else "1 entry is nearer" if rank == 1
             else f"{rank} entries are nearer")
    words += ", and one sign is wrong" if turned >= 0 else ""
    pairs = zip(x.tolist(), stored.tolist(), strict=True)
    table = (("weight", "before", "stored"),
             *((str(i), f"{a:.4f}", f"{b:.4f}") for i, (a, b) in enumerate(pairs)))
    return draw_entry(x.tolist(), stored.tolist(), turned, index_bits, sign_bits, errors.tolist(), rank,
                      lines, table=table,
                      finding=f"Entry {order[rank]} stands for eight weights and is off by "
                              f"{100 * errors[rank]:.0f} %: {words}",
                      subtitle=f"{book}: {len(order):,} entries. Weights {8 * eight} to {8 * eight + 7} of "
                               "a real matrix; the scale is the "
                      "best for this entry")


def draw_rulers(counts: Sequence[float], rulers: Sequence[Ruler], *, finding: str, subtitle: str,
                table: Table = ()) -> Picture:
    """A histogram of weights from -1 to 1 (counts: its bars) above the levels of several formats."""
    def at(value: float) -> float:
        return LEFT + (value + 1.08) / 2.16 * (RIGHT - LEFT)

    tallest, width = max(counts), (at(1) - at(-1)) / len(counts)
    body = [rect(at(-1) + i * width, 150 - 62 * n / tallest, width - 1, 62 * n / tallest, GREY, radius=0)
            for i, n in enumerate(counts)]
    body += [text(LEFT - 8, 146, "real weights", size=12, anchor="end"),
             line(LEFT, 150, RIGHT, 150, stroke=INK)]
    for i, ruler in enumerate(rulers):
        y = 186 + 50 * i
        body += [text(LEFT - 8, y + 5, ruler.name, anchor="end", bold=True),
                 line(at(-1), y, at(1), y)]
        body += [rect(at(level) - 1.5, y - 9, 3, 18, MEANING["code"], radius=1) for level in ruler.levels]
        body.append(quiet(at(-1), y + 25, ruler.words))
    body += [quiet(at(v), 168 + 50 * len(rulers) + 14, words, anchor="middle")
             for v, words in ((-1, "− largest"), (0, "0"), (1, "+ largest"))]
    return page(194 + 50 * len(rulers), body, finding=finding, subtitle=subtitle, table=table)


def draw_entry(before: Sequence[float], stored: Sequence[float], turned: int, index_bits: str, sign_bits: str,
               errors: Sequence[float], rank: int, lines: Sequence[tuple[str, str]], *, finding: str,
               subtitle: str, table: Table = ()) -> Picture:
    """Eight weights and the codebook entry that stands for them.

    before, stored: eight numbers each.  turned: which one's sign had to be turned over (-1: none).
    index_bits, sign_bits: "0"/"1" text.
    errors: of the entries from the best on, as shares of the weights themselves; `rank` is the one shown.
    """
    reach = max(abs(v) for v in [*before, *stored]) or 1.0
    middle, unit = 172, 72 / reach
    body = [line(16, middle, 470, middle, stroke=INK)]
    for i, (x, q) in enumerate(zip(before, stored, strict=True)):
        left = 24 + 56 * i
        for k, (value, colour) in enumerate(((x, GREY), (q, VERMILION if i == turned else GREEN))):
            top = middle - max(value, 0) * unit
            body.append(rect(left + 20 * k, top, 18, abs(value) * unit, colour,
                             title=f"{('before', 'stored')[k]} {number(value)}"))
        body.append(quiet(left + 19, middle + 92, i, anchor="middle"))
    body += [rect(16, 280, 11, 11, GREY), text(32, 290, "before", size=12), rect(96, 280, 11, 11, GREEN),
             text(112, 290, "stored", size=12)]
    if turned >= 0:
        body += [rect(180, 280, 11, 11, VERMILION),
                 text(196, 290, f"stored with the wrong sign: weight {turned}", size=12)]
    body += [*_bits(500, 92, "entry", index_bits, MEANING["code"]),
             *_bits(500, 142, "signs", sign_bits, BLUE)]
    return page(390, [*body, *fact_lines(500, 744, 206, lines), *_ranking(errors, rank)], finding=finding,
                subtitle=subtitle, table=table)


def _bits(x: float, y: float, words: str, bits: str, colour: str) -> list[str]:
    shapes = [quiet(x, y - 6, f"{words}, {len(bits)} bits")]
    for i, bit in enumerate(bits):
        shapes += [rect(x + 22 * i, y, 20, 24, colour, radius=3),
                   text(x + 22 * i + 10, y + 17, bit, size=12, fill="#ffffff", anchor="middle", bold=True)]
    return shapes


def _ranking(errors: Sequence[float], rank: int) -> list[str]:
    """The errors of all entries, best first: a curve with a mark."""
    left, right, top, bottom = 60, 740, 312, 366
    most = max(errors) or 1.0

    def at(i: int) -> tuple[float, float]:
        return left + i / (len(errors) - 1) * (right - left), bottom - errors[i] / most * (bottom - top)

    return [rect(left, top, right - left, bottom - top, SOFT),
            polyline([at(i) for i in range(0, len(errors), max(1, len(errors) // 256))]),
            circle(*at(rank), 5, GREEN, stroke=INK),
            quiet(left - 6, bottom, "0 %", anchor="end"),
            quiet(left - 6, top + 8, f"{100 * most:.0f} %", anchor="end"),
            quiet(left, bottom + 16, f"all {len(errors)} entries, the best first: how far they are off")]


def plot_levels(x: np.ndarray | None = None) -> Stage:
    """The levels of the 4-bit formats (and of a ternary one) under a histogram of weights divided by the
    largest of their block of 32.
    """
    flat = given_weights(x, 32).ravel()
    weights = flat[: flat.size // 32 * 32].reshape(-1, 32)
    shares = weights / np.maximum(np.abs(weights).max(axis=1, keepdims=True), 1e-30)
    counts, _ = np.histogram(shares, bins=54, range=(-1, 1))
    said = {"Q4_0": "16 levels, evenly spaced, one more below zero than above",
            "IQ4_NL": "16 levels, closer together near zero",
            "MXFP4":
            "15 levels: the numbers that a float of four bits can write (0, 0.5, 1, 1.5, 2, 3, 4, 6)",
            "TQ2_0": "3 levels, for models that were trained to have only −1, 0 and 1"}
    rulers = [Ruler(name, _levels(name), words) for name, words in said.items()]
    rulers.insert(2,
                  Ruler("NF4", NF4.tolist(),
                        "for comparison: bitsandbytes' levels, made for bell-shaped weights (lesson 02)"))
    table = (("format", "levels, as shares of the largest"),
             *((r.name, ", ".join(f"{v:.3g}" for v in r.levels)) for r in rulers))
    near = float((np.abs(shares) < 0.5).mean())
    return show(draw_rulers(counts.tolist(), rulers, table=table,
                            finding=f"{100 * near:.0f} % of the weights lie in the inner half of their "
                                    "block's range: there levels pay",
                            subtitle=f"{weights.size:,} real weights, each divided by the largest of its "
                                     "block of 32"))


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

    presets = {"The best entry": {"rank": 0}, "The second best": {"rank": 1}, "Far off": {"rank": 200}}
    return Stage(handles, draw, presets=presets, width=370,
                 note="Grey before, green stored. Walk through the entries from the best one on.")
