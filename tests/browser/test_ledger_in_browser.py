"""The end of every lesson under a hand: a guess stands in its lesson's ledger and in lesson 10's, beside what
is true; three questions are won at the first attempt, and the last quiz is lost from end to end.
"""

import re

import pytest

from quantlab.lessons.last_quiz import final_quiz
from quantlab.lessons.predictions import prediction
from quantlab.lessons.quiz import of_lessons, quiz
from tests.thinned import some

pytestmark = pytest.mark.browser
LESSONS = some(sorted(of_lessons()), 4)
SOURCES = ("import quantlab as ql", *(f'display(ql.predict("{n}-1"), ql.quiz("{n}"))' for n in LESSONS),
           'display(ql.predict("10-1"), ql.final_quiz())')


def plain(words: str) -> str:
    """Without the marks of code.  Texts are compared by `text_content`: off the screen there is no other."""
    return " ".join(words.replace("`", "").split())


def sheet(lesson, number: str):
    """The quiz of a lesson with its ledger; that of lesson 10 comes last."""
    return lesson.page.locator(".ql-explorer", has_text="Score.").nth([*LESSONS, "10"].index(number))


def says(lesson, box, words: str) -> bool:
    return lesson.wait_until(lambda: plain(words) in plain(box.text_content()))


@pytest.mark.parametrize("number", [*LESSONS, "10"])
def test_a_wrong_guess_stands_beside_what_is_true(lesson, number):
    found, own, last = prediction(f"{number}-1"), sheet(lesson, number), sheet(lesson, "10")
    wrong, words = int(not found.right), plain(found.question)
    assert number == "10" or "Your answers appear here" in own.text_content()
    guess = lesson.page.locator(".ql-choice", has_text=words).first
    guess.locator(".ql-option").nth(wrong).click()
    for ledger in (own, last):
        assert says(lesson, ledger, f"✗ {found.options[wrong][0]}"), ledger.text_content()
        assert says(lesson, ledger, found.options[found.right][0]) and words in plain(ledger.text_content())


@pytest.mark.parametrize("number", LESSONS)
def test_three_right_answers_are_a_score_of_three(lesson, number):
    own = sheet(lesson, number)
    for asked, question in zip(own.locator(".ql-choice").all(), quiz(number).questions, strict=True):
        asked.locator(".ql-option").nth(question.right).click()
        assert says(lesson, asked.locator(".ql-answer"), question.options[question.right][1])
    assert says(lesson, own, "3 of 3 right at the first attempt; 0 still open")
    assert re.search(r"Your targets\. 0 of \d reached", own.text_content())


def test_the_last_quiz_says_in_every_right_answer_where_it_is_explained(lesson):
    last, questions = sheet(lesson, "10"), final_quiz().questions
    for asked, question in zip(last.locator(".ql-choice").all(), questions, strict=True):
        for option in (int(not question.right), question.right):            # the first answer counts
            asked.locator(".ql-option").nth(option).click()
            assert says(lesson, asked.locator(".ql-answer"), question.options[option][1])
        assert re.search(r"\(Lesson \d\d\)", asked.locator(".ql-answer").text_content())
    assert says(lesson, last, f"0 of {len(questions)} right at the first attempt; 0 still open")
    assert "Your guesses." in last.text_content() and "Your targets." in last.text_content()
    assert lesson.faults == [] and lesson.cell_errors() == []
