"""Lesson 07's ballot: two answers without names, a vote by button or arrow key, and at the end who was who.
"""

from pathlib import Path

import ipywidgets as widgets

from ..canvas.answers import ballot_html
from ..canvas.svg import notice
from ..lab.comparison import Comparison
from ..lab.records import RecordedComparison
from ..lab.report import short_names
from ..lab.votes import LEFT, RIGHT, TIE, Ballot
from ..stage.legacy import Touch, Touchable, markup
from .workbench import button, row

KEYS = {"ArrowLeft": LEFT, "ArrowDown": TIE, "ArrowRight": RIGHT}


def explore_votes(comparison: Comparison | None = None, first: str | None = None, second: str | None = None,
                  *, file: str | Path | None = None, seed: int = 1) -> "VoteLab":
    """Vote blindly on the answers of two models of a comparison; without one, of the recorded comparison of
    SmolLM2.

    first, second: full names; else the reference and the last model.  file: where the votes are kept, else a
    name beside the results file.  seed: of the coin that draws the sides.
    """
    made = comparison if comparison is not None else RecordedComparison("smollm2")
    first, second = first or made.plan.reference, second or made.plan.models[-1]
    sides = "-".join(name.replace("/", "_").replace(":", "_") for name in (first, second))
    place = Path(file) if file is not None else made.file.with_name(
        f"{made.file.stem}-votes-{sides}-{seed}.jsonl")
    return VoteLab(Ballot(made.plan, made.rows(), first, second, place, seed))


class VoteLab(Touchable):
    """`ballot` has the pairs and the votes; names are shown when the last pair has its vote, or when asked to
    stop.
    """

    def __init__(self, ballot: Ballot):
        self.ballot, self.short = ballot, short_names(ballot.names)
        self.view, self.status = markup(), markup()
        self.view.add_class("ql-view")
        self.left = button("← Left is better", "Vote for the left answer; the left arrow key does the same",
                           lambda: self.vote(LEFT))
        self.tie = button("↓ A tie", "Neither is better; the down arrow key does the same",
                          lambda: self.vote(TIE))
        self.right = button("Right is better →",
                            "Vote for the right answer; the right arrow key does the same",
                            lambda: self.vote(RIGHT))
        self.end = button("Stop and reveal", "Show which model wrote what, with the votes so far",
                          self.reveal)
        self.touch = Touch(
            "Two answers without names: left arrow, down arrow for a tie, or right arrow votes",
            " ".join(KEYS), self._key)
        controls = {"left": self.left, "tie": self.tie, "right": self.right, "reveal": self.end}
        super().__init__([self.view, row([self.left, self.tie, self.right, self.end]), self.status,
                          self.touch], controls)
        self.show_next()

    @property
    def choices(self) -> list[widgets.Button]:
        return [self.left, self.tie, self.right]

    def show_next(self) -> None:
        """The next pair without a vote, or the result."""
        try:
            waiting = self.ballot.open_pairs
        except ValueError as error:         # the file holds other votes
            self._close(str(error))
            return
        if not waiting:
            self.reveal()
            return
        self.pair = waiting[0]
        place = f"Pair {len(self.ballot.pairs) - len(waiting) + 1} of {len(self.ballot.pairs)}"
        self.view.value = ballot_html(self.pair.prompt, self.pair.left, self.pair.right, place)
        self.say(f"{place}. Which answer is better? Nobody tells who wrote it until the end.")

    def vote(self, choice: str) -> None:
        """Write the vote down, then show the next pair."""
        if self.left.disabled:
            return
        try:
            self.ballot.vote(self.pair, choice)
        except (ValueError, OSError) as error:
            self._close(str(error))
            return
        self.show_next()

    def reveal(self) -> None:
        """Who was who, and what the votes say.  No vote can be cast afterwards: it would no longer be blind.
        """
        words = self.ballot.tally().words
        for name, short in self.short.items():
            words = words.replace(name, short)
        self._close(words, self.ballot.file if self.ballot.votes else None)

    def still(self):
        return notice(self.finding, "Blind votes: two answers, no names, the sides drawn by a coin.")

    def _close(self, words: str, file: Path | None = None) -> None:
        for control in [*self.choices, self.end]:
            control.disabled = True
        kept = "" if file is None else f"The votes and sides are in {file}."
        self.view.value = notice(words, kept).svg
        self.say(words)

    def _key(self, message: dict) -> None:
        if message.get("key") in KEYS:
            self.vote(KEYS[message["key"]])
