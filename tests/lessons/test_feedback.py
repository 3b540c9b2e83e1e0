"""Every voice of a check, including the learner's own mistakes: a check must answer and never raise."""

import numpy as np
import pytest

from quantlab.lessons.feedback import check_choice, check_function, check_number


@pytest.mark.parametrize(("answer", "voice"), [(..., "not started"), (4.5, "correct"), ("4.5", "correct"),
                                               (4.0, "almost"), (7, "not yet"), (2, "not yet"),
                                               ("four", "wrong kind"), (None, "wrong kind"),
                                               ([4.5, 1], "wrong kind"), (float("nan"), "wrong kind"),
                                               (1 + 2j, "wrong kind"), (np.float32(4.5), "correct"),
                                               (np.array([1, 2]), "wrong kind"),])
def test_a_number_gets_the_voice_it_deserves(answer, voice):
    feedback = check_number(answer, 4.5,
                            {4.0: "You counted the codes. What else is in the block?"},
                            unit="bits")
    assert feedback.voice == voice


def test_a_near_miss_gets_its_own_hint_and_a_miss_a_direction():
    assert "codes" in check_number(4.0, 4.5, {4.0: "You counted the codes."}).message
    assert "too small" in check_number(1, 4.5).message
    assert "too large" in check_number(13, 4.5).message


@pytest.mark.parametrize(("answer", "voice"),
                         [(..., "not started"), ("q6_k", "correct"), (" Q6_K ", "correct"),
                          ("Q4_K", "almost"), ("Q5_K", "not yet"), (6, "wrong kind"),])
def test_a_word_gets_the_voice_it_deserves(answer, voice):
    assert check_choice(answer, "Q6_K", hints={"Q4_K": "That is the type of most tensors."}).voice == voice


def _double(x):
    return x * 2


@pytest.mark.parametrize(("function", "voice", "words"),
                         [(..., "not started", "dots"), (3, "wrong kind", "function"),
                          (_double, "correct", "agrees"), (lambda x: x * 3, "not yet", "at [0]"),
                          (lambda x: None, "not yet", "return"), (lambda x: ..., "not started", "dots"),
                          (lambda x: x[:1], "not yet", "shape"),
                          (lambda x: 1 / 0, "not yet", "ZeroDivisionError"),
                          (lambda: 0, "not yet", "TypeError"), (lambda x: "text", "not yet", "numbers"),])
def test_a_function_is_run_and_its_first_fault_is_shown(function, voice, words):
    feedback = check_function(function, _double, [(np.array([1.0, 2.0]),)])
    assert (feedback.voice, words in feedback.message) == (voice, True), feedback


def test_half_a_number_is_not_cut_to_a_whole_one():
    assert check_function(lambda x: x + 0.5, lambda x: x, [(4,)]).voice == "not yet"
    assert check_function(lambda x: float(x), lambda x: x, [(4,)]).voice == "correct"


def test_a_function_cannot_pass_by_changing_its_argument():
    def cheat(x):
        x[:] = 0
        return x

    assert check_function(cheat, _double, [(np.array([1.0]),)]).voice == "not yet"


def test_what_the_learner_wrote_is_escaped():
    assert "<script>" not in check_choice("<script>", "Q4_0")._repr_html_()
