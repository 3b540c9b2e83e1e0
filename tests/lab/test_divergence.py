"""What the top 20 tell of two distributions is never more than the truth; places that were cut otherwise are
dropped and counted.
"""

from functools import cache

import numpy as np
import pytest

import quantlab as ql
from quantlab.inference.chunks import chunks_of, held_out_text
from quantlab.lab.plan import make_plan
from quantlab.lab.prompts import Prompt
from quantlab.lab.replay import AGAIN, chosen, divergences, kl_at_least, top_tokens


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def top(p, count=20):
    return {int(i): float(p[i]) for i in np.argsort(p)[-count:]}


@pytest.mark.parametrize("noise", [0.01, 0.3, 1.5])
def test_truncated_to_the_top_20_of_the_same_logits_it_is_a_lower_bound_at_each_of_600_places(noise):
    rng, ratios = np.random.default_rng(0), []
    for _ in range(600):
        logits = rng.gumbel(0, rng.uniform(0.5, 3), 2000) * 1.5
        p, q = softmax(logits), softmax(logits + rng.normal(0, noise, 2000))
        true, seen = float((p * np.log(p / q)).sum()), kl_at_least(top(p), top(q))
        assert 0 <= seen.kl <= true + 1e-9 and 0 <= seen.coverage <= 1
        ratios.append(seen.kl / true)
    assert np.median(ratios) > 0.02             # and it is not just zero


@pytest.mark.parametrize("qtype", ["Q8_0", "Q4_K", "Q4_0", "Q3_K", "Q2_K"])
def test_on_the_tiny_models_own_logits_it_is_a_lower_bound_at_each_of_768_places(
    tiny_log_probabilities, qtype
):
    p, q = tiny_log_probabilities(None), tiny_log_probabilities(qtype)
    true = (np.exp(p) * (p - q)).sum(axis=1)
    seen = [kl_at_least(top(np.exp(one)), top(np.exp(other))) for one, other in zip(p, q, strict=True)]
    bound = np.array([position.kl for position in seen])
    assert len(true) == 768 and (bound <= true + 1e-9).all()
    assert bound.mean() > 0.5 * true.mean(), "and it tells most of it: 80 % for Q8_0, 57 % for Q2_K"


@pytest.fixture(scope="module")
def tiny_log_probabilities():
    """The natural logarithms of the tiny model's next-token probabilities on held-out text, in float64: (768,
    tokens).
    """
    @cache
    def found(qtype):
        lm = ql.load_lm("tiny", qtype, pure=qtype is not None)
        x = np.concatenate([lm.logits(chunk) for chunk in chunks_of(lm, held_out_text(), 256, 3)]).astype(
            float)
        return x - np.logaddexp.reduce(x, axis=1, keepdims=True)
    return found


def test_with_everything_reported_it_is_the_divergence_itself():
    rng = np.random.default_rng(1)
    p, q = softmax(rng.normal(0, 2, 20)), softmax(rng.normal(0, 2, 20))
    seen = kl_at_least(top(p), top(q))
    assert seen.kl == pytest.approx((p * np.log(p / q)).sum(), rel=1e-3) and seen.coverage == pytest.approx(1)


def test_equal_reports_differ_by_nothing_and_strangers_are_not_divided_by_zero():
    p = top(softmax(np.random.default_rng(2).normal(0, 3, 500)))
    assert kl_at_least(p, p).kl == 0
    assert kl_at_least(p, {-1: 0.5}) == kl_at_least({}, {}) and kl_at_least(p, {-1: 0.5}).coverage == 0
    assert kl_at_least({1: 1.0}, {1: 0.25}).kl >= 0


def test_tokens_that_cannot_be_told_apart_count_for_the_tail():
    def entry(token, raw, logprob):
        return {"token": token, "bytes": list(raw), "logprob": logprob}
    got = top_tokens([entry("a", b"a", -1), entry("a", b"a", -2), entry("\ufffd", b"\xef\xbf\xbd", -1),
                      entry("b", b"b", 0.0)])
    assert got == {b"b": 1.0}
    assert top_tokens([{"token": "ü", "logprob": -1}]) == {"ü".encode(): pytest.approx(np.exp(-1))}


def test_places_are_spread_and_end_before_half_a_letter():
    assert chosen(list("abcdefghij"), 4) == [0, 3, 6, 9] and chosen(["a"], 16) == [0] and chosen([], 4) == []
    assert chosen(["a", "b", "\ufffd", "c"], 16) == [0, 1]


def test_a_beginning_that_was_read_as_other_tokens_is_dropped_and_counted():
    plan = make_plan([Prompt("x")], ["m:a", "m:b"])
    records = [{"kind": "script", "prompt": 0, "tokens": ["a", "b", "c"]}]
    for model, reads in ((0, (5, 6, 7)), (1, (5, 7, 7)), (AGAIN, (5, 6, 7))):
        records += [{"kind": "replay", "key": f"d-m{model}-p0-t{place}", "place": place, "read": read,
                     "top": [{"token": "a", "logprob": -0.01 if model != 1 else -0.5}]}
                    for place, read in enumerate(reads)]
    found = divergences(plan, records)
    assert (found["m:b"].places, found["m:b"].dropped, found[AGAIN].places, found[AGAIN].dropped) == (
        2,
        1,
        3,
        0,
    )
    assert found[AGAIN].kl == {0: 0.0} and found["m:b"].kl[0] > 0.1
    assert str(found["m:b"]).startswith("KL ≥ ") and "1 dropped" in str(found["m:b"])
