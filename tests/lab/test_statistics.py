"""The intervals hold what they promise, on studies whose truth is known; identical quants are hardly ever
called worse.
"""

import numpy as np
import pytest
from scipy import stats

from quantlab.lab.drift import block_drift, drifting_ratio, noise_floor
from quantlab.lab.statistics import exact_paired_test, interval, pass_interval, per_prompt, speed_ratio
from quantlab.lab.verdict import GOOD, OPEN, WORSE, Metric, judge, prompts_to_add
from quantlab.oracles import simulation

QUICK = dict(studies=1000, resamples=1000)


@pytest.mark.parametrize("shape", ["normal", "skewed", "very skewed"])
@pytest.mark.parametrize("n", [20, 40])
def test_the_interval_holds_the_truth_in_at_least_93_of_100_studies(shape, n):
    assert simulation.coverage(shape, n, **QUICK) >= 0.93


def test_on_skewed_data_a_t_interval_would_hold_it_less_often():
    rng, held = np.random.default_rng(0), 0
    for _ in range(1000):
        x = rng.exponential(1, 20)
        low, high = stats.t.interval(0.95, 19, x.mean(), x.std(ddof=1) / np.sqrt(20))
        held += low <= 1 <= high
    assert held / 1000 < 0.93 < simulation.coverage("skewed", 20, **QUICK)


def test_identical_quants_are_called_worse_in_at_most_five_of_a_hundred_of_2000_studies():
    assert simulation.false_alarms(20, resamples=500) <= 0.05
    worse, unlikely = simulation.false_alarms_of_checks(20)
    assert worse <= 0.05 and unlikely <= 0.05


def test_below_eight_prompts_there_is_no_interval():
    assert interval([1, 2, 3]).low is None and "too few" in str(interval([1, 2, 3]))
    assert pass_interval([True] * 7, [True] * 7).high is None
    verdict = judge(interval([0.0] * 5), Metric("harm", "units", 1))
    assert (verdict.answer, verdict.more) == (OPEN, 3) and "add at least 3" in verdict.words


@pytest.mark.parametrize("bad", [[], [float("nan")], [[1, 2]]])
def test_what_is_no_difference_is_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        interval(bad)


def test_the_unit_is_the_prompt_rounds_are_averaged_and_failures_left_out():
    rows = [{"model": "a", "prompt_number": 0, "error": "", "v": 1},
            {"model": "a", "prompt_number": 0, "error": "", "v": 3},
            {"model": "a", "prompt_number": 1, "error": "x", "v": 9},
            {"model": "a", "prompt_number": 2, "error": "", "v": None}]
    assert per_prompt(rows, lambda row: row["v"]) == {"a": {0: 2.0}}


def test_a_speed_ratio_does_not_depend_on_how_fast_the_prompts_are():
    slow = {i: 10.0 * (i + 1) for i in range(10)}
    found = speed_ratio({i: 2 * v for i, v in slow.items()}, slow)
    assert found.mean == pytest.approx(2) and found.low == pytest.approx(2) and speed_ratio({}, slow) is None


def test_the_noise_floor_is_the_reference_against_itself():
    rows = [{"model": "a", "prompt_number": p, "round": r, "error": "", "v": (p + 1) * 1.1**r}
            for p in range(9) for r in range(2)]
    assert noise_floor(rows, "a", lambda row: row["v"]).mean == pytest.approx(1.1)
    assert noise_floor(rows[::2], "a", lambda row: row["v"]) is None


@pytest.mark.parametrize("drift", ["gusts", "wandering", "throttled"])
def test_a_speed_interval_holds_while_the_machine_drifts_and_prompts_alone_would_not_do(drift):
    how = dict(models=4, rounds=2, studies=60)
    assert simulation.speed_coverage(drift, widened=False,
                                     **how) < 0.8 < 0.92 < simulation.speed_coverage(drift, **how)


def test_blocks_widen_a_speed_interval_and_a_single_round_gives_none():
    rows = [{"model": m, "prompt_number": p, "round": r, "error": "",
             "v": (p + 1) * 1.2 ** (r if m == "b" else 0)} for m in "ab" for p in range(9) for r in range(2)]
    drift = block_drift(rows, lambda row: row["v"])
    assert drift.freedom == 2 and drift.rounds == 2 and drift.sd == pytest.approx(np.log(1.2) / 2)
    speeds = per_prompt(rows, lambda row: row["v"])
    found = drifting_ratio(speeds["b"], speeds["a"], drift)
    assert found.mean == pytest.approx(1.1) and found.high / found.mean == pytest.approx(
        np.exp(stats.t.ppf(0.975, 2) * drift.sd))
    lost = [{**row, "error": "lost"} if (row["model"], row["prompt_number"], row["round"]) == ("b", 8, 1)
            else row for row in rows]
    without = block_drift(lost, lambda row: row["v"]).sd
    assert without == pytest.approx(drift.sd, rel=0.3), "a failed call is no slow block"
    once = drifting_ratio(speeds["b"], speeds["a"], block_drift(rows[::2], lambda row: row["v"]))
    assert once.low is None and "one round" in str(once)


def test_the_paired_test_is_mcnemars_exact_one():
    a, b = [True] * 9 + [False] * 3, [True] * 3 + [False] * 7 + [True] * 2
    assert exact_paired_test(a, b) == pytest.approx(stats.binomtest(6, 8).pvalue) == exact_paired_test(b, a)
    assert exact_paired_test([True] * 5, [True] * 5) == 1.0


def test_twelve_prompts_that_both_pass_do_not_prove_equality():
    found = pass_interval([True] * 12, [True] * 12)
    assert found.mean == 0 and found.high == -found.low == pytest.approx(1 - 0.0125 ** (1 / 12))
    with pytest.raises(ValueError, match="cannot be paired"):
        pass_interval([True], [])


def test_the_pass_interval_holds_the_truth_at_any_rate():
    rng, held = np.random.default_rng(1), 0
    for _ in range(300):
        one = rng.random(20) < 0.8
        other = np.where(rng.random(20) < 0.15, ~one, one)
        found = pass_interval(list(other), list(one))
        held += found.low <= 0.15 * 0.2 - 0.15 * 0.8 <= found.high
    assert held / 300 >= 0.95


@pytest.mark.parametrize("mean, sd, answer", [(0.0, 0.1, GOOD), (0.3, 0.1, GOOD), (1.0, 0.5, OPEN),
                                              (2.0, 0.1, WORSE)])
def test_each_verdict(mean, sd, answer):
    x = np.linspace(-1, 1, 12) * sd + mean
    verdict = judge(interval(x), Metric("harm", "units", 0.9))
    assert verdict.answer == answer and verdict.words.startswith(answer) and "12 prompts" in verdict.words


def test_the_advice_is_about_the_number_that_suffices():
    rng, metric = np.random.default_rng(3), Metric("harm", "units", 0.5)
    x = rng.normal(0.2, 1, 12)
    found = interval(x)
    more = prompts_to_add(found, metric.margin)
    assert f"add about {more} prompts" in judge(found, metric).words
    wide = np.concatenate([x] * -(-(12 + more) // 12))
    assert judge(interval(wide), metric).answer == GOOD
    assert "hardly help" in judge(interval(np.linspace(0.4999, 0.5001, 12) + np.tile([-1, 1], 6)),
                                  metric).words


def test_a_lower_bound_proves_worse_but_good_only_with_coverage():
    metric = Metric("KL", "nats", 0.05, lower_bound=True)
    small, large = interval(np.linspace(0, 0.01, 12)), interval(np.linspace(1, 2, 12))
    assert judge(small, metric).answer == GOOD and judge(small, metric, covered=False).answer == OPEN
    assert (
        judge(large, metric, covered=False).answer == WORSE and "at least 1.5" in judge(large, metric).words
    )
    assert not any(number in judge(large, metric, covered=False).words
                   for number in ("1.5", "1.4", "1.6")), "too little seen for a number"
    with pytest.raises(ValueError, match="margin"):
        Metric("KL", "nats", -1)
