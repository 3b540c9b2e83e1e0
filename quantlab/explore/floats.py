"""Lesson 01: type a number and see its bits in five float formats."""

import math

import ipywidgets as widgets

from ..basics.floats import FLOATS, float_anatomy
from ..basics.sample import sample_weights
from ..views.floats import FloatRow, draw_floats, limits
from ..views.numbers import number
from ..views.style import Picture
from .base import Explorer


def explore_float(value: float | None = None) -> Explorer:
    """The bits of a number in FP32, BF16, FP16 and the two FP8 formats, with what each one really stores.

    value: the first number shown; a weight of the bundled matrix by default.
    """
    weight = round(float(sample_weights()[0, 0]), 9)        # -0.148619622: no more digits than tell a float32 apart
    start = weight if value is None else float(value)
    box = widgets.FloatText(start, step=0.01, description="your number", style=dict(description_width="110px"),
                            layout=dict(width="360px"))
    presets = {"A real weight": weight, "0.1": 0.1, "π": math.pi, "100,000": 1e5, "0.000001": 1e-6, "1": 1.0}
    return Explorer(_draw, {"value": box}, presets={words: {"value": number} for words, number in presets.items()},
                    note="Type any number, or step it with the up and down arrow keys.")


def _draw(value: float) -> Picture:
    rows = [_row(value, name) for name in FLOATS]
    half, brain = float_anatomy(value, "FP16"), float_anatomy(value, "BF16")
    return draw_floats(rows, finding=_finding(value, half, brain), subtitle=(
        "FP32, BF16, FP16 and two FP8: the same number with fewer and fewer bits, most significant bit left"))


def _row(value: float, name: str) -> FloatRow:
    form, stored = FLOATS[name], float_anatomy(value, name)
    return FloatRow(name, stored.sign, stored.exponent, stored.mantissa, f"= {_words(stored.value, 8)}", _error(stored),
                    limits(form.smallest, form.largest))


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
        return f"{_words(value, 6)} is too large for FP16, whose largest number is 65,504; BF16 holds {_words(brain.value, 6)}"
    if half.value == 0 and value:
        return f"{_words(value, 6)} is too small for FP16, which stores 0; BF16 holds {_words(brain.value, 6)}"
    if half.error == brain.error == 0:
        return f"{_words(value, 6)} is exact in 16 bits, of either kind"
    better = "FP16 comes closer: more mantissa" if abs(half.error) < abs(brain.error) else "BF16 comes closer: more exponent"
    if abs(half.error) == abs(brain.error):
        better = "both are equally close"
    return f"{_words(value, 6)} in 16 bits: FP16 stores {_words(half.value, 7)}, BF16 {_words(brain.value, 7)}; {better}"


def _words(value: float, digits: int) -> str:
    """A number as the lesson's text writes it: 100,000 and not 100000."""
    words = number(value, digits)
    return words[:-len(digits_only)] + f"{int(digits_only):,}" if (digits_only := words.lstrip("−")).isdigit() else words
