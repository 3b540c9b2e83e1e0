"""Multiple-choice questions: a prediction before an experiment, and the quiz at the end of a lesson (lesson
10's is in `last_quiz`).

Every option has something to say, right or wrong, and the first answer counts. Below a lesson's quiz stands
the ledger: what you guessed in it, what was true, and which targets you reached.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ..stage import ledger
from ..stage.aims import aims
from ..stage.base import Touchable, markup
from ..stage.question import LETTERS, MultipleChoice
from ..stage.still import SILENT, figure
from ..words import one_of
from .predictions import judged, prediction, written


def predict(question: str, options: Sequence[str] | None = None, answer: int = 0,
            why: str = "") -> MultipleChoice:
    """A guess before the experiment: what you chose gets its own explanation, and the first choice counts.

    question: the number of a guess of the lessons, such as "05-2" (lesson 05, its second), or a question of
    your own with options, the index of the true one, and what to say about it.
    Raises ValueError for an unknown number and where `answer` is not an index of `options`.
    """
    if options is None:
        found = prediction(question)
        return MultipleChoice(found.question, [words for words, _ in found.options],
                              lambda index: judged(question, found, index), kind="Predict")
    _check_index("answer", answer, options)

    def judge(index: int) -> tuple[str, str]:
        if index == answer:
            return "right", f"That is what happens. {why}"
        truth = f"it is {LETTERS[answer]}, {options[answer]!r}"
        return "chosen", f"You guessed {options[index]!r}; {truth}. {why}"

    return MultipleChoice(question, options, judge, kind="Predict")


@dataclass(frozen=True)
class Question:
    """A question and its options as (text, explanation); `right` is the index of the right one."""

    text: str
    options: Sequence[tuple[str, str]]
    right: int

    def __post_init__(self):
        _check_index("right", self.right, self.options)


class Quiz(Touchable):
    """Questions below each other, a score line that counts the first answer to each, and the ledger of a
    lesson's guesses ("" for all lessons, None for no ledger).
    """

    def __init__(self, questions: Sequence[Question], lesson: str | None = None):
        self.questions, self.lesson = questions, lesson
        self.asked = [self._ask(i, question) for i, question in enumerate(questions)]
        self.line, self.guesses = markup(), markup()
        super().__init__([*self.asked, self.line, *([] if lesson is None else [self.guesses])])
        self.say(f"A quiz of {len(questions)} questions. " + "  ".join(a.finding for a in self.asked))
        self._write()
        ledger.on_entry(self._write_guesses)
        self._write_guesses()

    @property
    def score(self) -> int:
        """How many questions were answered right at the first attempt."""
        return sum(a.first == q.right for a, q in zip(self.asked, self.questions, strict=True))

    def still_html(self) -> str:
        told = "".join(asked.told() for asked in self.asked)
        return figure(told + self.line.value + self.guesses.value, SILENT)

    def _ask(self, number: int, question: Question) -> MultipleChoice:
        def judge(index: int) -> tuple[str, str]:
            self._write()
            return ("right" if index == question.right else "wrong"), question.options[index][1]

        return MultipleChoice(question.text, [words for words, _ in question.options], judge,
                              kind=f"Question {number + 1}")

    def _write(self) -> None:
        left = sum(a.first is None for a in self.asked)
        words = f"{self.score} of {len(self.asked)} right at the first attempt; {left} still open."
        self.line.value = f'<div class="ql-question"><b>Score.</b> {words}</div>'
        if not left:
            self.say(words)

    def _write_guesses(self) -> None:
        if self.lesson is not None:
            asked, given = (sum(number.startswith(self.lesson) for number in table)
                            for table in (written(), aims()))
            self.guesses.value = ledger.ledger_html(self.lesson, asked, given)


def quiz(*questions: Question | str) -> Quiz:
    """Show the quiz of a lesson, quiz("05"), with what you guessed in it; or a quiz of your own questions.

    ValueError without questions, and for a lesson that has none.
    """
    if not questions:
        raise ValueError("a quiz needs at least one question, got 0")
    if isinstance(questions[0], str):
        lesson = one_of("lesson with a quiz", questions[0], of_lessons())
        return Quiz([Question(row["question"], [(text, why) for text, why in row["options"]], row["right"])
                     for row in of_lessons()[lesson]], lesson)
    return Quiz([question for question in questions if isinstance(question, Question)])


@cache
def of_lessons() -> dict[str, list[dict]]:
    """Lesson -> the rows of its quiz."""
    return tomllib.loads((files("quantlab") / "data" / "quizzes.toml").read_text(encoding="utf-8"))


def _check_index(name: str, index: int, options: Sequence) -> None:
    if not 0 <= index < len(options):
        raise ValueError(f"{name}={index} is not the index of one of the {len(options)} options (0 to "
                         f"{len(options) - 1})")
