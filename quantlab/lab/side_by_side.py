"""Answers to one prompt side by side: whose they are, whether they are right, and the words in which they
differ from the reference's.

An answer is a stranger's text: control characters and marks that turn the direction of writing are shown as
boxes, and every word is escaped.
"""

import difflib
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from ..words import printable
from .names import split_name
from .plan import Plan

if TYPE_CHECKING:
    from .comparison import Comparison

SHORT_ANSWER, LONG_ANSWER = 4000, 20_000        # letters shown of one answer in a notebook and in the report
MOST_DIFFED = 800       # words and spaces of an answer that are compared one by one; the rest is unmarked


def answers(made: "Comparison", number: int) -> list[dict]:
    """Each model's first answer to prompt `number` (from 0): name, model (in full), note, passed (in words),
    flags, and `marked`: escaped HTML with the words marked that the reference's answer has not.
    """
    return answers_of([row for row in made.rows() if row["prompt_number"] == number], made.plan, SHORT_ANSWER)


def expected_words(made: "Comparison", number: int) -> str:
    """What is expected of the answers to prompt `number`, and by which check; "" in a comparison that has no
    check.
    """
    if not any(made.checks):
        return ""
    prompt, check = made.plan.prompts[number], made.checks[number]
    said = [f"expected: {prompt.expected}"] * bool(prompt.expected)
    return "; ".join([*said, f"right if it {check.name}" if check else "nobody judges this one"])


def answers_of(rows: Sequence[dict], plan: Plan, most: int) -> list[dict]:
    """As `answers`, from the rows of one prompt; most: letters of an answer."""
    first: dict[str, dict] = {}
    for row in rows:
        first.setdefault(row["model"], row)
    names, wanted = short_names(plan.models), printable(first.get(plan.reference, {}).get("text", "")[:most])
    return [{"name": names[model], "model": model, "flags": row["flags"],
             "passed": passed_words([row for row in rows if row["model"] == model]),
             "note": _beside_it(row, plan.reference),
             "marked": escape(printable(row["error"])) or word_diff(wanted, printable(row["text"][:most]))}
            for model in plan.models if model in first for row in [first[model]]]


def passed_words(rows: Sequence[dict]) -> str:
    """Whether one model's answers to one prompt passed: "passed", "not passed", "passed 1 of 3 times", "not
    judged"; "" for no answer.
    """
    said = [row["passed"] for row in rows if not row["error"]]
    judged = [one for one in said if one is not None]
    if not judged:
        return "not judged" if said else ""
    if 0 < sum(judged) < len(judged):
        return f"passed {sum(judged)} of {len(judged)} times"
    return "passed" if judged[0] else "not passed"


def _beside_it(row: dict, reference: str) -> str:
    if row["error"]:
        return "no answer"
    if row["model"] == reference:
        return "the reference"
    if row["same_words"] is None:
        return "the reference gave no answer"
    return "the same words" if row["same_words"] else f"first differs at word {row['first_difference']}"


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Forms of one model need no more than the part of their tags that differs; others keep their names."""
    if len({split_name(name)[0] for name in names}) > 1:
        return {name: name for name in names}
    tags = {name: split_name(name)[1] for name in names}
    parts = [tag.split("-") for tag in tags.values()]
    shared = next((i for i, same in enumerate(zip(*parts, strict=False)) if len(set(same)) > 1), 0)
    return {name: "-".join(tag.split("-")[shared:]) for name, tag in tags.items()}


def word_diff(before: str, after: str) -> str:
    """`after` as HTML with words marked that `before` has not; all words escaped."""
    a, b = (re.findall(r"\s+|\S+", text) for text in (before, after))
    rest, a, b, marked = b[MOST_DIFFED:], a[:MOST_DIFFED], b[:MOST_DIFFED], []
    for kind, a0, a1, b0, b1 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        old, new = escape("".join(a[a0:a1])), escape("".join(b[b0:b1]))
        gone, come = f"<del>{old}</del>" if old else "", f"<ins>{new}</ins>" if new else ""
        marked.append(new if kind == "equal" else gone + come)
    return "".join([*marked, escape("".join(rest))])
