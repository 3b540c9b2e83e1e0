"""A block, byte by byte: every bit in the colour of its owner, those that make one weight in full strength.

Above, the struct as it lies in the file, one row for each field; under it the chosen byte and the weights. The rows carry
`data-first` (the number of their first bit in reading order) and `data-bits`, so that a click finds the bit it meant.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .block_bits import Close, draw_close
from .block_levels import Group, draw_group, group_height
from .spots import characters, spot
from .style import INK, MEANING, MUTE, VERMILION, WIDTH, Picture, ink_on
from .svg import page, rect, text

LEFT, TILES, RIGHT = 16, 92, WIDTH - 16
TOP, CLOSE = 68, 126                                   # where the rows begin; height of the chosen byte's panel
WIDE_BLOCK = 40                                        # bytes: from here on 32 in a row, each with less room
TINTS = (0.22, 0.42)                                   # neighbours in a byte alternate
LETTERS = {"dmin": "D", "signs": "±", "delta": "Δ"}         # of the others the first letter

#: (name, first byte, how many, what it holds); what it holds is a list of (name of the values, a few words, more words).
Fields = Sequence[tuple[str, int, int, Sequence[tuple[str, str, str]]]]


@dataclass(frozen=True)
class BlockFacts:
    """raw: the bytes.  fields: in the order of the file.  owners: per byte the (name, index) of
    each bit, lowest first.  meaning: name -> its key in MEANING.  lit: the (byte, bit) that make the chosen weight.
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
               table: tuple[tuple[str, ...], ...]) -> Picture:
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
    return page(int(y + CLOSE + group_height(group)), body, finding=finding, subtitle=subtitle, table=table, role="group")


class Row(NamedTuple):
    """A row of tiles: its first byte, how many, where it begins, how high it is; mixed: its field holds several kinds of values."""

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
    """The coloured bits of all tiles, one path for each colour and strength: a shape a bit would make the picture ten times as long."""
    _, pitch = _tile(len(facts.raw))
    paths, width = {}, pitch - 1.5
    for row in rows:
        for i in range(row.count):
            for k, (name, high, low) in enumerate(_runs(facts.owners[row.first + i])):
                strength = 1 if (row.first + i, low) in facts.lit else TINTS[k % 2]
                x, across = TILES + i * pitch + (7 - high) * width / 8, (high - low + 1) * width / 8
                paths.setdefault((MEANING[facts.meaning[name]], strength), []).append(
                    f"M{x:.1f} {row.y}h{across:.1f}v{row.height - 3}h{-across:.1f}z")
    return "".join(f'<path d="{"".join(shapes)}" fill="{colour}"' + (f' fill-opacity="{strength}"' if strength != 1 else "") + "/>"
                   for (colour, strength), shapes in paths.items())


def _digits(facts: BlockFacts, row: Row) -> list[str]:
    """Each half byte's hexadecimal digit over its bits; in a mixed row, the letters of the owners under these."""
    columns, pitch = _tile(len(facts.raw))
    width, size, places = pitch - 1.5, 13 if columns == 16 else 10, {}
    up = 8.5 if row.mixed else 2.5
    for i in range(row.count):
        byte, x = row.first + i, TILES + i * pitch
        for half, digit in enumerate(f"{facts.raw[byte]:02X}"):
            ink = _ink(facts, byte, range(4, 8) if half == 0 else range(4))
            places.setdefault((ink, row.y + (row.height + size) / 2 - up, size), []).append((x + width * (0.28 + 0.44 * half), digit))
        if row.mixed:
            letters = list(dict.fromkeys(LETTERS.get(name, name[0]) for name, _, _ in _runs(facts.owners[byte])))
            for k, letter in enumerate(letters):
                ink = _ink(facts, byte, range(8 - 8 * (k + 1) // len(letters), 8 - 8 * k // len(letters)))
                places.setdefault((ink, row.y + row.height - 7, 9), []).append((x + width * (k + 0.5) / len(letters), letter))
    return [characters(where, y, size, ink) for (ink, y, size), where in places.items()]


def _ink(facts: BlockFacts, byte: int, bits: range) -> str:
    """What can be read over these bits: most of them in full strength, or pale."""
    lit = sum((byte, bit) in facts.lit for bit in bits)
    return ink_on(MEANING[facts.meaning[facts.owners[byte][bits[len(bits) // 2]][0]]]) if 2 * lit > len(bits) else INK


def _marks(facts: BlockFacts, row: Row) -> list[str]:
    """A corner on each byte that was changed, the frame of the chosen one with its bit, and the surface that takes the clicks."""
    _, pitch = _tile(len(facts.raw))
    width = pitch - 1.5
    shapes = [f'<path d="M{TILES + (byte - row.first) * pitch + width - 7:.1f} {row.y}h7v7z" fill="{VERMILION}"/>'
              for byte in facts.changed if 0 <= byte - row.first < row.count]
    if 0 <= facts.byte - row.first < row.count:
        x = TILES + (facts.byte - row.first) * pitch
        shapes += [rect(x - 1, row.y - 1, width + 2, row.height - 1, "none", stroke=INK, stroke_width=2.5, radius=3),
                   rect(x + (7 - facts.bit) * width / 8, row.y + row.height - 7, width / 8, 5, INK, radius=0)]
    return [*shapes, spot(TILES, row.y, row.count * pitch, row.height - 1, first=8 * row.first, bits=8 * row.count)]


def _names(facts: BlockFacts, rows: Sequence[Row]) -> list[str]:
    """The field's name before its first row; what it holds behind the row, or under the name where the row is full."""
    columns, pitch = _tile(len(facts.raw))
    first, shapes = {row.first: row for row in rows}, []
    for name, start, count, held in facts.fields:
        row, full = first[start], count >= columns
        shapes.append(text(LEFT, row.y + (9 if full else row.height / 2 + 3), name, size=12, bold=True, mono=True))
        y, x = (row.y + 19.5, LEFT) if full else (row.y + row.height / 2 + (3 if len(held) < 3 else -4), TILES + count * pitch + 8)
        for value, short, words in held:
            if not full and x + 5.8 * len(words) > RIGHT:
                x, y = TILES + count * pitch + 8, y + 14
            shapes += [rect(x, y - 7, 8, 8, MEANING[facts.meaning[value]], radius=1),
                       text(x + 12, y, short if full else words, size=9 if full else 11, fill=MUTE)]
            x, y = (x, y + 11) if full else (x + 26 + 5.8 * len(words), y)
    return shapes
