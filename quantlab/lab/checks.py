"""User checks: what makes an answer right. A pattern, JSON, a number, or a Python function; each says True or
False of one answer, or None where it cannot be judged because nothing is expected.
"""

import inspect
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..words import one_of

NUMBER_IN_TEXT = re.compile(r"[-+]?(?:\d[\d,_']*)?\.?\d+(?:[eE][-+]?\d+)?")
FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)
#: What a check is tried on before anything is asked: a model may say nothing, or anything.
TRIALS = ("", "Yes, it is 42.", '{"answer": 42}')


@dataclass(frozen=True)
class Check:
    """A named rule. passes(answer, expected) -> bool, or None for "not judged"; expected is what stands
    beside the prompt, "" for nothing.
    """

    name: str
    passes: Callable[[str, str], bool | None]


def has(pattern: str = "") -> Check:
    """The answer matches a regular expression somewhere, upper and lower case alike; without one, the
    prompt's `expected` as plain text, and a prompt where nothing is expected is not judged.
    """
    try:
        wanted = re.compile(pattern, re.IGNORECASE) if pattern else None
    except re.error as error:
        raise ValueError(f"the pattern {pattern!r} cannot be read: {error}") from None
    if wanted is None:
        return Check("has what is expected", lambda answer, expected:
                     expected.casefold() in answer.casefold() if expected.strip() else None)
    return Check(f"has {pattern!r}", lambda answer, expected: wanted.search(answer) is not None)


def is_json(*keys: str) -> Check:
    """The answer is a JSON object or list, alone or in a ``` fence; an object must have all `keys`."""
    def passes(answer: str, expected: str) -> bool:
        fenced = FENCE.search(answer)
        try:
            value = json.loads(fenced.group(1) if fenced else answer)
        except (ValueError, RecursionError):
            return False
        return isinstance(value, dict if keys else dict | list) and all(key in value for key in keys)

    return Check("is JSON" + (f" with {', '.join(keys)}" if keys else ""), passes)


def says_number(value: float | None = None, tolerance: float = 1e-6) -> Check:
    """The last number of the answer is `value`, or the prompt's `expected`; tolerance: relative.  A prompt
    where no number is expected is not judged.
    """
    def passes(answer: str, expected: str) -> bool | None:
        found, wanted = NUMBER_IN_TEXT.findall(answer), _as_number(expected) if value is None else value
        said = _as_number(found[-1]) if found else None
        if wanted is None:
            return None
        return said is not None and math.isclose(said, wanted, rel_tol=tolerance, abs_tol=1e-12)

    return Check("says the expected number" if value is None else f"says {value:g}", passes)


def by_function(function: Callable[[str], bool]) -> Check:
    """Your own rule: `function(answer)` returns True or False.  ValueError for one that does not take just
    the answer; what it raises becomes a ValueError with its name and the answer.
    """
    if not callable(function):
        raise ValueError(f"a check is a function of the answer, not {function!r:.60}")
    name = getattr(function, "__name__", "your function")
    try:
        inspect.signature(function).bind("answer")
    except TypeError:
        raise ValueError(f"the check {name}{inspect.signature(function)} cannot be called with the answer "
                         "alone: write a function of one argument, or take has() or says_number(), which "
                         "compare with what is expected") from None
    except ValueError:          # some of C's functions do not tell their arguments: the trial will
        pass

    def passes(answer: str, expected: str) -> bool:
        try:
            return bool(function(answer))
        except Exception as error:  # the user's own code may raise anything
            raise ValueError(f"the check {name} raised {type(error).__name__} ({error}) for the answer "
                             f"{answer!r:.60}: let it return False for what it cannot read") from error

    return Check(name, passes)


def as_check(check: "Check | str | Callable") -> Check:
    """A Check as it is, a text as a pattern, a function as a rule of your own."""
    return check if isinstance(check, Check) else has(check) if isinstance(check, str) else by_function(check)


def _numbered(words: str) -> Check:
    if (value := _as_number(words)) is None and words:
        raise ValueError(f"number: {words!r} is none")
    return says_number(value)


#: How a file of prompts names a check: {name: what is made of the words behind "NAME:"}.
NAMED: dict[str, Callable[[str], Check]] = {
    "has": has, "number": _numbered, "json": lambda words: is_json(*re.findall(r"[^\s,]+", words))}


def named_check(words: str) -> Check | None:
    """The check that a file of prompts names: "has", "has: PATTERN", "number", "number: 56", "json" or
    "json: key, key"; None for "".
    """
    name, _, more = words.partition(":")
    return NAMED[one_of("check", name.strip(), NAMED)](more.strip()) if words.strip() else None


def trial(check: Check, expected: Sequence[str]) -> str:
    """Why a check cannot judge answers, tried on TRIALS with each of `expected`; "" where it can."""
    try:
        for answer in TRIALS:
            for wanted in expected:
                check.passes(answer, wanted)
    except ValueError as error:
        return str(error)
    return ""


def passed(rows: Sequence[dict]) -> dict[str, dict[int, bool]]:
    """{model: {prompt number: passes}}: a prompt passes when more than half of its rounds do.  A failed call
    and what is not judged are left out.

    rows: with "passed", True, False or None.  A check over an answer that was cut judges what is there; its
    row carries the flag.
    """
    votes: dict[str, dict[int, list[bool]]] = {}
    for row in rows:
        if not row.get("error") and row["passed"] is not None:
            votes.setdefault(row["model"], {}).setdefault(row["prompt_number"], []).append(row["passed"])
    return {model: {prompt: sum(said) * 2 > len(said) for prompt, said in prompts.items()}
            for model, prompts in votes.items()}


def _as_number(words: str) -> float | None:
    try:
        return float(re.sub(r"[,_']", "", words.strip()))
    except ValueError:
        return None
