"""The exercises of lessons 00 and 10: the right answer, each near miss, and nonsense."""

import re

import pytest

from quantlab.lessons.checks import check_bits_per_pixel
from quantlab.lessons.checks_models import check_q5_k_m_bytes
from quantlab.lessons.last_quiz import final_quiz
from quantlab.lessons.quiz import of_lessons
from quantlab.models.recipes import tensor_list


@pytest.mark.parametrize(("answer", "voice"), [(..., "not started"), (5, "correct"), (4, "almost"),
                                               (4.5, "almost"), (4.0625, "almost"), (6, "almost"),
                                               (7, "not yet"),
                                               ("five", "wrong kind"),])
def test_bits_per_pixel(answer, voice):
    assert check_bits_per_pixel(answer).voice == voice


def test_bytes_of_q5_k_m():
    right = int(tensor_list("llama-2-7b", "Q5_K_M").nbytes.sum())
    voices = [check_q5_k_m_bytes(a).voice for a in (..., right, right / 1e9, right / 2**30, right * 8,
                                                    right + 1, None)]
    assert voices == ["not started", "correct", "almost", "almost", "almost", "not yet", "wrong kind"]


def test_the_quiz_can_be_won_and_lost():
    won, lost = final_quiz(), final_quiz()
    for asked, question in zip(won.asked, won.questions, strict=True):
        asked.choose(question.right)
    for asked, question in zip(lost.asked, lost.questions, strict=True):
        asked.choose((question.right + 1) % len(question.options))
    assert (won.score, lost.score) == (len(won.questions), 0)


def test_every_option_of_the_quiz_explains_itself():
    for question in final_quiz().questions:
        texts = [words for words, _ in question.options]
        assert len(set(texts)) == len(texts)
        assert all(len(why) > 20 for _, why in question.options)


def test_the_quiz_asks_once_about_each_lesson():
    """The right answer's explanation names the lesson."""
    told = [question.options[question.right][1] for question in final_quiz().questions]
    named = [found for why in told for found in re.findall(r"\(Lesson (\d\d)\)$", why)]
    assert len(named) == len(told) and set(of_lessons()) <= {*named}


def test_what_the_quiz_says_of_the_rule_of_thumb_is_what_lesson_06_found():
    rule = next(question for question in final_quiz().questions if "rule of thumb" in question.text)
    assert rule.options[rule.right][0].endswith("on average") and "2,048" in rule.options[rule.right][0]
    assert "6 % too low" in rule.options[rule.right][0] and " 73 % too low" in rule.options[rule.right][1]
