"""Writing text: the model's scores for the next token become a choice, and the choice the next input.

    for piece in load_lm("tiny").generate("To be, or not to be,", 32):
        print(piece, end="")
"""

import codecs
from collections.abc import Iterator
from numbers import Integral, Real

import numpy as np

from .llama import LanguageModel
from .tokenizer import Tokens


def generate_tokens(model: LanguageModel, tokens: Tokens, n: int = 64, *, temperature: float = 0.0,
                    top_p: float = 1.0, seed: int = 0) -> Iterator[int]:
    """Yield at most n token numbers that follow, without the one that ends the text; the arguments and errors
    of `LanguageModel.generate`.
    """
    tokens = model.checked(tokens)
    if not (_is(Integral, n) and n >= 1):
        raise ValueError(f"n={n!r}: at least one token is to be written")
    if not (_is(Real, temperature) and 0 <= temperature < np.inf):
        raise ValueError(f"temperature={temperature!r}: a number from 0 (always the best token) up is needed")
    if not (_is(Real, top_p) and 0 < top_p <= 1):
        raise ValueError(f"top_p={top_p!r}: a share above 0 and up to 1 (all tokens) is needed")
    if not (_is(Integral, seed) and seed >= 0):
        raise ValueError(
            f"seed={seed!r}: a whole number from 0 up is needed; the same one draws the same text again")
    if len(tokens) + n > model.n_ctx_train:
        room = max(model.n_ctx_train - len(tokens), 0)
        raise ValueError(f"{len(tokens)} tokens and {n} more are longer than the {model.n_ctx_train} that "
                         f"{model.name} was trained with; at most {room} can follow")
    return _chosen(model, tokens, int(n), temperature, top_p, np.random.default_rng(seed))


def _is(kind: type, value: object) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def prompt_tokens(model: LanguageModel, prompt: str | Tokens) -> Tokens:
    """A text as tokens, with BOS in front where the model was trained so; tokens stay as they are."""
    if not isinstance(prompt, str):
        return prompt
    if not prompt:
        raise ValueError("the prompt is an empty text: there is nothing to continue")
    own = model.tokenizer
    tokens = own.encode(prompt)
    return [own.bos, *tokens] if own.add_bos and own.bos is not None and tokens[:1] != [own.bos] else tokens


def pick(logits: np.ndarray, temperature: float, top_p: float, rng: np.random.Generator) -> int:
    """Choose a token by its score.  logits: (n_vocab,).  Temperature first, then top-p, in the order of
    Ollama's sampler.
    """
    if temperature == 0:
        return int(logits.argmax())
    scores = logits.astype(np.float64) - logits.max()
    # a temperature near 0: the others get no share at all
    with np.errstate(over="ignore"):
        shares = np.exp(scores / temperature)
    order = np.argsort(-shares, kind="stable")              # the best first
    reached = np.cumsum(shares[order] / shares.sum())
    order = order[:np.searchsorted(reached, top_p) + 1]     # as few as have top_p of the probability together
    reached = reached[:len(order)]
    return int(order[min(np.searchsorted(reached, rng.random() * reached[-1], "right"), len(order) - 1)])


def _chosen(model: LanguageModel, tokens: np.ndarray, n: int, temperature: float, top_p: float,
            rng: np.random.Generator) -> Iterator[int]:
    """The tokens that `pick` chooses, one after the other."""
    cache = model.new_cache(len(tokens) + n)
    logits = model.forward(tokens, cache, last=True)[0]
    for left in range(n, 0, -1):
        token = pick(logits, temperature, top_p, rng)
        if token in model.tokenizer.ends:
            return
        yield token
        if left > 1:
            logits = model.forward([token], cache)[0]


def whole_characters(model: LanguageModel, tokens: Iterator[int]) -> Iterator[str]:
    """Tokens as text; a token may end within a character, whose first bytes then wait for the next one."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for token in tokens:
        if piece := decoder.decode(model.tokenizer.piece(token)):
            yield piece
    if rest := decoder.decode(b"", final=True):
        yield rest
