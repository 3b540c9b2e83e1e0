"""Machines drift: they get warm, and other programs come and go. All prompts of one block (a round of one
model) share that.

So a speed ratio is only as sure as its blocks. How far the blocks of one and the same model lie apart from
round to round is the noise floor; every speed interval is widened by it, and with a single round there is
none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .statistics import LEVEL, Interval, per_prompt, speed_ratio


@dataclass(frozen=True)
class Drift:
    """How far blocks of one model lie apart.  sd: of a block's mean log speed; freedom: blocks it was learnt
    from, less one a model.
    """

    sd: float
    freedom: int
    rounds: int

    @property
    def half(self) -> float:
        """What it adds on both sides of a log ratio of two models, each the mean of `rounds` blocks
        (Student's t).
        """
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, (1 + LEVEL) / 2) * self.sd * np.sqrt(2 / self.rounds))


def block_drift(rows: Sequence[dict], value: Callable[[dict], float | None]) -> Drift | None:
    """The Drift of a positive value over all models' blocks; None where no model has two rounds.

    A prompt's own level is taken out first, so that a failed call does not make its block look fast or slow.
    """
    logs: dict[tuple, dict[int, float]] = {}
    for row in rows:
        number = None if row.get("error") else value(row)
        if number is not None and number > 0:
            logs.setdefault((row["model"], row["prompt_number"]), {})[row["round"]] = float(np.log(number))
    blocks: dict[str, dict[int, list[float]]] = {}
    for (model, _), rounds in logs.items():
        usual = float(np.mean(list(rounds.values())))
        for number, log in rounds.items():
            blocks.setdefault(model, {}).setdefault(number, []).append(log - usual)
    means = [[float(np.mean(values)) for values in rounds.values()] for rounds in blocks.values()
             if len(rounds) > 1]
    if not means:
        return None
    freedom = sum(len(rounds) - 1 for rounds in means)
    squares = sum(float(np.sum(np.square(np.array(rounds) - np.mean(rounds)))) for rounds in means)
    return Drift(float(np.sqrt(squares / freedom)), freedom, min(len(rounds) for rounds in blocks.values()))


def drifting_ratio(candidate: dict[int, float], reference: dict[int, float],
                   drift: Drift | None) -> Interval | None:
    """`speed_ratio` with its interval widened by the drift of the blocks; without one (a single round) there
    is no interval.
    """
    found = speed_ratio(candidate, reference)
    if found is None or found.low is None or found.high is None:
        return found
    if drift is None:
        return replace(found, low=None, high=None, why="one round: drift cannot be told from speed")
    middle, more = np.log(found.mean), drift.half
    low, high = (float(np.hypot(np.log(end) - middle, more)) for end in (found.low, found.high))
    return replace(found, low=float(np.exp(middle - low)), high=float(np.exp(middle + high)))


def noise_floor(rows: Sequence[dict], reference: str,
                value: Callable[[dict], float | None]) -> Interval | None:
    """A/A control without a control arm: the reference's odd rounds over its even ones, which truly differ by
    nothing, as a ratio.

    None with a single round.  A positive value (a speed) is wanted.
    """
    even, odd = (per_prompt([row for row in rows if row["round"] % 2 == half], value).get(reference, {})
                 for half in (0, 1))
    return speed_ratio(odd, even)
