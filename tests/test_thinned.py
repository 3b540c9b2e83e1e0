"""What is left out of a matrix is never a kind, and `make bench-full` leaves nothing out."""

from pathlib import Path

import pytest

from quantlab.models.catalog import MODELS
from tests import thinned
from tests.exhibits import sampled
from tests.exhibits.recording import load
from tests.thinned import one_of_each, some

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def part(monkeypatch):
    monkeypatch.setattr(thinned, "WHOLE", False)


def test_neighbours_take_other_members_and_together_all_of_them(part):
    taken = [some(range(10), 3, start) for start in range(6)]
    assert taken[:3] == [[0, 3, 6, 9], [1, 4, 7], [2, 5, 8]] == taken[3:]
    assert some("abc", 1) == ["a", "b", "c"]


def test_every_kind_has_its_first_member_in_the_order_of_all(part):
    assert one_of_each(["ant", "bee", "asp", "cat", "bat"], lambda name: name[0]) == ["ant", "bee", "cat"]
    some_models = one_of_each(MODELS, lambda name: MODELS[name].arch)
    assert {MODELS[name].arch for name in some_models} == {model.arch for model in MODELS.values()}


def test_of_recorded_moves_every_kind_is_made_again_and_not_much_more(part):
    made, recorded = sampled.repeated.__wrapped__(), {name: load()[name] for name in sampled.chosen()}

    def kinds(most: dict) -> set[tuple]:
        return {sampled.kind(name, action) for name, old in recorded.items()
                for step in ("presets", "moves")
                for action, _ in old.get(step, [])[:most.get(name, {}).get(step)]}

    assert made.keys() == recorded.keys() and kinds(made) == kinds({})
    assert sum(most["moves"] for most in made.values()) < sum(
        len(old.get("moves", [])) for old in recorded.values()) / 2


def test_the_whole_is_one_command(monkeypatch):
    monkeypatch.setattr(thinned, "WHOLE", True)
    assert some(range(10), 3, 1) == list(range(10)) == one_of_each(range(10), bool)
    assert sampled.repeated.__wrapped__() == {
        name: {step: len(old.get(step, [])) for step in ("presets", "moves")} for name, old in load().items()}
    assert "QUANTLAB_TESTS=whole $(MAKE)" in (ROOT / "Makefile").read_text()
