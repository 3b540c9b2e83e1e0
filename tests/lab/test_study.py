"""A study with a system prompt, a form, conversations and a check for each prompt: what is sent, what is
judged, and what is stopped before the first token.
"""

import json

import pandas as pd
import pytest

from quantlab.lab.checks import has, says_number
from quantlab.lab.comparison import Comparison
from quantlab.lab.server import Server
from tests.lab.stand_in import stand_in
from tests.lab.test_comparison import Pretend

SCHEMA = {"type": "object", "properties": {"said": {"type": "string"}}}
TALK = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Moo"}]


def study(pretend, tmp_path, prompts=("one", "two"), models=("m:a", "m:b"), go=True, **more):
    with stand_in(pretend) as url:
        made = Comparison(prompts, list(models), rounds=1, file=tmp_path / "run.jsonl",
                          server=Server(url, timeout=5), **more)
        made.found = made.preflight("http://127.0.0.1:9")
        return made.run() if go else made


def test_system_form_and_think_go_with_every_question(tmp_path):
    pretend = Pretend(can=("completion", "thinking"))
    made = study(pretend, tmp_path, models=["m:a"], system="Say moo.", format=SCHEMA, think="low")
    assert [path for path, _ in pretend.sent] == ["/api/generate"] * 2
    assert all((body["system"], body["format"], body["think"]) == ("Say moo.", SCHEMA, "low")
               for _, body in pretend.sent)
    again = Comparison.from_file(made.file)
    assert again.plan == made.plan and again.plan.key == made.plan.key and again.missing == 0
    pretend.sent.clear()
    study(pretend, tmp_path / "..", models=["m:a"], think=None, go=True)
    assert not {"system", "format", "think", "messages"} & pretend.sent[0][1].keys()


def test_a_conversation_goes_to_chat_with_the_system_prompt_first(tmp_path):
    pretend = Pretend()
    made = study(pretend, tmp_path, messages=[TALK, []], system="Be a cow.", models=["m:a"])
    (path, body), (other, plain) = pretend.sent
    assert path == "/api/chat" and body["messages"] == [{"role": "system", "content": "Be a cow."}, *TALK,
                                                        {"role": "user", "content": "one"}]
    assert "prompt" not in body and "system" not in body
    assert other == "/api/generate" and plain["prompt"] == "two" and plain["system"] == "Be a cow."
    assert [row["text"] for row in made.rows()] == ["moo", "moo"]
    assert Comparison.from_file(made.file).plan == made.plan
    talk = [*TALK, {"role": "user", "content": "one"}]
    whole = study(pretend, tmp_path, None, ["m:a"], False, messages=[talk])
    assert whole.plan.prompts[0].text == "one" and len(whole.plan.prompts) == 1


def test_every_kind_of_study_has_its_own_key(tmp_path):
    plans = [Comparison(["one"], ["m:a"], **more).plan for more in (
        {}, {"system": "x"}, {"format": "json"}, {"format": SCHEMA}, {"messages": TALK}, {"think": True})]
    assert len({plan.key for plan in plans}) == len(plans)
    judged = [Comparison([{"prompt": "one", "check": "json", "tags": "a"}], ["m:a"]).plan,
              Comparison(["one"], ["m:a"], format=None, system="", messages=None).plan]
    assert {plan.key for plan in judged} == {plans[0].key}, "who judges does not change what is asked"


def test_each_prompt_is_judged_by_its_own_check_beside_what_was_expected(tmp_path):
    odd = {"sum": (200, b'{"response": "It is 42", "done": true}\n'), "bad": (500, b'{"error": "no"}')}
    prompts = [{"prompt": "sum", "expected": 42, "check": "number", "tags": "sums"},
               {"prompt": "cow", "expected": "moo"}, {"prompt": "dog", "expected": "woof", "tags": ["dogs"]},
               "free", {"prompt": "form", "check": "json"}, {"prompt": "bad", "expected": "x"}]
    made = study(Pretend(odd=odd), tmp_path, prompts, ["m:a"], check=has())
    table = made.table()
    assert table["passed"].tolist() == [True, True, False, None, False, None]
    assert table["expected"].tolist() == ["42", "moo", "woof", "", "", "x"]
    assert table["check"].tolist()[::4] == ["says the expected number", "is JSON"]
    assert table["tags"].tolist()[:3] == [["sums"], [], ["dogs"]]
    line = made.judged()[0]
    assert (line["pass_rate"], line["judged"]) == (0.5, 4) and made.metric.name == "pass rate lost"
    read = pd.read_csv(made.csv(tmp_path / "a.csv"))
    assert read["passed"].tolist()[:3] == ["passed", "passed", "not passed"]
    assert read["passed"].tolist()[3:] == ["not judged", "not passed", "no answer"]
    assert read["expected"].fillna("").tolist() == table["expected"].tolist() and len(read) == 6


def test_without_a_check_what_is_expected_decides_nothing(tmp_path):
    made = study(Pretend(), tmp_path, [{"prompt": "one", "expected": "moo"}])
    assert made.table()["passed"].tolist() == [None, None] and made.metric.lower_bound


def broken(answer):
    return answer.split()[5] == "moo"


@pytest.mark.parametrize("more, can, words", [
    ({"think": True}, ["completion"], "m:a cannot think, and think=True asks it to"),
    ({"think": "high"}, ["completion", "tools"], "m:b cannot think"),
    ({}, ["embedding"], "m:a writes no answers: it is a model for embedding"),
    ({"check": broken}, ["completion"], "the check broken raised IndexError"),
    ({"check": has()}, ["completion"], "can judge no prompt: none says what is expected"),
    ({"prompts": [{"prompt": "a", "expected": "many"}, {"prompt": "b", "expected": 2}],
      "check": says_number()}, ["completion"], "prompt 1 expects 'many'"),
])
def test_what_cannot_work_is_stopped_before_the_first_token(tmp_path, more, can, words):
    pretend = Pretend(can=can)
    made = study(pretend, tmp_path, go=False, **more)
    assert any(words in stop for stop in made.found.stops) and not made.found.ok
    with pytest.raises(ValueError) as told:
        study(pretend, tmp_path, **more)
    assert words in str(told.value) and pretend.asked == []


@pytest.mark.parametrize("more, can", [
    ({"think": True}, ["completion", "thinking"]), ({"think": False}, ["completion"]),
    ({"think": None}, ["completion"]), ({"think": True}, []),
    ({"check": "moo"}, ["completion", "embedding"])])
def test_what_can_work_is_not_stopped(tmp_path, more, can):
    assert study(Pretend(can=can), tmp_path, **more).found.ok


@pytest.mark.parametrize("more, words", [
    ({"think": "hard"}, "no level of thinking 'hard'"), ({"think": 1.5}, "think=1.5"),
    ({"system": 7}, "system=7"),
    ({"system": "x", "messages": [[{"role": "system", "content": "y"}]]}, "leave one of them out"),
    ({"format": {"type": "objectt"}}, "the nearest is object"),
    ({"check": lambda answer, expected: True}, "one argument"),
    ({"messages": 7}, "messages=7"), ({"prompts": "p.json"}, "p.json cannot be read"),
])
def test_what_makes_no_sense_is_refused_at_once(more, words):
    with pytest.raises(ValueError, match=words):
        Comparison(**{"prompts": ["one"], "models": ["m:a"], **more})


def test_a_results_file_of_before_has_its_key_still(tmp_path):
    plan = Comparison([{"prompt": "one", "expected": "x"}], ["m:a"]).plan
    assert json.dumps(plan.as_dict()["prompts"]) == '[{"text": "one", "expected": "x"}]'
    assert plan.as_dict().keys() == {"prompts", "models", "rounds", "options", "think"}
