"""A text becomes chunks of tokens as llama.cpp's tools cut it; texts that will not do are refused."""

import re

import numpy as np
import pytest

from quantlab.inference.chunks import chunks_of, tokens_of
from quantlab.inference.load import load_lm
from quantlab.inference.quality import divergence, perplexity
from quantlab.inference.tokenizer import BYTES, Tokenizer


def test_a_text_is_cut_into_whole_chunks_and_may_be_tokens(tiny, text):
    tokens = tokens_of(tiny, text)
    assert tokens.tolist() == tiny.tokenizer.encode(text)
    assert chunks_of(tiny, tokens[:700]).shape == (2, 256)
    assert chunks_of(tiny, tokens, 100, 3).shape == (3, 100)
    np.testing.assert_array_equal(chunks_of(tiny, tokens, 100)[1], tokens[100:200])


def test_a_model_trained_with_bos_gets_it_at_the_start_of_each_chunk(tiny, text):
    marked = load_lm("tiny")
    marked.tokenizer.add_bos = True
    cut = chunks_of(marked, text, 64, 3)
    assert (cut[:, 0] == marked.tokenizer.bos).all()
    assert cut[0, 1:].tolist() == tiny.tokenizer.encode(text)[:63]


def test_special_tokens_in_a_text_are_just_characters(tiny):
    assert tiny.tokenizer.eos not in tokens_of(tiny, "An <|endoftext|> in the text")


@pytest.mark.parametrize(("given", "settings", "words"), [
    ("", {}, "empty"),
    (" \n", {}, "empty"),
    ([], {}, "0 tokens"),
    ([5], {}, "1 token:"),
    ([5, 6], {}, "3 are the least"),
    ("To be, or not", {}, "fewer than one chunk of n_ctx=256"),
    ([1] * 300, {"n_ctx": 257}, "beyond the 256 tokens"),
    ([1] * 300, {"n_ctx": 2}, "n_ctx=2"),
    ([1] * 300, {"n_ctx": 64.0}, "n_ctx=64.0"),
    ([1] * 300, {"chunks": 0}, "chunks=0"),
    ([1] * 299 + [1024], {}, "token 1024 is outside the vocabulary"),
    ([1] * 299 + [-1], {}, "token -1 is outside"),
    ([0.5] * 300, {}, "not list of float64"),
    (b"To be", {}, "not bytes"),
    ([[1, 2]], {}, "list"),
    ([[1, 2], [3]], {}, "list of object")])
def test_bad_texts_are_refused_in_words(tiny, given, settings, words):
    for measure in (perplexity, lambda lm, *a, **k: divergence(lm, lm, *a, **k)):
        with pytest.raises(ValueError, match=re.escape(words)):
            measure(tiny, given, **settings)


def test_the_name_of_a_model_is_no_model(tiny, text):
    for measure in (lambda: perplexity("tiny", text), lambda: divergence(tiny, "tiny", text),
                    lambda: divergence("tiny", tiny, text)):
        with pytest.raises(ValueError, match=r"load_lm\('tiny'\), not 'tiny'"):
            measure()


def test_a_vocabulary_without_a_beginning_puts_none_in_front():
    """Its rule would have one: Llama 3's vocabulary, in a file that lost its number."""
    own = Tokenizer([*BYTES], pre="llama-bpe", bos=None, add_bos=True)
    assert not own.add_bos
