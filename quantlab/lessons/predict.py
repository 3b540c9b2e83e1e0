"""Predict first: the learner commits to a guess, then sees guess, truth and reason side by side."""

from collections.abc import Sequence

from ..explore.question import LETTERS, MultipleChoice


def predict(question: str, options: Sequence[str], answer: int, why: str) -> MultipleChoice:
    """A guess before the experiment; only the first one counts, and there is no score.

    answer: index of the true option, best computed from data in the same cell.  why: what the next cell will show.
    ValueError if `answer` is not an index of `options`.
    """
    if not 0 <= answer < len(options):
        raise ValueError(f"answer={answer} is not the index of one of the {len(options)} options (0 to {len(options) - 1})")

    def judge(index: int) -> tuple[str, str]:
        if index == answer:
            return "right", f"That is what happens. {why}"
        return "chosen", f"You guessed {options[index]!r}; it is {LETTERS[answer]}, {options[answer]!r}. {why}"

    return MultipleChoice(question, options, judge, kind="Predict")
