"""A comparison to look at: the verdict, the answers to each prompt side by side, the report and the vote."""

import os
from copy import copy
from dataclasses import replace
from html import escape
from pathlib import Path
from urllib.parse import quote

from ..canvas.answers import answers_html
from ..lab.comparison import Comparison
from ..lab.overview import answer_words, overview
from ..lab.records import RecordedComparison
from ..lab.side_by_side import answers, expected_words
from ..lab.verdict import DIVERGENCE
from ..stage import handles
from ..stage.base import Stage
from ..stage.handles import Button
from ..words import printable
from .verdict import draw_verdict
from .votes import explore_votes

MARGIN_NOTE = ("A margin belongs before the measurement. Move it here to see what it decides; the report "
               "says the one that is set.")
LINK = "text-decoration:underline;color:var(--jp-content-link-color, #0072B2)"
EMPTY = draw_verdict([], DIVERGENCE)
#: Margins to try, in the metric's unit: a share of all prompts, or nats per token.
MARGINS = {True: (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5),
           False: (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)}


def answers_menu() -> handles.Handle:
    """Which prompt's answers are shown."""
    return handles.menu("prompt", "Answers to", None, (), width=520)


class ShownComparison(Stage):
    """`made` is the comparison that is shown, None before there is one.  It needs the handle `prompt`, the
    buttons of `looks`, and the pieces `said` and `page`.
    """

    made: Comparison | None = None

    def looks(self) -> list[Button]:
        """The buttons below the answers."""
        report = "One HTML file with everything, beside the results file"
        vote = "Judge the answers of two models without knowing whose they are"
        csv = "A line for each call, for a spreadsheet"
        return [Button("report", "Write the report", report, self.report, task=True),
                Button("csv", "Write a CSV file", csv, self.csv, task=True),
                Button("vote", "Vote blindly", vote, self.vote)]

    def show_made(self, made: Comparison, notice: str = "") -> None:
        """The verdict, and the answers to the first prompt."""
        self.made = made
        self.show(draw_verdict(overview(made), made.metric, notice))
        words = [f"{i + 1}: {printable(prompt.text[:60])}" for i, prompt in enumerate(made.plan.prompts)]
        self.offer("prompt", [(stop, i) for i, stop in enumerate(words)], 0)
        self.host()
        self.pieces["page"].value = ""
        self.show_answers()

    def show_answers(self) -> None:
        """The answers to the prompt that the menu names."""
        if self.made:
            number = self.controls["prompt"].value
            self.pieces["said"].value = answers_html(self.made.plan.prompts[number].text,
                                                     answers(self.made, number),
                                                     expected_words(self.made, number))

    def report(self) -> None:
        """Write the HTML report beside the results file, and link it."""
        if (made := self.made) is None:
            self.tell("There is nothing to report yet: press Run.")
            return

        def write() -> None:
            path = made.report(made.file.with_suffix(".html"))
            self.tell(f"The report is in {path}. {answer_words(made)}")
            self.pieces["page"].value = linked(path, "Open the report")

        self.start(write)

    def csv(self) -> None:
        """Write every call as a line of a CSV file beside the results file."""
        if (made := self.made) is None:
            self.tell("There is nothing to write yet: press Run.")
            return
        self.start(lambda: self.tell(f"Every call is a line of {made.csv(made.file.with_suffix('.csv'))}."))

    def vote(self) -> None:
        """Show the ballot for the reference and the model that is last in the list."""
        if self.made is None or len(self.made.plan.models) < 2:
            self.tell("A vote needs the answers of two models: press Run.")
        else:
            self.host(explore_votes(self.made))


class ComparisonView(ShownComparison):
    """A comparison that was made elsewhere or before: nothing is asked, only the margin can be moved.  `made`
    is a copy with that margin.
    """

    def __init__(self, made: Comparison):
        self.notice = made.provenance if isinstance(made, RecordedComparison) else ""
        metric = made.metric
        margins = sorted({*MARGINS[metric.share], metric.margin})
        margin = handles.stops("margin", "margin", metric.margin,
                               [(f"{metric.told(value)} {metric.unit}", value) for value in margins],
                               width=480)
        back = Button("back", "Reset", "Back to the margin and the prompt of the start", self.reset)
        super().__init__([margin, answers_menu()], first=EMPTY, rows=[["margin", "back"]], note=MARGIN_NOTE,
                         buttons=[*self.looks(), back], pieces=("said", "page"), label_width=80,
                         below=[["prompt", "report", "csv", "vote"], ["page"], ["said"]])
        self.show_made(copy(made), self.notice)
        self.initial = self.values()

    def moved(self, change) -> None:
        """Another margin is another verdict; another prompt shows its answers."""
        if not self._held and change.owner is self.controls["prompt"]:
            self.show_answers()
        else:
            self.redraw()

    def redraw(self) -> None:
        if self._held or self.made is None:
            return
        self.made.metric = replace(self.made.metric, margin=self.controls["margin"].value)
        self.show(draw_verdict(overview(self.made), self.made.metric, self.notice))
        self.show_answers()


def linked(path: Path, words: str) -> str:
    """A link to a file beside the notebook (the page's helper knows where Jupyter hands it out); "" for one
    that is elsewhere.
    """
    try:
        near = Path(os.path.relpath(path)).as_posix()
    except ValueError:          # another drive
        return ""
    name = escape(quote(near))
    if near.startswith(".."):
        return ""
    return (f'<p><a class="ql-file" style="{LINK}" href="{name}" data-file="{name}" target="_blank" '
            f'rel="noopener">{escape(words)}</a></p>')
