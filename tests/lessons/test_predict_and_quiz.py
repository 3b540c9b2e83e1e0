"""Predictions and quizzes: the first answer counts, every option answers, nothing is shown unescaped."""

from pathlib import Path

import pytest

from quantlab.exhibits.bits import plot_lineup
from quantlab.lessons.last_quiz import final_quiz
from quantlab.lessons.quiz import Question, of_lessons, predict, quiz

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"

COLOURS = Question("Which colour is a scale?",
                   [("blue", "Yes, everywhere."), ("green", "Green is for codes.")], right=0)
BITS = Question("How many bits has Q4_0?",
                [("4", "You forgot the scale."), ("4.5", "16 bits of scale over 32 weights.")], right=1)


def test_a_prediction_shows_guess_truth_and_reason():
    guess = predict("What happens?", ["nothing", "noise"], 1, "Levels are far apart.")
    assert "A) nothing" in guess._repr_mimebundle_()["text/plain"]
    guess.choose(0)
    assert all(words in guess.finding for words in ("nothing", "noise", "Levels are far apart."))
    guess.choose(1)
    assert guess.first == 0


def test_an_answer_outside_the_options_is_refused():
    with pytest.raises(ValueError, match="answer=2"):
        predict("?", ["a", "b"], 2, "")
    with pytest.raises(ValueError, match="right=-1"):
        Question("?", [("a", "")], right=-1)
    with pytest.raises(ValueError, match="got 0"):
        quiz()


def test_the_score_counts_first_answers_only():
    sheet = quiz(COLOURS, BITS)
    sheet.asked[0].choose(1)
    sheet.asked[0].choose(0)
    assert sheet.score == 0
    sheet.asked[1].choose(1)
    assert sheet.score == 1
    assert "1 of 2" in sheet.line.value and "0 still open" in sheet.line.value
    assert sheet.finding.startswith("1 of 2")


def test_every_option_has_its_own_explanation():
    sheet = quiz(COLOURS)
    for i, (_, explanation) in enumerate(COLOURS.options):
        sheet.asked[0].buttons[i].click()
        assert explanation in sheet.asked[0].answer.value


@pytest.mark.parametrize("lesson", sorted(of_lessons()))
def test_each_lesson_ends_with_three_questions_that_explain_every_option(lesson):
    sheet = quiz(lesson)
    assert len(sheet.asked) == 3
    for question in sheet.questions:
        whys = [why for _, why in question.options]
        assert len(set(whys)) == len(whys) == 3 and all(len(why) > 15 for why in whys)
        assert len({text for text, _ in question.options}) == 3
    assert len({question.right for question in sheet.questions}) > 1


def test_all_lessons_but_the_last_have_a_quiz():
    lessons = {file.name[:2] for file in NOTEBOOKS.glob("[0-9]*.ipynb")}
    assert set(of_lessons()) == lessons - {"10"}
    with pytest.raises(ValueError, match="5"):
        quiz("5")


def test_the_ledger_below_a_quiz_grows_with_each_guess(monkeypatch):
    monkeypatch.setenv("QUANTLAB_PROFILE", "reference")
    sheet = quiz("05")
    assert "guess 4 times" in sheet.guesses.value and "<table>" not in sheet.guesses.value
    predict("05-4").choose(0)
    predict("01-2").choose(1)
    assert "1 of the 4" in sheet.guesses.value and "0 right" in sheet.guesses.value
    assert "✗ an attn_v" in sheet.guesses.value and "token_embd" in sheet.guesses.value
    assert "2 of the" in final_quiz().guesses.value and "1 right" in final_quiz().guesses.value


@pytest.mark.parametrize("by_guess", [True, False])
def test_what_waits_for_a_guess_is_not_made_before_it(by_guess):
    made = []

    def exhibit(**settings):
        made.append(settings)
        return plot_lineup(**settings)

    guess = predict("01-1").then(exhibit, reveal=True)
    assert made == [] and "It was" not in guess.still_html() and guess.show_me in guess.children
    if by_guess:
        guess.choose(0)
    else:
        guess.show_me.click()
    assert made == [{"reveal": True}] and guess.shown in guess.children and "It was D" in guess.still_html()
    assert guess.show_me not in guess.children and guess.first == (0 if by_guess else None)
    guess.choose(3)
    assert len(made) == 1


def test_markup_in_a_question_is_shown_not_run():
    guess = predict("<img src=x onerror=alert(1)>", ["<b>a</b>", "b"], 0, "<i>")
    guess.choose(0)
    assert "<img" not in guess.children[0].value and "<i>" not in guess.answer.value
