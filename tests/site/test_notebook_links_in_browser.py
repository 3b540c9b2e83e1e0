"""An address that a notebook copies opens the same picture on the site: its message, spelled by the script
that notebook and pages share, in a real browser.
"""

import random

import pytest

import quantlab as ql
from quantlab.stage import on_site
from tools.site.build import ROOT, landing, written
from tools.site.lessons import body

from .conftest import serving

pytestmark = pytest.mark.browser
LESSONS = ("02_blocks_and_outliers", "03_gguf_and_tags", "13_kv_cache_and_context")
SPELL = "({page, id, moved}) => picture_address.spell(page, id, moved)"
#: As a learner makes them, often otherwise than the page does.
MADE = ("ql.explore_llama()", "ql.explore_outlier()", "ql.explore_block(qtype='Q6_K')",
        "ql.explore_tag('qwen3:8b-q4_K_M')", "ql.explore_kv_cache('qwen3:14b', 'gpt-oss:20b', vram_gb=12)")


@pytest.fixture(scope="module")
def address(tmp_path_factory, pyodide_here):
    folder = tmp_path_factory.mktemp("linked")
    pages = {name: (name, body(ROOT / "notebooks" / f"{name}.ipynb")) for name in LESSONS}
    written(folder, {"index": ("Start", landing([]))} | pages)
    with serving(folder) as one:
        yield one


@pytest.fixture(scope="module")
def page(browser, address):
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    page = context.new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(f"{address}/index.html")
    yield page
    context.close()


@pytest.mark.parametrize("call", MADE)
def test_it_opens_the_same_picture(page, address, call, monkeypatch):
    monkeypatch.setenv("QUANTLAB_SITE", address)
    stage, rng = eval(call, {"ql": ql}), random.Random(call)
    main = on_site.MAIN.get(stage.maker.__name__)
    for handle in stage.exhibit.handles:
        stops = on_site.page_stops(stage, handle, main and main.get(handle.name, ()))
        if stops:
            stage.controls[handle.name].value = rng.choice(stops)[1]
    told = on_site.link(stage)
    assert told["moved"]
    copied = page.evaluate(SPELL, told)
    page.goto("about:blank")                    # another fragment alone would not load the page again
    page.goto(copied)
    page.wait_for_function("([id, words]) => document.getElementById(id).dataset.finding === words",
                           arg=[told["id"], stage.finding], timeout=90_000)
    figure = page.locator(f"#{told['id']}")
    assert figure.locator("svg").get_attribute("aria-label") == stage.finding
    if "ql-awake" in (figure.get_attribute("class") or ""):
        figure.get_by_role("button", name="Link to this picture").click()
        assert page.evaluate("location.href") == copied, "and the page spells it in the same way"
    assert page.errors == []


def test_a_handle_that_the_page_does_not_have_is_said(page, address):
    page.goto("about:blank")
    page.goto(f"{address}/index.html#explore_llama?bits=2&colour=red")
    page.wait_for_function("document.querySelector('#explore_llama .ql-status').textContent")
    assert page.locator("#explore_llama .ql-status").inner_text() == (
        "This address asks for colour, which this picture does not have.")
    assert page.locator("#explore_llama input").first.get_attribute("aria-valuetext") == "2"
