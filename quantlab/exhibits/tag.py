"""Lesson 03: what the letters of a model tag mean: `llama3.1:8b-instruct-q4_K_M` taken apart.

The letters are llama.cpp's ftypes as Ollama's library writes them; sizes and kinds are habits of its
maintainers.
"""

import re
from typing import NamedTuple

from ..canvas.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    PURPLE,
    SKY,
    SOFT,
    VERMILION,
    WIDTH,
    YELLOW,
    Picture,
    ink_on,
)
from ..canvas.svg import page, rect, text
from ..models.store import parse_name
from ..stage.base import Stage
from ..stage.handles import text_line
from ..stage.share import recalled

_SIZE = re.compile(r"(\d+(?:\.\d+)?)([bm])|(\d+)x(\d+(?:\.\d+)?)b", re.IGNORECASE)

_QUANT = re.compile(r"(i?q|tq)(\d+)_(k|0|1|nl|xxs|xs|s|m)(?:_(s|m|l))?", re.IGNORECASE)

KINDS = {"instruct": "trained to follow instructions", "it": "trained to follow instructions",
         "chat": "trained to hold a conversation", "text": "the base model: it only continues a text",
         "base": "the base model: it only continues a text", "latest": "what you get when you name no tag",
         "qat": "trained with the rounding in mind",
         "cloud": "runs on other people's computers: nothing to open here", "vision": "also reads pictures"}

FLOATS = {"fp16": "16-bit floats: nothing quantized", "f16": "16-bit floats: nothing quantized",
          "bf16": "16-bit brain floats: nothing quantized", "f32": "32-bit floats: nothing quantized",
          "fp32": "32-bit floats: nothing quantized", "mxfp4": "4-bit floats; 32 of them share a scale"}

FAMILIES = {"q": "quantized", "iq": "an i-quant: some look their weights up in a table",
            "tq": "ternary: for models trained with −1, 0, 1"}

SCHEMES = {"k": "K: super-blocks of 256 weights (lesson 05)", "0": "0: each block of 32 has one scale",
           "1": "1: each block of 32 has a scale and a minimum", "nl": "levels that are not evenly spaced",
           "xxs": "smallest of its kind", "xs": "very small", "s": "small", "m": "medium"}

MIXES = {"s": "S: the small mix, few tensors get more bits",
         "m": "M: the medium mix, more tensors get more bits",
         "l": "L: the large mix (llama.cpp has one for Q3_K only)"}


class TagPiece(NamedTuple):
    """Some letters of a tag: their `kind` (maker, name, size, variant, family, bits, scheme, mix) and what
    they mean.
    """

    text: str
    kind: str
    meaning: str


COLOURS = {"maker": SOFT, "name": GREY, "size": BLUE, "variant": PURPLE, "family": VERMILION, "bits": GREEN,
           "scheme": SKY, "mix": YELLOW}

HEIGHT, LARGEST, ADVANCE = 330, 30, 0.602      # a letter of the monospaced font is 0.602 em wide
EXAMPLES = ("llama3.1:8b-instruct-q4_K_M", "llama3.2:3b-instruct-q8_0", "llama3.2",
            "mixtral:8x7b-instruct-v0.1-q5_K_S", "gemma3:4b-it-qat")


def read_tag(name: str) -> list[TagPiece]:
    """The pieces of an Ollama model name, left to right, without the signs between them.

    Raises ValueError for what cannot be a name.
    """
    parsed = parse_name(name)
    pieces = []
    if maker := parsed.path.rpartition("/")[0]:
        pieces.append(TagPiece(maker, "maker", "who made it: not Ollama's own library"))
    pieces.append(TagPiece(parsed.model, "name", "the model family"))
    for part in parsed.tag.split("-"):
        pieces += _read_part(part)
    return pieces


def names_a_quantization(pieces: list[TagPiece]) -> bool:
    """Whether the tag says its own quantization; else it is the maintainers' choice."""
    return any(piece.kind == "bits" for piece in pieces)


def _read_part(part: str) -> list[TagPiece]:
    lower = part.lower()
    if lower in FLOATS:
        return [TagPiece(part, "bits", FLOATS[lower])]
    if quant := _QUANT.fullmatch(part):
        return _read_quant(quant)
    if size := _SIZE.fullmatch(part):
        number, unit, experts, each = size.groups()
        words = (f"{experts} experts, grown from a model of {each} billion weights" if experts else
                 f"{number} {'billion' if unit.lower() == 'b' else 'million'} weights, about")
        return [TagPiece(part, "size", words)]
    return [TagPiece(part, "variant",
                  KINDS.get(lower, "a variant; the model's page explains it"))] if part else []


def _read_quant(quant: re.Match) -> list[TagPiece]:
    family, bits, scheme, mix = quant.groups()
    pieces = [TagPiece(family, "family", FAMILIES[family.lower()]),
              TagPiece(bits, "bits", f"{bits} bits in the code of most weights, scales not counted"),
              TagPiece(scheme, "scheme", SCHEMES[scheme.lower()])]
    return [*pieces, TagPiece(mix, "mix", MIXES[mix.lower()])] if mix else pieces


def _finding(tag: str, pieces: list[TagPiece]) -> str:
    said = {piece.kind: piece for piece in pieces}
    if "bits" not in said:
        return f"“{tag}” does not say its quantization: the maintainers chose it"
    if "family" not in said:
        return f"“{said['bits'].text}”: {said['bits'].meaning}"
    mix = "and a mix: which tensors get more bits" if "mix" in said else "and no mix"
    return f"{said['bits'].text}-bit codes, a way to pack them, {mix}"


def _draw(name: str) -> Picture:
    """The name in large letters, its pieces in colours, and a line for each piece; signs between them stay
    plain.
    """
    tag, pieces = name.strip(), read_tag(name.strip())
    size = min(LARGEST, (WIDTH - 32) / (ADVANCE * max(len(tag), 1)))

    def letters(start: int, words: str, fill: str = INK) -> str:
        return text(16 + start * size * ADVANCE, 78 + size * 1.08, words, size=size, mono=True, fill=fill)

    body, at = [], 0
    for words, kind, _ in pieces:
        if (start := tag.find(words, at)) < 0:      # a part that the name leaves out, such as "latest"
            continue
        tone, width = COLOURS[kind], len(words) * size * ADVANCE
        body += [letters(at, tag[at:start])] if start > at else []
        body += [rect(16 + start * size * ADVANCE, 78, width, size * 1.5, tone, radius=3),
                 letters(start, words, ink_on(tone))]
        at = start + len(words)
    body += [letters(at, tag[at:])] if tag[at:] else []
    for i, (words, kind, meaning) in enumerate(pieces[:8]):
        y, tone = 148 + i * 23, COLOURS[kind]
        body += [rect(16, y, min(max(len(words) * 13 * ADVANCE + 14, 30), 170), 19, tone, radius=3),
                 text(23, y + 14, words[:20], mono=True, fill=ink_on(tone)), text(200, y + 14, meaning)]
    return page(HEIGHT, body, finding=_finding(tag, pieces),
                subtitle="family : size - variant - quantization, and only the family is needed",
                table=(("Letters", "Meaning"), *((piece.text, piece.meaning) for piece in pieces)))


@recalled
def explore_tag(name: str = EXAMPLES[0]) -> Stage:
    """A box for a model name: its pieces, and what each of them means. Asks no server: whether it exists is
    another question.
    """
    if not isinstance(name, str):
        raise ValueError(f"a model name is text such as {EXAMPLES[0]!r}, not {name!r}")
    return Stage([text_line("name", "model name", name, live=True)], _draw, width=460, label_width=90,
                 presets={example: {"name": example} for example in EXAMPLES[1:]},
                 note="Letters only: whether such a model exists is for the next section.")
