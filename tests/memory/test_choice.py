"""The choice of a type: it fits, nothing better of its wish does, and every refusal has a true reason."""

import itertools

import pytest

from quantlab.memory.cards import GPUS
from quantlab.memory.choice import (
    CHOICES,
    FTYPES,
    RESERVE,
    WISHES,
    candidates,
    choose,
    fastest,
    instead,
    reason,
)
from quantlab.memory.kv_cache import kv_cache_bytes
from quantlab.models.catalog import MODELS

GIB = 2**30
CARDS = (0, GIB, 4 * GIB, 8 * GIB, 12 * GIB, 24 * GIB, 80 * GIB)
CASES = list(itertools.product(CHOICES, CARDS, (2048, 8192, 131072)))


@pytest.mark.parametrize("wish", WISHES)
def test_the_chosen_type_fits_and_no_earlier_one_does(wish):
    seen = set()
    for model, card, n_ctx in CASES:
        options = {o.ftype: o for o in candidates(model, card, n_ctx)}
        best = choose(tuple(options.values()), wish)
        seen.add(best)
        spare = {ftype: card - o.weights - kv_cache_bytes(MODELS[model], n_ctx) for ftype,
                 o in options.items()}
        order = WISHES[wish]
        assert all(spare[ftype] < RESERVE for ftype in (order[:order.index(best)] if best else order))
        assert not best or spare[best] >= RESERVE
    assert seen == {"", *WISHES[wish]}, "the cases reach every answer of the rule"


def test_more_context_never_brings_more_bits():
    for model, card in itertools.product(CHOICES, CARDS):
        found = [choose(candidates(model, card, n), "quality") for n in (2048, 8192, 32768, 131072)]
        ranks = [FTYPES.index(ftype) if ftype else -1 for ftype in found]
        assert ranks == sorted(ranks, reverse=True)


def test_the_claim_of_lesson_08():
    def best(n_ctx, wish="quality"):
        return choose(candidates("llama3.1:8b", GPUS["GeForce RTX 4060"].vram_bytes, n_ctx), wish)

    assert (best(8192), best(32768)) == ("Q6_K", "Q2_K")
    assert best(8192, "speed") == best(8192, "memory") == "Q4_K_S"
    assert fastest("llama3.1:8b", candidates("llama3.1:8b", 8 * GIB, 8192)[3],
                   272 * 10**9) == pytest.approx(58.9, abs=0.1)
    assert fastest("mixtral:8x7b", candidates("mixtral:8x7b", 80 * GIB, 8192)[3], 10**12) is None


@pytest.mark.parametrize("wish", WISHES)
def test_reasons_say_what_the_bytes_say(wish):
    for model, card, n_ctx in CASES:
        options = candidates(model, card, n_ctx)
        best = choose(options, wish)
        chosen = next((o for o in options if o.ftype == best), None)
        for option in options:
            words = reason(option, chosen, wish)
            assert len(words) <= 50
            assert ("too much" in words) == (option.weights + option.kv > card)
            assert ("too tight" in words) == (0 <= option.left < RESERVE)


def test_instead_names_what_would_really_fit():
    words = instead("llama3.1:8b", 6 * GIB, 65536)
    tokens = int(words.split()[0].replace(",", ""))
    assert choose(candidates("llama3.1:8b", 6 * GIB, tokens), "memory") == "Q2_K"
    assert choose(candidates("llama3.1:8b", 6 * GIB, tokens + 1024), "memory") == ""
    other = words.split("; ")[1].split()[0]
    assert choose(candidates(other, 6 * GIB, 65536), "balance") == "Q4_K_M"
    assert "no model" in instead("llama3.1:70b", GIB // 4, 131072)


def test_bad_values_are_words():
    with pytest.raises(ValueError, match="no types to choose from"):
        candidates("gpt-oss:20b", 8 * GIB, 8192)
    with pytest.raises(ValueError, match="no wish"):
        choose(candidates("llama3.1:8b", 8 * GIB, 8192), "luck")
    with pytest.raises(ValueError, match="n_ctx=0"):
        candidates("llama3.1:8b", 8 * GIB, 0)
