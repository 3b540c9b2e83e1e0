"""The chosen byte from close by: its bits and whose they are, the whole value of one of them, and the weight it makes."""

from collections.abc import Sequence
from dataclasses import dataclass

from .spots import bracket, characters, here, spot
from .style import INK, MEANING, MUTE, ink_on
from .svg import rect, text

BYTE, VALUE, WEIGHT = 16, 248, 488                     # x of the three columns
CELL, TALL = 26, 32
TINT = 0.4


@dataclass(frozen=True)
class Close:
    """What stands side by side under the rows.

    title: the byte in words.  raw: its value, of which `typed` may stand in for the first digit.  byte, bit: the chosen one.
    runs: (how many bits, key of MEANING, line, second line) of each owner in the byte, from the left.
    value_title, value: the value that owns the chosen bit: (byte, bit, 0 or 1) of its bits, highest first.
    parts: (words, how many bits, key of MEANING) under these, from the left.
    weight_title, lines: the formula of the chosen weight; lines that begin with "=" stand out.
    """

    title: str
    raw: int
    byte: int
    bit: int
    runs: Sequence[tuple[int, str, str, str]]
    value_title: str
    value: Sequence[tuple[int, int, int]]
    parts: Sequence[tuple[str, int, str]]
    weight_title: str
    lines: Sequence[str]


def draw_close(close: Close, y: float) -> list[str]:
    """Three columns, 120 pixels high, from y downwards."""
    return [*_byte(close, y), *_value(close, y), *_weight(close, y)]


def _byte(close: Close, y: float) -> list[str]:
    shapes, bit = [text(BYTE, y + 11, close.title, bold=True)], 7
    for count, meaning, line, second in close.runs:
        colour, x = MEANING[meaning], BYTE + (7 - bit) * CELL
        mine = bit >= close.bit > bit - count
        for k in range(bit, bit - count, -1):
            at = BYTE + (7 - k) * CELL
            shapes += [text(at + 12, y + 29, k, size=9, fill=MUTE, anchor="middle"), *_box(at, y + 33, CELL - 2, TALL, colour, mine),
                       characters([(at + 12, str(close.raw >> k & 1))], y + 54, 15, ink_on(colour) if mine else INK, bold=True)]
        shapes.append(bracket(x, count * CELL - 2, y + 69, MUTE))
        shapes += [text(x + count * CELL / 2 - 1, y + 84 + 13 * i, words, size=11 if count > 2 else 9, fill=INK if mine else MUTE,
                        anchor="middle") for i, words in enumerate((line, second)) if words]
        bit -= count
    x = BYTE + (7 - close.bit) * CELL
    words = f"byte {close.byte}, bit {close.bit}: {close.raw >> close.bit & 1}"
    return [*shapes, here(words, rect(x - 1.5, y + 31.5, CELL + 1, TALL + 3, "none", stroke=INK, stroke_width=3, radius=4)),
            *(spot(BYTE + (7 - k) * CELL, y + 20, CELL, TALL + 14, first=8 * close.byte + 7 - k, bits=1) for k in range(7, -1, -1))]


def _box(x: float, y: float, width: float, height: float, colour: str, strong: bool) -> list[str]:
    return [rect(x, y, width, height, colour, radius=3, opacity=1 if strong else TINT)]


def _value(close: Close, y: float) -> list[str]:
    """The value's bits in the order of their worth, wherever in the block they stand: those of the chosen byte in full strength."""
    n = len(close.value)
    cell = min(20.0, 216 / n)
    shapes, i = [text(VALUE, y + 11, close.value_title, bold=True)], 0
    for words, count, meaning in close.parts:
        colour, x = MEANING[meaning], VALUE + i * cell
        for byte, bit, digit in close.value[i : i + count]:
            at, mine = VALUE + i * cell, byte == close.byte
            shapes += [*_box(at, y + 33, cell - 1.2, TALL - 6, colour, mine),
                       characters([(at + cell / 2 - 0.6, str(digit))], y + 50, 12 if n <= 16 else 9, ink_on(colour) if mine else INK)]
            if (byte, bit) == (close.byte, close.bit):
                shapes.append(rect(at - 1.2, y + 31.5, cell + 1.2, TALL - 3, "none", stroke=INK, stroke_width=2.5, radius=3))
            shapes.append(spot(at, y + 30, cell, TALL, first=8 * byte + 7 - bit, bits=1))
            i += 1
        shapes += [bracket(x, count * cell - 1.2, y + 63, MUTE),
                   text(x + count * cell / 2 if count > 1 else x, y + 78, words, size=11 if count * cell > 50 else 9, fill=MUTE,
                        anchor="middle" if count > 1 else "start")]
    return shapes


def _weight(close: Close, y: float) -> list[str]:
    shapes = [text(WEIGHT, y + 11, close.weight_title, bold=True)]
    for i, words in enumerate(close.lines):
        result = words.startswith("=")
        shapes.append(text(WEIGHT, y + 33 + 18 * i, words, size=11.5 if len(words) < 40 else 10, fill=INK if result else MUTE))
    return shapes
