"""Lesson 03: what the letters of a model tag mean: `llama3.1:8b-instruct-q4_K_M` taken apart.

The names are read in models/tag.py; here they are drawn.
"""

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
from ..models.recipe_rules import GONE
from ..models.tag import FORK, TagPiece, in_the_cloud, quant_of, read_tag
from ..stage.base import Stage
from ..stage.handles import text_line
from ..stage.share import recalled

COLOURS = {"host": SOFT, "maker": SOFT, "packager": PURPLE, "name": GREY, "size": BLUE, "variant": PURPLE,
           "family": VERMILION, "bits": GREEN, "scheme": SKY, "mix": YELLOW}

HEIGHT, LARGEST, ADVANCE = 330, 30, 0.602      # a letter of the monospaced font is 0.602 em wide
EXAMPLES = ("llama3.1:8b-instruct-q4_K_M", "llama3.2:3b-instruct-q8_0", "llama3.2",
            "mixtral:8x7b-instruct-v0.1-q5_K_S", "gemma3:4b-it-qat",
            "hf.co/unsloth/Qwen3-8B-GGUF:UD-Q4_K_XL", "gpt-oss:120b-cloud")


def _finding(tag: str, pieces: list[TagPiece]) -> str:
    said = {piece.kind: piece for piece in pieces}
    if in_the_cloud(pieces):
        return f"“{tag}” runs on other people's computers: it does not say which types it has there"
    if "bits" not in said:
        return f"“{tag}” does not say its quantization: the maintainers chose it"
    if "family" not in said:
        return f"“{said['bits'].text}”: {said['bits'].meaning}"
    if (name := quant_of(tag)).upper() in GONE and "mix" in said:
        return f"{name} is an old name: such a file cannot be loaded any more"
    if any(FORK in piece.meaning for piece in pieces):
        return f"{quant_of(tag)} is {FORK}"
    if "own" in said.get("mix", said["bits"]).meaning or "packager" in said:
        return f"{said['bits'].text}-bit codes in a mix of its packager, no mix of llama.cpp"
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
                table=(("Letters", "Meaning"), *((piece.text, piece.meaning) for piece in pieces))
                ).telling({piece.kind: piece.text.lower() for piece in pieces})


@recalled
def explore_tag(name: str = EXAMPLES[0]) -> Stage:
    """A box for a model name: its pieces, and what each of them means. Asks no server: whether it exists is
    another question.
    """
    if not isinstance(name, str):
        raise ValueError(f"a model name is text such as {EXAMPLES[0]!r}, not {name!r}")
    return Stage([text_line("name", "model name", name, live=True)], _draw, width=460, label_width=90,
                 presets={example: {"name": example} for example in EXAMPLES if example != name},
                 note="This box reads letters and asks no server. The next section asks whether a model "
                      "exists.")
