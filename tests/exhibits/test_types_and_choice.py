"""The explorers of lessons 04 and 08: every stop draws its own picture, and its numbers are the memory
room's.
"""

import itertools

import pytest

import quantlab as ql
from quantlab.exhibits.cards import ANY_CARD as OTHER
from quantlab.exhibits.choice import CONTEXTS, explore_choice
from quantlab.exhibits.types import COMMON_TABLE, NAMES, UNITS, explore_types, mix
from quantlab.memory.advice import CHOICES, WISHES, candidates, choose
from quantlab.memory.cards import GPUS
from tests.thinned import some

GIB = 2**30
STRIDE = 8      # of the models each eighth, and others for the next wish


def test_every_stop_of_the_types_draws_something_else():
    explorer, seen = explore_types(), set()
    for ftype, model, unit in itertools.product(COMMON_TABLE, NAMES, UNITS):
        explorer.set(ftype=ftype, model=model, unit=unit)
        assert f"{mix(model, ftype).nbytes / UNITS[unit]:.2f} {unit}" in explorer.finding
        assert f"{mix(model, ftype).bpw:.2f} bits per weight" in explorer.finding
        assert len(explorer.picture.svg) < 100_000
        seen.add(explorer.picture.svg)
    assert len(seen) == len(COMMON_TABLE) * len(NAMES) * len(UNITS)


def test_differences_are_those_to_the_lessons_column():
    explorer = explore_types("llama-3.1-8b")
    for row in explorer.picture.table[1:]:
        expected = 100 * (ql.weight_bytes(ql.tensor_list("llama-3.1-8b", row[0])) / 1e9
                          / COMMON_TABLE[row[0]] - 1)
        assert row[3] == f"+{expected:.0f} %"
    explorer.set(model="llama-2-7b", ftype="Q5_K_M")
    assert "as a common table says" in explorer.finding
    explorer.set(ftype="F16")
    assert "4 % less than a common table's ~14 GB" in explorer.finding and "−4 %" in explorer.picture.svg


def test_types_of_an_unknown_model_are_refused():
    with pytest.raises(ValueError, match="llama-2-7b"):
        explore_types("llama-4")
    with pytest.raises(ValueError, match="Q4_K_M"):
        explore_types("llama-2-7b", "Q4_K_L")
    assert explore_types("llama-2-7b", "Q4_0").finding.startswith("Q4_0 of Llama-2-7B: 3.83 GB")


@pytest.mark.parametrize("wish", WISHES)
def test_every_stop_of_the_choice_suggests_what_the_rule_says(wish):
    explorer, seen, models = explore_choice(), set(), some(CHOICES, STRIDE, 2 * list(WISHES).index(wish))
    for model, card, n_ctx in itertools.product(models, ("Tesla T4", "GeForce RTX 4060", "H200"), CONTEXTS):
        explorer.set(wish=wish, model=model, card=card, n_ctx=n_ctx)
        best = choose(candidates(model, GPUS[card].vram_bytes, n_ctx), wish)
        assert (f"try {best.estimate.ftype}" if best else "nothing fits") in explorer.finding
        seen.add(explorer.picture.svg)
    assert len(seen) == len(models) * 3 * len(CONTEXTS)


def test_a_model_of_one_type_is_suggested_in_it():
    explorer = explore_choice("gpt-oss:20b", 16)
    assert "try MXFP4_MOE, the only type" in explorer.finding and len(explorer.picture.table) == 2
    explorer.set(vram=6)
    assert "nothing fits" in explorer.finding


def test_the_card_and_its_slider_follow_each_other():
    explorer = explore_choice()
    for card in GPUS:
        explorer.set(card=card)
        assert explorer.controls[
            "card"].value == card and f"({GPUS[card].vram_bytes / GIB:.3g} GiB)" in explorer.finding
    explorer.set(vram=8)
    assert explorer.controls["card"].value == OTHER and "on 8 GiB" in explorer.finding
    explorer.buttons["Reset"].click()
    assert explorer.values() == explorer.initial


@pytest.mark.parametrize("vram", [0, -1, 1e9, float("inf")])
def test_impossible_cards_are_clamped(vram):
    assert "on" in explore_choice(vram_gb=vram).finding
    assert explore_choice(vram_gb=vram).controls["vram"].value > 0


def test_bad_arguments_are_words():
    with pytest.raises(ValueError, match="not an amount of memory"):
        explore_choice(vram_gb=float("nan"))


def test_buttons_work_and_handles_have_their_own_names():
    for explorer in (explore_types(), explore_choice()):
        for button in explorer.buttons.values():
            if hasattr(button, "click"):
                button.click()
                assert explorer.finding
        labels = list(explorer.assistant.labels.values())
        assert len(set(labels)) == len(labels)
        assert explorer._repr_mimebundle_()["text/plain"] == explorer.finding


def test_the_choice_says_what_the_type_was_measured_to_lose():
    import quantlab as ql

    table = ql.recorded_quality()
    explorer = explore_choice("llama3.1:8b", 12)
    same = 100 * table.set_index("ftype").top1["Q4_K_M"]
    assert f"the same token in {same:.0f} % of all places (Q4_K_S" in explorer.picture.svg
    own = table[table.ftype == "Q8_0"]
    own.attrs["model"] = "my <model>"
    svg = explore_choice("llama3.1:8b", 12, own).picture.svg
    assert "nothing at Q4_K_M: the table of my &lt;model&gt;" in svg
    with pytest.raises(ValueError, match="compare_quality"):
        explore_choice(quality=[1, 2])
