"""The explorers of lesson 06: every stop draws, numbers are the memory room's, bad values are words."""

import itertools
import re

import pytest

import quantlab as ql
from quantlab.explore.fit import CARDS, CONTEXTS, PARAMS, SIZES, clamped, explore_fit, plot_rule
from quantlab.explore.memory import SLIDER, explore_memory
from quantlab.memory.catalog import GPUS, MODELS
from quantlab.memory.choice import RESERVE
from quantlab.memory.kv_cache import KV_TYPES, kv_cache_bytes
from quantlab.memory.weights import card_weight_bytes

GIB = 2**30


def test_every_stop_of_the_fit_draws_something_else():
    explorer, seen = explore_fit(), set()
    for params, context in itertools.product(PARAMS, CONTEXTS):
        explorer.set(params=params, context=context)
        seen.add((params, context, explorer.picture.svg))
        assert len(explorer.picture.svg) < 100_000
    assert len(seen) == len(PARAMS) * len(CONTEXTS)
    assert len({svg for params, _, svg in seen if params == 7}) == len(CONTEXTS)


def test_the_title_holds_the_lessons_own_recommendation():
    explorer = explore_fit()
    for vram in SIZES[::5]:
        for params in PARAMS[::2]:
            explorer.set(vram=vram, params=params)
            said = ql.recommend_quantization(vram, params)
            assert f"the rule says {'too large' if 'too large' in said else said}" in explorer.finding


def test_the_real_bars_are_the_memory_rooms_bytes():
    explorer = explore_fit(8, 8)
    _head, *rows = explorer.picture.table
    assert [row[0] for row in rows] == ["q4_K_M", "q5_K_M", "q8_0", "f16"]
    kv = kv_cache_bytes(MODELS["llama3.1:8b"], 8192) / GIB
    for row in rows:
        weights = card_weight_bytes("llama3.1:8b", row[0].upper())[0] / GIB
        assert row[2:4] == (f"{weights:.2f}", f"{kv:.2f}")
        assert row[4] == ("yes" if weights + kv <= 8 else "no")


def test_what_leaves_less_than_the_reserve_is_tight_and_not_said_to_fit():
    explorer = explore_fit(8, 8)
    explorer.set(context="2k")
    weights, kv = card_weight_bytes("llama3.1:8b", "Q8_0")[0], kv_cache_bytes(MODELS["llama3.1:8b"], 2048)
    assert 0 < 8 * GIB - weights - kv < RESERVE
    assert explorer.picture.table[3][4] == "tight" and ", tight" in explorer.picture.svg
    assert explorer.finding.endswith("agrees") and "q5_K_M" in explorer.finding


def test_a_size_without_a_model_says_so():
    explorer = explore_fit(24, 405)
    assert "No model of about 405 B" in explorer.picture.svg and "weights of" not in explorer.picture.svg


@pytest.mark.parametrize("vram, shown", [(0, 1.0), (-5, 1.0), (1e9, 256.0), (float("inf"), 256.0), (7.98, 8.0)])
def test_impossible_cards_are_clamped(vram, shown):
    assert explore_fit(vram).controls["vram"].value == explore_memory(vram_gb=vram).controls["vram"].value == shown


def test_nan_is_refused_in_words():
    for call in (lambda: explore_fit(float("nan")), lambda: explore_memory(vram_gb=float("nan"))):
        with pytest.raises(ValueError, match="not an amount of memory"):
            call()
    with pytest.raises(ValueError, match="not a size"):
        explore_fit(8, float("nan"))


def test_the_rule_for_an_unknown_model_or_type_is_refused_in_words():
    with pytest.raises(ValueError, match=r"no model 'llama9:7b' in the catalog; there are .*llama3\.1:8b"):
        plot_rule("llama9:7b")
    with pytest.raises(ValueError, match="no 'q2_K'; it knows q4_K_M"):
        plot_rule(quant="q2_K")


def test_presets_name_cards_of_the_catalog_and_this_machine():
    explorer = explore_fit()
    assert any(words.startswith("My machine: RTX 4060") for words in explorer.buttons)
    for card in CARDS:
        assert clamped(GPUS[card].vram_bytes / GIB) == pytest.approx(GPUS[card].vram_bytes / GIB, abs=0.4)
    for button in explorer.buttons.values():
        if hasattr(button, "click"):
            button.click()
            assert "the rule says" in explorer.finding


def test_a_machine_without_a_card_offers_its_memory(monkeypatch):
    from quantlab.explore import fit
    from quantlab.memory.machine import Machine

    monkeypatch.setattr(fit, "my_machine", lambda: Machine("Linux", 4, 6 * GIB, 5 * GIB))
    assert explore_fit().controls["vram"].value == 6
    assert any("no card found" in words for words in explore_fit().buttons)


@pytest.mark.parametrize("name", MODELS)
def test_every_stop_of_the_memory_bar_draws(name):
    explorer, seen = explore_memory(name, 8), set()
    for ftype, type_kv in itertools.product(SLIDER, KV_TYPES):
        for n_ctx in (1024, 32768, 131072):
            explorer.set(ftype=ftype, type_kv=type_kv, n_ctx=n_ctx)
            assert "GiB" in explorer.finding
            seen.add(explorer.picture.svg)
    assert len(seen) == len(SLIDER) * len(KV_TYPES) * 3


def test_the_bar_is_the_rooms_bytes_and_the_finding_their_difference():
    explorer = explore_memory("llama3.1:8b", 8)
    explorer.set(n_ctx=32768)
    table = {row[0]: row[1] for row in explorer.picture.table}
    assert table["weights on the card"] == "4,617,396,480" and table["KV cache"] == "4,294,967,296"
    assert explorer.finding.startswith(f"{(4617396480 + 4294967296) / GIB - 8:.2f} GiB too much: the KV cache is as large as")


def test_every_way_out_fits_when_it_is_followed():
    explorer = explore_memory("llama3.1:8b", 8)
    explorer.set(n_ctx=32768)
    words = re.sub(r"<[^>]+>", "\n", explorer.picture.svg)
    ways = [line[2:] for line in words.splitlines() if line.startswith("✓ ")]
    assert len(ways) == 4
    tokens = int(re.match(r"[\d,]+", ways[1])[0].replace(",", ""))
    moves = [dict(type_kv=ways[0].split()[-1]), dict(n_ctx=tokens), dict(ftype=ways[2].split()[-1]), dict(vram=int(ways[3].split()[3]))]
    start = explorer.values()
    for move in moves:
        options = explorer.controls["n_ctx"].options
        if "n_ctx" in move:
            explorer.controls["n_ctx"].options = (*options, (f"{tokens:,}", tokens))
        explorer.set(**(start | move))
        left = re.match(r"It fits, ([\d.]+) GiB left", explorer.finding)
        assert left and float(left[1]) >= RESERVE / 2**30 - 0.01, (move, explorer.finding)


def test_the_recipe_makes_every_ftype_exact():
    explorer = explore_memory("gemma3:4b", 16)
    for ftype in ("Q2_K", "Q5_K_M", "F16"):
        explorer.set(ftype=ftype)
        assert "about" not in explorer.finding


def test_an_unknown_model_is_named():
    with pytest.raises(ValueError, match="llama9"):
        explore_memory("llama9:1b")


def test_the_rule_loses_ground_as_the_context_grows():
    rows = plot_rule("llama3.1:8b").picture.table[1:]
    truth = [(card_weight_bytes("llama3.1:8b", "Q4_K_M")[0] + kv_cache_bytes(MODELS["llama3.1:8b"], n)) / GIB for n in CONTEXTS.values()]
    rule = MODELS["llama3.1:8b"].n_params / 1e9 * 0.5 * 1.2
    assert [row[-1] for row in rows] == [f"{abs(100 * (rule / t - 1)):.0f} % too {'high' if rule > t else 'low'}" for t in truth]
    assert rows[0][-1].endswith("high") and rows[-1][-1].endswith("low")
