"""Lesson 07's ballot: two answers without names, a vote by button or arrow key, and at the end who was who.
"""

from functools import partial
from pathlib import Path

from ..canvas.answers import ballot_html
from ..canvas.svg import notice
from ..lab.comparison import Comparison
from ..lab.records import RecordedComparison
from ..lab.side_by_side import short_names
from ..lab.votes import LEFT, RIGHT, TIE, Ballot
from ..stage.base import Stage
from ..stage.exhibit import Exhibit
from ..stage.handles import Button
from ..stage.share import recalled

KEYS = {"ArrowLeft": LEFT, "ArrowDown": TIE, "ArrowRight": RIGHT}
BUTTONS = ((LEFT, "← Left is better", "Vote for the left answer; the left arrow key does the same"),
           (TIE, "↓ A tie", "Neither is better; the down arrow key does the same"),
           (RIGHT, "Right is better →", "Vote for the right answer; the right arrow key does the same"))


@recalled
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


class VoteLab(Stage):
    """`ballot` has the pairs and the votes; names are shown when the last pair has its vote, or when asked to
    stop.
    """

    def __init__(self, ballot: Ballot):
        self.ballot = ballot
        buttons = [*(Button(name, words, tip, partial(self.vote, name)) for name, words, tip in BUTTONS),
                   Button("reveal", "Stop and reveal", "Show which model wrote what, with the votes so far",
                          self.close_ballot)]
        super().__init__(Exhibit(buttons=buttons, keys=" ".join(KEYS),
                                 label="Two answers without names: left arrow, down arrow for a tie, or "
                                       "right arrow votes"))
        self.next_pair()

    def next_pair(self) -> None:
        """The next pair without a vote, or the result."""
        try:
            waiting = self.ballot.open_pairs
        except ValueError as error:         # the file holds other votes
            self._close(str(error))
            return
        if not waiting:
            self.close_ballot()
            return
        self.pair = waiting[0]
        place = f"Pair {len(self.ballot.pairs) - len(waiting) + 1} of {len(self.ballot.pairs)}"
        self.view.value = ballot_html(self.pair.prompt, self.pair.left, self.pair.right, place)
        self.say(f"{place}. Which answer is better? You see who wrote it after the last vote.")

    def pressed(self, key: str) -> None:
        """An arrow key votes; with Shift it does nothing."""
        if key in KEYS:
            self.vote(KEYS[key])

    def vote(self, choice: str) -> None:
        """Write the vote down, then show the next pair."""
        if self.buttons[choice].disabled:
            return
        try:
            self.ballot.vote(self.pair, choice)
        except (ValueError, OSError) as error:
            self._close(str(error))
            return
        self.next_pair()

    def close_ballot(self) -> None:
        """Who was who, and what the votes say.  No vote can be cast afterwards: it would no longer be blind.
        """
        words = self.ballot.tally().words
        for name, short in short_names(self.ballot.names).items():
            words = words.replace(name, short)
        self._close(words, f"The votes and sides are in {self.ballot.file}." if self.ballot.votes else "")

    def still(self):
        return notice(self.finding, "Blind votes: two answers, no names, the sides drawn by a coin.")

    def _close(self, words: str, kept: str = "") -> None:
        for button in self.buttons.values():
            button.disabled = True
        self.show(notice(words, kept))
