"""Each number and each flag from answers as Ollama sends them."""

import pytest

from quantlab.lab import measure
from quantlab.lab.measure import is_loop, measured, prompt_rate, row_of

ANSWER = {"response": "Leonardo da Vinci.", "thinking": "", "done": True, "done_reason": "stop",
          "eval_count": 10, "eval_duration": 2 * 10**9, "prompt_eval_count": 200,
          "prompt_eval_duration": 10**9, "load_duration": 5 * 10**8, "total_duration": 45 * 10**8,
          "first_seconds": 2.7, "wall_seconds": 4.51}


def test_each_part_of_the_time_is_apart_and_waiting_is_not_counted():
    row = measured(ANSWER, {}, 0)
    assert row["tokens_per_second"] == 5 and row["load_seconds"] == 0.5
    assert row["waited_seconds"] == pytest.approx(1.0)                      # 4.5 - 0.5 - 1 - 2
    assert row["first_seconds"] == pytest.approx(1.2) and row["wall_seconds"] == pytest.approx(3.51)
    assert row["overhead_seconds"] == pytest.approx(0.01)
    assert (row["eval_count"], row["prompt_eval_count"], row["flags"]) == (10, 200, [])


def test_a_prompt_rate_is_given_only_where_the_cache_cannot_have_helped():
    assert prompt_rate(ANSWER, 20) == (180, "")
    for cached, words in ((21, "up to 21 of its 200"), (900, "up to 200 of its 200"), (None, "unknown")):
        rate, why = prompt_rate(ANSWER, cached)
        assert rate is None and why.startswith("n/a") and words in why
    assert prompt_rate({"response": ""}, 0) == (None, "n/a: the server gave no counters")


def test_counters_that_are_missing_are_none_not_zero():
    row = measured({"response": "moo", "wall_seconds": 1.0}, {}, None)
    assert row["tokens_per_second"] is None and row["first_seconds"] is None and row[
        "overhead_seconds"] is None


@pytest.mark.parametrize("change, memory, flag", [
    ({"done_reason": "length"}, {}, measure.CUT),
    ({"done_reason": "length"}, {"context_length": 210}, measure.TRUNCATED),
    ({"response": " \n"}, {}, measure.EMPTY),
    ({"response": "", "thinking": "hm"}, {}, measure.THOUGHT),
    ({"response": "a cow says moo " * 9}, {}, measure.LOOP),
    ({"response": "moo " * 31, "done": False}, {}, measure.LOOP),
    ({"done": False}, {}, measure.NO_END),
    ({}, {"size": 10, "size_vram": 5}, measure.SPLIT),
    ({}, {"others": ["x"]}, measure.NOT_ALONE),
    ({}, {"asked_context": 2048, "context_length": 512}, "context 512 instead of 2048"),
])
def test_each_flag(change, memory, flag):
    assert measured({**ANSWER, **change}, memory, 0)["flags"] == [flag]


def test_a_whole_model_on_one_side_is_not_split():
    for on_the_card in (0, 10):
        assert measured(ANSWER, {"size": 10, "size_vram": on_the_card}, 0)["flags"] == []


@pytest.mark.parametrize("text", ["", "moo moo moo", "a | b\n" + "-" * 200, ", ".join(map(str, range(40))),
                                  "The cat sat. The dog sat. The cow sat. The cat ran. The dog ran. The cow "
                                  "ran."])
def test_texts_that_only_look_like_loops(text):
    assert not is_loop(text)


@pytest.mark.parametrize("unit", ["na", "word ", "the same sentence once more. ", "x" * 190 + "y "])
def test_loops_of_any_unit(unit):
    assert is_loop("It began well, " + unit * 40)


@pytest.mark.parametrize("said, flags", [
    ("the input length exceeds the context length", [measure.TRUNCATED]),
    ("prediction aborted, token repeat limit reached", [measure.LOOP]), ("the runner died", [])])
def test_an_answer_that_the_server_refuses_for_its_length_or_its_loop_is_flagged(said, flags):
    record = {"key": "k", "round": 0, "model": 0, "prompt": 0, "at": "", "since_start": 0.0,
              "error_kind": "refused", "error": f"Ollama says: {said}"}
    assert row_of(record)["flags"] == flags and row_of(record)["text"] == ""
