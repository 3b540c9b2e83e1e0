"""The chosen byte from close by: its bits and whose they are, the whole value of one of them, and the weight
it makes.

A block, byte by byte: every bit in the colour of its owner, those that make one weight in full strength.

Above, the struct as it lies in the file, one row for each field; under it the chosen byte and the weights.
The rows carry `data-first` (the number of their first bit in reading order) and `data-bits`, so that a click
finds the bit it meant.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .block_levels import Group, draw_group, group_height
from .style import INK, MEANING, MUTE, VERMILION, WIDTH, Picture, Table, ink_on
from .svg import bracket, characters, here, page, rect, spot, text

BYTE, VALUE, WEIGHT = 16, 248, 488                     # x of the three columns
CELL, TALL = 26, 32
TINT = 0.4


@dataclass(frozen=True)
class Close:
    """What stands side by side under the rows.

    title: the byte in words.  raw: its value, of which `typed` may stand in for the first digit.  byte, bit:
    the chosen one.
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
            shapes += [text(at + 12, y + 29, k, size=9, fill=MUTE, anchor="middle"),
                       *_box(at, y + 33, CELL - 2, TALL, colour, mine),
                       characters([(at + 12, str(close.raw >> k & 1))], y + 54, 15, ink_on(colour) if mine
                                  else INK, bold=True)]
        shapes.append(bracket(x, count * CELL - 2, y + 69, MUTE))
        shapes += [text(x + count * CELL / 2 - 1, y + 84 + 13 * i, words, size=11 if count > 2
                        else 9, fill=INK if mine else MUTE, anchor="middle")
                   for i, words in enumerate((line, second)) if words]
        bit -= count
    x = BYTE + (7 - close.bit) * CELL
    words = f"byte {close.byte}, bit {close.bit}: {close.raw >> close.bit & 1}"
    return [*shapes,
            here(words, rect(x - 1.5, y + 31.5, CELL + 1, TALL + 3, "none", stroke=INK, stroke_width=3,
                             radius=4)),
            *(spot(BYTE + (7 - k) * CELL, y + 20, CELL, TALL + 14, first=8 * close.byte + 7 - k, bits=1)
              for k in range(7, -1, -1))]


def _box(x: float, y: float, width: float, height: float, colour: str, strong: bool) -> list[str]:
    return [rect(x, y, width, height, colour, radius=3, opacity=1 if strong else TINT)]


def _value(close: Close, y: float) -> list[str]:
    """The value's bits in the order of their worth, wherever in the block they stand: those of the chosen
    byte in full strength.
    """
    n = len(close.value)
    cell = min(20.0, 216 / n)
    shapes, i = [text(VALUE, y + 11, close.value_title, bold=True)], 0
    for words, count, meaning in close.parts:
        colour, x = MEANING[meaning], VALUE + i * cell
        for byte, bit, digit in close.value[i : i + count]:
            at, mine = VALUE + i * cell, byte == close.byte
            shapes += [*_box(at, y + 33, cell - 1.2, TALL - 6, colour, mine),
                       characters([(at + cell / 2 - 0.6, str(digit))], y + 50, 12 if n <= 16
                                  else 9, ink_on(colour) if mine else INK)]
            if (byte, bit) == (close.byte, close.bit):
                shapes.append(rect(at - 1.2, y + 31.5, cell + 1.2, TALL - 3, "none", stroke=INK,
                                   stroke_width=2.5, radius=3))
            shapes.append(spot(at, y + 30, cell, TALL, first=8 * byte + 7 - bit, bits=1))
            i += 1
        shapes += [bracket(x, count * cell - 1.2, y + 63, MUTE),
                   text(x + count * cell / 2 if count > 1 else x, y + 78, words, size=11 if count * cell > 50
                        else 9, fill=MUTE, anchor="middle" if count > 1 else "start")]
    return shapes


def _weight(close: Close, y: float) -> list[str]:
    shapes = [text(WEIGHT, y + 11, close.weight_title, bold=True)]
    for i, words in enumerate(close.lines):
        result = words.startswith("=")
        shapes.append(text(WEIGHT, y + 33 + 18 * i, words, size=11.5 if len(words) < 40 else 10, fill=INK
                           if result else MUTE))
    return shapes


LEFT, TILES, RIGHT = 16, 92, WIDTH - 16
# where the rows begin; height of the chosen byte's panel
TOP, CLOSE = 68, 126
WIDE_BLOCK = 40                                        # bytes: from here on 32 in a row, each with less room
TINTS = (0.22, 0.42)                                   # neighbours in a byte alternate
LETTERS = {"dmin": "D", "signs": "±", "delta": "Δ"}         # of the others the first letter

#: (name, first byte, how many, what it holds); what it holds is a list of (name of the values, a few words,
#: more words).
Fields = Sequence[tuple[str, int, int, Sequence[tuple[str, str, str]]]]


@dataclass(frozen=True)
class BlockFacts:
    """raw: the bytes.  fields: in the order of the file.  owners: per byte the (name, index) of
    each bit, lowest first.  meaning: name -> its key in MEANING.  lit: the (byte, bit) that make the chosen
    weight.
    byte, bit: the chosen one.  changed: bytes that differ from what was stored.
    """

    raw: bytes
    fields: Fields
    owners: Sequence[Sequence[tuple[str, object]]]
    meaning: Mapping[str, str]
    lit: Collection[tuple[int, int]]
    byte: int
    bit: int
    changed: Collection[int]


def draw_block(facts: BlockFacts, close: Close, group: Group, *, finding: str, subtitle: str,
               table: Table) -> Picture:
    """The whole picture; its height depends on the format alone."""
    rows = _rows(facts.fields, len(facts.raw))
    y = rows[-1].y + rows[-1].height + 14
    body = [_paths(facts, rows)]
    for row in rows:
        body += _digits(facts, row)
        body += _marks(facts, row)
    body += _names(facts, rows)
    body += draw_close(close, y)
    body += draw_group(group, y + CLOSE)
    return page(int(y + CLOSE + group_height(group)), body, finding=finding, subtitle=subtitle, table=table,
                role="group")


class Row(NamedTuple):
    """A row of tiles: its first byte, how many, where it begins, how high it is; mixed: its field holds
    several kinds of values.
    """

    first: int
    count: int
    y: float
    height: int
    mixed: bool


def _tile(n_bytes: int) -> tuple[int, float]:
    """(tiles in a row, from one to the next)"""
    columns = 32 if n_bytes >= WIDE_BLOCK else 16
    return columns, (RIGHT - TILES) / columns


def _rows(fields: Fields, n_bytes: int) -> list[Row]:
    """Each field begins a row of its own."""
    columns, _ = _tile(n_bytes)
    rows, y = [], TOP
    for _, start, count, held in fields:
        height = 34 if columns == 16 or len(held) > 1 else 23
        for first in range(start, start + count, columns):
            rows.append(Row(first, min(columns, start + count - first), y, height, len(held) > 1))
            y += height
    return rows


def next_row(fields: Fields, n_bytes: int, byte: int, down: bool) -> int:
    """The byte under or over another one in the picture; the byte itself where the rows end."""
    rows = _rows(fields, n_bytes)
    at = next(i for i, row in enumerate(rows) if row.first <= byte < row.first + row.count)
    to = at + 1 if down else at - 1
    if not 0 <= to < len(rows):
        return byte
    return rows[to].first + min(byte - rows[at].first, rows[to].count - 1)


def _runs(owners: Sequence[tuple[str, object]]) -> list[tuple[str, int, int]]:
    """One byte's bits as (name, highest bit, lowest bit) of each owner, from the left."""
    runs, high = [], 7
    for bit in range(7, -1, -1):
        if bit == 0 or owners[bit - 1] != owners[bit]:
            runs.append((owners[bit][0], high, bit))
            high = bit - 1
    return runs


def _paths(facts: BlockFacts, rows: Sequence[Row]) -> str:
    """The coloured bits of all tiles, one path for each colour and strength: a shape a bit would make the
    picture ten times as long.
    """
    _, pitch = _tile(len(facts.raw))
    paths, width = {}, pitch - 1.5
    for row in rows:
        for i in range(row.count):
            for k, (name, high, low) in enumerate(_runs(facts.owners[row.first + i])):
                strength = 1 if (row.first + i, low) in facts.lit else TINTS[k % 2]
                x, across = TILES + i * pitch + (7 - high) * width / 8, (high - low + 1) * width / 8
                paths.setdefault((MEANING[facts.meaning[name]], strength), []).append(
                    f"M{x:.1f} {row.y}h{across:.1f}v{row.height - 3}h{-across:.1f}z")
    return "".join(f'<path d="{"".join(shapes)}" fill="{colour}"' + (f' fill-opacity="{strength}"'
                                                                     if strength != 1 else "") + "/>"
                   for (colour, strength), shapes in paths.items())


def _digits(facts: BlockFacts, row: Row) -> list[str]:
    """Each half byte's hexadecimal digit over its bits; in a mixed row, the letters of the owners under
    these.
    """
    columns, pitch = _tile(len(facts.raw))
    width, size, places = pitch - 1.5, 13 if columns == 16 else 10, {}
    up = 8.5 if row.mixed else 2.5
    for i in range(row.count):
        byte, x = row.first + i, TILES + i * pitch
        for half, digit in enumerate(f"{facts.raw[byte]:02X}"):
            ink = _ink(facts, byte, range(4, 8) if half == 0 else range(4))
            places.setdefault((ink, row.y + (row.height + size) / 2 - up, size),
                              []).append((x + width * (0.28 + 0.44 * half), digit))
        if row.mixed:
            letters = list(dict.fromkeys(LETTERS.get(name, name[0]) for name, _,
                                         _ in _runs(facts.owners[byte])))
            for k, letter in enumerate(letters):
                ink = _ink(facts, byte, range(8 - 8 * (k + 1) // len(letters), 8 - 8 * k // len(letters)))
                places.setdefault((ink, row.y + row.height - 7, 9),
                                  []).append((x + width * (k + 0.5) / len(letters), letter))
    return [characters(where, y, size, ink) for (ink, y, size), where in places.items()]


def _ink(facts: BlockFacts, byte: int, bits: range) -> str:
    """What can be read over these bits: most of them in full strength, or pale."""
    lit = sum((byte, bit) in facts.lit for bit in bits)
    return ink_on(MEANING[facts.meaning[facts.owners[byte][bits[len(bits) // 2]][0]]]) if 2 * lit > len(
        bits) else INK


def _marks(facts: BlockFacts, row: Row) -> list[str]:
    """A corner on each byte that was changed, the frame of the chosen one with its bit, and the surface that
    takes the clicks.
    """
    _, pitch = _tile(len(facts.raw))
    width = pitch - 1.5
    shapes = [
        f'<path d="M{TILES + (byte - row.first) * pitch + width - 7:.1f} {row.y}h7v7z" fill="{VERMILION}"/>'
        for byte in facts.changed if 0 <= byte - row.first < row.count]
    if 0 <= facts.byte - row.first < row.count:
        x = TILES + (facts.byte - row.first) * pitch
        shapes += [rect(x - 1, row.y - 1, width + 2, row.height - 1, "none", stroke=INK, stroke_width=2.5,
                        radius=3), rect(x + (7 - facts.bit) * width / 8, row.y + row.height - 7, width / 8, 5,
                                        INK, radius=0)]
    return [*shapes, spot(TILES, row.y, row.count * pitch, row.height - 1, first=8 * row.first,
                          bits=8 * row.count)]


def _names(facts: BlockFacts, rows: Sequence[Row]) -> list[str]:
    """The field's name before its first row; what it holds behind the row, or under the name where the row is
    full.
    """
    columns, pitch = _tile(len(facts.raw))
    first, shapes = {row.first: row for row in rows}, []
    for name, start, count, held in facts.fields:
        row, full = first[start], count >= columns
        shapes.append(text(LEFT, row.y + (9 if full else row.height / 2 + 3), name, size=12, bold=True,
                           mono=True))
        y, x = (row.y + 19.5, LEFT) if full else (row.y + row.height / 2 + (3 if len(held) < 3 else -4),
                                                  TILES + count * pitch + 8)
        for value, short, words in held:
            if not full and x + 5.8 * len(words) > RIGHT:
                x, y = TILES + count * pitch + 8, y + 14
            shapes += [rect(x, y - 7, 8, 8, MEANING[facts.meaning[value]], radius=1),
                       text(x + 12, y, short if full else words, size=9 if full else 11, fill=MUTE)]
            x, y = (x, y + 11) if full else (x + 26 + 5.8 * len(words), y)
    return shapes
