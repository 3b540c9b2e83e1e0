"""The order of the calls is fair, and a plan that cannot work is refused before any call."""

import itertools
import json
from statistics import mean

import pytest

from quantlab.lab.plan import make_plan, order
from quantlab.lab.prompts import Prompt

PROMPTS = [Prompt(text) for text in "abc"]


def plan(**more):
    return make_plan(PROMPTS, **{"models": ["m:f16", "m:q8_0", "m:q4_K_M", "m:q2_K"], **more})


@pytest.mark.parametrize("rounds", [2, 4, 6, 8])
def test_over_even_rounds_every_model_and_every_prompt_is_asked_at_the_same_mean_time(rounds):
    calls = plan(rounds=rounds).calls()
    assert len(calls) == len({call.key for call in calls}) == 3 * 4 * rounds
    for kind in ("model", "prompt"):
        places = {n: mean(i for i, call in enumerate(calls) if getattr(call, kind) == n)
                  for n in {getattr(c, kind) for c in calls}}
        assert len(set(places.values())) == 1, kind


def test_in_a_round_each_model_is_loaded_once_and_in_eight_rounds_each_one_is_first_twice():
    blocks = [key for key, _ in itertools.groupby(plan(rounds=8).calls(),
                                                  key=lambda call: (call.round, call.model))]
    assert len(blocks) == len(set(blocks)) == 32
    assert sorted(order(number, 4)[0] for number in range(8)) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_the_reference_comes_first_and_suffixes_get_their_base():
    made = plan(models=["q4_K_M", "f16", "other:x"], base="m:1b-instruct", reference="f16")
    assert made.models == ("m:1b-instruct-f16", "m:1b-instruct-q4_K_M",
                           "other:x") and made.reference == made.models[0]
    assert plan(models=["m"]).models == ("m:latest",)


def test_options_are_explicit_and_the_key_knows_every_one():
    assert plan().options == {"temperature": 0, "seed": 1, "num_ctx": 2048, "num_predict": 128}
    assert plan(options={"num_thread": 1}).loading == {"num_ctx": 2048, "num_thread": 1}
    keys = [plan(**more).key for more in ({}, {"rounds": 3}, {"options": {"seed": 2}}, {"think": True},
                                          {"models": ["m:f16"]})]
    assert len(set(keys)) == 5 and plan().key == plan().key
    json.dumps(plan().as_dict())


@pytest.mark.parametrize("wrong, words", [
    ({"models": "m"}, r"write \['m'\]"), ({"models": []}, "no model"),
    ({"models": ["m", "m:latest"]}, "named twice"), ({"reference": "x:y"}, "no model for the reference"),
    ({"rounds": 0}, "rounds=0"), ({"rounds": True}, "rounds=True"), ({"rounds": 101}, "rounds=101"),
    ({"options": {"temprature": 1}}, "no Ollama option 'temprature' here; the nearest are temperature"),
    ({"options": {"seed": None}}, "seed=None: a whole number"), ({"options": {"stop": 1}}, "stop=1: a text"),
    ({"options": {"num_predict": -1}}, "needs an end"),
    ({"options": {"temperature": float("nan")}}, "a number"),
])
def test_a_plan_that_cannot_work_is_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        plan(**wrong)
