"""One multiple-choice question as a widget: options are buttons, and every option has something to say."""

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from typing import Any, cast

import ipywidgets as widgets

from ..words import prose
from .still import SILENT, figure
from .touchable import Touchable

LETTERS = "ABCDEFGH"
TONES = {"right": "success", "near": "warning", "wrong": "danger", "chosen": "info"}
MARKS = {"right": "✓", "near": "≈", "wrong": "✗", "chosen": "→"}


class Answered(Touchable):
    """What waited for a guess and is no exhibit: a table, or words."""

    def __init__(self, made: object):
        table = getattr(made, "_repr_html_", None)
        self.html = table() if table else f"<pre>{escape(str(made))}</pre>"
        super().__init__([widgets.HTML(f'<div class="ql-question">{self.html}</div>')])
        self.say(" ".join(str(made).split()))

    def still_html(self) -> str:
        return figure(self.html, SILENT)


class MultipleChoice(Touchable):
    """A question over option buttons; the first click decides, later clicks may look at the other
    explanations.

    judge: called with the index of the clicked option; returns (tone, sentence), tone one of TONES.
    text/plain lists question and options, so that a reader without a kernel can still think about it.
    """

    def __init__(self, question: str, options: Sequence[str], judge: Callable[[int], tuple[str, str]], *,
                 kind: str = "Question"):
        self.judge, self.question, self.options, self.kind = judge, question, options, kind
        self.first: int | None = None
        self.shown: Touchable | None = None
        self._make: Callable[[], Touchable] | None = None
        self.last: int | None = None
        self.buttons = [self._button(i, words) for i, words in enumerate(options)]
        self.answer = widgets.HTML('<div class="ql-answer">&nbsp;</div>')
        asked = widgets.HTML(f'<div class="ql-question"><b>{escape(kind)}.</b> {prose(question)}</div>')
        self._parts = [asked, *self.buttons, self.answer]
        super().__init__(self._parts,
                         {f"option{i}": b for i, b in enumerate(self.buttons)})
        self.add_class("ql-choice")
        listed = "  ".join(f"{LETTERS[i]}) {words}" for i, words in enumerate(options))
        self.say(f"{kind}. {question}  {listed}")

    def then(self, make: Callable[..., Touchable], *args, **kwargs) -> "MultipleChoice":
        """Let an exhibit wait for the guess: it appears below after the first choice, or by *Show me*. Until
        then nothing of it is made, shown or saved.

        make: called with the other arguments, such as `ql.plot_lineup`; what it returns is an exhibit, or a
        table, or whatever else has words.
        """
        self._make = partial(make, *args, **kwargs)
        self.show_me = widgets.Button(description="Show me", tooltip="the answer, without a guess")
        self.show_me.add_class("ql-c-show_me")
        self.show_me.on_click(lambda _button: self.show())
        self.assistant.labels = {**self.assistant.labels, "ql-c-show_me": self.show_me.description}
        self.children = [*self._parts, self.assistant, self.show_me]     # the last alone is replaced
        return self

    def aim(self, *numbers: str) -> "MultipleChoice":
        """Targets under what waits for the guess (`Stage.aim`).  ValueError where nothing waits."""
        if (make := self._make) is None:
            raise ValueError("no exhibit waits for this guess: write .then(ql.explore_...) before .aim(...)")

        def with_targets() -> Any:
            return cast(Any, make()).aim(*numbers)

        self._make = with_targets
        return self

    def show(self) -> None:
        """What waits for the guess appears."""
        if self._make is None or self.shown is not None:
            return
        made = self._make()
        self.shown = made if isinstance(made, Touchable) else Answered(made)
        self.shown.offer_copies()
        self.children = [*self._parts, self.assistant, self.shown]

    def choose(self, index: int) -> None:
        """What a click on option `index` does."""
        if self.first is None:
            self.first = index
            self.show()
        self.last = index
        tone, sentence = self.judge(index)
        for i, button in enumerate(self.buttons):
            button.button_style = TONES[tone] if i == index else ""
        words = f"{MARKS[tone]} {LETTERS[index]}. {sentence}"
        self.answer.value = f'<div class="ql-answer">{prose(words)}</div>'
        self.say(words)

    def still_html(self) -> str:
        return figure(self.told(), SILENT) + (self.shown.still_html() if self.shown else "")

    def told(self) -> str:
        """Question, options and the last answer as HTML, the chosen option marked."""
        lines = [f"{LETTERS[i]} · {prose(words)}" for i, words in enumerate(self.options)]
        told = [f"<b>{line}</b>" if i == self.last else line for i, line in enumerate(lines)]
        answer = f"<p>{prose(self.finding)}</p>" if self.last is not None else ""
        return f"<p><b>{escape(self.kind)}.</b> {prose(self.question)}</p><p>{'<br>'.join(told)}</p>{answer}"

    def _button(self, index: int, words: str) -> widgets.Button:
        button = widgets.Button(description=f"{LETTERS[index]} · {words}",
                                layout=dict(width="auto", height="auto", max_width="740px"))
        button.add_class("ql-option")
        button.on_click(lambda _button: self.choose(index))
        return button
