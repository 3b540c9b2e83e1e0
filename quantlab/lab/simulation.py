"""Studies where the truth is known: how often does the interval hold it, and how often are identical quants called worse?"""

from collections.abc import Callable, Sequence

import numpy as np

from .statistics import LEVEL, RESAMPLES, exact_paired_test, interval, pass_interval
from .verdict import WORSE, Metric, judge

#: Differences between prompts as they may fall: name -> (draw(rng, n), true mean).
SHAPES: dict[str, tuple[Callable, float]] = {
    "normal": (lambda rng, n: rng.normal(0, 1, n), 0.0),
    "skewed": (lambda rng, n: rng.exponential(1, n), 1.0),                          # skewness 2
    "very skewed": (lambda rng, n: rng.lognormal(0, 1, n), float(np.exp(0.5))),     # skewness 6: beyond what a few prompts can tell
}


def coverage(shape: str, n: int, studies: int = 2000, seed: int = 0, resamples: int = RESAMPLES, level: float = LEVEL) -> float:
    """Share of simulated studies of n prompts whose interval holds the true mean."""
    draw, truth = SHAPES[shape]
    rng, held = np.random.default_rng(seed), 0
    for study in range(studies):
        found = interval(draw(rng, n), level, seed=study, resamples=resamples)
        held += found.low is not None and found.low <= truth <= found.high
    return held / studies


def coverage_table(numbers: Sequence[int] = (8, 12, 20, 40), **more):
    """Coverage of the 95 % interval by shape and number of prompts, as a pandas table."""
    import pandas as pd

    return pd.DataFrame({n: [coverage(shape, n, **more) for shape in SHAPES] for n in numbers}, index=list(SHAPES))


def false_alarms(n: int = 20, margin: float = 0.0, studies: int = 2000, seed: int = 0, resamples: int = RESAMPLES) -> float:
    """Share of studies that call a quant worse though it is identical; margin 0 is the hardest case, any other gives fewer."""
    metric, rng, alarms = Metric("difference", "units", margin), np.random.default_rng(seed), 0
    for study in range(studies):
        skill = rng.exponential(1, n)               # prompts differ; runs of one prompt differ by chance
        harm = (skill + rng.normal(0, 0.5, n)) - (skill + rng.normal(0, 0.5, n))
        alarms += judge(interval(harm, seed=study, resamples=resamples), metric).answer == WORSE
    return alarms / studies


def false_alarms_of_checks(n: int = 20, rate: float = 0.7, studies: int = 2000, seed: int = 0, margin: float = 0.0) -> tuple[float, float]:
    """(share called worse, share with p < 0.05) when two identical quants pass a check with the same chance, independently."""
    metric, rng = Metric("pass rate lost", "of all prompts", margin), np.random.default_rng(seed)
    worse = unlikely = 0
    for _ in range(studies):
        one, other = rng.random(n) < rate, rng.random(n) < rate
        worse += judge(pass_interval(other, one), metric).answer == WORSE
        unlikely += exact_paired_test(one, other) < 1 - LEVEL
    return worse / studies, unlikely / studies
