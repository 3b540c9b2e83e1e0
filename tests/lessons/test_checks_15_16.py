"""The exercises of lessons 15 and 16, and every exercise by its number."""

from dataclasses import replace

import pytest

import quantlab as ql
from quantlab.formats.anatomy import anatomy, numbers
from quantlab.lessons.checks_recipes import DECODING_MISTAKES, RULE_MISTAKES
from quantlab.lessons.exercises import EXERCISES


def weight(d, dmin, scale, minimum, code):
    return d * scale * code - dmin * minimum


def more_bits(i, n):
    return i < n // 8 or i >= 7 * n // 8 or (i - n // 8) % 3 == 2


def test_the_solution_is_what_the_package_decodes():
    assert ql.check("15-1", weight).voice == "correct"
    raw = ql.quantize(ql.sample_weights().reshape(-1, 256)[3], "Q4_K").tobytes()
    known = numbers(anatomy("Q4_K"), raw, 70)
    found = weight(*(known[name] for name in ("d", "dmin", "sc", "m", "q")))
    assert found == pytest.approx(anatomy("Q4_K").decode(raw)[70], rel=1e-6)


@pytest.mark.parametrize("n_layer", [32, 30, 28, 5])
def test_the_solution_is_what_the_recipe_raises(n_layer):
    assert ql.check("16-1", more_bits).voice == "correct"
    assert ql.check("16-1", lambda i, n: int(more_bits(i, n))).voice == "correct"
    rows = ql.tensor_list(replace(ql.MODELS["llama3.1:8b"], n_layer=n_layer), "Q4_K_M")
    raised = rows[(rows.role == "ffn_down") & (rows.type == "Q6_K")].layer
    assert raised.tolist() == [i for i in range(n_layer) if more_bits(i, n_layer)]


@pytest.mark.parametrize(("number", "mistakes"), [("15-1", DECODING_MISTAKES), ("16-1", RULE_MISTAKES)])
def test_each_mistake_is_told_from_the_others(number, mistakes):
    assert len(mistakes) >= 10
    for why, wrong in mistakes.items():
        feedback = ql.check(number, wrong)
        assert feedback.voice == "almost" and feedback.message.endswith(why), feedback


@pytest.mark.parametrize("number", ["15-1", "16-1"])
@pytest.mark.parametrize(("wrong", "voice"), [(..., "not started"), (4, "wrong kind"), ("text", "wrong kind"),
                                              (lambda x: x, "not yet"), (lambda *_: None, "not yet"),
                                              (lambda *_: "yes", "not yet"), (lambda *_: 1 / 0, "not yet"),
                                              (lambda *_: ..., "not started")])
def test_what_is_no_answer(number, wrong, voice):
    assert ql.check(number, wrong).voice == voice


def test_true_and_false_are_written_so():
    assert "False came back, True was expected" in ql.check("16-1", lambda i, n: False).message


@pytest.mark.parametrize("number", EXERCISES)
def test_every_exercise_by_its_number(number):
    assert ql.check(number, ...).voice == "not started"


def test_an_unknown_number_and_the_names_of_earlier_days():
    with pytest.raises(ValueError, match=r"05-7.*05-1"):
        ql.check("05-7", 1)
    assert ql.check_q6_k_bits(6.5625) == ql.check("05-1", 6.5625)
    assert ql.check_best_scale(0.0968) == ql.check("11-1", 0.0968)
    assert len(ql.seed_scores()) == 5
