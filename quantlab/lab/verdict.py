"""One declared metric, one margin, one answer in words: "good enough", "worse", or "cannot tell: add about k
prompts".
"""

import math
from dataclasses import dataclass

from ..words import counted, number, percent
from .statistics import FEWEST, Interval

GOOD, WORSE, OPEN = "good enough", "worse", "cannot tell"
REFERENCE = "the reference"         # what stands in the place of its verdict
MOST_PROMPTS = 1000     # beyond that many the advice is to accept that the two are close to the margin


@dataclass(frozen=True)
class Metric:
    """What decides, and how much worse is still good enough.  Harm: larger is worse, in `unit`; margin in the
    same unit.

    lower_bound: the numbers are no more than the true harm (KL >=): they can prove "worse", and "good enough"
    only with coverage.  share: a share of 1, told in per cent.
    """

    name: str
    unit: str
    margin: float
    lower_bound: bool = False
    share: bool = False

    def __post_init__(self):
        if not (isinstance(self.margin, int | float) and math.isfinite(self.margin) and self.margin >= 0):
            raise ValueError(f"margin={self.margin!r}: give how much worse is still good enough, 0 or more, "
                             f"in {self.unit}")

    def told(self, value: float) -> str:
        """A harm as people read it: "2.1 %" of all prompts, "0.0034" nats."""
        if not self.share:
            return number(value, 3)
        return "−" * (value < 0) + percent(abs(value))

    def told_with_ends(self, harm: Interval) -> str:
        """A harm with its interval: "2.1 % (−5 % to 9 %)"."""
        if harm.low is None or harm.high is None:
            return self.told(harm.mean)
        return f"{self.told(harm.mean)} ({self.told(harm.low)} to {self.told(harm.high)})"


#: 0.05 nats: with the quant, each word of the reference's own answers is on average 5 % less likely
#: (exp(-0.05)) than with the reference.
DIVERGENCE = Metric("teacher-forced KL", "nats per token", 0.05, lower_bound=True)
PASS_RATE = Metric("pass rate lost", "of all prompts", 0.10, share=True)


@dataclass(frozen=True)
class Verdict:
    """answer: GOOD, WORSE or OPEN.  more: prompts to add where it is open (None: unknown or too many).
    words: the sentence.
    """

    answer: str
    more: int | None
    words: str

    def __str__(self) -> str:
        return self.words


def judge(harm: Interval, metric: Metric, *, covered: bool = True) -> Verdict:
    """Hold the interval of the harm against the margin: below it is good enough, above it is worse, across it
    is open.

    A harm that is surely there but surely within the margin is good enough: that is what the margin was
    declared for.
    covered: False when a lower bound leaves too much unseen to call anything good, and to show a number.
    """
    if harm.low is None or harm.high is None:
        missing = FEWEST - harm.n
        few = f"{counted(harm.n, 'prompt')} {'gives a point' if harm.n == 1 else 'give points'}"
        return Verdict(OPEN, missing, f"{OPEN}: {few} but no interval; add at least {missing}.")
    bound, margin, n = "at least " * metric.lower_bound, metric.told(metric.margin), counted(harm.n, "prompt")
    seen = f"{metric.name} {bound}{metric.told_with_ends(harm)} {metric.unit}, margin {margin}, {n}"
    if harm.low > metric.margin:
        hidden = (f"{metric.name} is over the margin of {margin} {metric.unit} (by how much is not shown: "
                  f"too little was seen), {n}")
        return Verdict(WORSE, None, f"{WORSE}: {seen if covered else hidden}.")
    if not covered:
        return Verdict(OPEN, None, f"{OPEN}: the top 20 tokens of both models show too little of what they "
                                   f"think; the true {metric.name} may be far larger than what is seen.")
    if harm.high <= metric.margin:
        return Verdict(GOOD, None, f"{GOOD}: {seen}.")
    more = prompts_to_add(harm, metric.margin)
    advice = "more prompts would hardly help, it lies at the margin"
    if more:
        advice = f"add about {counted(more, 'prompt')}"
    return Verdict(OPEN, more, f"{OPEN}: {seen}; {advice}.")


def prompts_to_add(harm: Interval, margin: float) -> int | None:
    """About how many more prompts of this kind would put the interval on one side of the margin; None above
    MOST_PROMPTS, and where there is no interval.

    The half that reaches across the margin shrinks with the square root of the number of prompts.
    """
    if harm.low is None or harm.high is None:
        return None
    distance = abs(harm.mean - margin)
    half = (harm.high - harm.mean) if harm.mean < margin else (harm.mean - harm.low)
    wanted = harm.n * (half / distance) ** 2 if distance > 0 else math.inf
    return max(math.ceil(wanted) - harm.n, 1) if wanted <= MOST_PROMPTS else None
