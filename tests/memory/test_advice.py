"""The choice of a type: it fits, nothing better of its wish does, and every refusal has a true reason."""

import itertools

import pytest

from quantlab.memory.advice import CHOICES, WEIGHED, WISHES, candidates, choose, instead, reason
from quantlab.memory.cards import GPUS
from quantlab.models.catalog import MODELS
from tests.thinned import some

GIB = 2**30
CARDS = (0, GIB, 4 * GIB, 8 * GIB, 12 * GIB, 24 * GIB, 80 * GIB)
SEVERAL = [name for name in CHOICES if not MODELS[name].only_type]
CASES = some(itertools.product(SEVERAL, CARDS, (2048, 8192, 131072)), 5)


def chosen(model, card, n_ctx, wish):
    best = choose(candidates(model, card, n_ctx), wish)
    return best.estimate.ftype if best else ""


@pytest.mark.parametrize("wish", WISHES)
def test_the_chosen_type_fits_and_no_earlier_one_does(wish):
    seen = set()
    for model, card, n_ctx in CASES:
        best, order = chosen(model, card, n_ctx, wish), WISHES[wish]
        seen.add(best)
        room = {option.estimate.ftype: card - option.estimate.needed
                for option in candidates(model, card, n_ctx)}
        assert all(room[ftype] < 0 for ftype in (order[:order.index(best)] if best else order))
        assert not best or room[best] >= 0
    assert seen == {"", *WISHES[wish]}, "the cases reach every answer of the rule"


def test_more_context_never_brings_more_bits():
    for model, card in some(itertools.product(SEVERAL, CARDS), 5):
        found = [chosen(model, card, n, "quality") for n in (2048, 8192, 32768, 131072)]
        ranks = [WEIGHED.index(ftype) if ftype else -1 for ftype in found]
        assert ranks == sorted(ranks, reverse=True)


def test_the_claim_of_lesson_08():
    card = GPUS["GeForce RTX 4060"].vram_bytes
    assert [chosen("llama3.1:8b", card, n, "quality") for n in (8192, 32768)] == ["Q6_K", "Q2_K"]
    assert [chosen("llama3.1:8b", card, 8192, wish) for wish in ("speed", "memory")] == ["Q4_K_S"] * 2


@pytest.mark.parametrize("wish", WISHES)
def test_reasons_say_what_the_bytes_say(wish):
    for model, card, n_ctx in CASES:
        options = candidates(model, card, n_ctx)
        best = choose(options, wish)
        for option in options:
            words = reason(option, best, wish)
            assert len(words) <= 50
            assert ("too much" in words) == (option.estimate.needed > card)
            assert ("to spare" in words) == (option is best)


def test_instead_names_what_would_really_fit():
    words = instead("llama3.1:8b", 6 * GIB, 65536)
    tokens = int(words.split()[0].replace(",", ""))
    assert chosen("llama3.1:8b", 6 * GIB, tokens, "memory") == "Q2_K"
    assert chosen("llama3.1:8b", 6 * GIB, tokens + 1024, "memory") == ""
    other = words.split("; ")[1].split()[0]
    assert chosen(other, 6 * GIB, 65536, "balance") == "Q4_K_M"
    assert "no model" in instead("llama3.1:70b", GIB // 4, 131072)


def test_bad_values_are_words():
    with pytest.raises(ValueError, match="no wish"):
        choose(candidates("llama3.1:8b", 8 * GIB, 8192), "luck")
    with pytest.raises(ValueError, match="n_ctx=0"):
        candidates("llama3.1:8b", 8 * GIB, 0)
