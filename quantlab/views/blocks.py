"""A block of a quantized tensor, byte by byte: tiles that say who owns them, bits, the formula, and the number line."""

from collections.abc import Sequence
from dataclasses import dataclass

from .numbers import number
from .style import GREY, INK, LINE, MEANING, MUTE, PAPER, Picture, ink_on
from .svg import circle, line, page, rect, text

HIGH = "#7fcdbb"            # the fifth bits: codes too, so a green
COLOUR = {"d": MEANING["scale"], "m": MEANING["min"], "qh": HIGH, "qs": MEANING["code"]}
LETTER = {"d": "d", "m": "m", "qh": "h", "qs": "q"}
SAYS = {"d": "d: scale", "m": "m: minimum", "qh": "h: fifth bits of the codes", "qs": "q: codes"}
FLOAT16_PARTS = (("sign", 1), ("exponent", 5), ("mantissa", 10))
TILE, LEFT, RIGHT = 28, 16, 496


@dataclass(frozen=True)
class BlockFacts:
    """What the block view draws.  owners, raw: one per byte.  codes, decoded, original: one per weight (original may
    be empty).  chosen: the byte looked at; its bits are `bits` (highest first) with the weight of each in `bit_weights`
    (-1: all).  headline, lines: what is said about it; float16: the 16 bits of a scale, highest first, or "".
    levels: the values that the block can hold, by ascending code, the first of them `first_code`."""

    raw: bytes
    owners: Sequence[str]
    codes: Sequence[int]
    decoded: Sequence[float]
    original: Sequence[float]
    levels: Sequence[float]
    first_code: int
    chosen: int
    bit_weights: Sequence[int]
    headline: str
    lines: Sequence[str]
    float16: str = ""


def draw_block(facts: BlockFacts, *, finding: str, subtitle: str) -> Picture:
    """The block as the look of all block explorers has it; 760 by 470 pixels."""
    weights = [w for w in dict.fromkeys(facts.bit_weights) if w >= 0]
    body = [*_tiles(facts), *_codes(facts, weights), *_legend(facts), *_bits(facts, weights),
            *_float16(facts), *_number_line(facts, weights)]
    return page(470, body, finding=finding, subtitle=subtitle, table=_table(facts))


def _tiles(facts: BlockFacts) -> list[str]:
    shapes = [text(LEFT, 84, f"the {len(facts.raw)} bytes, in the order of the file", size=12, fill=MUTE)]
    heads = sum(owner != "qs" for owner in facts.owners)
    for i, (owner, byte) in enumerate(zip(facts.owners, facts.raw, strict=True)):
        column, row = (i, 0) if i < heads else ((i - heads) % 16, 1 + (i - heads) // 16)
        x, y, colour = LEFT + column * TILE, 94 + row * 36, COLOUR[owner]
        shapes.append(rect(x, y, TILE - 2, 33, colour, radius=3, opacity=1 if i == facts.chosen else 0.82,
                           title=f"byte {i}: {SAYS[owner]}"))
        shapes.append(text(x + 13, y + 13, LETTER[owner], size=10, fill=ink_on(colour), anchor="middle"))
        shapes.append(text(x + 13, y + 27, f"{byte:02X}", size=11, fill=ink_on(colour), anchor="middle", mono=True))
        if i == facts.chosen:
            shapes.append(rect(x - 1, y - 1, TILE, 35, "none", stroke=INK, stroke_width=3, radius=4))
    return shapes


def _codes(facts: BlockFacts, weights: list[int]) -> list[str]:
    shapes = [text(LEFT, 222, "the codes of the 32 weights, in the order of the weights", size=12, fill=MUTE)]
    low, high = min(facts.codes), max(facts.codes)
    for i, code in enumerate(facts.codes):
        x, y = LEFT + i % 16 * TILE, 232 + i // 16 * 28
        tone = 0.12 + 0.5 * (code - low) / (high - low or 1)
        shapes += [rect(x, y, TILE - 2, 25, MEANING["code"], radius=3, opacity=tone),
                   text(x + 13, y + 16, number(code), size=10 if -10 < code < 100 else 9, anchor="middle", bold=i in weights)]
        if i in weights:
            shapes.append(rect(x - 1, y - 1, TILE, 27, "none", stroke=_weight_colour(weights, i), stroke_width=3, radius=4))
    return shapes


def _weight_colour(weights: list[int], i: int) -> str:
    return MEANING["partner"] if len(weights) == 2 and i == weights[0] else MEANING["code"]


def _legend(facts: BlockFacts) -> list[str]:
    shapes, x = [], LEFT
    for owner in dict.fromkeys(facts.owners):
        count = facts.owners.count(owner)
        words = f"{SAYS[owner]}, {count} bytes"
        shapes += [rect(x, 303, 11, 11, COLOUR[owner]), text(x + 16, 313, words, size=11)]
        x += 40 + 6 * len(words)
    return shapes


def _bits(facts: BlockFacts, weights: list[int]) -> list[str]:
    owner, byte = facts.owners[facts.chosen], facts.raw[facts.chosen]
    shapes = [text(RIGHT, 84, f"byte {facts.chosen} = {byte:02X} hex = {byte}", bold=True)]
    for i, (bit, weight) in enumerate(zip(f"{byte:08b}", facts.bit_weights, strict=True)):
        colour = COLOUR[owner] if weight < 0 or owner == "qh" else _weight_colour(weights, weight)
        x = RIGHT + i * 31
        shapes += [rect(x, 94, 28, 33, colour, radius=4),
                   text(x + 14, 116, bit, size=16, fill=ink_on(colour), anchor="middle", bold=True)]
        if owner == "qh":
            shapes.append(text(x + 14, 141, weight, size=10, fill=MUTE, anchor="middle"))
    if len(weights) == 2:
        for k, weight in enumerate(weights):
            words = f"weight {weight}: code {facts.codes[weight]}"
            shapes.append(text(RIGHT + 60 + k * 124, 143, words, size=11, anchor="middle"))
    shapes.append(text(RIGHT, 172, facts.headline, size=12))
    for i, words in enumerate(facts.lines):
        result = words.startswith("=")
        shapes.append(text(RIGHT, 196 + 21 * i, words, size=12, bold=result, fill=INK if result else MUTE))
    return shapes


def _float16(facts: BlockFacts) -> list[str]:
    """The sixteen bits of a scale, in their three parts, with those of the chosen byte framed."""
    if not facts.float16:
        return []
    shapes, i = [], 0
    for part, count in FLOAT16_PARTS:
        colour = MEANING[part]
        for bit in facts.float16[i : i + count]:
            x = RIGHT + i * 15.5
            shapes += [rect(x, 244, 14, 22, colour), text(x + 7, 260, bit, size=11, fill=ink_on(colour), anchor="middle")]
            i += 1
        shapes.append(text(RIGHT + (i - count / 2) * 15.5, 283, part, size=11, fill=MUTE, anchor="middle"))
    high = facts.chosen % 2 == 1
    return [*shapes, rect(RIGHT - 1 + (0 if high else 124), 242, 123, 26, "none", stroke=INK, stroke_width=2, radius=3)]


def _number_line(facts: BlockFacts, weights: list[int]) -> list[str]:
    values = [*facts.levels, *facts.original, *facts.decoded]
    low, high = min(values), max(values)
    span = high - low or 1.0
    y = 424

    def at(value: float) -> float:
        return LEFT + 12 + (value - low) / span * 704

    dots = facts.original or facts.decoded
    what = "32 weights before (dots)" if facts.original else "32 weights (dots)"
    shapes = [text(LEFT, 346, f"{what} on the {len(facts.levels)} levels that this block can hold (ticks)", size=12, fill=MUTE),
              line(LEFT, y, 744, y, stroke=INK), _comb([at(level) for level in facts.levels], y)]
    shapes += [circle(at(value), 366 + 11 * (i % 4), 3.2, GREY, opacity=0.75)
               for i, value in enumerate(dots) if i not in weights]
    for i in weights:
        colour, height = _weight_colour(weights, i), 366 + 11 * (i % 4)
        shapes += [line(at(facts.decoded[i]), y - 10, at(facts.decoded[i]), y + 1, stroke=colour, width=4),
                   line(at(dots[i]), height, at(facts.decoded[i]), y - 10, stroke=colour, width=1.5),
                   circle(at(dots[i]), height, 5, colour, stroke=INK)]
    every = {16: 1, 32: 2}.get(len(facts.levels), 64)
    shapes += [text(at(level), y + 15, number(facts.first_code + i), size=10, fill=MUTE, anchor="middle")
               for i, level in enumerate(facts.levels) if (facts.first_code + i) % every == 0]
    shapes.append(text(380, y + 34, f"code (above), weights from {number(low)} to {number(high)}", size=11, fill=MUTE,
                       anchor="middle"))
    return shapes


def _comb(places: list[float], y: float) -> str:
    """All level ticks as one path: 255 single lines would triple the picture."""
    path = "".join(f"M{x:.1f} {y - 7}v7" for x in places)
    return f'<path d="{path}" style="stroke:{INK if len(places) < 64 else LINE};stroke-width:1;fill:{PAPER}"/>'


def _table(facts: BlockFacts) -> tuple[tuple[str, ...], ...]:
    rows = [("weight", "code", "decoded", *(("before", "error") if facts.original else ()))]
    for i, (code, value) in enumerate(zip(facts.codes, facts.decoded, strict=True)):
        more = (number(facts.original[i]), number(value - facts.original[i])) if facts.original else ()
        rows.append((str(i), str(code), number(value), *more))
    return tuple(rows)
