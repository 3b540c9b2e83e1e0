"""Exercises answer back: a check looks at an answer and says one of five things, and never raises.

    not started   the learner's cell still holds `...`
    wrong kind    not a number, not a function: says what was expected
    not yet       wrong, with the first thing to look at
    almost        a *particular* wrong answer that we know the reason of
    correct       with what to take away
"""

import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..words import counted, nearest, prose, told
from .misses import ENOUGH, diagnosis, digits_of, side

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


STORAGE = "bits", "bytes", "GB"         # units in which a factor of 8 or 1,024 has its usual reason

NOT_STARTED = Feedback("not started", "Replace the three dots in the cell above with your answer, run it, "
                                      "then run this cell again.")


def check_number(answer: Any, expected: float, hints: Mapping[float, str] | None = None, *,
                 rel_tol: float = 1e-3, unit: str = "", praise: str = "That is it.",
                 start: str = "", exact: bool = False) -> Feedback:
    """Judge a numeric answer against `expected`; hints: wrong number -> the hint that belongs to it.

    rel_tol is relative to the expected number; `unit` is shown, never parsed.  exact: a whole number that is
    counted; otherwise one that is rounded to three digits or more is right, and the others are told.  start:
    what to do first, for a number of which nothing else is known.
    """
    if answer is ...:
        return NOT_STARTED
    if (value := _as_number(answer)) is None:
        return Feedback("wrong kind", _no_number(answer))
    if not math.isfinite(value):
        return Feedback("wrong kind", f"{value} is not a number one can measure.")
    same = partial(math.isclose, value, rel_tol=1e-12 if exact else rel_tol, abs_tol=1e-12)
    if same(expected):
        return Feedback("correct", praise)
    near = 1e-6 if exact else rel_tol
    if hint := next((hint for wrong, hint in (hints or {}).items() if _is_wrong(value, wrong, near)), ""):
        return Feedback("almost", hint)
    if not exact and digits_of(value, expected) >= ENOUGH:
        return Feedback("correct", f"{value:g} is right; with more digits {told(expected, 7)}. {praise}")
    if why := diagnosis(value, expected, exact, storage=unit in STORAGE):
        return Feedback("almost", why)
    said = f"{told(value, 15)} {unit.removesuffix('s') if value == 1 else unit}".rstrip()
    return Feedback("not yet", f"{said} is {side(value, expected)}. {start}".rstrip())


def _is_wrong(value: float, wrong: float, rel_tol: float) -> bool:
    """Whether an answer is this wrong number, rounded or not."""
    return math.isclose(value, wrong, rel_tol=rel_tol, abs_tol=1e-12) or digits_of(value, wrong) >= ENOUGH


def _as_number(answer: Any) -> float | None:
    if isinstance(answer, bool | np.bool_):         # to Python True is 1, to a learner it is no number
        return None
    try:
        return float(answer)
    except OverflowError:
        return math.inf
    except (TypeError, ValueError):
        return None


def _no_number(answer: Any) -> str:
    """What was given instead of a number, and how to write it."""
    written = ",".join(map(str, answer)) if isinstance(answer, tuple) else str(answer)
    if re.fullmatch(r"-?\d+,(?!\d{3}$)\d+", written):         # no thousands: a comma as in 4,5
        return f"{written} has a comma: Python writes a point there, {written.replace(',', '.')}."
    if isinstance(answer, tuple) and all(isinstance(part, int) for part in answer) and len(answer) > 1:
        return (f"Python reads {','.join(map(str, answer))} as {len(answer)} numbers: leave the commas out, "
                "or write _ in their place.")
    if isinstance(answer, str) and any(letter.isdigit() for letter in answer):
        return "A number is wanted here, not text: write it without quotes, commas and unit."
    if isinstance(answer, list | tuple) and any(part is ... for part in answer):
        return "One number is wanted here, not a list, and three dots are still in it."
    return f"A number is wanted here, not {_kind(answer)}."


def check_choice(answer: object, expected: str, hints: Mapping[str, str] | None = None, *,
                 praise: str = "That is it.", start: str = "") -> Feedback:
    """Judge a word such as a type name or a tag; upper and lower case do not matter.  hints: wrong word
    -> its hint.  start: what to do first, for a word of which nothing else is known.
    """
    if answer is ...:
        return NOT_STARTED
    if not isinstance(answer, str):
        return Feedback("wrong kind",
                        f'A text in quotes is wanted here, such as "Q4_0", not {_kind(answer)}.')
    given = answer.strip()
    by_name = {name.lower(): hint for name, hint in (hints or {}).items()}
    if given.lower() == expected.lower():
        return Feedback("correct", praise)
    if hint := by_name.get(given.lower(), ""):
        return Feedback("almost", hint)
    near = nearest(given, [expected, *(hints or {})], 2)
    return Feedback("not yet", f"{given!r} is not it{near}. {start}".rstrip())


#: Name of an exception -> why it happens.
RAISED = {"ZeroDivisionError": "Something is divided by zero there: which of your numbers is it?",
          "NameError": "A name is used that your function does not know: take those of its arguments.",
          "UnboundLocalError": "A name is read before it is given a value.",
          "IndexError": "A place is asked for that is not there: places are counted from 0.",
          "KeyError": "A key is asked for that is not there.",
          "RecursionError": "The function calls itself without an end.",
          "TypeError": "Two kinds of things do not go together there, such as a text and a number.",
          "AttributeError": "A thing is asked for what it does not have: is it of the kind you expect?"}


def check_function(function: object, reference: Callable, examples: Sequence[tuple], *,
                   mistakes: Mapping[str, Callable] | None = None,
                   because: Callable[..., str] | None = None,
                   praise: str = "Every example agrees.") -> Feedback:
    """Run the learner's function beside `reference` on each example (a tuple of arguments); show the first
    difference.  mistakes: why -> a function that makes this mistake; where the learner's gives the same on
    every example, the reason is told.  because: what makes the wanted result of one example, in a sentence;
    told where the mistake is none of these.

    An exception inside the learner's function becomes a sentence with its name and text, and the input.
    """
    if function is ...:
        return NOT_STARTED
    if not callable(function):
        return Feedback("wrong kind", f"A function is wanted here, not {_kind(function)}.")
    if words := _other_arguments(function, reference):
        return Feedback("not yet", words)
    for arguments in examples:
        wanted, asked = np.asarray(reference(*_copies(arguments))), _shown(reference, arguments)
        try:
            given = function(*_copies(arguments))
        except Exception as error:      # broad on purpose: the learner's code may raise anything
            why = RAISED.get(type(error).__name__, "")
            return Feedback("not yet", f"Your function raised {type(error).__name__}: {error}. It was called "
                                       f"with {asked}. {why}".rstrip())
        if given is ...:
            return NOT_STARTED
        if given is None:
            return Feedback("not yet", "Your function returns nothing: is there a `return`?")
        if message := _first_difference(given, wanted):
            named = next((why for why, wrong in (mistakes or {}).items()
                          if _alike(function, wrong, examples)), "")
            why = named or f"{because(*arguments) if because else ''} {_off(given, wanted)}".strip()
            return Feedback("almost" if named else "not yet", f"For {asked}: {message} {why}".rstrip())
    return Feedback("correct", praise)


def _other_arguments(function: Callable, reference: Callable) -> str:
    """What is wrong with the number of arguments, in words; "" where the function can be called."""
    names = list(inspect.signature(reference).parameters)
    try:
        inspect.signature(function).bind(*names)
    except TypeError:
        wanted = f"{len(names)} argument{'s' * (len(names) > 1)}, {', '.join(names)}"
        return (f"Your function takes {inspect.signature(function)}; it is called with {wanted} (TypeError).")
    except ValueError:          # some of C's functions do not tell
        pass
    return ""


def _off(given: Any, wanted: np.ndarray) -> str:
    """How a single number is off, where the mistake is not a known one; "" for arrays, True and False, and
    what is no number.
    """
    value = _as_number(given)
    if value is None or not math.isfinite(value) or wanted.ndim or wanted.dtype.kind == "b":
        return ""
    return diagnosis(value, float(wanted), False) or f"That is {side(value, float(wanted))}."


def _alike(function: Callable, wrong: Callable, examples: Sequence[tuple]) -> bool:
    """Whether two functions give the same on every example."""
    try:
        return all(not _first_difference(function(*_copies(one)), np.asarray(wrong(*_copies(one)), float))
                   for one in examples)
    except Exception:           # broad on purpose: on another example the learner's code may raise anything
        return False


def _first_difference(given: Any, wanted: np.ndarray) -> str:
    """Where a result is not the one that is wanted, in words; "" where it is."""
    try:
        # whole numbers as floats: cut to a whole number 4.5 would be a 4
        given = np.asarray(given, dtype=float if wanted.dtype.kind in "fiu" else None)
    except (TypeError, ValueError):
        return f"{_kind(given)} came back, numbers were expected."
    if given.ndim and not wanted.ndim:
        return f"{counted(given.size, 'number')} came back in a list or an array, one number was expected."
    if given.shape != wanted.shape:
        return f"the result has shape {given.shape}, {wanted.shape} was expected."
    numbers = wanted.dtype.kind in "fiu"
    same = np.isclose(given, wanted, rtol=1e-5, atol=1e-12) if numbers else given == wanted
    if np.all(same):
        return ""
    where = tuple(int(i) for i in np.argwhere(~same)[0])
    place = f" at {list(where)}" if where else ""
    shown = "{:.6g}" if numbers else "{}"
    return f"{shown.format(given[where])} came back{place}, {shown.format(wanted[where])} was expected."


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
             "function": "a function", "int": "a number", "float": "a number",
             "bool": f"the word {thing}"}
    return names.get(type(thing).__name__, f"a {type(thing).__name__}")
