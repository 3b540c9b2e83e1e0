"""Guesses, quizzes, targets and links of a page, in a real browser: answered, kept, forgotten, shared."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe

import quantlab as ql
from quantlab.lessons.predictions import prediction
from quantlab.stage.aims import aim
from quantlab.stage.question import LETTERS
from tools.site.asked import guess, quiz
from tools.site.build import written
from tools.site.lessons import moving, named

pytestmark = pytest.mark.browser
KEPT = "JSON.parse(localStorage.getItem('quantlab.{}'))"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("asked")
    moves = moving("explore_llama", "ql.explore_llama()", ("00-1", "00-2"))
    body = (f"<h1>Asked</h1>{guess('00-1')}<details class='ql-then'><summary>Show me</summary>"
            f"{moving('explore_types', 'ql.explore_types()')}</details>{moves}{moves}{quiz('00')}")
    written(folder, {"page": ("Asked", named(body))}, python=False)
    return folder


@pytest.fixture
def opened(site, browser):
    contexts = []

    def open_page(at: str = "", width: int = 1000, **how):
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, **how))
        page = contexts[-1].new_page()
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(f"{site.as_uri()}/page.html{at}")
        page.wait_for_selector(".ql-option:not([disabled])")
        return page

    yield open_page
    for context in contexts:
        context.close()


def test_a_guess_is_explained_kept_and_opens_what_waited(opened):
    page, there, notebook = opened(), prediction("00-1"), ql.predict("00-1")
    wrong = (there.right + 1) % len(there.options)
    box = page.locator("[data-number='00-1'].ql-ask")
    assert not page.locator("#explore_types").is_visible()
    for i in (wrong, there.right):                      # later clicks may look at the other explanations
        box.locator(".ql-option").nth(i).click()
        notebook.choose(i)
        assert box.locator(".ql-said").inner_text() == notebook.finding
    assert page.locator("#explore_types").is_visible()
    page.reload()
    assert page.evaluate(KEPT.format("guesses")) == {"00-1": [wrong, False]}
    pressed = box.locator("[aria-pressed=true]").inner_text()
    assert pressed == f"{LETTERS[wrong]} · {there.options[wrong][0]}"
    assert "1 of 1 answered, 0 right" in page.locator(".ql-ledger").inner_text()
    page.get_by_role("button", name="Forget my answers").click()
    page.wait_for_function("document.querySelector('.ql-ledger').textContent.includes('0 of 1 answered')")
    assert page.evaluate("localStorage.length") == 0 and page.errors == []


def test_a_quiz_counts_the_first_attempts(opened):
    page, notebook = opened(), ql.quiz("00")
    for number, (asked, question) in enumerate(zip(notebook.asked, notebook.questions, strict=True), 1):
        first = question.right if number > 1 else (question.right + 1) % len(question.options)
        for i in (first, question.right):
            page.locator(f"[data-number='quiz-00-{number}'] .ql-option").nth(i).click()
            asked.choose(i)
    score = page.locator(".ql-score").inner_text()
    assert score == "Score. 2 of 3 right at the first attempt; 0 still open."
    assert score.removeprefix("Score. ") in notebook.line.value


def test_targets_turn_green_by_any_way_and_stay(opened):
    page, stage = opened("#explore_llama"), ql.explore_llama()
    figure = page.locator("#explore_llama")
    page.wait_for_selector("#explore_llama.ql-awake")
    assert figure.locator(".ql-met").count() == 0
    figure.locator("select").select_option("one for every 32 pixels")
    figure.locator("input").nth(1).focus()
    page.keyboard.press("End")
    stage.set(**aim("00-1").solution)
    assert figure.get_attribute("data-finding") == stage.finding
    assert aim("00-1").reached in figure.locator(".ql-met").inner_text()
    page.wait_for_function(
        "document.querySelector('#explore_llama .ql-live').textContent.includes('Target reached')")
    page.reload()
    assert figure.locator(".ql-met").count() == 1 and page.errors == []
    assert page.evaluate(KEPT.format("targets")) == {"00-1": True}


#: All that is said from now on, in `heard`.
HEARD = """() => {
    const live = document.querySelector('#explore_llama .ql-live');
    window.heard = [];
    new MutationObserver(() => heard.push(live.textContent)).observe(live, {childList: true});
}"""


def test_a_target_is_said_even_when_the_hand_goes_on_at_once(opened):
    page = opened("#explore_llama")
    page.wait_for_selector("#explore_llama.ql-awake")
    page.locator("#explore_llama select").select_option("one for every 32 pixels")
    page.evaluate(HEARD)
    page.locator("#explore_llama input").nth(1).focus()
    for key in ("End", "ArrowLeft"):
        page.keyboard.press(key)
    page.wait_for_function("heard.some((words) => words.includes('Target reached'))")


def test_a_link_carries_an_exhibit_and_its_handles(opened):
    page, stage = opened("#explore_llama-2?bits=2&scale=one+for+every+32+pixels"), ql.explore_llama()
    stage.set(bits=2, scale="one for every 32 pixels")
    second = page.locator("#explore_llama-2")
    page.wait_for_function("words => document.querySelector('#explore_llama-2').dataset.finding === words",
                           arg=stage.finding)
    assert page.locator("#explore_llama").get_attribute("data-finding") != stage.finding
    box = second.bounding_box()
    assert 0 <= box["y"] + box["height"] / 2 <= 900, "it is in the window"
    second.locator("input").first.focus()
    page.keyboard.press("ArrowRight")
    second.get_by_role("button", name="Link to this picture").click()
    assert json.loads(page.evaluate("JSON.stringify(location.hash)")) == (
        "#explore_llama-2?bits=3&scale=one+for+every+32+pixels")
    second.get_by_role("button", name="Reset").click()
    second.get_by_role("button", name="Link to this picture").click()
    assert page.evaluate("location.hash") == "#explore_llama-2"
    page.evaluate("location.hash = '#explore_llama?bits=77&hot=10'")
    page.wait_for_function("document.querySelector('#explore_llama .ql-status').textContent")
    assert "bits=77" in page.locator("#explore_llama .ql-status").inner_text() and page.errors == []


def test_what_waits_for_a_guess_is_opened_by_a_link(opened):
    page = opened("#explore_types?ftype=Q4_0")
    page.wait_for_function("document.querySelector('#explore_types').dataset.finding?.includes('Q4_0')")
    assert page.locator("#explore_types").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_answer(opened, scheme):
    page = opened(width=390, color_scheme=scheme)
    for i in range(2):
        page.locator(".ql-ask").nth(i).locator(".ql-option").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    found = Axe().run(page).response
    assert any(rule["id"] == "color-contrast" for rule in found["passes"])
    assert [(rule["id"], [node["target"] for node in rule["nodes"]][:3]) for rule in found["violations"]
            if rule["impact"] in ("serious", "critical")] == []
