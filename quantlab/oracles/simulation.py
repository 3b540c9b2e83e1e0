"""Studies where the truth is known: how often does the interval hold it, and how often are identical quants
called worse?
"""

from collections.abc import Callable
from operator import itemgetter

import numpy as np

from ..lab.drift import block_drift, drifting_ratio
from ..lab.plan import order
from ..lab.statistics import (
    LEVEL,
    RESAMPLES,
    Interval,
    exact_paired_test,
    interval,
    pass_interval,
    per_prompt,
    speed_ratio,
)
from ..lab.verdict import WORSE, Metric, judge

#: Differences between prompts as they may fall: name -> (draw(rng, n), true mean).
SHAPES: dict[str, tuple[Callable, float]] = {
    "normal": (lambda rng, n: rng.normal(0, 1, n), 0.0),
    "skewed": (lambda rng, n: rng.exponential(1, n), 1.0),                          # skewness 2
    # skewness 6: beyond what a few prompts can tell
    "very skewed": (lambda rng, n: rng.lognormal(0, 1, n), float(np.exp(0.5))),
}


#: How a machine may drift from block to block, in log speed: name -> draw(rng, blocks).
DRIFTS: dict[str, Callable] = {
    "steady": lambda rng, blocks: np.zeros(blocks),
    # something else runs now and then
    "gusts": lambda rng, blocks: rng.normal(0, 0.05, blocks),
    # 18 % slower at the end than at the start
    "warming": lambda rng, blocks: np.linspace(0, -0.2, blocks),
    "wandering": lambda rng, blocks: np.cumsum(rng.normal(0, 0.03, blocks)),
    # one step down for good
    "throttled": lambda rng, blocks: np.where(np.arange(blocks) < rng.integers(1, blocks), 0.0, -0.2),
}


def speed_coverage(drift: str, n: int = 12, models: int = 4, rounds: int = 2, *, studies: int = 1000,
                   seed: int = 0, widened: bool = True) -> float:
    """Share of simulated studies whose interval of the speed ratio of the last model to the first holds the
    truth (1: they are equal).

    Prompts differ by 20 %, a model's ratio by 3 % from prompt to prompt, single calls by 4 %, and blocks by
    `drift`.  widened: False shows what the prompts alone would promise.
    """
    rng, held = np.random.default_rng(seed), 0
    for _ in range(studies):
        levels, own = rng.normal(0, 0.2, n), rng.normal(0, 0.03, (models, n))
        own[-1] -= own[-1].mean() - own[0].mean()
        places = [(number, model) for number in range(rounds) for model in order(number, models)]
        blocks = zip(places, DRIFTS[drift](rng, len(places)), strict=True)
        rows = [{"model": str(model), "round": number, "prompt_number": prompt, "error": "",
                 "speed": np.exp(levels[prompt] + own[model, prompt] + shift + noise)}
                for (number, model), shift in blocks for prompt, noise in enumerate(rng.normal(0, 0.04, n))]
        speed = itemgetter("speed")
        speeds = per_prompt(rows, speed)
        pair = speeds[str(models - 1)], speeds["0"]
        found = drifting_ratio(*pair, block_drift(rows, speed)) if widened else speed_ratio(*pair)
        held += found is not None and _holds(found, 1)
    return held / studies


def coverage(shape: str, n: int, studies: int = 2000, seed: int = 0, resamples: int = RESAMPLES,
             level: float = LEVEL) -> float:
    """Share of simulated studies of n prompts whose interval holds the true mean."""
    draw, truth = SHAPES[shape]
    rng, held = np.random.default_rng(seed), 0
    for study in range(studies):
        found = interval(draw(rng, n).tolist(), level, seed=study, resamples=resamples)
        held += _holds(found, truth)
    return held / studies


def _holds(found: Interval, truth: float) -> bool:
    return found.low is not None and found.high is not None and found.low <= truth <= found.high


def false_alarms(n: int, studies: int = 2000, resamples: int = RESAMPLES) -> float:
    """Share of studies that call a quant worse though it is identical; with a margin of 0, the hardest case.
    """
    metric, rng, alarms = Metric("difference", "units", 0.0), np.random.default_rng(0), 0
    for study in range(studies):
        skill = rng.exponential(1, n)               # prompts differ; runs of one prompt differ by chance
        harm = (skill + rng.normal(0, 0.5, n)) - (skill + rng.normal(0, 0.5, n))
        alarms += judge(interval(harm.tolist(), seed=study, resamples=resamples), metric).answer == WORSE
    return alarms / studies


def false_alarms_of_checks(n: int, studies: int = 2000) -> tuple[float, float]:
    """(share called worse, share with p < 0.05) when two identical quants pass a check with the same chance
    of 0.7, independently.
    """
    metric, rng = Metric("pass rate lost", "of all prompts", 0.0), np.random.default_rng(0)
    worse = unlikely = 0
    for _ in range(studies):
        one, other = ((rng.random(n) < 0.7).tolist() for _ in range(2))
        worse += judge(pass_interval(other, one), metric).answer == WORSE
        unlikely += exact_paired_test(one, other) < 1 - LEVEL
    return worse / studies, unlikely / studies
