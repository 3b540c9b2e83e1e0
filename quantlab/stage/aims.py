"""Targets: "try this" under an exhibit, which turns green once its picture gets there, by any way.

    ql.explore_llama().aim("00-1", "00-2")

Task, hint and condition stand in `data/targets.toml`. A condition speaks of what the handles say and of the
numbers that the picture told with itself (`Picture.numbers`), so it makes no difference which handle, preset
or key led there.
"""

import operator
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import ipywidgets as widgets

from ..words import aloud, one_of, prose
from . import ledger

#: How a number is compared; "in" for one of several.
SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge, "in": lambda value, several: value in several}


class Aim(NamedTuple):
    """A target: what to do, how it is begun, what it teaches; it is met where all of `when` hold.

    when: (name of a handle or of one of the picture's numbers, sign, value) each.
    solution: handle -> value, one of the ways that lead there.  press: buttons and keys after it.
    """

    task: str
    hint: str
    reached: str
    when: list[tuple[str, str, Any]]
    solution: dict[str, Any]
    press: Sequence[str] = ()

    def met(self, now: Mapping[str, Any]) -> bool:
        """Whether it is met by what the exhibit shows.  A number that the picture has not told is not met."""
        return all(name in now and SIGNS[sign](now[name], value) for name, sign, value in self.when)


@cache
def aims() -> dict[str, Aim]:
    """Number -> target, in the order of the lessons."""
    rows = tomllib.loads((files("quantlab") / "data" / "targets.toml").read_text(encoding="utf-8"))
    return {number: Aim(row["task"], row["hint"], row["reached"], [tuple(one) for one in row["when"]],
                        row.get("solution", {}), row.get("press", [])) for number, row in rows.items()}


def aim(number: str) -> Aim:
    """The target of that number.  ValueError for a number that there is not."""
    return aims()[one_of("target", number, aims())]


class Targets(widgets.HTML):
    """The targets under one exhibit, and which of them were reached: those stay reached."""

    def __init__(self):
        super().__init__()
        self.reached: dict[str, bool] = {}

    def add(self, numbers: Sequence[str], now: Mapping[str, Any]) -> None:
        """Show targets.  now: what the exhibit shows (`Stage.gauges`)."""
        self.reached |= {number: aim(number).met(now) for number in numbers}
        self._write()

    def look(self, now: Mapping[str, Any]) -> list[str]:
        """Those that are reached just now, as sentences for the ears."""
        fresh = [number for number, met in self.reached.items() if not met and aim(number).met(now)]
        if fresh:
            self.reached |= dict.fromkeys(fresh, True)
            self._write()
        for number in fresh:
            ledger.TARGETS.enter(number, ledger.Reached(aim(number).task))
        return [aloud(f"Target reached: {aim(number).task} {aim(number).reached}") for number in fresh]

    def _write(self) -> None:
        self.value = "".join(target_html(aim(number), met) for number, met in self.reached.items())


def target_html(target: Aim, met: bool) -> str:
    """A target as HTML: what to try and a hint, or what it has taught."""
    if met:
        return (f'<div class="ql-aim ql-met"><b>✓ Reached:</b> {prose(target.task)} '
                f"<div>{prose(target.reached)}</div></div>")
    return (f'<div class="ql-aim"><b>○ Try this:</b> {prose(target.task)} '
            f"<details><summary>Hint</summary>{prose(target.hint)}</details></div>")
