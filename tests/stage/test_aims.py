"""Targets: none is met at the start, each is met by its solution, and what is shown is enough to know."""

import json
from pathlib import Path

import pytest

import quantlab as ql
from quantlab.stage.aims import SIGNS, aims

LESSONS = Path(__file__).parents[2] / "notebooks"


def exhibits() -> dict[str, str]:
    """Number -> the exhibit's call in the lesson that has this target."""
    found = {}
    for path in sorted(LESSONS.glob("[0-9]*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "code" and ".aim(" in source:
                call, _, rest = source[source.index("ql.explore_"):].partition(".aim(")
                found |= dict.fromkeys(eval(f"({rest.partition(')')[0]},)"), call)
    return found


EXHIBITS = exhibits()


def test_a_number_that_is_not_there():
    with pytest.raises(ValueError, match="99-1"):
        ql.explore_llama().aim("99-1")


def test_every_target_is_under_an_exhibit_of_its_lesson():
    assert EXHIBITS.keys() == aims().keys()


@pytest.mark.parametrize("number", aims())
def test_it_is_reached_by_its_solution_and_not_before(number):
    target = aims()[number]
    assert all(sign in SIGNS for _, sign, _ in target.when)
    shown = eval(EXHIBITS[number], {"ql": ql}).aim(number)
    assert not shown.targets.reached[number] and "Try this" in shown.targets.value
    shown.set(**target.solution)
    assert shown.targets.reached[number], shown.gauges()
    assert target.reached in shown.finding and "ql-met" in shown.targets.value
    shown.reset()
    assert shown.targets.reached[number], "what was reached stays reached"


@pytest.mark.parametrize("number", aims())
def test_every_name_in_a_condition_is_told_by_the_picture(number):
    shown = eval(EXHIBITS[number], {"ql": ql})
    shown.set(**aims()[number].solution)
    assert {name for name, _, _ in aims()[number].when} <= shown.gauges().keys()
