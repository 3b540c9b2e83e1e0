"""A GGUF file as a strip to scale, its first part magnified, and some of its bytes in hexadecimal with their meaning."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from .style import BITS_TONES, INK, LINE, MEANING, MUTE, SOFT, WIDTH, Picture, ink_on
from .svg import line, page, rect, text

X, SPAN = 16, WIDTH - 32
STRIP_Y, ZOOM_Y, HEX_Y = 76, 146, 206
CELL, PER_ROW, ROWS = 23, 16, 9
HEX_X = X + 66
WORDS_X = HEX_X + PER_ROW * CELL + 12
HEIGHT = HEX_Y + ROWS * CELL + 34


class Stretch(NamedTuple):
    """Bytes `start` to `stop` of the file: `words` to write on them, `bits` for the colour (0: not weights).

    shorter: what to write where the words do not fit, tried in turn.
    """

    start: int
    stop: int
    words: str
    bits: int = 0
    shorter: tuple[str, ...] = ()


class Field(NamedTuple):
    """Some bytes in a row: `name`, the bytes, what they mean, and the key of MEANING that colours them ("": quiet)."""

    name: str
    raw: bytes
    meaning: str
    colour: str = ""


def draw_file(stretches: Sequence[Stretch], parts: Sequence[Stretch], fields: Sequence[Field], chosen: int | None, *,
              finding: str, subtitle: str, offset: int, left_out: int = 0, footer: str = "",
              table: tuple[tuple[str, ...], ...] = ()) -> Picture:
    """The file from end to end, the parts before the weights magnified, and the bytes of `fields`, which begin at `offset`.

    stretches: the header and each tensor, to scale; `chosen` is the index of the framed one.  parts: of the magnified header.
    left_out: how many bytes of the same block are not drawn.
    """
    end = max(stretches[-1].stop, 1)
    head = parts[-1].stop if parts else 0
    body = _strip(stretches, STRIP_Y, 0, end, chosen)
    if parts:
        left = X + max(head / end * SPAN, 1)
        body += [line(X, STRIP_Y + 34, X, ZOOM_Y, dash="2 3"), line(left, STRIP_Y + 34, X + SPAN, ZOOM_Y, dash="2 3")]
        body += _strip(parts, ZOOM_Y, 0, head, None)
        body.append(text(X + 6, ZOOM_Y - 6, f"the first {head:,} bytes, magnified", size=11, fill=MUTE))
    body += _hex(fields, offset, left_out)
    if footer:
        body.append(text(X, HEIGHT - 12, footer, size=12, bold=True))
    return page(HEIGHT, body, finding=finding, subtitle=subtitle, table=table)


def draw_refusal(finding: str, reason: str) -> Picture:
    """In place of a file that was not opened: what happened, and the reason in lines that fit."""
    lines = textwrap.wrap(reason, 100)[:6]
    return page(90 + 20 * len(lines), [text(X, 80 + 20 * i, words) for i, words in enumerate(lines)], finding=finding)


def _strip(stretches: Sequence[Stretch], y: float, start: int, stop: int, chosen: int | None) -> list[str]:
    scale = SPAN / max(stop - start, 1)
    parts, frame = [], ""
    for i, stretch in enumerate(stretches):
        x, width = X + (stretch.start - start) * scale, (stretch.stop - stretch.start) * scale
        tone = BITS_TONES.get(stretch.bits, SOFT)
        tip = f"{stretch.words}: {stretch.stop - stretch.start:,} bytes" if len(stretches) < 300 else ""
        gap = 1 if width > 3 else 0
        parts.append(rect(x, y, width - gap, 34, tone, stroke=LINE if tone == SOFT else "none", radius=1, title=tip))
        words = next((words for words in (stretch.words, *stretch.shorter) if width > 7.2 * len(words) + 8), "")
        if words:
            parts.append(text(x + width / 2, y + 22, words, size=12, anchor="middle", fill=INK if tone == SOFT else ink_on(tone)))
        if i == chosen:
            frame = rect(x - 1, y - 3, max(width, 3) + 1, 40, "none", stroke=INK, stroke_width=2.5, radius=3)
    return [*parts, frame]


def _hex(fields: Sequence[Field], offset: int, left_out: int) -> list[str]:
    body, at, words_y, named = [], 0, HEX_Y, set()
    for field in fields:
        tone = MEANING.get(field.colour, SOFT)
        ink = INK if tone == SOFT else ink_on(tone)
        for byte in field.raw:
            row, column = divmod(at, PER_ROW)
            if row >= ROWS:
                left_out += 1
                continue
            x, y = HEX_X + column * CELL, HEX_Y + row * CELL
            if column == 0:
                body.append(text(X, y + 15, f"{offset + at:,}", size=10, fill=MUTE))
            body.append(rect(x, y, CELL - 2, CELL - 2, tone, stroke=LINE if tone == SOFT else "none", radius=2))
            body.append(text(x + (CELL - 2) / 2, y + 15, f"{byte:02x}", size=11, anchor="middle", mono=True, fill=ink))
            at += 1
        if field.name not in named and len(named) < ROWS + 1:
            named.add(field.name)
            body += [rect(WORDS_X, words_y + 3, 12, 12, tone, stroke=LINE if tone == SOFT else "none", radius=2),
                     text(WORDS_X + 18, words_y + 13, f"{field.name}: {field.meaning}", size=12)]
            words_y += 20
    if left_out:
        body.append(text(HEX_X, HEX_Y + ROWS * CELL + 12, f"… and {left_out:,} more bytes", size=11, fill=MUTE))
    return body
