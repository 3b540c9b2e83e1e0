"""What floats are made of: one row of bits for each format, sign, exponent and mantissa in their colours."""

from collections.abc import Sequence
from dataclasses import dataclass

from .numbers import number
from .style import MEANING, MUTE, Picture, ink_on
from .svg import page, rect, text

PARTS = ("sign", "exponent", "mantissa")


@dataclass(frozen=True)
class FloatRow:
    """One number in one format: the three parts as "0"/"1" text, what is stored, and how far that is off."""

    name: str
    sign: str
    exponent: str
    mantissa: str
    stored: str
    error: str
    limits: str


def draw_floats(rows: Sequence[FloatRow], *, finding: str, subtitle: str) -> Picture:
    """The rows under each other, most significant bit left, so that equal bits stand in one column."""
    shapes = [rect(16, 72, 11, 11, MEANING["sign"]), text(31, 82, "s  sign", size=11),
              rect(86, 72, 11, 11, MEANING["exponent"]), text(101, 82, "e  exponent: which power of two", size=11),
              rect(306, 72, 11, 11, MEANING["mantissa"]), text(321, 82, "m  mantissa: how far to the next one", size=11)]
    for i, row in enumerate(rows):
        shapes += _row(row, 100 + 64 * i)
    table = (("format", *PARTS, "stored", "error", "range"),
             *((r.name, r.sign, r.exponent, r.mantissa, r.stored, r.error, r.limits) for r in rows))
    return page(104 + 64 * len(rows), shapes, finding=finding, subtitle=subtitle, table=table)


def _row(row: FloatRow, y: float) -> list[str]:
    shapes = [text(16, y + 14, row.name, bold=True), text(16, y + 30, f"{1 + len(row.exponent + row.mantissa)} bits", size=11, fill=MUTE)]
    i = 0
    for part, bits in zip(PARTS, (row.sign, row.exponent, row.mantissa), strict=True):
        for bit in bits:
            x, colour = 98 + 14.2 * i, MEANING[part]
            shapes += [rect(x, y, 13, 32, colour), text(x + 6.5, y + 14, bit, size=11, fill=ink_on(colour), anchor="middle"),
                       text(x + 6.5, y + 27, part[0], size=9, fill=ink_on(colour), anchor="middle")]
            i += 1
    x = 106 + 14.2 * i
    if i > 20:                                  # no room beside 32 bits: the words go below
        return [*shapes, text(98, y + 47, f"{row.stored}, {row.error} · {row.limits}", size=11)]
    return [*shapes, text(x, y + 14, row.stored, size=12, bold=True), text(x, y + 30, f"{row.error} · {row.limits}", size=11, fill=MUTE)]


def limits(smallest: float, largest: float) -> str:
    """The smallest and the largest positive number of a format, in words."""
    return f"from {number(smallest, 2)} to {f'{largest:,.0f}' if largest < 1e6 else number(largest, 5)}"
