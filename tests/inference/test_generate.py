"""Generated text: the tokens of the model's own scores, repeatable, in whole characters; and settings that
cannot be.
"""

import numpy as np
import pytest

import quantlab as ql
from quantlab.inference.generate import generate_tokens, pick, prompt_tokens
from tests.inference.files import copied
from tests.inference.test_llama import TINY, tiny

PROMPT = "To be, or not to be,"
SCORES = np.log(np.array([0.1, 0.4, 0.2, 0.25, 0.05], np.float32))


def draws(temperature, top_p, n=4000):
    rng = np.random.default_rng(3)
    return np.bincount([pick(SCORES, temperature, top_p, rng) for _ in range(n)], minlength=5) / n


def test_temperature_0_takes_the_best_and_1_the_models_own_shares():
    assert draws(0, 1.0, 10)[1] == 1
    np.testing.assert_allclose(draws(1, 1.0), np.exp(SCORES), atol=0.03)
    assert draws(1e-9, 1.0, 50)[1] == 1                                     # nothing overflows
    np.testing.assert_allclose(draws(1e6, 1.0), 0.2, atol=0.03)
    squared = np.exp(2 * SCORES)
    np.testing.assert_allclose(draws(0.5, 1.0), squared / squared.sum(), atol=0.03)


def test_top_p_draws_from_the_fewest_best_that_reach_it():
    np.testing.assert_allclose(draws(1, 0.6), np.array([0, 0.4, 0, 0.25, 0]) / 0.65, atol=0.03)
    assert draws(1, 0.39, 50)[1] == 1 and draws(1, 1e-9, 50)[1] == 1
    assert (draws(1, 0.84) > 0).tolist() == [False, True, True, True, False]


def test_greedy_text_is_that_of_the_best_tokens():
    tokens = prompt_tokens(tiny(), PROMPT)
    chosen = list(generate_tokens(tiny(), tokens, 20))
    assert "".join(tiny().generate(PROMPT, 20)) == tiny().tokenizer.decode(chosen)
    everything = [*tokens, *chosen]
    best = tiny().logits(everything).argmax(axis=1)
    assert best[len(tokens) - 1:-1].tolist() == chosen
    assert "".join(tiny().generate(tokens, 20)) == "".join(tiny().generate(PROMPT, 20))


def test_a_seed_repeats_and_another_differs():
    def text(seed):
        return "".join(tiny().generate(PROMPT, 30, temperature=1.0, top_p=0.95, seed=seed))
    assert text(1) == text(1) != text(2)


def rigged(after):
    """A model that knows only what follows what: {token: next token}, all else leads to token 0."""
    n_vocab, n_embd = tiny().n_vocab, tiny().graph.n_embd
    used = sorted({*after, *after.values()})
    embeddings = np.zeros((n_vocab, n_embd), np.float32)
    embeddings[used, np.arange(len(used))] = 1
    zeros = {name: np.zeros_like(values) for name, values in tiny().weights.items() if name.startswith("blk")
             and values.ndim == 2}
    output = np.zeros_like(embeddings)
    for token, following in after.items():
        output[following] += embeddings[token]
    return zeros | {"token_embd.weight": embeddings, "output.weight": output}


def test_characters_arrive_whole_and_the_end_of_text_ends_it(tmp_path):
    tokens = tiny().tokenizer.encode("a👍é", special=False)
    start, end = tokens[0], tiny().tokenizer.eos
    model = ql.load_lm(copied(TINY, tmp_path / "t.gguf", f32=True,
                              tensors=rigged(dict(zip(tokens, [*tokens[1:], end], strict=True)))))
    assert len(tokens) == 7 and len(set(tokens)) == 7
    # 4 and 2 tokens; then the text ends
    assert list(model.generate([start], 64)) == ["👍", "é"]
    assert list(generate_tokens(model, [start], 64)) == tokens[1:]
    assert list(model.generate([start], 2)) == ["�"]                        # cut within a character
    assert list(model.generate([start], 4)) == ["👍"]


def test_bos_goes_in_front_where_the_model_was_trained_so(tmp_path):
    model = ql.load_lm(copied(TINY, tmp_path / "t.gguf", metadata={"tokenizer.ggml.add_bos_token": True}))
    bos, plain = model.tokenizer.bos, tiny().tokenizer.encode(PROMPT)
    assert prompt_tokens(model, PROMPT) == [bos, *plain] == prompt_tokens(model, "<|endoftext|>" + PROMPT)
    assert prompt_tokens(tiny(), PROMPT) == plain and prompt_tokens(model, plain) is plain


@pytest.mark.parametrize(("settings", "words"), [
    ({"prompt": ""}, "the prompt is an empty text"),
    ({"prompt": []}, "no tokens"),
    ({"prompt": [5000]}, "token 5000 is outside the vocabulary"),
    ({"n": 0}, "n=0: at least one"),
    ({"n": 2.5}, "n=2.5"),
    ({"n": True}, "n=True"),
    ({"n": 300}, r"and 300 more are longer than the 256 .* at most \d+ can follow"),
    ({"prompt": [1] * 256, "n": 1}, "at most 0 can follow"),
    ({"temperature": -0.1}, "temperature=-0.1"),
    ({"temperature": float("nan")}, "temperature=nan"),
    ({"temperature": float("inf")}, "temperature=inf"),
    ({"temperature": "hot"}, "temperature='hot'"),
    ({"top_p": 0}, "top_p=0:"),
    ({"top_p": 1.1}, "top_p=1.1"),
    ({"top_p": float("nan")}, "top_p=nan"),
    ({"seed": -1}, "seed=-1"),
    ({"seed": "x"}, "seed='x'"),
    ({"seed": 1.5}, "seed=1.5"),
    ({"prompt": b"To be"}, "not bytes: the tokenizer"),
])
def test_settings_that_cannot_be_are_refused_at_once(settings, words):
    with pytest.raises(ValueError, match=words):
        tiny().generate(**{"prompt": PROMPT, **settings})       # not only when the first piece is asked for
