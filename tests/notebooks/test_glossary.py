"""Each word of the glossary is explained where a reader meets it first: in the order of the lessons its first
mention is a link to its entry or stands in bold, as do the words that a lesson explains itself.

Mentions are looked for in sentences: not in headings, tables and code, nor in the names of linked lessons.
"""

import re
from functools import cache
from typing import NamedTuple

import pytest

from tests.notebooks.test_structure import LESSONS, headings, prose

#: Heading -> how its word is found, where that is not by the heading itself, in the singular or plural: other
#: spellings, and words that also mean something else: "Type a number" is no type, a line of code no code.
SPELLED = {
    "Weight": r"(?<!same )weights?|parameters?(?= model| in )|billion parameters",
    "Quantization": r"quantiz(?:ation|ing|es?|ed)",
    "Code": r"codes|code (?:of|is|has|becomes|takes|says)",
    "Scale": r"scales?(?! of \d+ bits\b)",
    "Rmse": r"rmse|root mean square error",
    "FP16 and BF16": r"FP16|BF16",
    "Mantissa and exponent": r"mantissa|exponent",
    "Block": r"blocks?",
    "Bits per weight": r"bits per weight|bits a weight|bpw",
    "Type": r"types(?! of)|type of (?:one|a|the) tensor|tensor's type",
    "K-quant": r"K-quants?",
    "Minimum": r"block's minimum|a minimum|the minimum|minima",
    "Ternary": r"ternary",
    "Importance matrix": r"importance matri(?:x|ces)|imatrix",
    "ggml and llama.cpp": r"ggml|llama\.cpp",
    "Header": r"headers?(?! of the)",
    "Mix": r"mix(?:es)?|ftypes?",
    "Tag": r"tags?",
    "Feed-forward part": r"feed-forward",
    "Head": r"(?:attention |KV )?heads(?= |,|\.|\])(?! of)",
    "Expert": r"experts|mixtures? of experts|MoE",
    "Sliding window": r"sliding[- ]windows?",
    "GB and GiB": r"GiB",
    "Card": r"graphics cards?|GPUs?|VRAM",
    "Driver": r"graphics drivers?|driver",
    "Context": r"context(?! of the)",
    "Compute buffer": r"compute buffers?|ubatch",
    "Split": r"split models?|a split|offload\w*",
    "Bandwidth": r"bandwidths?",
    "Logits": r"logits?",
    "KL divergence": r"KL divergence|KLD|divergences?",
    "Top-1": r"top-1|top1",
    "Interval": r"intervals?",
    "Seed": r"seeds?",
}
NO_SENTENCE = re.compile(r"^#{1,6} [^\n]*|^\|[^\n]*|```.*?```|`[^`]*`|<kbd>.*?</kbd>",
                         re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[([^\]]*)\]\(([^)]*)\)")


class Mention(NamedTuple):
    """Where a word first stands: the lesson, the sentence around it, and whether it is explained there."""

    lesson: str
    around: str
    explained: bool


def sentences(name: str) -> str:
    """A lesson's sentences, with the links to the glossary and without the names of what else is linked."""
    kept = NO_SENTENCE.sub(" ", prose(name))
    return LINK.sub(lambda link: link[0] if "glossary.ipynb#" in link[2] else " ", kept)


def words() -> list[str]:
    """The headings of the glossary's entries."""
    return [heading.removeprefix("### ") for heading in headings("glossary") if heading.startswith("### ")]


def found_in(text: str, word: str) -> re.Match | None:
    """Where a word first stands in a text, but for the addresses of links."""
    spelled = SPELLED.get(word, re.escape(word) + "s?")
    return re.search(rf"(?<![\w.#/-])(?:{spelled})(?![\w-])", text, re.IGNORECASE)


def is_explained(text: str, word: str, found: re.Match) -> bool:
    """Whether a mention is within a link to the word's entry or within bold."""
    anchor = f"glossary.ipynb#{word.replace(' ', '-')}"
    links = [link.span() for link in LINK.finditer(text) if link[2] == anchor]
    bold = [bold.span() for bold in re.finditer(r"\*\*[^*]+\*\*", text)]
    return any(start <= found.start() < end for start, end in links + bold)


@cache
def first_mention(word: str) -> Mention | None:
    for name in LESSONS:
        text = sentences(name)
        if found := found_in(text, word):
            around = " ".join(text[max(0, found.start() - 60):found.end() + 40].split())
            return Mention(name, around, is_explained(text, word, found))
    return None


@pytest.mark.parametrize("word", words())
def test_a_word_is_linked_or_bold_where_the_course_first_uses_it(word):
    first = first_mention(word)
    assert first is None or first.explained, f"{first.lesson}: ... {first.around} ..."


def test_a_spelling_belongs_to_an_entry():
    assert SPELLED.keys() <= set(words())


@pytest.mark.parametrize(("text", "explained"), [
    ("A scale is shared.", False), ("A **scale** is shared.", True), ("**One scale** is shared.", True),
    ("A [scale](glossary.ipynb#Scale) is shared.", True),
    ("A [scale](glossary.ipynb#Block) is shared.", False),
    ("A scale, and later a **scale**.", False)])
def test_bold_and_the_right_link_explain_a_mention(text, explained):
    found = found_in(text, "Scale")
    assert found and is_explained(text, "Scale", found) is explained


@pytest.mark.parametrize("text", ["rescale", "scaled", "see glossary.ipynb#Scale"])
def test_a_part_of_a_word_and_an_address_are_no_mention(text):
    assert found_in(text, "Scale") is None
