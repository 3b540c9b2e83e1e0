"""What the tiny model knows by heart, and still says after quantization: a measure of a task, beside
perplexity.

    recital(load_lm("tiny", "Q3_K", pure=True))

data/tiny/passages.json holds famous passages by their opening words: some were drawn again and again in
training (`by_heart`), others of the same fame were not (the controls). A passage is recited when the model,
given the opening and always saying its likeliest token, says the next 32 tokens as they stand. One pass over
the true text tells how far it gets, since up to the first mistake both texts are the same; only what it says
from there on is generated.  Lessons: 00, 07.
"""

import json
from functools import cache

import numpy as np

from ..models.progress import Cancelled
from ..models.source import DATA
from .generate import prompt_tokens
from .tokenizer import Tokens

PASSAGES = DATA / "tiny" / "passages.json"
RECITED = 32            # tokens that count
TINY = "quantlab tiny llama"        # its general.name; quantized files keep it


@cache
def read_passages() -> tuple[dict, ...]:
    """The passages: opening, goes_on, work, by_heart."""
    return tuple(json.loads(PASSAGES.read_text(encoding="utf-8")))


def knows_passages(metadata) -> bool:
    """Whether a file's metadata say it is the tiny model, which had the passages in its training."""
    return metadata.get("general.name") == TINY


def recital(lm, passages=None, *, n: int = RECITED, cancel=None):
    """A pandas table, a row per passage: opening, work, by_heart, right (tokens right before the first
    mistake), recited, wrote, should.

    passages: those of the tiny model unless given, dicts with opening, goes_on, work, by_heart.  n: tokens
    that must be right.
    cancel: anything with `is_set()`; asked before each token, and Cancelled is raised when it is set.
    wrote: the n tokens that the model says after the opening; should: those of the text.
    """
    import pandas as pd

    rows = []
    for passage in read_passages() if passages is None else passages:
        opening, should = _tokens(lm, passage, n)
        right = n_right(lm, opening, should)
        said = should[:right]
        wrote = lm.tokenizer.decode([*said, *_go_on(lm, [*opening, *said], n - right, cancel)])
        rows.append({"opening": passage["opening"], "work": passage["work"], "by_heart": passage["by_heart"],
                     "right": right, "recited": right == n, "wrote": wrote,
                     "should": lm.tokenizer.decode(should)})
    return pd.DataFrame(rows, columns=["opening", "work", "by_heart", "right", "recited", "wrote", "should"])


def count_recited(lm) -> dict[bool, tuple[int, int]]:
    """by_heart -> (how many passages are recited, how many there are): the score alone, without writing
    anything.
    """
    found: dict[bool, list[bool]] = {True: [], False: []}
    for passage in read_passages():
        opening, should = _tokens(lm, passage, RECITED)
        found[passage["by_heart"]].append(n_right(lm, opening, should) == RECITED)
    return {group: (sum(recited), len(recited)) for group, recited in found.items()}


def n_right(lm, opening: Tokens, should: Tokens) -> int:
    """How many tokens of `should` the model says after the opening before its first mistake, always taking
    the likeliest token.
    """
    logits = lm.logits([*opening, *should[:-1]])[len(opening) - 1 :]
    wrong = np.flatnonzero(logits.argmax(1) != should)
    return int(wrong[0]) if len(wrong) else len(should)


def _tokens(lm, passage: dict, n: int) -> tuple[Tokens, Tokens]:
    """The opening, and the next n tokens of the text. ValueError for a passage that is too short or not cut
    at a token's end.
    """
    opening = prompt_tokens(lm, passage["opening"])
    tokens = prompt_tokens(lm, passage["opening"] + passage["goes_on"])
    if not opening or tokens[: len(opening)] != opening:
        raise ValueError(f"the opening {passage['opening']!r} does not end where a token of {lm.name} ends")
    if len(tokens) < len(opening) + n:
        raise ValueError(f"the passage {passage['opening']!r} goes on for {len(tokens) - len(opening)} "
                         f"tokens of {lm.name}; {n} are needed")
    return opening, tokens[len(opening) : len(opening) + n]


def _go_on(lm, tokens: Tokens, n: int, cancel) -> list[int]:
    """The n likeliest tokens, one after the other (ends of a text included: a recital has a fixed length)."""
    said: list[int] = []
    cache = lm.new_cache(len(tokens) + n)
    while len(said) < n:
        if cancel is not None and cancel.is_set():
            raise Cancelled(f"stopped after {len(said)} of {n} tokens")
        said.append(int(lm.forward(said[-1:] or tokens, cache, last=True)[0].argmax()))
    return said
