"""Lesson 01: type a number and see its sign, exponent and mantissa in five float formats."""

import math
from typing import NamedTuple

from ..basics.floats import FLOATS, float_anatomy
from ..basics.sample import sample_weights
from ..canvas.style import MEANING, Picture, ink_on
from ..canvas.svg import page, quiet, rect, swatches, text
from ..stage.base import Stage
from ..stage.handles import number_field
from ..stage.share import recalled
from ..words import number

PARTS = ("sign", "exponent", "mantissa")
LEGEND = ("s  sign", "e  exponent: which power of two", "m  mantissa: how far to the next one")


class FloatRow(NamedTuple):
    """One number in one format: the three parts as "0"/"1" text, what is stored, and how far that is off."""

    name: str
    sign: str
    exponent: str
    mantissa: str
    stored: str
    error: str
    limits: str


def limits(smallest: float, largest: float) -> str:
    """The smallest and the largest positive number of a format, in words."""
    return f"from {number(smallest, 2)} to {f'{largest:,.0f}' if largest < 1e6 else number(largest, 5)}"


def _row(value: float, name: str) -> FloatRow:
    form, stored = FLOATS[name], float_anatomy(value, name)
    return FloatRow(name, stored.sign, stored.exponent, stored.mantissa, f"= {_words(stored.value, 8)}",
                    _error(stored), limits(form.smallest, form.largest))


def _error(stored) -> str:
    if not math.isfinite(stored.value):
        return "too large for this format" if math.isfinite(stored.wanted) else "not a finite number"
    if stored.error == 0:
        return "exact"
    if stored.value == 0:
        return "too small for this format"
    if abs(stored.wanted / stored.error) > 1e9:
        return "exact, as far as your digits go"
    return f"off by 1 part in {abs(stored.wanted / stored.error):,.0f}"


def _finding(value: float, half, brain) -> str:
    if not math.isfinite(value):
        return f"{value} has bits too: all of its exponent is 1"
    if math.isinf(brain.value):
        return f"{_words(value, 6)} is too large for every format here: FP32 and BF16 end at 3.4e+38"
    if math.isinf(half.value):
        return (f"{_words(value, 6)} is too large for FP16, whose largest number is 65,504; BF16 holds "
            f"{_words(brain.value, 6)}")
    if half.value == 0 and value:
        return (f"{_words(value, 6)} is too small for FP16, which stores 0; BF16 holds "
                f"{_words(brain.value, 6)}")
    if half.error == brain.error == 0:
        return f"{_words(value, 6)} is exact in 16 bits, of either kind"
    off, other = abs(half.error), abs(brain.error)
    better = ("both are equally close" if off == other else "FP16 comes closer: more mantissa" if off < other
              else "BF16 comes closer: more exponent")
    return (f"{_words(value, 6)} in 16 bits: FP16 stores {_words(half.value, 7)}, BF16 "
        f"{_words(brain.value, 7)}; {better}")


def _words(value: float, digits: int) -> str:
    """A number as the lesson's text writes it: 100,000 and not 100000."""
    words = number(value, digits)
    digits_only = words.lstrip("−")
    return words.replace(digits_only, f"{int(digits_only):,}") if digits_only.isdigit() else words


def _draw(value: float) -> Picture:
    """The formats under each other, most significant bit left, so that equal bits stand in one column."""
    rows = [_row(value, name) for name in FLOATS]
    shapes = swatches(16, 82, zip((MEANING[part] for part in PARTS), LEGEND, strict=True))
    for i, row in enumerate(rows):
        shapes += _bits_row(row, 100 + 64 * i)
    return page(104 + 64 * len(rows), shapes,
                finding=_finding(value, float_anatomy(value, "FP16"), float_anatomy(value, "BF16")),
                subtitle="FP32, BF16, FP16 and two FP8: the same number with fewer and fewer bits, most "
                         "significant bit left",
                table=(("format", *PARTS, "stored", "error", "range"), *rows)
                ).telling({"whole": value.is_integer(),
                           **{name: float_anatomy(value, name).error for name in FLOATS}})


def _bits_row(row: FloatRow, y: float) -> list[str]:
    shapes = [text(16, y + 14, row.name, bold=True),
              quiet(16, y + 30, f"{1 + len(row.exponent + row.mantissa)} bits")]
    x = 98.0
    for part, bits in zip(PARTS, row[1:4], strict=True):
        colour = MEANING[part]
        for bit in bits:
            shapes += [rect(x, y, 13, 32, colour),
                       text(x + 6.5, y + 14, bit, size=11, fill=ink_on(colour), anchor="middle"),
                       text(x + 6.5, y + 27, part[0], size=9, fill=ink_on(colour), anchor="middle")]
            x += 14.2
    if x > 500:                                 # no room beside 32 bits: the words go below
        return [*shapes, text(98, y + 47, f"{row.stored}, {row.error} · {row.limits}", size=11)]
    return [*shapes, text(x + 8, y + 14, row.stored, size=12, bold=True),
            quiet(x + 8, y + 30, f"{row.error} · {row.limits}")]


@recalled
def explore_float(value: float | None = None) -> Stage:
    """The bits of a number in FP32, BF16, FP16 and the two FP8 formats, with what each one really stores.

    value: the first number shown; a weight of the bundled matrix by default.
    """
    # -0.148619622: no more digits than tell a float32 apart
    weight = round(float(sample_weights()[0, 0]), 9)
    start = weight if value is None else float(value)
    presets = {"A real weight": weight, "0.1": 0.1, "π": math.pi, "100,000": 1e5, "0.000001": 1e-6, "1": 1.0}
    return Stage([number_field("value", "your number", start, step=0.01)], _draw,
                 presets={words: {"value": known} for words, known in presets.items()},
                 note="Type any number, or step it with the up and down arrow keys.")
