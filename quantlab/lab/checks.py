"""User checks: what makes an answer right. A pattern, JSON, a number, or a Python function; each gives True
or False for one answer.
"""

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

NUMBER_IN_TEXT = re.compile(r"[-+]?(?:\d[\d,_']*)?\.?\d+(?:[eE][-+]?\d+)?")
FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Check:
    """A named rule. passes(answer, expected) -> bool; expected is what stands beside the prompt, "" for
    nothing.
    """

    name: str
    passes: Callable[[str, str], bool]


def has(pattern: str = "") -> Check:
    """The answer matches a regular expression somewhere, upper and lower case alike; without one, the
    prompt's `expected` as plain text.
    """
    try:
        wanted = re.compile(pattern, re.IGNORECASE) if pattern else None
    except re.error as error:
        raise ValueError(f"the pattern {pattern!r} cannot be read: {error}") from None
    if wanted is None:
        return Check("has what is expected",
                     lambda answer, expected: expected.casefold() in answer.casefold())
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
    """The last number of the answer is `value`, or the prompt's `expected`; tolerance: relative."""
    def passes(answer: str, expected: str) -> bool:
        found, wanted = NUMBER_IN_TEXT.findall(answer), _as_number(expected) if value is None else value
        said = _as_number(found[-1]) if found else None
        return (
            said is not None
            and wanted is not None
            and math.isclose(said, wanted, rel_tol=tolerance, abs_tol=1e-12)
        )

    return Check("says the expected number" if value is None else f"says {value:g}", passes)


def by_function(function: Callable[[str], bool]) -> Check:
    """Your own rule: `function(answer)` returns True or False.  What it raises is yours to see; nothing is
    swallowed.
    """
    if not callable(function):
        raise ValueError(f"a check is a function of the answer, not {function!r:.60}")
    return Check(getattr(function, "__name__", "your function"),
                 lambda answer, expected: bool(function(answer)))


def as_check(check: "Check | str | Callable") -> Check:
    """A Check as it is, a text as a pattern, a function as a rule of your own."""
    return check if isinstance(check, Check) else has(check) if isinstance(check, str) else by_function(check)


def passed(rows: Sequence[dict], check: Check, expected: dict[int, str]) -> dict[str, dict[int, bool]]:
    """{model: {prompt number: passes}}: a prompt passes when more than half of its rounds do.  A failed call
    is left out.

    expected: {prompt number: text}.  A check over an answer that was cut judges what is there; its row
    carries the flag.
    """
    votes: dict[str, dict[int, list[bool]]] = {}
    for row in rows:
        if not row.get("error"):
            verdict = check.passes(row["text"], expected.get(row["prompt_number"], ""))
            votes.setdefault(row["model"], {}).setdefault(row["prompt_number"], []).append(verdict)
    return {model: {prompt: sum(said) * 2 > len(said) for prompt, said in prompts.items()}
            for model, prompts in votes.items()}


def _as_number(words: str) -> float | None:
    try:
        return float(re.sub(r"[,_']", "", words.strip()))
    except ValueError:
        return None
