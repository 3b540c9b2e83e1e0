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
from html import escape

import numpy as np

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
                f'<b>{mark} {self.voice.capitalize()}.</b> {escape(self.message)}</div>')


NOT_STARTED = Feedback("not started",
                       "Replace the three dots in the cell above with your answer, run it, then run this "
                       "cell again.")


def check_number(answer: object, expected: float, *, near_misses: Mapping[float, str] | None = None,
                 rel_tol: float = 1e-3, unit: str = "", praise: str = "") -> Feedback:
    """Judge a numeric answer against `expected`; near_misses: wrong number -> the hint that belongs to it.

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
    if math.isclose(value, expected, rel_tol=rel_tol, abs_tol=1e-12):
        return Feedback("correct", praise or f"{value:g}{unit and ' ' + unit} it is.")
    for wrong, hint in (near_misses or {}).items():
        if math.isclose(value, wrong, rel_tol=rel_tol, abs_tol=1e-12):
            return Feedback("almost", hint)
    side = "too small" if value < expected else "too large"
    return Feedback("not yet", f"{value:g}{unit and ' ' + unit} is {side}.")


def check_choice(answer: object, expected: str, *, hints: Mapping[str, str] | None = None,
                 praise: str = "") -> Feedback:
    """Judge a word such as a type name or a tag; upper and lower case do not matter. hints: wrong word -> its
    hint.
    """
    if answer is ...:
        return NOT_STARTED
    if not isinstance(answer, str):
        return Feedback("wrong kind",
                        f'A text in quotes is wanted here, such as "Q4_0", not {_kind(answer)}.')
    given = answer.strip().lower()
    if given == expected.lower():
        return Feedback("correct", praise or f"{expected} it is.")
    for wrong, hint in (hints or {}).items():
        if given == wrong.lower():
            return Feedback("almost", hint)
    return Feedback("not yet", f"{answer.strip()!r} is not it.")


def check_function(function: object, reference: Callable, examples: Sequence[tuple], *, rtol: float = 1e-5,
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
            return Feedback("not yet",
                            f"Your function raised {type(error).__name__}: {error}. It was called with "
                            f"{asked}.")
        if given is None or given is ...:
            return NOT_STARTED if given is ... else Feedback("not yet",
                                                             "Your function returns nothing: is there a "
                                                             "`return`?")
        message = _first_difference(given, wanted, rtol)
        if message:
            return Feedback("not yet", f"For {asked}: {message}")
    return Feedback("correct", praise)


def _first_difference(given: object, wanted: np.ndarray, rtol: float) -> str:
    try:
        given = np.asarray(given, dtype=wanted.dtype if wanted.dtype.kind in "fiub" else None)
    except (TypeError, ValueError):
        return f"{_kind(given)} came back, numbers were expected."
    if given.shape != wanted.shape:
        return f"the result has shape {given.shape}, {wanted.shape} was expected."
    same = np.isclose(given, wanted, rtol=rtol, atol=1e-12) if wanted.dtype.kind == "f" else given == wanted
    if np.all(same):
        return ""
    where = tuple(int(i) for i in np.argwhere(~np.atleast_1d(same))[0])
    place = f" at {list(where)}" if wanted.ndim else ""
    return f"{np.atleast_1d(given)[where]:.6g} came back{place}, {np.atleast_1d(wanted)[where]:.6g} was expected."


def _copies(arguments: tuple) -> tuple:
    return tuple(a.copy() if isinstance(a, np.ndarray) else a for a in arguments)


def _shown(reference: Callable, arguments: tuple) -> str:
    """The arguments with the names that the reference solution gives them: "bits = 4, block_size = 64"."""
    values = [np.array2string(a, precision=3, threshold=8) if isinstance(a, np.ndarray) else repr(a)
              for a in arguments]
    return ", ".join(f"{name} = {value}" for name, value in zip(inspect.signature(reference).parameters,
                                                                values, strict=False))


def _kind(thing: object) -> str:
    names = {"str": "text", "NoneType": "nothing (None)", "list": "a list", "ndarray": "an array",
             "function": "a function", "int": "a number", "float": "a number"}
    return names.get(type(thing).__name__, f"a {type(thing).__name__}")
