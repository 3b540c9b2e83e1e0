"""The targets of lessons 05, 11, 15 and 16 under a hand: by slider, menu, button, key, and after a guess."""

import pytest

from quantlab.stage.aims import aim

pytestmark = pytest.mark.browser
SOURCES = ('import quantlab as ql\n\nql.explore_model_map().aim("05-1")',
           'ql.predict("05-4").then(ql.explore_sensitivity).aim("05-3")',
           'ql.explore_bit_budget(budget="Q4_K_M").aim("16-1")',
           'ql.explore_block(qtype="Q4_K").aim("15-1")', 'ql.explore_scale_search().aim("11-1")')


def target(lesson, number: str):
    return lesson.page.locator(".ql-explorer .ql-aim", has_text=aim(number).task).last


def explorer(lesson, number: str):
    return lesson.page.locator(".ql-moving", has_text=aim(number).task).last


def reached(lesson, number: str, seconds: float = 8) -> bool:
    lesson.answered()
    return lesson.wait_until(lambda: "Reached" in target(lesson, number).inner_text(), seconds)


def press_until_reached(lesson, number: str, key: str, most: int) -> None:
    for _ in range(most):
        if "Reached" in target(lesson, number).inner_text():
            break
        lesson.page.keyboard.press(key)
        lesson.answered()
    assert reached(lesson, number)


def test_a_slider_makes_the_file_small_enough(lesson):
    knob = explorer(lesson, "05-1").locator(".ql-c-size .noUi-handle")
    knob.focus()
    press_until_reached(lesson, "05-1", "ArrowLeft", 30)
    lesson.hears(explorer(lesson, "05-1"), aim("05-1").reached)


def test_what_waits_for_the_guess_has_its_target_and_a_key_reaches_it(lesson):
    assert target(lesson, "05-3").count() == 0
    lesson.page.locator(".ql-choice .ql-option").first.click()
    assert lesson.wait_until(lambda: target(lesson, "05-3").count() == 1)
    harm = explorer(lesson, "05-3")
    harm.locator(".ql-c-per select").select_option(label="per byte saved")
    lesson.answered()
    harm.locator(".ql-view").focus()
    lesson.page.keyboard.press("End")
    assert reached(lesson, "05-3")
    lesson.hears(harm, aim("05-3").reached)


def test_bytes_spent_by_sliders_are_measured_before_the_target_is_met(lesson):
    budget = explorer(lesson, "16-1")
    for role in ("token_embd", "attn_v", "attn_output"):
        budget.locator(f".ql-c-{role} .noUi-handle").focus()
        lesson.page.keyboard.press("ArrowRight")
        lesson.answered()
    assert reached(lesson, "16-1", 60)


def test_one_flipped_bit_moves_all_weights(lesson):
    block = explorer(lesson, "15-1")
    block.locator(".ql-c-byte .noUi-handle").focus()
    lesson.page.keyboard.press("Home")
    for _ in range(2):
        lesson.page.keyboard.press("ArrowRight")
        lesson.answered()
    block.locator("button:has-text('Flip this bit')").click()
    assert reached(lesson, "15-1")


def test_a_dragged_group_and_another_type(lesson):
    search = explorer(lesson, "11-1")
    search.locator(".ql-c-qtype select").select_option(label="Q6_K")
    lesson.answered()
    knob = search.locator(".ql-c-group .noUi-handle")
    knob.focus()
    lesson.page.keyboard.press("Home")
    press_until_reached(lesson, "11-1", "ArrowRight", 200)


def test_nothing_went_wrong_and_nothing_is_cut(lesson):
    assert lesson.faults == [] and lesson.cell_errors() == []
    assert (lesson.cut_words(), lesson.unnamed_handles(), lesson.shared_ids()) == ([], [], [])
