"""Blind votes: which of two answers is better, when nobody can see which quant wrote it?

The sides are drawn by a seeded coin for each prompt and written down. Each vote is on the disk before the
next pair is shown, so a vote is never lost nor cast twice. Who was who is told at the end. No Elo: one pair
of models needs a share and how sure it is.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..words import one_of
from .journal import open_journal, read_records
from .plan import Plan
from .statistics import FEWEST, clopper_pearson

VOTES = LEFT, TIE, RIGHT = "left", "tie", "right"


@dataclass(frozen=True)
class Pair:
    """Two answers to one prompt.  sides: the models' names, left and right: not to be shown while votes are
    open.
    """

    number: int
    prompt: str
    left: str
    right: str
    sides: tuple[str, str]


@dataclass(frozen=True)
class Tally:
    """What came out: votes for the first and for the second model, ties, pairs with the same words (ties that
    nobody had to look at).

    share: the first one's part of all votes that decided, with low and high (exact, 95 %); None while none
    did, no ends under 8.
    """

    names: tuple[str, str]
    won: int
    lost: int
    ties: int
    same: int
    share: float | None
    low: float | None
    high: float | None

    @property
    def words(self) -> str:
        decided = self.won + self.lost
        both = f"{self.ties} ties and {self.same} pairs with the same words"
        if not decided:
            return f"No vote decided between {self.names[0]} and {self.names[1]}: {both}."
        counts = f"{self.names[0]} won {self.won} of {decided} decided votes against {self.names[1]} ({both})"
        if self.low is None or self.high is None:
            return f"{counts}. Cannot tell: under {FEWEST} decided votes there is no interval."
        ends = f"{self.share:.0%}, 95 % interval {self.low:.0%} to {self.high:.0%}"
        if self.low <= 0.5 <= self.high:
            return f"{counts}: {ends}. Cannot tell: one half lies within."
        return f"{counts}: {ends}. {self.names[0] if self.low > 0.5 else self.names[1]} is preferred."


class Ballot:
    """The votes on two models' first answers, kept in `file`.

    rows: of a `Comparison`.  first, second: names of two of its models.  seed: of the coin that draws the
    sides. ValueError where a model is not among them, and, at the first vote, where the file belongs to other
    votes.
    """

    def __init__(self, plan: Plan, rows: Sequence[dict], first: str, second: str, file: Path, seed: int = 1):
        first, second = (one_of("compared model", name, plan.models) for name in (first, second))
        if first == second:
            raise ValueError(f"{first} against itself: choose two models")
        self.names, self.file, self.same = (first, second), Path(file), 0
        key = f"votes {plan.key} {first} {second} {seed}"
        self._head, self.pairs = {"key": key, "seed": seed}, self._drawn(rows, random.Random(key))

    def _drawn(self, rows: Sequence[dict], coin: random.Random) -> list[Pair]:
        said: dict[int, dict[str, dict]] = {}
        for row in rows:
            if not row["error"]:
                said.setdefault(row["prompt_number"], {}).setdefault(row["model"], row)
        pairs = []
        for number in sorted(said):
            # drawn for each, so that no skipped one shifts the rest
            sides = self.names if coin.random() < 0.5 else self.names[::-1]
            if not all(name in said[number] for name in self.names):
                continue
            texts = [said[number][name]["text"] for name in sides]
            if texts[0] == texts[1]:
                self.same += 1
            else:
                pairs.append(Pair(number, said[number][sides[0]]["prompt"], texts[0], texts[1], sides))
        coin.shuffle(pairs)
        return pairs

    @property
    def votes(self) -> dict[int, str]:
        """{prompt number: LEFT, TIE or RIGHT}, the first vote on each."""
        if not self.file.exists():
            return {}
        head, records = read_records(self.file)
        if head.get("key") != self._head["key"]:
            raise ValueError(f"{self.file} holds other votes: another comparison, other models or another "
                             "seed. Give another name.")
        found: dict[int, str] = {}
        for record in records:
            found.setdefault(record["prompt"], record["choice"])
        return found

    @property
    def open_pairs(self) -> list[Pair]:
        votes = self.votes
        return [pair for pair in self.pairs if pair.number not in votes]

    def vote(self, pair: Pair, choice: str) -> None:
        """Write one vote down, with the sides as they were shown.  A second vote on the same pair is refused.
        """
        choice = one_of("vote", choice, VOTES)
        with open_journal(self.file, self._head) as journal:
            if any(record["prompt"] == pair.number for record in journal.records):
                raise ValueError(f"prompt {pair.number + 1} has its vote already")
            journal.append({"kind": "vote", "prompt": pair.number, "choice": choice, "left": pair.sides[0],
                            "right": pair.sides[1]})

    def tally(self) -> Tally:
        """The result so far."""
        sides = {pair.number: pair.sides for pair in self.pairs}
        chosen = [(choice, sides[number]) for number, choice in self.votes.items() if number in sides]
        winners = [names[0] if choice == LEFT else names[1] for choice, names in chosen if choice != TIE]
        won, decided = winners.count(self.names[0]), len(winners)
        low, high = clopper_pearson(won, decided) if decided >= FEWEST else (None, None)
        return Tally(self.names, won, decided - won, len(chosen) - decided, self.same,
                     won / decided if decided else None, low, high)
