"""Which experts the routers of a mixture choose for each token of a text, and how much each of them says.

    found = routes(load_lm("tiny-moe"), tokens)
    found.chosen[layer, place]                  # numbers of the experts, the loudest first

A router is a small matrix with a row for each expert. A token goes to the experts that score best, and the
softmax of these scores says how much each counts.  Lesson: 19.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .chunks import Text, chunks_of
from .llama import LanguageModel
from .tokenizer import Tokens

ROUTER = ".ffn_gate_inp.weight"
#: A token that stands in a text less often says little about who wakes whom.
OFTEN = 30


class Routes(NamedTuple):
    """chosen: (n_layer, T, n_expert_used) numbers of experts, the loudest first; shares: how much each
    counts, 1 together for a token.
    """

    chosen: np.ndarray
    shares: np.ndarray


def routes(lm: LanguageModel, tokens: Tokens) -> Routes:
    """The way of each token of a text through a mixture.  ValueError for a model without experts, and as for
    `LanguageModel.logits`.
    """
    if not lm.graph.n_expert:
        raise ValueError(f"{lm.name} has no experts: each of its tokens uses every weight; tiny-moe has "
                         "8 experts in each layer")
    seen: dict[str, list[np.ndarray]] = {}

    def keep(name: str, x: np.ndarray, _expert: int) -> None:
        if name.endswith(ROUTER):
            seen.setdefault(name.removesuffix(ROUTER[1:]), []).append(x)

    watched = replace(lm, watch=keep)
    watched.states(tokens, watched.new_cache(len(watched.checked(tokens))))
    found = [lm.routed(np.concatenate(seen[f"blk.{layer}."]), f"blk.{layer}.")
             for layer in range(lm.graph.n_layer)]
    return Routes(*(np.stack(parts) for parts in zip(*found, strict=True)))


class Habit(NamedTuple):
    """What an expert is woken by.  share: of all tokens that wake it; tokens: those that make up most of its
    work and wake it at half of their places at least, as (token, share of these places).
    """

    layer: int
    expert: int
    share: float
    tokens: list[tuple[int, float]]


class Habits(NamedTuple):
    """Who wakes whom in a text.  habits: one for each expert of each layer.  usual: for each layer, at how
    many of the places a token wakes the same experts as it wakes most often; by_chance: the same share, had
    every token the experts of another place.
    """

    habits: list[Habit]
    usual: list[float]
    by_chance: list[float]


def habits(lm: LanguageModel, text: Text, *, chunks: int | None = None, most: int = 6,
           often: int = OFTEN) -> Habits:
    """Read a text in chunks, and count.  most: tokens named for each expert; often: how often a token must
    stand in the text to be named, or counted as having a habit.  ValueError where none does.
    """
    cut = chunks_of(lm, text, None, chunks)
    chosen = np.concatenate([routes(lm, chunk).chosen for chunk in cut], axis=1)
    tokens = cut.reshape(-1)
    known = {token: n for token, n in Counter(tokens.tolist()).items() if n >= often}
    if not known:
        raise ValueError(f"no token stands {often} times in these {len(tokens):,}: read a longer text")
    shuffled = np.random.default_rng(0).permutation(len(tokens))
    found = []
    for layer, of_layer in enumerate(chosen):
        woken = (of_layer[:, :, None] == np.arange(lm.graph.n_expert)).any(axis=1)         # (T, n_expert)
        by_token = {token: woken[tokens == token].mean(axis=0) for token in known}
        for expert in range(lm.graph.n_expert):
            shares = {token: float(share[expert]) for token, share in by_token.items()}
            work = {token: (share < 0.5, -known[token] * share, token) for token, share in shares.items()}
            order = sorted(known, key=work.__getitem__)
            found.append(Habit(layer, expert, float(woken[:, expert].mean()),
                               [(token, shares[token]) for token in order[:most]]))
    pairs = np.sort(chosen, axis=-1)
    return Habits(found, [_usual(tokens, layer, known) for layer in pairs],
                  [_usual(tokens, layer[shuffled], known) for layer in pairs])


def _usual(tokens: np.ndarray, pairs: np.ndarray, known: Iterable[int]) -> float:
    """The share of places of known tokens at which a token wakes what it wakes most often."""
    same = n = 0
    for token in known:
        counts = Counter(map(tuple, pairs[tokens == token].tolist()))
        same, n = same + max(counts.values()), n + counts.total()
    return same / n
