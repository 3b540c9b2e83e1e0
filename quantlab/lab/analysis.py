"""From rows to answers: each model against the reference, on the one metric that was declared beforehand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from .checks import Check, passed
from .plan import Plan
from .replay import AGAIN, Divergence
from .statistics import Interval, exact_paired_test, interval, pass_interval, per_prompt, speed_ratio
from .verdict import DIVERGENCE, OPEN, PASS_RATE, Metric, Verdict, judge


def fitting_metric(check: Check | None, margin: float | None) -> Metric:
    """The metric that decides: the check's pass rate where there is a check, else teacher-forced KL; margin None: its usual one."""
    metric = DIVERGENCE if check is None else PASS_RATE
    return metric if margin is None else replace(metric, margin=margin)


def summary(plan: Plan, rows: Sequence[dict], apart: Mapping[str, Divergence], check: Check | None, metric: Metric) -> list[dict]:
    """One dict a model.  Intervals are statistics.Interval, verdict a text; what was not measured is None."""
    speeds = per_prompt(rows, lambda row: row["tokens_per_second"])
    firsts = per_prompt(rows, lambda row: row["first_seconds"])
    right = {} if check is None else passed(list(rows), check, {i: prompt.expected for i, prompt in enumerate(plan.prompts)})
    found = []
    for name in plan.models:
        mine = [row for row in rows if row["model"] == name]
        verdict = None if name == plan.reference else _verdict(name, plan, apart, right, metric)
        found.append({
            "model": name, "quantization": next((row["quantization"] for row in mine), ""),
            "bytes": next((row["bytes"] for row in mine), None),
            "answers": sum(not row["error"] for row in mine), "errors": sum(bool(row["error"]) for row in mine),
            "flags": sorted({flag for row in mine for flag in row["flags"]}), "tokens_per_second": _mean(speeds.get(name)),
            "speed_ratio": speed_ratio(speeds.get(name, {}), speeds.get(plan.reference, {})), "first_seconds": _mean(firsts.get(name)),
            "pass_rate": _mean(right.get(name)), "paired_p": _p_value(right, name, plan.reference),
            "kl": apart[name].kl if name in apart else None, "coverage": apart[name].coverage if name in apart else None,
            "divergence": str(apart[name]) if name in apart else None, "verdict": "the reference" if verdict is None else verdict.words,
            "answer": None if verdict is None else verdict.answer,
        })
    return found


def harm_by_divergence(mine: Divergence, control: Divergence | None) -> Interval:
    """Mean KL over prompts, less the noise floor: what the reference shows against itself."""
    floor = control.kl if control is not None else {}
    return interval([value - floor.get(prompt, 0.0) for prompt, value in mine.kl.items()])


def harm_by_passes(right: Mapping[str, dict[int, bool]], name: str, reference: str) -> Interval | None:
    """Pass rate lost against the reference: the reference's minus the model's, over the prompts both answered."""
    mine, its = _paired_passes(right, name, reference)
    return pass_interval(its, mine) if mine else None


def _verdict(name: str, plan: Plan, apart: Mapping[str, Divergence], right: Mapping, metric: Metric) -> Verdict:
    if metric.lower_bound:
        if name not in apart:
            return Verdict(OPEN, None, f"{OPEN}: nothing was replayed yet; `diverge()` does it.")
        return judge(harm_by_divergence(apart[name], apart.get(AGAIN)), metric, covered=apart[name].covered)
    harm = harm_by_passes(right, name, plan.reference)
    return Verdict(OPEN, None, f"{OPEN}: no prompt was answered by both.") if harm is None else judge(harm, metric)


def _p_value(right: Mapping[str, dict[int, bool]], name: str, reference: str) -> float | None:
    mine, its = _paired_passes(right, name, reference)
    return exact_paired_test(mine, its) if mine and name != reference else None


def _paired_passes(right: Mapping[str, dict[int, bool]], name: str, reference: str) -> tuple[list[bool], list[bool]]:
    mine, its = right.get(name, {}), right.get(reference, {})
    both = sorted(mine.keys() & its.keys())
    return [mine[prompt] for prompt in both], [its[prompt] for prompt in both]


def _mean(values: Mapping[int, float] | None) -> float | None:
    return float(np.mean(list(values.values()))) if values else None
