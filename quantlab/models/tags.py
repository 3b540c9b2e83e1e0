"""What the letters of a model tag mean: `llama3.1:8b-instruct-q4_K_M` taken apart.

The letters are llama.cpp's ftypes as Ollama's library writes them; sizes and kinds are habits of its maintainers.
Lesson: 03_gguf_and_tags.
"""

import re
from typing import NamedTuple

from .store import HOST, NAMESPACE, parse_name

_SIZE = re.compile(r"(\d+(?:\.\d+)?)([bm])|(\d+)x(\d+(?:\.\d+)?)b", re.IGNORECASE)
_QUANT = re.compile(r"(i?q|tq)(\d+)_(k|0|1|nl|xxs|xs|s|m)(?:_(s|m|l))?", re.IGNORECASE)
KINDS = {"instruct": "trained to follow instructions", "it": "trained to follow instructions", "chat": "trained to hold a conversation",
         "text": "the base model: it only continues a text", "base": "the base model: it only continues a text",
         "latest": "what you get when you name no tag", "qat": "trained with the rounding in mind",
         "cloud": "runs on other people's computers: nothing to open here", "vision": "also reads pictures"}
FLOATS = {"fp16": "16-bit floats: nothing quantized", "f16": "16-bit floats: nothing quantized",
          "bf16": "16-bit brain floats: nothing quantized", "f32": "32-bit floats: nothing quantized",
          "fp32": "32-bit floats: nothing quantized", "mxfp4": "4-bit floats; 32 of them share a scale"}
FAMILIES = {"q": "quantized", "iq": "an i-quant: some look their weights up in a table", "tq": "ternary: for models trained with −1, 0, 1"}
SCHEMES = {"k": "K: super-blocks of 256 weights (lesson 05)", "0": "0: each block of 32 has one scale",
           "1": "1: each block of 32 has a scale and a minimum",
           "nl": "levels that are not evenly spaced", "xxs": "smallest of its kind", "xs": "very small", "s": "small", "m": "medium"}
MIXES = {"s": "S: the small mix, few tensors get more bits", "m": "M: the medium mix, more tensors get more bits",
         "l": "L: the large mix (llama.cpp has one for Q3_K only)"}


class Piece(NamedTuple):
    """Some letters of a tag: their `kind` (maker, name, size, variant, family, bits, scheme, mix) and what they mean."""

    text: str
    kind: str
    meaning: str


def read_tag(name: str) -> list[Piece]:
    """The pieces of an Ollama model name, left to right, without the signs between them.

    Raises ValueError for what cannot be a name.
    """
    parsed = parse_name(name)
    pieces = []
    if (parsed.host, parsed.namespace) != (HOST, NAMESPACE):
        maker = parsed.namespace if parsed.host == HOST else f"{parsed.host}/{parsed.namespace}"
        pieces.append(Piece(maker, "maker", "who made it: not Ollama's own library"))
    pieces.append(Piece(parsed.model, "name", "the model family"))
    for part in parsed.tag.split("-"):
        pieces += _read_part(part)
    return pieces


def names_a_quantization(pieces: list[Piece]) -> bool:
    """Whether the tag says its own quantization; else it is the maintainers' choice."""
    return any(piece.kind == "bits" for piece in pieces)


def _read_part(part: str) -> list[Piece]:
    lower = part.lower()
    if lower in FLOATS:
        return [Piece(part, "bits", FLOATS[lower])]
    if quant := _QUANT.fullmatch(part):
        return _read_quant(quant)
    if size := _SIZE.fullmatch(part):
        number, unit, experts, each = size.groups()
        words = (f"{experts} experts, grown from a model of {each} billion weights" if experts else
                 f"{number} {'billion' if unit.lower() == 'b' else 'million'} weights, about")
        return [Piece(part, "size", words)]
    return [Piece(part, "variant", KINDS.get(lower, "a variant; the model's page explains it"))] if part else []


def _read_quant(quant: re.Match) -> list[Piece]:
    family, bits, scheme, mix = quant.groups()
    pieces = [Piece(family, "family", FAMILIES[family.lower()]),
              Piece(bits, "bits", f"{bits} bits in the code of most weights, scales not counted"),
              Piece(scheme, "scheme", SCHEMES[scheme.lower()])]
    return [*pieces, Piece(mix, "mix", MIXES[mix.lower()])] if mix else pieces
