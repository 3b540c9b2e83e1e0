"""A field for one answer, and what is said of it: an exercise where the code of a lesson is hidden."""

from collections.abc import Callable

import ipywidgets as widgets

from .base import Touchable, markup


class AnswerField(Touchable):
    """A field, a button, and below them what `judge` says of what is typed: as HTML, and in
    words for a screen reader.

    asked: the name of the answer in the lesson's code, such as "bits_per_pixel".  hint: what can be typed.
    """

    def __init__(self, judge: Callable[[str], tuple[str, str]], asked: str, hint: str):
        self.judge = judge
        name = asked.replace("_", " ")
        self.box = widgets.Text(description=name, placeholder=hint, continuous_update=False,
                                style=dict(description_width="initial"),
                                layout=dict(width="560px", max_width="98%"))
        self.button = widgets.Button(description="Check", tooltip="what the check says of your answer")
        self.said = markup()
        super().__init__([widgets.HBox([self.box, self.button]), self.said],
                         {"answer": self.box, "check": self.button})
        self.box.observe(lambda _change: self.answer(), names="value")
        self.button.on_click(lambda _button: self.answer())
        self.say(f"Exercise: {name}. Type an answer, then press Check.")

    def answer(self) -> None:
        """Say what there is to say of what is typed now."""
        self.said.value, words = self.judge(self.box.value)
        self.say(words)
