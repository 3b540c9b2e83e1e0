"""From rows to answers: each model against the reference, on the one metric that was declared beforehand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from .checks import Check, passed
from .drift import Drift, block_drift, drifting_ratio, noise_floor
from .plan import Plan
from .replay import AGAIN, Divergence
from .statistics import Interval, exact_paired_test, interval, pass_interval, per_prompt, speed_ratio
from .verdict import DIVERGENCE, OPEN, PASS_RATE, Metric, Verdict, judge


def fitting_metric(check: Check | None, margin: float | None) -> Metric:
    """The metric that decides: the check's pass rate where there is a check, else teacher-forced KL; margin
    None: its usual one.
    """
    metric = DIVERGENCE if check is None else PASS_RATE
    return metric if margin is None else replace(metric, margin=margin)


def summary(plan: Plan, rows: Sequence[dict], apart: Mapping[str, Divergence], check: Check | None,
            metric: Metric) -> list[dict]:
    """One dict a model.  Intervals are statistics.Interval, verdict a text; what was not measured is None.

    same_answers: share of the answers that are the reference's, word for word.  kl: {prompt number: KL >=},
    None under 80 % coverage.
    """
    speeds, drift = per_prompt(rows, _speed), block_drift(rows, _speed)
    firsts = per_prompt(rows, lambda row: row["first_seconds"])
    right = {} if check is None else passed(list(rows), check,
                                            {i: prompt.expected for i, prompt in enumerate(plan.prompts)})
    found = []
    for name in plan.names:
        mine_apart = apart.get(AGAIN if name == plan.again else name)
        mine = [row for row in rows if row["model"] == name]
        verdict = None if name in (plan.reference, plan.again) else _verdict(name, plan, apart, right, metric)
        found.append({
            "model": name, "quantization": next((row["quantization"] for row in mine), ""),
            "bytes": next((row["bytes"] for row in mine), None),
            "answers": sum(not row["error"] for row in mine),
            "errors": sum(bool(row["error"]) for row in mine),
            "flags": sorted({flag for row in mine for flag in row["flags"]}),
            "tokens_per_second": _mean(speeds.get(name)),
            "speed_ratio": _ratio(name, speeds, plan.reference, drift),
            "first_seconds": _mean(firsts.get(name)),
            "pass_rate": _mean(right.get(name)), "paired_p": _p_value(right, name, plan.reference),
            "same_answers": _same(mine, name, plan), "kl": mine_apart.kl if mine_apart and mine_apart.covered
            else None,
            "coverage": mine_apart.coverage if mine_apart else None, "divergence": str(mine_apart)
            if mine_apart else None,
            "verdict": verdict.words if verdict else "the reference" if name == plan.reference
            else "the reference again: the noise floor",
            "answer": None if verdict is None else verdict.answer, "more": None if verdict is None
            else verdict.more,
        })
    return found


def with_differences(rows: list[dict], reference: str) -> list[dict]:
    """The rows with `same_words` (as the reference's answer in that round; None where one of the two is
    missing) and `first_difference`, the number of the first word that differs.
    """
    its = {(row["prompt_number"], row["round"]): row["text"] for row in rows if row["model"] == reference
           and not row["error"]}
    for row in rows:
        other = None if row["error"] else its.get((row["prompt_number"], row["round"]))
        row["first_difference"] = None if other is None else first_difference(other, row["text"])
        row["same_words"] = None if other is None else row["first_difference"] is None
    return rows


def first_difference(before: str, after: str) -> int | None:
    """Number (from 1) of the first word that two texts do not share; None when their words are the same."""
    a, b = ([], []) if before == after else (before.split(), after.split())
    parted = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return None if a == b else parted + 1


def noise_floor_words(plan: Plan, rows: Sequence[dict], apart: Mapping[str, Divergence]) -> str:
    """The reference against itself, in words: speed, answers, divergence; what was not measured is left out.
    """
    speeds, mine, said = per_prompt(rows, _speed), [row for row in rows if row["model"] == plan.again], []
    again, its = speeds.get(plan.again, {}), speeds.get(plan.reference, {})
    floor = drifting_ratio(again, its, block_drift(rows, _speed)) if mine else noise_floor(rows,
                                                                                           plan.reference,
                                                                                           _speed)
    if floor is not None:
        said.append(f"{floor} times as fast" + ("" if mine else " in odd rounds as in even ones"))
    if (same := _same(mine, plan.again, plan)) is not None:
        said.append(f"{same:.0%} of its answers the same")
    if AGAIN in apart:
        said.append(str(apart[AGAIN]))
    return f"The reference against itself: {'; '.join(said)}." if said else "The reference was not held against itself: two rounds do."


def _same(mine: Sequence[dict], name: str, plan: Plan) -> float | None:
    told = [row["same_words"] for row in mine
            if row["same_words"] is not None] if name != plan.reference else []
    return float(np.mean(told)) if told else None


def _ratio(name: str, speeds: Mapping[str, dict[int, float]], reference: str,
           drift: Drift | None) -> Interval | None:
    pair = speeds.get(name, {}), speeds.get(reference, {})
    return speed_ratio(*pair) if name == reference else drifting_ratio(*pair, drift)


def _speed(row: dict) -> float | None:
    return row["tokens_per_second"]


def harm_by_divergence(mine: Divergence, control: Divergence | None) -> Interval:
    """Mean KL over prompts, less the noise floor: what the reference shows against itself."""
    floor = control.kl if control is not None else {}
    return interval([value - floor.get(prompt, 0.0) for prompt, value in mine.kl.items()])


def harm_by_passes(right: Mapping[str, dict[int, bool]], name: str, reference: str) -> Interval | None:
    """Pass rate lost against the reference: the reference's minus the model's, over the prompts both
    answered.
    """
    mine, its = _paired_passes(right, name, reference)
    return pass_interval(its, mine) if mine else None


def _verdict(name: str, plan: Plan, apart: Mapping[str, Divergence], right: Mapping,
             metric: Metric) -> Verdict:
    if metric.lower_bound:
        if name not in apart:
            return Verdict(OPEN, None, f"{OPEN}: nothing was replayed yet; `diverge()` does it.")
        return judge(harm_by_divergence(apart[name], apart.get(AGAIN)), metric, covered=apart[name].covered)
    harm = harm_by_passes(right, name, plan.reference)
    return Verdict(OPEN, None, f"{OPEN}: no prompt was answered by both.") if harm is None else judge(harm,
                                                                                                      metric)


def _p_value(right: Mapping[str, dict[int, bool]], name: str, reference: str) -> float | None:
    mine, its = _paired_passes(right, name, reference)
    return exact_paired_test(mine, its) if mine and name != reference else None


def _paired_passes(right: Mapping[str, dict[int, bool]], name: str, reference: str) -> tuple[list[bool],
                                                                                             list[bool]]:
    mine, its = right.get(name, {}), right.get(reference, {})
    both = sorted(mine.keys() & its.keys())
    return [mine[prompt] for prompt in both], [its[prompt] for prompt in both]


def _mean(values: Mapping[int, float] | None) -> float | None:
    return float(np.mean(list(values.values()))) if values else None
