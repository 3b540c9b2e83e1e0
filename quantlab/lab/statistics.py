"""How sure is a difference between two quants? The unit is the prompt: all runs of one prompt are one value,
and values are paired.

Intervals are studentized bootstrap intervals (Efron & Tibshirani 1993, chapter 12): they follow the skewness
that differences between quants have, where a t interval is too short. On very skewed values even they hold
the truth in 91 of 100 studies instead of 95, so skewed values get the wider quantiles that a simulation found
to be enough (quantlab.oracles.simulation). Below 8 prompts there are points and no interval. Passed or failed
is exact: an interval from Clopper and Pearson's, a test from the binomial distribution (McNemar's).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

FEWEST = 8              # prompts below which no interval is given
RESAMPLES = 2000
LEVEL = 0.95
SKEWED = 1.0            # skewness of the values from which on the quantiles are taken further out ...
FURTHER = 0.5           # ... by leaving this part of the error only: 97.5 for 95


@dataclass(frozen=True)
class Interval:
    """mean of n paired differences, and the interval around it; low and high are None below 8 prompts.  sd:
    of the differences.
    why: the reason for no interval, where it is another one.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    sd: float
    why: str = ""

    def __str__(self) -> str:
        if self.low is None:
            return f"{self.mean:.3g} (n = {self.n}: {self.why or 'too few for an interval'})"
        return f"{self.mean:.3g} ({self.low:.3g} to {self.high:.3g}, n = {self.n})"


def per_prompt(rows: Sequence[dict], value: Callable[[dict], float | None]) -> dict[str, dict[int, float]]:
    """{model: {prompt number: mean of `value` over the rounds}}; rows with an error or without a value are
    left out.
    """
    found: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        number = None if row.get("error") else value(row)
        if number is not None:
            found.setdefault(row["model"], {}).setdefault(row["prompt_number"], []).append(float(number))
    return {model: {prompt: float(np.mean(values)) for prompt, values in prompts.items()}
            for model, prompts in found.items()}


def interval(differences: Sequence[float], level: float = LEVEL, seed: int = 0,
             resamples: int = RESAMPLES) -> Interval:
    """Studentized bootstrap interval for the mean of paired differences, one a prompt.  ValueError for none,
    or for one not finite.
    """
    x = np.asarray(differences, float)
    if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
        raise ValueError(f"differences are a list of at least one finite number, not {differences!r:.80}")
    mean, sd = float(x.mean()), float(x.std(ddof=1)) if len(x) > 1 else 0.0
    if len(x) < FEWEST:
        return Interval(mean, None, None, len(x), sd)
    if sd <= 1e-12 * max(abs(mean), 1e-300):        # all the same: nothing to resample
        return Interval(mean, mean, mean, len(x), sd)
    drawn = x[np.random.default_rng(seed).integers(0, len(x), (resamples, len(x)))]         # (resamples, n)
    errors = drawn.std(axis=1, ddof=1) / np.sqrt(len(x))
    t = (drawn.mean(axis=1) - mean)[errors > 0] / errors[errors > 0]
    out = (1 - level) / 2 * (FURTHER if abs(np.mean((x - mean) ** 3)) > SKEWED * np.std(x) ** 3 else 1)
    low, high = np.quantile(t, [out, 1 - out])
    error = sd / np.sqrt(len(x))
    return Interval(mean, float(mean - high * error), float(mean - low * error), len(x), sd)


def speed_ratio(candidate: dict[int, float], reference: dict[int, float]) -> Interval | None:
    """How many times as fast as the reference: the mean of log ratios, back as a ratio; None where no prompt
    has both.

    sd stays in log units.
    """
    both = [prompt for prompt in sorted(candidate.keys() & reference.keys())
            if candidate[prompt] > 0 and reference[prompt] > 0]
    if not both:
        return None
    found = interval([np.log(candidate[prompt]) - np.log(reference[prompt]) for prompt in both])
    low, high = (None if end is None else float(np.exp(end)) for end in (found.low, found.high))
    return Interval(float(np.exp(found.mean)), low, high, found.n, found.sd)


def pass_interval(candidate: Sequence[bool], reference: Sequence[bool]) -> Interval:
    """The candidate's pass rate minus the reference's, over paired prompts, with an interval that is never
    too short.

    Two exact intervals (Clopper and Pearson), one for prompts that only the reference passes and one for
    those that only the candidate passes, each with half of the error, give the ends. So 12 prompts that both
    pass prove little, as they should.
    """
    won, lost, n = _discordant(candidate, reference)
    mean, sd = (won - lost) / n, float(np.sqrt(max((won + lost) / n - ((won - lost) / n) ** 2, 0)))
    if n < FEWEST:
        return Interval(mean, None, None, n, sd)
    (won_low, won_high), (lost_low, lost_high) = (clopper_pearson(count, n, (1 - LEVEL) / 2)
                                                  for count in (won, lost))
    return Interval(mean, won_low - lost_high, won_high - lost_low, n, sd)


def exact_paired_test(candidate: Sequence[bool], reference: Sequence[bool]) -> float:
    """McNemar's exact test, two-sided: how often chance alone would give such a lopsided count of prompts
    that only one of two passes.
    """
    from scipy.special import bdtr  # scipy.stats has friendlier names, and takes a second to import

    won, lost, _ = _discordant(candidate, reference)
    return min(1.0, 2 * float(bdtr(min(won, lost), won + lost, 0.5)))


def _discordant(candidate: Sequence[bool], reference: Sequence[bool]) -> tuple[int, int, int]:
    """(prompts that only the candidate passes, that only the reference passes, all)."""
    if len(candidate) != len(reference) or not len(candidate):
        raise ValueError(f"{len(candidate)} and {len(reference)} results cannot be paired")
    pairs = [(bool(a), bool(b)) for a, b in zip(candidate, reference, strict=True)]
    return sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs), len(pairs)


def clopper_pearson(count: int, n: int, error: float = 1 - LEVEL) -> tuple[float, float]:
    """The exact interval for a rate of which `count` of `n` were seen; it misses the truth in at most `error`
    of all studies.
    """
    from scipy.special import betaincinv

    low = float(betaincinv(count, n - count + 1, error / 2)) if count else 0.0
    return low, float(betaincinv(count + 1, n - count, 1 - error / 2)) if count < n else 1.0
