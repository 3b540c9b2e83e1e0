"""A comparison's numbers made ready for its two pictures (quantlab.views.trade)."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from ..views.style import Picture
from ..views.trade import Series, Spot, draw_speeds, draw_trade
from .plan import Plan
from .verdict import GOOD, Metric

MOST_DOTS = 600         # single calls drawn; beyond that only the rounds' means are


def speed_chart(plan: Plan, rows: Sequence[dict]) -> Picture | None:
    """Tokens per second against time, for thermal drift and neighbours; None where no call was timed."""
    timed = [row for row in rows if not row["error"] and row["tokens_per_second"]]
    if not timed:
        return None
    times = [datetime.fromisoformat(row["at"]).timestamp() for row in timed]
    begin, calls = min(times), {}          # calls: {model: {round: [(minutes, tokens per second)]}}
    for row, at in zip(timed, times, strict=True):
        calls.setdefault(row["model"], {}).setdefault(row["round"], []).append(((at - begin) / 60, row["tokens_per_second"]))
    series = [Series(name, [] if len(timed) > MOST_DOTS else [call for block in calls[name].values() for call in block],
                     [tuple(np.mean(calls[name][number], axis=0)) for number in sorted(calls[name])])
              for name in plan.names if name in calls]
    return draw_speeds(series, finding=_drift_words(series), subtitle="letters: the mean of a round; dots: single calls; "
                       "lines that fall or rise together are the machine, not the model")


def trade_chart(plan: Plan, metric: Metric, summary: Sequence[dict]) -> Picture | None:
    """Harm, speed and bytes of each model; None with fewer than two models that have all three."""
    known = [(row, harm) for row in summary if row["model"] in plan.models and row["tokens_per_second"] and row["bytes"]
             and (harm := _harm(row, plan, metric)) is not None]
    if len(known) < 2:
        return None
    facts = [(-row["tokens_per_second"], harm, row["bytes"]) for row, harm in known]
    best = [not any(other != mine and all(a <= b for a, b in zip(other, mine, strict=True)) for other in facts) for mine in facts]
    spots = [Spot(row["model"], row["tokens_per_second"], harm, row["bytes"], top) for (row, harm), top in zip(known, best, strict=True)]
    good = [row for row, _ in known if row["answer"] == GOOD]
    finding = f"The smallest that is good enough: {min(good, key=lambda row: row['bytes'])['model']}" if good else \
        "No other model is shown to be good enough"
    up = f"{metric.name}{' (at least)' if metric.lower_bound else ''}, {metric.unit}"
    subtitle = f"margin {metric.margin:g} {metric.unit}; less harm is lower, faster is to the right"
    return draw_trade(spots, finding=finding, subtitle=subtitle, up=up)


def _harm(row: dict, plan: Plan, metric: Metric) -> float | None:
    if not metric.lower_bound:
        return None if row["pass_rate"] is None else 1 - row["pass_rate"]
    return 0.0 if row["model"] == plan.reference else float(np.mean(list(row["kl"].values()))) if row["kl"] else None


def _drift_words(series: Sequence[Series]) -> str:
    """How far the rounds of one model lie apart at most."""
    apart = {one.name: max(s for _, s in one.blocks) / min(s for _, s in one.blocks) - 1 for one in series if len(one.blocks) > 1}
    if not apart:
        return "One round each: drift cannot be seen"
    name = max(apart, key=apart.__getitem__)
    return f"From round to round {name} changed its speed by up to {apart[name]:.0%}"
