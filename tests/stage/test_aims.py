"""Targets: none is met at the start, each is met by its solution, and what is shown is enough to know."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import quantlab as ql
from quantlab.models.source import DATA
from quantlab.stage.aims import SIGNS, Aim, aims
from quantlab.words import aloud, prose

LESSONS = Path(__file__).parents[2] / "notebooks"


def exhibits() -> dict[str, str]:
    """Number -> the exhibit's call in the lesson that has this target, also where it waits for a guess."""
    found = {}
    for path in sorted(LESSONS.glob("[0-9]*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] != "code" or ".aim(" not in source:
                continue
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "aim":
                    found |= {number.value: called(node.func.value) for number in node.args}
    return found


def called(node: ast.Call) -> str:
    """The call of the exhibit: of `ql.predict("05-4").then(ql.explore_x, 8)` it is `ql.explore_x(8)`."""
    if getattr(node.func, "attr", "") == "then":
        node = ast.Call(node.args[0], node.args[1:], node.keywords)
    return ast.unparse(node)


EXHIBITS = exhibits()


def test_a_number_that_is_not_there():
    with pytest.raises(ValueError, match="99-1"):
        ql.explore_llama().aim("99-1")


def test_every_target_is_under_an_exhibit_of_its_lesson():
    assert EXHIBITS.keys() == aims().keys()


def reach(shown, target: Aim) -> None:
    """Go the way of its solution: handles, then buttons and keys, and wait for what is measured."""
    shown.set(**target.solution)
    rest(shown)
    for press in target.press:
        if press in shown.buttons:
            shown.buttons[press].click()
        else:
            shown.touched({"key": press})
        rest(shown)


def rest(shown) -> None:
    if shown.thread is not None:
        shown.thread.join(120)


@pytest.mark.parametrize("number", aims())
def test_it_is_reached_by_its_solution_and_not_before(number):
    target = aims()[number]
    assert all(sign in SIGNS for _, sign, _ in target.when)
    shown = eval(EXHIBITS[number], {"ql": ql}).aim(number)
    assert not shown.targets.reached[number] and "Try this" in shown.targets.value
    reach(shown, target)
    assert {name for name, _, _ in target.when} <= shown.gauges().keys(), "the picture tells every name"
    assert shown.targets.reached[number], shown.gauges()
    assert aloud(target.reached) in shown.finding and "ql-met" in shown.targets.value
    shown.reset()
    assert shown.targets.reached[number], "what was reached stays reached"


def sentences(table) -> Iterator[str]:
    """All texts of a table from a TOML file."""
    if isinstance(table, str):
        yield table
    elif isinstance(table, dict | list):
        for one in table.values() if isinstance(table, dict) else table:
            yield from sentences(one)


@pytest.mark.parametrize("name", ["targets", "predictions", "quizzes"])
def test_no_mark_of_a_text_is_left_where_it_is_shown(name):
    found = [*sentences(tomllib.loads((DATA / f"{name}.toml").read_text(encoding="utf-8")))]
    assert len(found) > 100
    for words in found:
        shown = re.sub(r"<code>.*?</code>", "", prose(words))
        assert not re.search(r"[`*]|\]\(|__", shown), words
        said = aloud(words)
        assert "`" not in said and said.count("*") == words.count("*") - 2 * shown.count("<em>")
