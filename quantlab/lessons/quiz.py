"""A quiz in which every option, right or wrong, has its own explanation, and the score counts first answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..explore.base import Touchable, markup
from ..explore.question import MultipleChoice


@dataclass(frozen=True)
class Question:
    """A question and its options as (text, explanation); `right` is the index of the right one."""

    text: str
    options: Sequence[tuple[str, str]]
    right: int

    def __post_init__(self):
        if not 0 <= self.right < len(self.options):
            raise ValueError(f"right={self.right} is not the index of one of the {len(self.options)} options")


class Quiz(Touchable):
    """Questions below each other and a score line that counts the first answer to each."""

    def __init__(self, questions: Sequence[Question]):
        self.questions = list(questions)
        self.asked = [self._ask(i, question) for i, question in enumerate(self.questions)]
        self.line = markup()
        super().__init__([*self.asked, self.line])
        self.say(f"A quiz of {len(self.questions)} questions. " + "  ".join(a.finding for a in self.asked))
        self._write()

    @property
    def score(self) -> int:
        """How many questions were answered right at the first attempt."""
        return sum(a.first == q.right for a, q in zip(self.asked, self.questions, strict=True))

    def _ask(self, number: int, question: Question) -> MultipleChoice:
        def judge(index: int) -> tuple[str, str]:
            self._write()
            return ("right" if index == question.right else "wrong"), question.options[index][1]

        return MultipleChoice(question.text, [words for words, _ in question.options], judge, kind=f"Question {number + 1}")

    def _write(self) -> None:
        done = sum(a.first is not None for a in self.asked)
        words = f"{self.score} of {len(self.questions)} right at the first attempt; {len(self.questions) - done} still open."
        self.line.value = f'<div class="ql-question"><b>Score.</b> {words}</div>'
        if done == len(self.questions):
            self.say(words)


def quiz(*questions: Question) -> Quiz:
    """Show a quiz. ValueError without questions."""
    if not questions:
        raise ValueError("a quiz needs at least one question, got 0")
    return Quiz(questions)
