"""Exercises answer back: a check looks at an answer and says one of five things, and never raises.

    not started   the learner's cell still holds `...`
    wrong kind    not a number, not a function: says what was expected
    not yet       wrong, with the first thing to look at
    almost        a *particular* wrong answer that we know the reason of
    correct       with what to take away
"""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..words import prose

VOICES = {"not started": ("○", "#8a929e"), "wrong kind": ("?", "#CC79A7"), "not yet": ("✗", "#D55E00"),
          "almost": ("≈", "#E69F00"), "correct": ("✓", "#009E73")}


@dataclass(frozen=True)
class Feedback:
    """What a check says: `voice` is one of VOICES, `message` a sentence."""

    voice: str
    message: str

    def __repr__(self) -> str:
        return f"{VOICES[self.voice][0]} {self.voice}: {self.message}"

    def _repr_html_(self) -> str:
        mark, colour = VOICES[self.voice]
        return (f'<div style="border-left:4px solid {colour};padding:6px 14px;max-width:740px">'
                f'<b>{mark} {self.voice.capitalize()}.</b> {prose(self.message)}</div>')


NOT_STARTED = Feedback("not started", "Replace the three dots in the cell above with your answer, run it, "
                                      "then run this cell again.")


def check_number(answer: Any, expected: float, hints: Mapping[float, str] | None = None, *,
                 rel_tol: float = 1e-3, unit: str = "", praise: str = "That is it.") -> Feedback:
    """Judge a numeric answer against `expected`; hints: wrong number -> the hint that belongs to it.

    rel_tol is relative to the expected number; `unit` is shown, never parsed.
    """
    if answer is ...:
        return NOT_STARTED
    try:
        value = float(answer)
    except (TypeError, ValueError):
        return Feedback("wrong kind", f"A number is wanted here, not {_kind(answer)}.")
    if not math.isfinite(value):
        return Feedback("wrong kind", f"{value} is not a number one can measure.")
    same = partial(math.isclose, value, rel_tol=rel_tol, abs_tol=1e-12)
    side = "too small" if value < expected else "too large"
    return _judged(same, expected, hints or {}, praise, f"{f'{value:g} {unit}'.rstrip()} is {side}.")


def check_choice(answer: object, expected: str, hints: Mapping[str, str] | None = None, *,
                 praise: str = "That is it.") -> Feedback:
    """Judge a word such as a type name or a tag; upper and lower case do not matter.  hints: wrong word
    -> its hint.
    """
    if answer is ...:
        return NOT_STARTED
    if not isinstance(answer, str):
        return Feedback("wrong kind",
                        f'A text in quotes is wanted here, such as "Q4_0", not {_kind(answer)}.')
    given = answer.strip()
    return _judged(lambda word: word.lower() == given.lower(), expected, hints or {}, praise,
                   f"{given!r} is not it.")


def _judged(same: Callable[[Any], bool], expected: object, hints: Mapping[Any, str], praise: str,
            miss: str) -> Feedback:
    """What is said of an answer.  same: whether it is this one."""
    if same(expected):
        return Feedback("correct", praise)
    return next((Feedback("almost", hint) for wrong, hint in hints.items() if same(wrong)),
                Feedback("not yet", miss))


def check_function(function: object, reference: Callable, examples: Sequence[tuple], *,
                   praise: str = "Every example agrees.") -> Feedback:
    """Run the learner's function beside `reference` on each example (a tuple of arguments); show the first
    difference.

    An exception inside the learner's function becomes a sentence with its name and text.
    """
    if function is ...:
        return NOT_STARTED
    if not callable(function):
        return Feedback("wrong kind", f"A function is wanted here, not {_kind(function)}.")
    for arguments in examples:
        wanted, asked = np.asarray(reference(*_copies(arguments))), _shown(reference, arguments)
        try:
            given = function(*_copies(arguments))
        except Exception as error:      # broad on purpose: the learner's code may raise anything
            return Feedback("not yet", f"Your function raised {type(error).__name__}: {error}. It was called "
                                       f"with {asked}.")
        if given is ...:
            return NOT_STARTED
        if given is None:
            return Feedback("not yet", "Your function returns nothing: is there a `return`?")
        if message := _first_difference(given, wanted):
            return Feedback("not yet", f"For {asked}: {message}")
    return Feedback("correct", praise)


def _first_difference(given: Any, wanted: np.ndarray) -> str:
    """Where a result is not the one that is wanted, in words; "" where it is."""
    try:
        given = np.asarray(given, dtype=wanted.dtype if wanted.dtype.kind in "fiub" else None)
    except (TypeError, ValueError):
        return f"{_kind(given)} came back, numbers were expected."
    if given.shape != wanted.shape:
        return f"the result has shape {given.shape}, {wanted.shape} was expected."
    same = np.isclose(given, wanted, rtol=1e-5, atol=1e-12) if wanted.dtype.kind == "f" else given == wanted
    if np.all(same):
        return ""
    where = tuple(int(i) for i in np.argwhere(~same)[0])
    place = f" at {list(where)}" if where else ""
    return f"{given[where]:.6g} came back{place}, {wanted[where]:.6g} was expected."


def _copies(arguments: tuple) -> tuple:
    return tuple(a.copy() if isinstance(a, np.ndarray) else a for a in arguments)


def _shown(reference: Callable, arguments: tuple) -> str:
    """The arguments with the names that the reference solution gives them: "bits = 4, block_size = 64"."""
    values = [np.array2string(a, precision=3, threshold=8) if isinstance(a, np.ndarray) else repr(a)
              for a in arguments]
    names = inspect.signature(reference).parameters
    return ", ".join(f"{name} = {value}" for name, value in zip(names, values, strict=False))


def _kind(thing: object) -> str:
    names = {"str": "text", "NoneType": "nothing (None)", "list": "a list", "ndarray": "an array",
             "function": "a function", "int": "a number", "float": "a number"}
    return names.get(type(thing).__name__, f"a {type(thing).__name__}")
