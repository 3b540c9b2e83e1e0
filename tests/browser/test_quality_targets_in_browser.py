"""The targets of lessons 07, 09, 10 and 17 under a hand: by slider, menu, typing and key; and answers beside
each other on a narrow page.
"""

import pytest

from quantlab.stage.aims import aim

pytestmark = pytest.mark.browser
SOURCES = ('import quantlab as ql\n\n'
           'ql.explore_comparison(ql.RecordedComparison("smollm2")).aim("07-1", "07-2")',
           'ql.explore_custom_model().aim("09-1")', 'ql.explore_quantize().aim("09-2")',
           'ql.explore_llama().aim("10-1")', 'ql.explore_choice().aim("10-2")',
           'ql.explore_next_token(qtype="Q3_K").aim("17-1", "17-2")', "ql.explore_votes()")


def target(lesson, number: str):
    return lesson.page.locator(".ql-explorer .ql-aim", has_text=aim(number).task.split(",")[0]).last


def explorer(lesson, number: str):
    return lesson.page.locator(".ql-explorer", has_text=aim(number).task.split(",")[0]).last


def reached(lesson, number: str, seconds: float = 8) -> bool:
    lesson.answered()
    return lesson.wait_until(lambda: "Reached" in target(lesson, number).inner_text(), seconds)


def turn(lesson, number: str, handle: str, *keys: str) -> None:
    explorer(lesson, number).locator(f".ql-c-{handle} .noUi-handle").focus()
    for key in keys:
        lesson.page.keyboard.press(key)
        lesson.answered()


def test_a_margin_to_the_right_and_one_to_the_left(lesson):
    turn(lesson, "07-1", "margin", "ArrowRight")
    assert reached(lesson, "07-1")
    lesson.hears(explorer(lesson, "07-1"), aim("07-1").reached)
    turn(lesson, "07-2", "margin", "ArrowLeft", "ArrowLeft")
    assert reached(lesson, "07-2")


def test_a_modelfile_is_read_as_it_is_typed(lesson):
    field = explorer(lesson, "09-1").get_by_label("Modelfile")
    field.fill("FROM smollm2:135m-instruct-q8_0\nPARAMETER temprature 0")
    assert lesson.wait_until(lambda: "nearest is temperature" in explorer(lesson, "09-1").inner_text())
    field.fill("FROM smollm2:135m-instruct-q8_0\nPARAMETER temperature 0\nPARAMETER num_predict 30")
    assert reached(lesson, "09-1")


def test_a_file_is_planned_before_it_is_written(lesson):
    made = explorer(lesson, "09-2")
    made.locator(".ql-c-source input").fill("tiny")
    made.locator(".ql-c-source input").press("Enter")
    lesson.answered()
    made.locator(".ql-c-ftype select").select_option(label="Q3_K_S")
    assert reached(lesson, "09-2") and "3.65 bits a weight" in made.inner_text()


def test_the_last_lessons_two_tasks(lesson):
    explorer(lesson, "10-1").locator("button:has-text('Blocks save it')").click()
    lesson.answered()
    turn(lesson, "10-1", "bits", "ArrowLeft")
    assert reached(lesson, "10-1")
    turn(lesson, "10-2", "n_ctx", "ArrowRight", "ArrowRight")
    explorer(lesson, "10-2").locator(".ql-c-model select").select_option(label="lfm2:8b")
    assert reached(lesson, "10-2")


def test_a_token_that_moved_and_a_text_of_ones_own(lesson):
    explorer(lesson, "17-1").locator("button:has-text('2 bits')").click()
    lesson.answered()
    turn(lesson, "17-1", "place", "Home", "ArrowRight", "ArrowRight", "ArrowRight")
    assert reached(lesson, "17-1")
    explorer(lesson, "17-2").locator("button:has-text('4 bits')").click()
    lesson.answered()
    explorer(lesson, "17-2").locator(".ql-c-prompt input").fill("A quantized model")
    assert reached(lesson, "17-2")


def test_nothing_went_wrong_and_nothing_is_cut(lesson):
    assert lesson.faults == [] and lesson.cell_errors() == []
    assert (lesson.cut_words(), lesson.unnamed_handles(), lesson.shared_ids()) == ([], [], [])


def test_answers_stay_on_a_narrow_page(lesson):
    lesson.page.set_viewport_size({"width": 390, "height": 900})
    lesson.page.wait_for_timeout(400)
    wide = lesson.page.evaluate("""() => [...document.querySelectorAll('.ql-said')].filter(one =>
        one.getBoundingClientRect().right > one.closest('.ql-explorer').getBoundingClientRect().right + 1)
        .map(one => one.innerText.slice(0, 40))""")
    assert wide == []
