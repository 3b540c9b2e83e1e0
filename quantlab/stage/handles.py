"""Handles as data: what a learner can move and press, described once.

`controls` draws them as widgets in a notebook; nothing here knows a widget, so that a page can draw them
otherwise.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from ..words import prose


@dataclass(frozen=True)
class Handle:
    """One thing to move.  name: the argument of the drawing function that it sets.  label: its words on
    screen.

    kind: "slider" (whole numbers from low to high), "stops" (a slider over stops), "menu", "several" (a list
    with several choices), "text", "area", "number" (a field from low to high).  stops: values, or (words,
    value) pairs.
    live: a text is told at every letter, else on Enter.  hint: grey words in an empty field.
    width, label_width, height: pixels; None leaves them to the exhibit.
    """

    name: str
    kind: str
    label: str
    value: Any
    stops: tuple = ()
    low: float = 0
    high: float = 0
    step: float = 1
    live: bool = False
    hint: str = ""
    width: int | None = None
    label_width: int | None = None
    height: int | None = None

    @property
    def choices(self) -> list[tuple[str, Any]]:
        """(words, value) of each place where it can stand, in order; none where something is typed."""
        if self.kind == "slider":
            return [(str(stop), stop) for stop in range(int(self.low), int(self.high) + 1, int(self.step))]
        if self.kind == "check":
            return [("no", False), ("yes", True)]
        return [stop if isinstance(stop, tuple) else (str(stop), stop) for stop in self.stops]


@dataclass(frozen=True)
class Button:
    """One thing to press.  words: on it.  tip: what happens, in a sentence.  press: called without arguments.

    task: it starts work in a thread, and cannot be pressed while one runs.  A button called "cancel" can only
    be pressed while one runs.  hidden: it is not shown at first.
    """

    name: str
    words: str
    tip: str
    press: Callable[[], None]
    task: bool = False
    hidden: bool = False


@dataclass(frozen=True)
class Link:
    """A slider that stands where a menu's choice puts it, and a menu that lets go when the slider leaves that
    place.

    place: the menu's value -> the slider's, or None.  free: the menu's value that names nothing.
    """

    slider: str
    place: Callable[[Any], float | None]
    free: Any


@dataclass(frozen=True)
class Panel:
    """Something that a button opens below the picture.  html: its content, already escaped, for the present
    values.
    """

    tip: str
    html: Callable[[Mapping[str, Any]], str]

    def shown(self, values: Mapping[str, Any]) -> str:
        """What it shows; a ValueError becomes a sentence, as it does in the picture's place."""
        try:
            return self.html(values)
        except ValueError as error:
            return f"<p>{prose(str(error))}</p>"


def slider(name: str, label: str, value: int, low: int, high: int, step: int = 1, **look) -> Handle:
    """Whole numbers from `low` to `high`."""
    return Handle(name, "slider", label, value, low=low, high=high, step=step, **look)


def stops(name: str, label: str, value: Any, stops: Iterable, **look) -> Handle:
    """A slider that stands on one of `stops` only: values, or (words, value) pairs."""
    return Handle(name, "stops", label, value, tuple(stops), **look)


def menu(name: str, label: str, value: Any, stops: Iterable, **look) -> Handle:
    """A menu of `stops`: values, or (words, value) pairs."""
    return Handle(name, "menu", label, value, tuple(stops), **look)


def several(name: str, label: str, stops: Iterable = (), **look) -> Handle:
    """A list of which several can be chosen; none is at first."""
    return Handle(name, "several", label, (), tuple(stops), **look)


def text_line(name: str, label: str, value: str = "", **look) -> Handle:
    """One line of text."""
    return Handle(name, "text", label, value, **look)


def text_area(name: str, label: str, value: str = "", **look) -> Handle:
    """Several lines of text."""
    return Handle(name, "area", label, value, **look)


def tick_box(name: str, label: str, value: bool, **look) -> Handle:
    """A box to tick."""
    return Handle(name, "check", label, value, **look)


def number_field(name: str, label: str, value: float, low: float = -inf, high: float = inf, step: float = 1,
           **look) -> Handle:
    """A number in a field, from `low` to `high`; whole numbers when `value` and `step` are."""
    return Handle(name, "number", label, value, low=low, high=high, step=step, **look)
