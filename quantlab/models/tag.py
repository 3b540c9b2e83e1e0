"""What the letters of a model's name mean: `llama3.1:8b-instruct-q4_K_M` taken apart, or
`hf.co/unsloth/Qwen3-8B-GGUF:UD-Q4_K_XL`. The one reader of such names.

    read_tag("gemma3:4b-it-qat"), quant_of("UD-Q4_K_XL")

Mixes of llama.cpp stand in recipe_rules.py; every other name of a mix is its packager's own, and said to be.
Sizes and kinds are habits of Ollama's maintainers; the packagers' names are told by the model cards of
bartowski (`_L`: word vectors and output in Q8_0), mradermacher (`i1-`: with an importance matrix) and Unsloth
(`UD-`) on Hugging Face.
"""

import re
from typing import NamedTuple

from .recipe_rules import ALIASES, GONE, USUAL
from .store import parse_name

_SIZE = re.compile(r"(\d+(?:\.\d+)?)([bm])|(\d+)x(\d+(?:\.\d+)?)b", re.IGNORECASE)
#: A mix or a type anywhere in a text, its parts as groups; "ud" is Unsloth's mark in front of one.
_QUANT = re.compile(r"""(?<![a-z0-9_])(?:
    (?P<dynamic>ud)-(?=[a-z]+\d))?(?:
    (?P<float>fp16|f16|bf16|f32|fp32)|(?P<micro>mxfp4|nvfp4)(?:_(?P<experts>moe))?|
    (?P<family>i?q|tq)(?P<bits>\d+)_(?P<scheme>kss|ks|kt|kl|k|0|1|nl|xxs|xs|s|m)
    (?:_(?P<order>4_4|4_8|8_8|r4|r8)|_(?P<mix>xxl|xl|xs|s|m|l))?
    )(?![a-z0-9_])""", re.IGNORECASE | re.VERBOSE)
HUGGING_FACE = ("hf.co", "huggingface.co")
CLOUD = "runs on other people's computers: nothing to download, and nothing to open"
_MEASURED = "made with an importance matrix: it was measured which columns matter"

KINDS = {"instruct": "trained to follow instructions", "it": "trained to follow instructions",
         "chat": "trained to hold a conversation", "text": "the base model: it only continues a text",
         "base": "the base model: it only continues a text", "latest": "what you get when you name no tag",
         "qat": "trained with the rounding in mind", "cloud": CLOUD, "vision": "also reads pictures",
         "thinking": "writes its thoughts before the answer", "imatrix": _MEASURED, "imat": _MEASURED,
         "i1": f"{_MEASURED} (mradermacher's mark)", "gguf": "in the format that llama.cpp and Ollama read",
         "ud": "Unsloth Dynamic, a packager's own mark"}
ON_HUGGING_FACE = "what you get when you name no tag: Q4_K_M, where there is one"

FLOATS = {"fp16": "16-bit floats: nothing quantized", "f16": "16-bit floats: nothing quantized",
          "bf16": "16-bit brain floats: nothing quantized", "f32": "32-bit floats: nothing quantized",
          "fp32": "32-bit floats: nothing quantized", "mxfp4": "4-bit floats; 32 of them share a scale",
          "nvfp4": "4-bit floats; 16 of them share a scale"}

FAMILIES = {"q": "quantized", "iq": "an i-quant: some look their weights up in a table",
            "tq": "ternary: for models trained with −1, 0, 1"}

SCHEMES = {"k": "K: super-blocks of 256 weights (lesson 05)", "0": "0: each block of 32 has one scale",
           "1": "1: each block of 32 has a scale and a minimum", "nl": "levels that are not evenly spaced",
           "xxs": "smallest of its kind", "xs": "very small", "s": "small", "m": "medium"}
#: Q1_0 and Q2_0 have larger blocks.
LARGER = {"1": "0: each block of 128 has one scale", "2": "0: each block of 64 has one scale"}

MIXES = {"s": "S: the small mix, few tensors get more bits",
         "m": "M: the medium mix, more tensors get more bits",
         "l": "L: the large mix (llama.cpp has one for Q3_K only)"}
FORK = "a type of the program ik_llama.cpp: neither llama.cpp nor Ollama reads it"
OWN = {"l": "L: a packager's own name; bartowski's have word vectors and output in Q8_0",
       "xl": "XL: a packager's own name, no mix of llama.cpp; larger than L",
       "xxl": "XXL: a packager's own name, no mix of llama.cpp",
       "dynamic": "Unsloth Dynamic: a packager's own mix, each matrix with a type chosen for it"}
DYNAMIC = "{}: of the packager's own mix; types= with that file makes it again (lesson 16)"


class TagPiece(NamedTuple):
    """Some letters of a tag: their `kind` (host, maker, name, size, variant, packager, family, bits, scheme,
    mix) and what they mean.
    """

    text: str
    kind: str
    meaning: str


def read_tag(name: str) -> list[TagPiece]:
    """The pieces of an Ollama model name, left to right, without the signs between them.

    Raises ValueError for what cannot be a name.
    """
    parsed = parse_name(name)
    pieces, tag, hub = [], parsed.tag, parsed.host.lower() in HUGGING_FACE
    maker = parsed.path.rpartition("/")[0]
    if hub:
        maker = parsed.namespace
        pieces.append(TagPiece(parsed.host, "host",
                               "Hugging Face: Ollama takes any repository with GGUF files"))
    if maker:
        pieces.append(TagPiece(maker, "maker", "who made it: not Ollama's own library"))
    pieces.append(TagPiece(parsed.model, "name", "the repository" if hub else "the model family"))
    quant = _last(tag)
    before, after = (tag[:quant.start()], tag[quant.end():]) if quant else (tag, "")
    for part in before.split("-"):
        pieces += _read_part(part, hub)
    pieces += _read_quant(quant) if quant else []
    for part in after.split("-"):
        pieces += _read_part(part, hub)
    return pieces


def quant_of(tag: str) -> str:
    """The mix or type that a tag names, as it is spelled there ("3b-instruct-q4_K_M" -> "q4_K_M"), or ""."""
    found = _last(tag)
    return found[0] if found else ""


def names_a_quantization(pieces: list[TagPiece]) -> bool:
    """Whether the tag says its own quantization; else it is the maintainers' choice."""
    return any(piece.kind == "bits" for piece in pieces)


def in_the_cloud(pieces: list[TagPiece]) -> bool:
    """Whether the name is of a model that is only run elsewhere."""
    return any(piece.meaning == CLOUD for piece in pieces)


def _last(tag: str) -> re.Match | None:
    return next(iter(reversed(list(_QUANT.finditer(tag)))), None)


def _read_part(part: str, hub: bool) -> list[TagPiece]:
    lower = part.strip("._").lower()
    if not lower:
        return []
    if size := _SIZE.fullmatch(part):
        number, unit, experts, each = size.groups()
        words = (f"{experts} experts, grown from a model of {each} billion weights" if experts else
                 f"{number} {'billion' if unit.lower() == 'b' else 'million'} weights, about")
        return [TagPiece(part, "size", words)]
    if hub and lower == "latest":
        return [TagPiece(part, "variant", ON_HUGGING_FACE)]
    kind = "packager" if lower in ("i1", "ud") else "variant"
    return [TagPiece(part, kind, KINDS.get(lower, "a variant; the model's page explains it"))]


def _read_quant(found: re.Match) -> list[TagPiece]:
    said = found.groupdict()
    pieces = [TagPiece(said["dynamic"], "packager", OWN["dynamic"])] if said["dynamic"] else []
    if plain := said["float"] or said["micro"]:
        pieces.append(TagPiece(plain, "bits", FLOATS[plain.lower()]))
        if said["experts"]:
            pieces.append(TagPiece(said["experts"], "mix", "the experts are in it, all else is in Q8_0"))
        return pieces
    family, bits, scheme = said["family"], said["bits"], said["scheme"]
    own = FORK if _of_the_fork(said) else _scheme(family, bits, scheme)
    pieces += [TagPiece(family, "family", FAMILIES[family.lower()]),
               TagPiece(bits, "bits", f"{bits} bits in the code of most weights, scales not counted"),
               TagPiece(scheme, "scheme", own)]
    if said["order"]:
        gone = GONE.get(found[0].upper())
        words = f"another order of the weights: {gone}" if gone else "rows put together; of ik_llama.cpp too"
        pieces.append(TagPiece(said["order"], "mix", words))
    return [*pieces, TagPiece(said["mix"], "mix", _mix(said))] if said["mix"] else pieces


def _of_the_fork(said: dict) -> bool:
    scheme, order = said["scheme"].lower(), (said["order"] or "").lower()
    return scheme in ("ks", "kss", "kt", "kl") or order in ("r4", "r8") or (
        said["family"].lower() == "iq" and scheme == "k")


def _scheme(family: str, bits: str, scheme: str) -> str:
    larger = LARGER.get(bits) if (family.lower(), scheme) == ("q", "0") else None
    return larger or SCHEMES[scheme.lower()]


def _mix(said: dict) -> str:
    """What the letters after the type mean: llama.cpp's own mix, or a packager's."""
    mix, whole = said["mix"].lower(), f"{said['family']}{said['bits']}_{said['scheme']}_{said['mix']}".upper()
    if said["dynamic"]:
        return DYNAMIC.format(said["mix"].upper())
    if whole in USUAL or whole in ALIASES:
        return MIXES[mix]
    return OWN.get(mix, f"{said['mix'].upper()}: a packager's own name, no mix of llama.cpp")
