"""Numbers and names as people read them: a real minus sign, no exponent where it can be helped, bytes and
bits in units, and the nearest names to one that is not known. One formatter each, for the whole workbook.

And text that a model or a file brought, made fit to be shown.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from html import escape
from math import floor, isinf, isnan, log10
from textwrap import wrap

GB, GIB = 1e9, 2**30
#: What stands between backticks; what stands between stars that are not a product or a power.
CODE, EMPHASIS = re.compile(r"`([^`]+)`"), re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]*[^\s*])\*(?![\w*])")


def number(value: float, digits: int = 4) -> str:
    """`value` with so many significant digits."""
    words = f"{value:.{digits}g}"
    if 1e-7 < abs(value) < 1e-4:
        words = f"{value:.{digits - 1 - floor(log10(abs(value)))}f}".rstrip("0")
    return words.replace("-", "−")


def told(value: float, digits: int = 4) -> str:
    """`value` with so many significant digits, whatever it is: thousands in full, infinities, what is no
    number.
    """
    if isnan(value):
        return "NaN"
    if isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:,.0f}".replace("-", "−") if 1000 <= abs(value) < 1e9 else number(value, digits)


def prose(words: str) -> str:
    """A sentence as HTML: escaped, with what stands between backticks as code, and between stars as emphasis.
    """
    parts = CODE.split(escape(words))               # every second one stood between backticks
    return "".join(f"<code>{part}</code>" if i % 2 else EMPHASIS.sub(r"<em>\1</em>", part)
                   for i, part in enumerate(parts))


def aloud(words: str) -> str:
    """A sentence of `prose` without its marks, for a voice."""
    return "".join(part if i % 2 else EMPHASIS.sub(r"\1", part) for i, part in enumerate(CODE.split(words)))


def size(nbytes: float) -> str:
    """Bytes in B, KB, MB or GB (thousands, as file managers and Ollama count)."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if nbytes >= factor:
            count = nbytes / factor
            return f"{count:.3g} {unit}" if count < 999.5 else f"{count:,.0f} {unit}"
    return f"{nbytes:g} B"


def gib(nbytes: float) -> str:
    """Bytes in GiB (2**30 bytes, as drivers report): two decimals below 20 GiB, one above."""
    return f"{nbytes / GIB:.2f} GiB" if abs(nbytes) < 20 * GIB else f"{nbytes / GIB:,.1f} GiB"


def bits(bpw: float) -> str:
    """Bits per weight: exact where a format has them (4.5, 2.0625), else with two decimals (4.85)."""
    return f"{bpw:g}" if float(16 * bpw).is_integer() else f"{bpw:.2f}"


def percent(share: float) -> str:
    """A share of 1 as a percentage; never "100 %" or "0 %" for what is not all or nothing."""
    if 0.9995 < share < 1:
        return "over 99.9 %"
    if 0 < share < 0.0005:
        return "under 0.1 %"
    return f"{100 * share:.3g} %" if share < 0.1 else f"{100 * share:.1f} %".replace(".0 ", " ")


def counted(count: int, noun: str) -> str:
    """A count with its noun: "1 prompt", "1,200 prompts"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def listed(names: Sequence[str]) -> str:
    """Names in a row: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def bits_of(qtype: str) -> int:
    """The number in a type's name: 4 for "Q4_K", 16 for "BF16", 0 without one; the nominal bits, without the
    scales.
    """
    digits = re.search(r"\d+", qtype)
    return int(digits[0]) if digits else 0


def nearest(name: object, names: Iterable[str], count: int = 3) -> str:
    """"; the nearest are A, B, C", whatever the case of the letters; "" where nothing is near."""
    spelled = {one.casefold(): one for one in names}
    near = [spelled[one] for one in get_close_matches(str(name).casefold(), spelled, n=count, cutoff=0.4)]
    return f"; the nearest {'are' if len(near) > 1 else 'is'} {', '.join(near)}" if near else ""


def one_of(what: str, name: object, names: Iterable[str]) -> str:
    """`name` as it is spelled in `names`, whatever its case.  Raises ValueError with the nearest, and all."""
    spelled = {one.casefold(): one for one in names}
    if (key := str(name).casefold()) in spelled:
        return spelled[key]
    known = list(spelled.values())
    raise ValueError(f"no {what} {name!r} here{nearest(name, known)}; there are {', '.join(known)}")


def whole(name: str, value: object, least: int, most: int, what: str = "") -> None:
    """ValueError in words unless `value` is a whole number from `least` to `most`; what: that it counts."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name}={value!r} cannot be: give a whole number{what and ' of ' + what}, from "
                         f"{least} to {most:,}")


def html_table(rows: Sequence[Sequence[object]]) -> str:
    """Rows of plain text, the first one the header, as an escaped HTML table; "" for no rows."""
    if not rows:
        return ""
    head, *body = rows
    cells = "".join(f'<th scope="col">{escape(str(c))}</th>' for c in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(str(c))}</td>" for c in row) + "</tr>" for row in body)
    return f'<table class="ql-table"><thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table>'


def text_table(rows: Sequence[Sequence[object]]) -> str:
    """The same rows for a terminal, in columns, numbers and amounts to the right; a cell with nothing after
    it may be longer than its column.
    """
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells if i + 1 == len(row) or any(row[i + 1:]))
              for i in range(len(cells[0]) if cells else 0)]
    return "\n".join("  ".join(
        f"{cell:>{width}}" if re.fullmatch(r"[-+−\d.,]+( \w+)?", cell) else f"{cell:<{width}}"
        for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells)


class Tabled:
    """A result that shows itself as a table: in a notebook's cell, and as text in a terminal."""

    def rows(self) -> list[tuple]:
        """The table, its header first."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return text_table(self.rows())

    def _repr_html_(self) -> str:
        return html_table(self.rows())


def printable(words: object) -> str:
    """Text that a model or a file brought: a box stands for every control character but the line end.
    Whoever writes it into HTML escapes it too.
    """
    return "".join(c if c == "\n" or c.isprintable() else " " if c == "\t" else "▯"
                   for c in str(words).replace("\r\n", "\n"))


def clipped(words: object, letters: int) -> str:
    """Printable text on one line of at most `letters`; an ellipsis ends it if there was more."""
    line = " ".join(printable(words).split())
    return line if len(line) <= letters else line[: letters - 1] + "…"


def wrapped(words: object, letters: int, most: int) -> list[str]:
    """Printable text as at most `most` lines of at most `letters` (half as many where they are wide, as in
    Japanese); an ellipsis ends the last one if there was more. Indents are kept.
    """
    said, lines = printable(words).strip(), []
    if sum(unicodedata.east_asian_width(c) in "WF" for c in said) > len(said) / 4:
        letters //= 2
    for paragraph in said.split("\n"):
        unindented = paragraph.lstrip(" ")
        indent = "\u00a0" * (len(paragraph) - len(unindented))     # plain spaces would vanish in SVG
        lines += wrap(unindented, letters, break_on_hyphens=False, initial_indent=indent) or [""]
    return lines if len(lines) <= most else [*lines[: most - 1], lines[most - 1][: letters - 2] + " …"]
