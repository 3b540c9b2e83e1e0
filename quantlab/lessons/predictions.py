"""The guesses of the lessons by number.

    predict("05-2")                  lesson 05, its second guess

Question, options and an explanation for each option stand in `data/predictions.toml`; which option is right
and the numbers in the sentences are worked out by the function named there, when the guess is shown (or stand
there, where the lesson's next cell measures them). So a notebook holds no answer, neither in the call nor
saved below it.
"""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import NamedTuple

from ..stage import ledger
from ..stage.question import LETTERS
from ..words import one_of

ROOMS = ("answers_weights", "answers_models", "answers_methods")


class Prediction(NamedTuple):
    """A question, its options as (text, explanation), and the index of the true one."""

    question: str
    options: list[tuple[str, str]]
    right: int


@cache
def written() -> dict[str, dict]:
    """Number -> what stands in the file: answer, question, options."""
    return tomllib.loads((files("quantlab") / "data" / "predictions.toml").read_text(encoding="utf-8"))


def prediction(number: str) -> Prediction:
    """The guess of that number with its facts filled in.  ValueError for a number that there is not."""
    row = written()[one_of("guess", number, written())]
    facts = _answer(row["answer"]) if "answer" in row else {"right": row["right"]}
    right = int(str(facts["right"]))
    return Prediction(_filled(row["question"], facts),
                      [(_filled(text, facts), _filled(why, facts)) for text, why in row["options"]], right)


def judged(number: str, found: Prediction, index: int) -> tuple[str, str]:
    """(tone, sentence) for a choice: why, and where it was not the true one, which is. The first choice goes
    into the ledger.
    """
    guess = ledger.Guess(found.question, found.options[index][0], found.options[found.right][0],
                         index == found.right)
    ledger.GUESSES.enter(number, guess)
    why = found.options[index][1]
    if index == found.right:
        return "right", f"That is what happens. {why}"
    return "chosen", f"{why} It is {LETTERS[found.right]}, {found.options[found.right][0]!r}."


def _filled(words: str, facts: Mapping[str, object]) -> str:
    return re.sub(r"(?<=\d)%", " %", words.format_map(facts))


def _answer(name: str) -> Mapping[str, object]:
    for room in ROOMS:
        if found := getattr(import_module(f".{room}", __package__), name, None):
            return found()
    raise LookupError(f"no function {name} in {' or '.join(ROOMS)}")
