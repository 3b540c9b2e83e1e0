"""Tokens without the compiled library are those of the library: for the tiny Llama, for every rule that cuts
a text, and with tokens that are found as they are spelled.
"""

import random
import sys

import pytest

from quantlab.inference.cuts import CUTS, WHOLE_WORDS
from quantlab.inference.tokenizer import BYTES, Tokenizer
from quantlab.models.resolve import open_weights

CHARACTERS = "aäeßſK Zz09٣½²ⅷ\t\n\r  \u00a0\u2003\x85.,'’!?+<|=~中文日本гдеक्षि🦙\u200b\x00\x1c\x7f'sS'T're"


def texts(count: int, seed: str) -> list[str]:
    rng = random.Random(seed)
    words = ["To be, or not to be: that's it", "I'LL we've", "HTTPServer", "x = 1234567;\r\n\r\n  y",
             "<|end|>  so", ""]
    return words + ["".join(rng.choices(CHARACTERS, k=rng.randrange(1, 60))) for _ in range(count)]


def without_library(made: Tokenizer, monkeypatch) -> Tokenizer:
    """The tokenizer where `tokenizers` cannot be loaded."""
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert type(made._library).__name__ == "Merging"
    return made


def tiny() -> Tokenizer:
    with open_weights("tiny") as model:
        return Tokenizer.from_metadata(model.metadata)


def test_the_tiny_llama_reads_the_same_tokens(monkeypatch):
    asked = [(text, special) for text in texts(400, "tiny") for special in (True, False)]
    library = tiny()
    expected = [library.encode(*one) for one in asked]
    own = without_library(tiny(), monkeypatch)
    assert [own.encode(*one) for one in asked] == expected


def small(pre: str, strips: bool = False) -> Tokenizer:
    """A byte-level vocabulary with merges, a control token and one that a user defined."""
    merges = ["Ġ t", "t h", "Ġt h", "e r", "' s", "H T", "T T", "1 2", "12 3", "Ċ Ċ", "T P", "HT TP", "S e",
              "r e"]
    joined = dict.fromkeys(merge.replace(" ", "") for merge in merges)
    tokens = [*BYTES, *joined, "Server", "<|end|>", "<|mine|>"]
    types = [1] * (len(tokens) - 2) + [3, 4]
    return Tokenizer(tokens, pre=pre, merges=merges, types=types, strips=strips)


@pytest.mark.parametrize("pre", CUTS)
@pytest.mark.parametrize("strips", [False, True])
def test_every_rule_that_cuts_a_text(pre, strips, monkeypatch):
    given = [*texts(200, pre), "a<|end|> \n b<|mine|>  c", "<|end|><|mine|>", "Server HTTPServers"]
    asked = [(text, special) for text in given for special in (True, False)]
    library = small(pre, strips)
    expected = [library.encode(*one) for one in asked]
    own = without_library(small(pre, strips), monkeypatch)
    assert [own.encode(*one) for one in asked] == expected


def test_a_whole_word_is_taken_only_where_the_rule_says_so(monkeypatch):
    for pre in ("llama-bpe", "gpt-2"):
        one = without_library(small(pre), monkeypatch).encode("Server")
        assert (len(one) == 1) == (pre in WHOLE_WORDS)


def test_a_sentence_piece_vocabulary_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    own = Tokenizer(["<unk>", "a"], model="llama", scores=[0, 0], types=[2, 1])
    with pytest.raises(ValueError, match="SentencePiece vocabulary needs the package `tokenizers`"):
        own.encode("a")
