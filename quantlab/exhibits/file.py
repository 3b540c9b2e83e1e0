"""Lesson 03: a real GGUF file: its parts to scale, its first bytes, and the first block of any tensor."""

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..canvas.style import BITS_TONES, INK, LINE, MEANING, SOFT, WIDTH, Picture, Table, ink_on
from ..canvas.svg import line, page, quiet, rect, text
from ..formats.table import FORMATS
from ..models.families import role_and_layer
from ..models.gguf_header import TensorInfo
from ..models.source import Model, open_model
from ..stage.base import Stage, refusal
from ..stage.handles import menu
from ..stage.share import recalled
from ..words import bits_of, clipped, percent, size

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
    """Some bytes in a row: `name`, the bytes, what they mean, and the key of MEANING that colours them ("":
    quiet).
    """

    name: str
    raw: bytes
    meaning: str
    colour: str = ""


HEADER = "the header"

#: What the fields of ggml's blocks hold, and the key of the colour that shows it.
FIELD_MEANINGS = {"d": ("scale, float16", "scale"), "m": ("minimum, float16", "min"),
                  "dmin": ("scale of the minima, float16", "min"),
                  "scales": ("sub-scales, packed", "sub_scale"), "qs": ("codes", "code"),
                  "ql": ("codes, low bits", "code"), "qh": ("codes, high bits", "partner"),
                  "hmask": ("codes, high bits", "partner"), "x": ("one weight", "original")}

MOST_TENSORS = 2000     # on the strip and in the list; no common model has more
MOST_BYTES = 144        # what fits into the picture: eight blocks of Q4_0, or one of Q4_K


def _stretches(model: Model, infos: list[TensorInfo]) -> list[Stretch]:
    head = Stretch(0, model.gguf.parts[-1][1], HEADER)
    return [head,
            *(Stretch(info.offset, info.offset + info.nbytes, f"{info.name} {info.qtype}",
                      bits_of(info.qtype), (f"{role_and_layer(info.name)[0]} {info.qtype}", info.qtype))
              for info in infos)]


def _parts(model: Model) -> list[Stretch]:
    """What stands before the weights; the 24 bytes of the very start are drawn with their metadata."""
    (_, start, _), (_, _, metadata_end), (_, _, infos_end), _ = model.gguf.parts
    return [Stretch(start, metadata_end, f"{len(model.metadata)} pairs of metadata"),
            Stretch(metadata_end, infos_end, f"list of {len(model.gguf.infos)} tensors")]


def header_fields(raw: bytes) -> list[Field]:
    """The start of a checked header, field by field, up to the end of its first key-value pair."""
    n_tensors, n_values, length = struct.unpack_from("<QQQ", raw, 8)
    fields = [Field("magic", raw[:4], "the letters GGUF", "scale"),
              Field("version", raw[4:8], str(raw[4]), "min"),
              Field("tensors", raw[8:16], f"{n_tensors:,}", "sub_scale"),
              Field("pairs", raw[16:24], f"{n_values:,}", "sub_min")]
    if not n_values or length > 64:
        return fields
    at = 32 + length
    key = raw[32:at].decode("utf-8", "replace")
    fields += [Field("key length", raw[24:32], str(length), "partner"), Field("key", raw[32:at], key, "code")]
    if len(raw) < at + 12 or raw[at : at + 4] != b"\x08\0\0\0":
        return fields
    size = struct.unpack_from("<Q", raw, at + 4)[0]
    value = raw[at + 12 : at + 12 + min(size, 32)]
    return [*fields, Field("value type", raw[at : at + 4], "8, a string"),
            Field("length", raw[at + 4 : at + 12], str(size), "partner"),
            Field("value", value, value.decode("utf-8", "replace"), "code")]


def tensor_fields(raw: bytes, block, weights: np.ndarray) -> list[Field]:
    """The fields of the blocks in `raw` as ggml's struct has them; of plain numbers, one field each."""
    if block.block_size == 1:
        size = block.type_size
        return [Field(f"weight {i}", raw[i * size : (i + 1) * size], f"{weight:+.5f}",
                      ("original", "")[i % 2]) for i, weight in enumerate(weights)]
    fields = []
    for at in range(0, len(raw), block.type_size):
        for name, (kind, start, *_) in sorted(block.dtype.fields.items(), key=lambda item: item[1][1]):
            words, colour = FIELD_MEANINGS.get(name, ("part of the block", ""))
            part = raw[at + start : at + start + kind.itemsize]
            if kind == np.dtype("<f2"):
                words = f"{words}: {np.frombuffer(part, '<f2')[0]:.3g}"
            fields.append(Field(name, part, words if len(part) < 3 else f"{words}, {len(part)} bytes",
                                colour))
    return fields


def _header(model: Model) -> dict:
    """What `draw_file` is told of the header."""
    gguf, pairs = model.gguf, list(model.metadata.items())
    head = gguf.parts[-1][1]
    return dict(fields=header_fields(gguf.bytes_at(0, 256)), offset=0,
                finding=f"“GGUF”, version {gguf.version}: the first {head:,} bytes say what the rest means",
                subtitle=f"{clipped(model.name, 60)}, {size(gguf.size)}: the header is "
                         f"{percent(head / gguf.size)} of it. Below: its first bytes.",
                footer=f"“As table” shows {'all' if len(pairs) < 40 else 'the first 40 of'} the metadata.",
                table=(("Key", "Value"), *((key, clipped(value, 60)) for key, value in pairs[:40])))


def _tensor(model: Model, info: TensorInfo) -> dict:
    """What `draw_file` is told of a tensor."""
    rows = " × ".join(f"{n:,}" for n in info.shape[::-1])
    block = FORMATS.get(info.qtype)
    if block is None or not info.n_weights:
        return dict(fields=[], offset=info.offset, finding=f"{info.name} is stored as {info.qtype}",
                    subtitle=f"{rows} elements, " + ("which are not weights" if info.n_weights else
                                                     "so it has no bytes: its name is all it says"))
    count = min(max(MOST_BYTES // block.type_size, 1), info.n_weights // block.block_size)
    raw = model.gguf.bytes_at(info.offset, info.offset + count * block.type_size)
    weights = block.decode(np.frombuffer(raw, np.uint8).reshape(count, -1)).ravel()
    unit = f"for each {block.block_size}" if block.block_size > 1 else "each"
    bpw = 8 * info.nbytes / info.n_weights
    return dict(fields=tensor_fields(raw, block, weights), offset=info.offset,
                finding=f"{info.name}: {bpw:.4g} bits per weight in {info.qtype}",
                subtitle=f"{rows} weights, {info.nbytes:,} bytes from byte {info.offset:,} on: "
                         f"{block.type_size} bytes {unit}.",
                footer="First weights: " + ", ".join(f"{weight:+.4f}" for weight in weights[:6]) + " …",
                table=(("Fact", "Value"), ("name", info.name), ("type", info.qtype), ("shape", rows),
                       ("first byte", f"{info.offset:,}"), ("bytes", f"{info.nbytes:,}"),
                       ("bits per weight", f"{bpw:.2f}")))


def draw_file(stretches: Sequence[Stretch], parts: Sequence[Stretch], chosen: int, *, fields: Sequence[Field],
              offset: int, finding: str, subtitle: str, footer: str = "", table: Table = ()) -> Picture:
    """The file from end to end, the parts before the weights magnified, and the bytes of `fields`, which
    begin at `offset`.

    stretches: the header and each tensor, to scale; `chosen` is the index of the framed one.  parts: of the
    magnified header.
    """
    end, head = stretches[-1].stop, parts[-1].stop
    body = [*_strip(stretches, STRIP_Y, end, chosen), line(X, STRIP_Y + 34, X, ZOOM_Y, dash="2 3"),
            line(X + max(head / end * SPAN, 1), STRIP_Y + 34, X + SPAN, ZOOM_Y, dash="2 3"),
            *_strip(parts, ZOOM_Y, head), quiet(X + 6, ZOOM_Y - 6, f"the first {head:,} bytes, magnified"),
            *_hex(fields, offset)]
    body += [text(X, HEIGHT - 12, footer, size=12, bold=True)] if footer else []
    return page(HEIGHT, body, finding=finding, subtitle=subtitle, table=table)


def _box(x: float, y: float, width: float, height: float, tone: str, **look) -> str:
    """A filled box; a quiet one has an edge."""
    return rect(x, y, width, height, tone, stroke=LINE if tone == SOFT else "none", **look)


def _strip(stretches: Sequence[Stretch], y: float, stop: int, chosen: int = -1) -> list[str]:
    """Stretches of the file on the scale of its first `stop` bytes."""
    parts, frame = [], ""
    for i, stretch in enumerate(stretches):
        nbytes = stretch.stop - stretch.start
        x, width = X + stretch.start * SPAN / stop, nbytes * SPAN / stop
        tone = BITS_TONES.get(stretch.bits, SOFT)
        parts.append(_box(x, y, width - (width > 3), 34, tone, radius=1,
                          title=f"{stretch.words}: {nbytes:,} bytes" if len(stretches) < 300 else ""))
        parts += [text(x + width / 2, y + 22, words, size=12, anchor="middle", fill=ink_on(tone))
                  for words in (stretch.words, *stretch.shorter) if width > 7.2 * len(words) + 8][:1]
        if i == chosen:
            frame = rect(x - 1, y - 3, max(width, 3) + 1, 40, "none", stroke=INK, stroke_width=2.5, radius=3)
    return [*parts, frame]


def _hex(fields: Sequence[Field], offset: int) -> list[str]:
    """The bytes in hexadecimal, in the colours of the fields they belong to, and the fields in words."""
    named: set[str] = set()
    body, at = [], 0
    for name, raw, meaning, colour in fields:
        tone = MEANING.get(colour, SOFT)
        for byte in raw[: ROWS * PER_ROW - at]:
            row, column = divmod(at, PER_ROW)
            x, y = HEX_X + column * CELL, HEX_Y + row * CELL
            if column == 0:
                body.append(quiet(X, y + 15, f"{offset + at:,}", size=10))
            body += [_box(x, y, CELL - 2, CELL - 2, tone),
                     text(x + (CELL - 2) / 2, y + 15, f"{byte:02x}", size=11, anchor="middle", mono=True,
                          fill=ink_on(tone))]
            at += 1
        if name not in named and len(named) < ROWS + 1:
            y = HEX_Y + 20 * len(named)
            named.add(name)
            body += [_box(WORDS_X, y + 3, 12, 12, tone),
                     text(WORDS_X + 18, y + 13, f"{name}: {meaning}", size=12)]
    if left_out := sum(len(field.raw) for field in fields) - at:
        body.append(quiet(HEX_X, HEX_Y + ROWS * CELL + 12, f"… and {left_out:,} more bytes"))
    return body


@recalled
def explore_file(source="sample") -> Stage:
    """Choose a part of a GGUF file: where it lies, its bytes, and what they mean.

    source: a path, the name of a pulled Ollama model, or "sample". What cannot be opened is said in a
    sentence.
    """
    try:
        model = open_model(source)
    except ValueError as error:
        return refusal(f"{clipped(source, 60)} was not opened", error,
                       "explore_file() shows the bundled sample.")
    if model.file is None:
        return refusal(f"Only the tensor table of {clipped(model.name, 60)} is known",
                       f"Its bytes are out of reach: {model.why}",
                       f"explore_model_map({model.name!r}) draws the table.")
    infos = list(model.gguf.infos.values())[:MOST_TENSORS]
    places = {HEADER: 0} | {info.name: i for i, info in enumerate(infos, 1)}
    stretches, parts = _stretches(model, infos), _parts(model)

    def draw(part: str) -> Picture:
        at = places[part]
        return draw_file(stretches, parts, at, **(_tensor(model, infos[at - 1]) if at else _header(model)))

    return Stage([menu("part", "look at", HEADER, places)], draw, width=460, label_width=90,
                 presets={name: {"part": name} for name in [HEADER, *(info.name for info in infos[:3])]},
                 note="The strip is the whole file, to scale. Numbers at the left count bytes from its "
                      "start.")
