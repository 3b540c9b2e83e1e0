"""An exercise as a field, where the code of a lesson is hidden: type an answer, press Check."""

from collections.abc import Callable

from ..stage.field import AnswerField
from .expression import read_expression
from .feedback import Feedback

HINT = "a number, a sum such as (16 * 4 + 16) / 16, a name, or Python"


def answer_field(check: Callable[[object], Feedback], asked: str = "answer") -> AnswerField:
    """A field for the answer, and what the check says of it.

    check: a lesson's check, called with the value of what was typed.  asked: the name of the answer in the
    lesson's code, such as "bits_per_pixel".
    """
    def judge(typed: str) -> tuple[str, str]:
        try:
            found = check(read_expression(typed))
        except ValueError as error:
            found = Feedback("wrong kind", f"{error}.")
        return found._repr_html_(), f"{found.voice}: {found.message}"

    return AnswerField(judge, asked, HINT)
