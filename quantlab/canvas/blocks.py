"""A block, byte by byte: every bit in the colour of the value it belongs to; the bits that make the chosen
weight in full strength, the others pale.

Above, the struct as it lies in the file, its fields in rows; under it three columns: the chosen byte, the
value that owns the chosen bit, and the chosen weight; last the weights of the sub-block (`block_levels`).
Clickable surfaces carry `data-first` (the number of their first bit in reading order) and `data-bits`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import groupby
from typing import NamedTuple

import numpy as np

from ..formats.anatomy import Anatomy
from ..formats.layout import Owner
from .block_levels import WeightGroup, draw_group, group_height
from .style import INK, MEANING, MUTE, VERMILION, WIDTH, Picture, Table, ink_on
from .svg import bracket, characters, here, page, quiet, rect, spot, text

LEFT, TILES, RIGHT, TOP = 16, 92, WIDTH - 16, 68       # edges of the rows, in pixels
WIDE_BLOCK = 40                                        # bytes: from here on 32 in a row, each with less room
TINTS, TINT = (0.22, 0.42), 0.4                        # strength of pale bits: in rows in turn, in columns
LETTERS = {"dmin": "D", "signs": "±", "delta": "Δ"}    # of the others the first letter
BYTE, VALUE, WEIGHT, COLUMNS = 16, 248, 488, 126       # x of the three columns, and their height
CELL, TALL = 26, 32                                    # a bit of the chosen byte
#: name in the declarations -> key of MEANING
COLOURS = {"d": "scale", "dmin": "min", "m": "min", "sc": "sub_scale", "q": "code", "grid": "code",
           "signs": "sign", "delta": "sub_min", "e": "scale", "sign": "sign", "exponent": "exponent",
           "mantissa": "mantissa"}


@dataclass(frozen=True)
class BlockView:
    """A block of a format, and the byte, the bit and the weight that are chosen in it.

    raw, stored: its bytes as they are now and as they were stored.  before: its weights before they were
    quantized, (block_size,), or none where these are not known.
    """

    parts: Anatomy
    raw: bytes
    stored: bytes
    before: np.ndarray
    byte: int
    bit: int
    weight: int

    @property
    def owner(self) -> Owner:
        """Whose the chosen bit is."""
        return self.parts.owner(self.byte, self.bit)

    @cached_property
    def lit(self) -> set[tuple[int, int]]:
        """The (byte, bit) of all bits that have a say in the chosen weight."""
        return self.parts.says(self.weight)


class BlockWords(NamedTuple):
    """What is written into the picture.

    fields: the fields of the struct; what each holds as (name of the values, in few words, in more words).
    byte, value, weight: titles of the three columns.  runs: two lines for each owner of the chosen byte's
    bits, from the left.  sum: how the weight is worked out; lines that begin with "=" stand out.
    """

    fields: Sequence["StructField"]
    byte: str
    value: str
    weight: str
    runs: Sequence[tuple[str, str]]
    sum: Sequence[str]


class StructField(NamedTuple):
    """A field of the struct: its name, its first byte, its size in bytes, what it holds (see `BlockWords`).
    """

    name: str
    start: int
    nbytes: int
    held: Sequence[tuple[str, str, str]]


def draw_block(view: BlockView, words: BlockWords, group: WeightGroup, *, finding: str, subtitle: str,
               table: Table) -> Picture:
    """The whole picture; its height depends on the format alone."""
    rows = tile_rows(words.fields, len(view.raw))
    y = rows[-1].y + rows[-1].height + 14
    body = [_paths(view, rows)]
    for row in rows:
        body += [*_digits(view, row), *_marks(view, row)]
    body += [*_names(view.parts, words.fields, rows), *_byte(view, words, y), *_value(view, words.value, y),
             *_weight(words, y), *draw_group(group, y + COLUMNS)]
    return page(int(y + COLUMNS + group_height(group)), body, finding=finding, subtitle=subtitle, table=table,
                role="group")


def colour_of(parts: Anatomy, name: str) -> str:
    """The colour of the values called `name`; minima of sub-blocks have another one than a block's minimum.
    """
    return MEANING["sub_min" if name == "m" and parts.layout.counts[name] > 1 else COLOURS[name]]


@cache
def byte_runs(parts: Anatomy, byte: int) -> list[tuple[Owner, int, int]]:
    """(owner, its highest bit, how many bits) of each value in a byte, from the left."""
    found, high = [], 7
    for _, bits in groupby(parts.layout.owners[byte][::-1], lambda owner: (owner.name, owner.index)):
        owner, *more = bits
        found.append((owner, high, 1 + len(more)))
        high -= 1 + len(more)
    return found


# ---- the struct in rows of bytes

class TileRow(NamedTuple):
    """A row of bytes: its first byte, how many, where it begins and how high it is, in pixels; mixed: its
    field holds several kinds of values.
    """

    first: int
    n_bytes: int
    y: float
    height: int
    mixed: bool


def _pitch(n_bytes: int) -> tuple[int, float]:
    """(bytes in a row, pixels from one to the next)"""
    columns = 32 if n_bytes >= WIDE_BLOCK else 16
    return columns, (RIGHT - TILES) / columns


def tile_rows(fields: Sequence[StructField], n_bytes: int) -> list[TileRow]:
    """Each field begins a row of its own."""
    columns, _ = _pitch(n_bytes)
    rows, y = [], TOP
    for _, start, count, held in fields:
        height = 34 if columns == 16 or len(held) > 1 else 23
        for first in range(start, start + count, columns):
            rows.append(TileRow(first, min(columns, start + count - first), y, height, len(held) > 1))
            y += height
    return rows


def _paths(view: BlockView, rows: Sequence[TileRow]) -> str:
    """The coloured bits of all bytes, one path for each colour and strength: a shape a bit would make the
    picture ten times as long.
    """
    _, pitch = _pitch(len(view.raw))
    paths: dict[tuple[str, float], list[str]] = {}
    width = pitch - 1.5
    for row in rows:
        for i in range(row.n_bytes):
            for k, (owner, high, count) in enumerate(byte_runs(view.parts, row.first + i)):
                strength = 1 if (row.first + i, high) in view.lit else TINTS[k % 2]
                x, across = TILES + i * pitch + (7 - high) * width / 8, count * width / 8
                paths.setdefault((colour_of(view.parts, owner.name), strength), []).append(
                    f"M{x:.1f} {row.y}h{across:.1f}v{row.height - 3}h{-across:.1f}z")
    return "".join(f'<path d="{"".join(shapes)}" fill="{colour}"'
                   + (f' fill-opacity="{strength}"' if strength != 1 else "") + "/>"
                   for (colour, strength), shapes in paths.items())


def _digits(view: BlockView, row: TileRow) -> list[str]:
    """Each half byte's hexadecimal digit over its bits; in a mixed row, the letters of the owners below."""
    columns, pitch = _pitch(len(view.raw))
    width, size, up = pitch - 1.5, 13 if columns == 16 else 10, 8.5 if row.mixed else 2.5
    places: dict[tuple[str, float, int], list[tuple[float, str]]] = {}
    for i in range(row.n_bytes):
        byte, x = row.first + i, TILES + i * pitch
        for half, digit in enumerate(f"{view.raw[byte]:02X}"):
            ink = _ink(view, byte, range(4 - 4 * half, 8 - 4 * half))
            places.setdefault((ink, row.y + (row.height + size) / 2 - up, size),
                              []).append((x + width * (0.28 + 0.44 * half), digit))
        names = (owner.name for owner, *_ in byte_runs(view.parts, byte) if row.mixed)
        letters = list(dict.fromkeys(LETTERS.get(name, name[0]) for name in names))
        for k, letter in enumerate(letters):
            ink = _ink(view, byte, range(8 - 8 * (k + 1) // len(letters), 8 - 8 * k // len(letters)))
            places.setdefault((ink, row.y + row.height - 7, 9),
                              []).append((x + width * (k + 0.5) / len(letters), letter))
    return [characters(where, y, size, ink) for (ink, y, size), where in places.items()]


def _ink(view: BlockView, byte: int, bits: range) -> str:
    """What can be read over these bits: most of them in full strength, or pale."""
    lit = sum((byte, bit) in view.lit for bit in bits)
    if 2 * lit <= len(bits):
        return INK
    return ink_on(colour_of(view.parts, view.parts.owner(byte, bits[len(bits) // 2]).name))


def _marks(view: BlockView, row: TileRow) -> list[str]:
    """A corner on each byte that was changed, the frame of the chosen one with its bit, and the surface that
    takes the clicks.
    """
    _, pitch = _pitch(len(view.raw))
    width, shapes = pitch - 1.5, []
    for i in range(row.n_bytes):
        byte, x = row.first + i, TILES + i * pitch
        if view.raw[byte] != view.stored[byte]:
            shapes.append(f'<path d="M{x + width - 7:.1f} {row.y}h7v7z" fill="{VERMILION}"/>')
    if 0 <= view.byte - row.first < row.n_bytes:
        x = TILES + (view.byte - row.first) * pitch
        shapes += [rect(x - 1, row.y - 1, width + 2, row.height - 1, "none", stroke=INK, stroke_width=2.5,
                        radius=3),
                   rect(x + (7 - view.bit) * width / 8, row.y + row.height - 7, width / 8, 5, INK, radius=0)]
    return [*shapes, spot(TILES, row.y, row.n_bytes * pitch, row.height - 1, first=8 * row.first,
                          bits=8 * row.n_bytes)]


def _names(parts: Anatomy, fields: Sequence[StructField], rows: Sequence[TileRow]) -> list[str]:
    """The field's name before its first row; what it holds behind the row, or under the name where the row is
    full.
    """
    columns, pitch = _pitch(parts.form.type_size)
    first, shapes = {row.first: row for row in rows}, []
    for name, start, count, held in fields:
        row, full = first[start], count >= columns
        shapes.append(text(LEFT, row.y + (9 if full else row.height / 2 + 3), name, size=12, bold=True,
                           mono=True))
        behind, y = TILES + count * pitch + 8, row.y + row.height / 2 + (3 if len(held) < 3 else -4)
        x, y = (LEFT, row.y + 19.5) if full else (behind, y)
        for value, short, words in held:
            if not full and x + 5.8 * len(words) > RIGHT:
                x, y = behind, y + 14
            shapes += [rect(x, y - 7, 8, 8, colour_of(parts, value), radius=1),
                       quiet(x + 12, y, short if full else words, size=9 if full else 11)]
            x, y = (x, y + 11) if full else (x + 26 + 5.8 * len(words), y)
    return shapes


# ---- the three columns

def _byte(view: BlockView, words: BlockWords, y: float) -> list[str]:
    """The chosen byte from close by: its bits and whose they are."""
    shapes = [text(BYTE, y + 11, words.byte, bold=True)]
    for (owner, high, count), lines in zip(byte_runs(view.parts, view.byte), words.runs, strict=True):
        colour, x = colour_of(view.parts, owner.name), BYTE + (7 - high) * CELL
        mine = 0 <= high - view.bit < count
        for bit in range(high, high - count, -1):
            at = BYTE + (7 - bit) * CELL
            shapes += [quiet(at + 12, y + 29, bit, size=9, anchor="middle"),
                       rect(at, y + 33, CELL - 2, TALL, colour, radius=3, opacity=1 if mine else TINT),
                       characters([(at + 12, str(view.raw[view.byte] >> bit & 1))], y + 54, 15,
                                  ink_on(colour) if mine else INK, bold=True)]
        shapes.append(bracket(x, count * CELL - 2, y + 69, MUTE))
        shapes += [text(x + count * CELL / 2 - 1, y + 84 + 13 * i, line, size=11 if count > 2 else 9,
                        fill=INK if mine else MUTE, anchor="middle") for i, line in enumerate(lines) if line]
    said = f"byte {view.byte}, bit {view.bit}: {view.raw[view.byte] >> view.bit & 1}"
    frame = rect(BYTE + (7 - view.bit) * CELL - 1.5, y + 31.5, CELL + 1, TALL + 3, "none", stroke=INK,
                 stroke_width=3, radius=4)
    return [*shapes, here(said, frame), *(spot(BYTE + i * CELL, y + 20, CELL, TALL + 14,
                                               first=8 * view.byte + i, bits=1) for i in range(8))]


def _value(view: BlockView, title: str, y: float) -> list[str]:
    """The value's bits in the order of their worth, wherever in the block they stand: those of the chosen
    byte in full strength.
    """
    owner = view.owner
    places = view.parts.places[owner.name, owner.index][::-1]
    cell, shapes, i = min(20.0, 216 / len(places)), [text(VALUE, y + 11, title, bold=True)], 0
    for words, count, colour in _value_parts(view, places):
        x = VALUE + i * cell
        for byte, bit in places[i : i + count]:
            at, mine = VALUE + i * cell, byte == view.byte
            shapes += [rect(at, y + 33, cell - 1.2, TALL - 6, colour, radius=3,
                            opacity=1 if mine else TINT),
                       characters([(at + cell / 2 - 0.6, str(view.raw[byte] >> bit & 1))], y + 50,
                                  12 if len(places) <= 16 else 9, ink_on(colour) if mine else INK)]
            if (byte, bit) == (view.byte, view.bit):
                shapes.append(rect(at - 1.2, y + 31.5, cell + 1.2, TALL - 3, "none", stroke=INK,
                                   stroke_width=2.5, radius=3))
            shapes.append(spot(at, y + 30, cell, TALL, first=8 * byte + 7 - bit, bits=1))
            i += 1
        shapes += [bracket(x, count * cell - 1.2, y + 63, MUTE),
                   quiet(x + count * cell / 2 if count > 1 else x, y + 78, words,
                         size=11 if count * cell > 50 else 9, anchor="middle" if count > 1 else "start")]
    return shapes


def _value_parts(view: BlockView, places: Sequence[tuple[int, int]]) -> list[tuple[str, int, str]]:
    """(words under them, how many bits, colour): the parts of a float16, else the bytes they come from."""
    if len(places) == 16:
        return [(part, count, MEANING[part])
                for part, count in (("sign", 1), ("exponent", 5), ("mantissa", 10))]
    colour = colour_of(view.parts, view.owner.name)
    return [(f"byte {byte}", len(list(bits)), colour)
            for byte, bits in groupby(byte for byte, _ in places)]


def _weight(words: BlockWords, y: float) -> list[str]:
    """How the chosen weight is worked out."""
    return [text(WEIGHT, y + 11, words.weight, bold=True),
            *(text(WEIGHT, y + 33 + 18 * i, line, size=11.5 if len(line) < 40 else 10,
                   fill=INK if line.startswith("=") else MUTE) for i, line in enumerate(words.sum))]
