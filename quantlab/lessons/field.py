"""An exercise as a field, where the code of a lesson is hidden: type an answer, press Check."""

from collections.abc import Callable

import ipywidgets as widgets

from ..stage.base import Touchable, markup
from .expression import read_expression
from .feedback import Feedback

HINT = "a number, a sum such as (16 * 4 + 16) / 16, a name, or Python"


class Field(Touchable):
    """A field for the answer, and what the check says of it.

    check: a lesson's check, called with the value of what was typed.  asked: the name of the answer in the
    lesson's code, such as "bits_per_pixel".
    """

    def __init__(self, check: Callable[[object], Feedback], asked: str = "answer"):
        self.check = check
        self.box = widgets.Text(description=asked.replace("_", " "), placeholder=HINT,
                                continuous_update=False, style=dict(description_width="initial"),
                                layout=dict(width="560px", max_width="98%"))
        self.button = widgets.Button(description="Check", tooltip="what the check says of your answer")
        self.said = markup()
        super().__init__([widgets.HBox([self.box, self.button]), self.said],
                         {"answer": self.box, "check": self.button})
        self.box.observe(lambda _change: self.answer(), names="value")
        self.button.on_click(lambda _button: self.answer())
        self.say(f"Exercise: {asked.replace('_', ' ')}. Type an answer, then press Check.")

    def answer(self) -> Feedback:
        """What the check says of what is typed now."""
        try:
            found = self.check(read_expression(self.box.value))
        except ValueError as error:
            found = Feedback("wrong kind", f"{error}.")
        self.said.value = found._repr_html_()
        self.say(f"{found.voice}: {found.message}")
        return found
