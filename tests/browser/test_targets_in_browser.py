"""Targets, guesses and their ledger under a hand: by slider and preset, a target turns green and stays so."""

import pytest

from quantlab.lessons.predictions import prediction
from quantlab.stage.aims import aim

pytestmark = pytest.mark.browser
SOURCES = ('import quantlab as ql\n\nql.explore_llama().aim("00-1", "00-2")',
           'ql.explore_bits().aim("01-3")',
           'ql.predict("00-1").then(ql.plot_lineup, reveal=True)', 'ql.quiz("00")')


def shown(lesson, number: str):
    return lesson.page.locator(".ql-explorer .ql-aim", has_text=aim(number).task)


def press_end(lesson, explorer, handle: int) -> None:
    explorer.locator(".noUi-handle").nth(handle).focus()
    lesson.page.keyboard.press("End")
    lesson.answered()


def test_a_preset_and_a_slider_reach_a_target(lesson):
    llama = lesson.explorers()[0]
    assert lesson.page.locator(".ql-explorer .ql-aim.ql-met").count() == 0
    hint = shown(lesson, "00-1").locator("summary")
    hint.focus()
    lesson.page.keyboard.press("Enter")
    assert lesson.wait_until(lambda: aim("00-1").hint in shown(lesson, "00-1").inner_text())
    llama.locator("button:has-text('Blocks save it')").click()
    lesson.answered()                                       # the preset comes before the key
    press_end(lesson, llama, 1)                             # the pixel to 100 times white
    assert lesson.wait_until(lambda: "Reached" in shown(lesson, "00-1").inner_text())
    lesson.hears(llama, aim("00-1").reached)
    assert "Try this" in shown(lesson, "00-2").inner_text()
    llama.locator("button:has-text('One pixel ruins it')").click()
    lesson.answered()
    for handle in (0, 1):                                   # 8 bits, and 100 times white
        press_end(lesson, llama, handle)
    assert lesson.wait_until(lambda: "Reached" in shown(lesson, "00-2").inner_text())
    llama.locator("button:has-text('Reset')").click()
    lesson.answered()
    assert lesson.page.locator(".ql-explorer .ql-aim.ql-met").count() == 2


def test_a_target_is_said_even_when_the_hand_goes_on_at_once(lesson):
    weights = lesson.explorers()[1]
    weights.locator("select").first.select_option(aim("01-3").solution["piece"])
    lesson.answered()
    weights.evaluate("""explorer => {
        const live = explorer.querySelector('.ql-live');
        window.heard = [];
        new MutationObserver(() => heard.push(live.textContent)).observe(live, {childList: true});
    }""")
    weights.locator(".noUi-handle").first.focus()
    for key in ("Home", "ArrowRight"):                      # 2 bits, and on before half a second is over
        lesson.page.keyboard.press(key)
    lesson.page.wait_for_function("words => heard.some((said) => said.includes(words))",
                                  arg=aim("01-3").reached)


def test_what_was_reached_and_guessed_stands_below_the_quiz(lesson):
    quiz = lesson.page.locator(".ql-explorer", has_text="Score.").last
    assert "2 of 2 reached" in quiz.inner_text()
    guess, found = lesson.page.locator(".ql-choice").first, prediction("00-1")
    assert lesson.page.locator("svg[aria-label*='It was D']").count() == 0, "it waits for the guess"
    guess.locator(".ql-option").nth(0).click()
    assert lesson.wait_until(lambda: lesson.page.locator("svg[aria-label*='It was D']").count() == 1)
    true = found.options[found.right][0]
    assert lesson.wait_until(lambda: f"✗ {found.options[0][0]}" in quiz.inner_text())
    assert true in quiz.inner_text()


def test_every_option_of_the_quiz_answers_and_the_first_counts(lesson):
    quiz = lesson.page.locator(".ql-explorer", has_text="Score.").last
    questions = quiz.locator(".ql-choice").all()
    for question in questions:
        said = set()
        for option in question.locator(".ql-option").all():
            option.click()
            lesson.answered()
            said.add(question.locator(".ql-answer").inner_text())
        assert len(said) == question.locator(".ql-option").count()
    assert lesson.wait_until(lambda: "0 still open" in quiz.inner_text())
    assert lesson.faults == []
