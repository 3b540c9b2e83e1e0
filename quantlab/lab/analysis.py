"""From rows to answers: each model against the reference, on the one metric that was declared beforehand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..words import counted, percent
from .checks import passed
from .drift import block_drift, drifting_ratio, noise_floor
from .plan import Plan
from .replay import AGAIN, DivergenceBound
from .statistics import Interval, exact_paired_test, interval, pass_interval, per_prompt, speed_ratio
from .verdict import DIVERGENCE, PASS_RATE, REFERENCE, Metric, Verdict, judge

Passes = Mapping[str, dict[int, bool]]      # {model: {prompt number: passes}}


def fitting_metric(checked: bool, margin: float | None) -> Metric:
    """The metric that decides: the pass rate where there is a check, else teacher-forced KL; margin None: its
    usual one.
    """
    metric = PASS_RATE if checked else DIVERGENCE
    return metric if margin is None else replace(metric, margin=margin)


def summary(plan: Plan, rows: Sequence[dict], apart: Mapping[str, DivergenceBound],
            metric: Metric) -> list[dict]:
    """One dict a model.  Intervals are statistics.Interval, verdict a text; what was not measured is None.
    rows: of `Comparison.rows`.

    pass_rate: of the `judged` prompts.  same_answers: share of the answers that are the reference's, word for
    word.  kl: {prompt number: KL >=}, None under 80 % coverage.  harm: how much worse than the reference, in
    the metric's unit.
    """
    speeds, firsts = per_prompt(rows, _speed_of), per_prompt(rows, lambda row: row["first_seconds"])
    right = passed(rows)
    drift, found = block_drift(rows, _speed_of), []
    for name in plan.names:
        mine, bound = [row for row in rows if row["model"] == name], _bound(name, plan, apart)
        pair, passes = (speeds.get(name, {}), speeds.get(plan.reference, {})), _paired(right, name, plan)
        harm = _harm(name, plan, apart, right, metric)
        verdict = _verdict(name, plan, harm, bound, metric, mine)
        found.append({
            "model": name, "quantization": next((row["quantization"] for row in mine), ""),
            "bytes": next((row["bytes"] for row in mine), None),
            "answers": sum(not row["error"] for row in mine),
            "errors": sum(bool(row["error"]) for row in mine),
            "flags": sorted({flag for row in mine for flag in row["flags"]}),
            "tokens_per_second": _mean(speeds.get(name)),
            "speed_ratio": speed_ratio(*pair) if name == plan.reference else drifting_ratio(*pair, drift),
            "first_seconds": _mean(firsts.get(name)),
            "pass_rate": _mean(right.get(name)), "judged": len(right.get(name, ())),
            "paired_p": exact_paired_test(*passes) if passes[0] and name != plan.reference else None,
            "same_answers": _same_answers(mine, plan), "kl": bound.kl if bound and bound.covered else None,
            "coverage": bound and bound.coverage, "divergence": bound and str(bound), "harm": harm,
            "verdict": verdict.words, "answer": verdict.answer or None, "more": verdict.more,
        })
    return found


def remarks(line: dict) -> list[str]:
    """What went wrong with a model, in words: the flags of its answers, and how many calls failed."""
    return [*line["flags"], *([f"{counted(line['errors'], 'call')} failed"] if line["errors"] else [])]


def with_differences(rows: list[dict], reference: str) -> list[dict]:
    """The rows with `same_words` (as the reference's answer in that round; None where one of the two is
    missing) and `first_difference`, the number of the first word that differs.
    """
    its = {(row["prompt_number"], row["round"]): row["text"] for row in rows
           if row["model"] == reference and not row["error"]}
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


def noise_floor_words(plan: Plan, rows: Sequence[dict], apart: Mapping[str, DivergenceBound]) -> str:
    """The reference against itself, in words: speed, answers, divergence; what was not measured is left out.
    """
    speeds, mine = per_prompt(rows, _speed_of), [row for row in rows if row["model"] == plan.again]
    again, its = speeds.get(plan.again, {}), speeds.get(plan.reference, {})
    floor = drifting_ratio(again, its, block_drift(rows, _speed_of)) if mine else \
        noise_floor(rows, plan.reference, _speed_of)
    said = []
    if floor is not None:
        said.append(f"{times_words(floor)} as fast" + ("" if mine else " in odd rounds as in even ones"))
    if (same := _same_answers(mine, plan)) is not None:
        said.append(f"{percent(same)} of its answers the same")
    if AGAIN in apart:
        said.append(str(apart[AGAIN]))
    if not said:
        return "The reference was not held against itself: two rounds do."
    return f"The reference against itself: {'; '.join(said)}."


def times_words(ratio: Interval) -> str:
    """A ratio of speeds as people read it: "1.37 times (0.59 to 3.16)"."""
    if ratio.low is None or ratio.high is None:
        why = ratio.why or "too few for an interval"
        return f"{ratio.mean:.2f} times ({counted(ratio.n, 'prompt')}: {why})"
    return f"{ratio.mean:.2f} times ({ratio.low:.2f} to {ratio.high:.2f})"


def _speed_of(row: dict) -> float | None:
    return row["tokens_per_second"]


def _mean(values: Mapping[int, float] | None) -> float | None:
    return float(np.mean(list(values.values()))) if values else None


def _same_answers(mine: Sequence[dict], plan: Plan) -> float | None:
    told = [row["same_words"] for row in mine
            if row["same_words"] is not None and row["model"] != plan.reference]
    return float(np.mean(told)) if told else None


def _bound(name: str, plan: Plan, apart: Mapping[str, DivergenceBound]) -> DivergenceBound | None:
    """What was replayed to a model; to the reference asked again: its own second reading."""
    return apart.get(AGAIN if name == plan.again else name)


def _paired(right: Passes, name: str, plan: Plan) -> tuple[list[bool], list[bool]]:
    """(a model's passes, the reference's), over the prompts both answered."""
    mine, its = right.get(name, {}), right.get(plan.reference, {})
    both = sorted(mine.keys() & its.keys())
    return [mine[prompt] for prompt in both], [its[prompt] for prompt in both]


def _harm(name: str, plan: Plan, apart: Mapping[str, DivergenceBound], right: Passes,
          metric: Metric) -> Interval | None:
    """How much worse than the reference, in the metric's unit: the pass rate that is lost, or the mean KL
    over prompts, less the noise floor.  Of the reference itself: that floor.  None: not measured.
    """
    if not metric.lower_bound:
        mine, its = _paired(right, name, plan)
        if name == plan.reference and mine:         # nothing is lost against itself, and nothing was measured
            return Interval(0.0, None, None, len(mine), 0.0)
        return pass_interval(its, mine) if mine else None
    control = apart.get(AGAIN)
    bound = control if name in (plan.reference, plan.again) else apart.get(name)
    if bound is None:
        return None
    floor = control.kl if control and bound is not control else {}
    return interval([value - floor.get(prompt, 0.0) for prompt, value in bound.kl.items()])


def _verdict(name: str, plan: Plan, harm: Interval | None, bound: DivergenceBound | None, metric: Metric,
             mine: Sequence[dict]) -> Verdict:
    """The answer for a model; an empty one for the reference, and where nothing was measured: that is not
    "cannot tell".  mine: the model's rows.
    """
    if name in (plan.reference, plan.again):
        return Verdict("", None, REFERENCE + " again: the noise floor" * (name == plan.again))
    if harm is None:
        why = "nothing measured yet" if not mine else "every call failed" if all(
            row["error"] for row in mine) else "no prompt was judged for both"
        replayed = not metric.lower_bound or not any(not row["error"] for row in mine)
        return Verdict("", None, why if replayed else "nothing was replayed yet; `diverge()` does it")
    return judge(harm, metric, covered=bound is None or not metric.lower_bound or bound.covered)
