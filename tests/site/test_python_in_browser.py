"""Python in a page, in a real browser behind a server of this machine: loaded when touched, byte by byte what
Python draws here, with handles that follow each other as the notebook's do.
"""

import json
import random
import re
from urllib.parse import urlencode

import pytest

import quantlab as ql
from quantlab.stage.aims import aim
from quantlab.words import size
from tests.thinned import some
from tools.site import in_page
from tools.site.alive import shown
from tools.site.build import written
from tools.site.lessons import moving
from tools.site.shipped import FOLDER

from .conftest import serving
from .test_alive import any_stops

pytestmark = pytest.mark.browser
#: Exhibit -> its call on the page, as lessons 03, 06, 13 and 14 have it.
CALLS = {"explore_memory": "ql.explore_memory('llama3.1:8b', 8, n_ctx=32768)",
         "explore_fit": "ql.explore_fit(8, model='llama3.1:8b')",
         "explore_speed": "ql.explore_speed('llama3.1:8b', 'GeForce RTX 4090')",
         "explore_kv_cache": "ql.explore_kv_cache('llama3.1:8b', 'gemma3:4b', n_ctx=131072, vram_gb=24)",
         "explore_tag": "ql.explore_tag()"}
ASK = """([call, owner, states]) => new Promise((done, fail) => {
  const worker = new Worker("python/worker.js", {type: "module"}), told = [];
  worker.onerror = (event) => fail(new Error(event.message));
  worker.onmessage = ({data}) => {
    if (data.error) fail(new Error(data.error));
    told.push(data.told);
    if (told.length === states.length) { worker.terminate(); done(told); }
  };
  states.forEach((stops, number) => worker.postMessage({call, owner, stops, number, opened: []}));
})"""
STATE = """(figure) => [...figure.querySelectorAll(".ql-handles input, .ql-handles select")]
  .map((handle) => handle.type === "text" ? handle.value : Number(handle.value))"""
MOVE = """(figure, [number, stop]) => {
  const handle = figure.querySelectorAll(".ql-handles input, .ql-handles select")[number];
  if (handle.value === String(stop)) return;
  handle.value = stop;
  handle.dispatchEvent(new Event("input", {bubbles: true}));
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory, pyodide_here):
    folder = tmp_path_factory.mktemp("alive")
    html = "".join(moving(name, call, ("06-1",) if name == "explore_memory" else ())
                   for name, call in CALLS.items())
    written(folder, {"page": ("Python", f"<h1>Python</h1>{html}")})
    return folder


@pytest.fixture(scope="module")
def address(site):
    with serving(site) as one:
        yield one


@pytest.fixture
def opened(browser, address):
    """Opens a page at an exhibit; `page.asked` are all requests, `page.errors` what failed."""
    contexts = []

    def open_page(exhibit: str, start: str = address, at: str = ""):
        contexts.append(browser.new_context(viewport={"width": 1000, "height": 900}))
        page = contexts[-1].new_page()
        page.asked, page.errors = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda said: said.type == "error" and page.errors.append(said.text))
        page.goto(f"{start}/page.html{at}")
        page.locator(f"#{exhibit}").scroll_into_view_if_needed()
        page.wait_for_function(f"document.querySelector('#{exhibit} .ql-status').textContent")
        return page

    yield open_page
    for context in contexts:
        context.close()


def settled(page, exhibit: str, finding: str) -> None:
    page.wait_for_function("([id, words]) => document.getElementById(id).dataset.finding === words",
                           arg=[exhibit, finding], timeout=90_000)


@pytest.mark.parametrize("exhibit", CALLS)
def test_the_pages_python_draws_the_bytes_of_this_one(opened, exhibit):
    """At drawn states, fifty in `make bench-full`: picture, finding, table and numbers, in every byte."""
    page, rng = opened(exhibit), random.Random(exhibit)
    call, owner = page.locator(f"#{exhibit}").evaluate("(one) => [one.dataset.call, one.dataset.owner]")
    axes = shown(call, owner).axes
    states = some([any_stops(axes, rng) for _ in range(50)], 10)
    page.set_default_timeout(180_000)
    told = page.evaluate(ASK, [call, owner, states])
    for stops, theirs in zip(states, told, strict=True):
        assert theirs == in_page.drawn(call, owner, stops, []), stops


def test_python_is_loaded_when_it_is_touched_and_its_bytes_are_said_before(opened, site):
    page = opened("explore_memory")
    figure = page.locator("#explore_memory")
    weight = sum(path.stat().st_size for path in (site / FOLDER).iterdir())
    assert size(weight) in figure.locator(".ql-status").inner_text()
    assert not [url for url in page.asked if f"/{FOLDER}/" in url]
    stage = ql.explore_memory("llama3.1:8b", 8, n_ctx=32768)
    figure.locator("input[type=range]").first.focus()
    page.keyboard.press("ArrowLeft")
    stops = [value for _, value in stage.controls["n_ctx"].options]
    stage.set(n_ctx=stops[stops.index(32768) - 1])
    settled(page, "explore_memory", stage.finding)
    assert figure.locator("svg").get_attribute("aria-label") == stage.finding
    assert not figure.locator(".ql-status").is_visible()
    asked = {url.rpartition("/")[2] for url in page.asked if f"/{FOLDER}/" in url}
    assert asked <= {path.name for path in (site / FOLDER).iterdir()}
    assert page.errors == [] and not [url for url in page.asked
                                      if not url.startswith(("http://127.0.0.1:", "blob:http://127.0.0.1:"))]


@pytest.mark.parametrize("exhibit", ["explore_memory", "explore_fit", "explore_kv_cache"])
def test_handles_and_buttons_move_each_other_as_the_notebooks_do(opened, exhibit):
    """Menus, sliders and presets in drawn order: after each, all handles stand where the notebook's stand."""
    page, stage, rng = opened(exhibit), eval(CALLS[exhibit], {"ql": ql}), random.Random(exhibit)
    figure = page.locator(f"#{exhibit}")
    axes = shown(figure.get_attribute("data-call"), "x").axes
    buttons = [*figure.locator("[data-to], [data-reset]").all_inner_texts()]
    with stage.held():                                  # the notebook draws at the end, which is enough
        for _ in range(40):
            if rng.random() < 0.4:
                words = rng.choice(buttons)
                figure.get_by_role("button", name=words, exact=True).click()
                stage.buttons[words].click()
            else:
                number = rng.randrange(len(axes))
                stop = rng.randrange(len(axes[number].values))
                figure.evaluate(MOVE, [number, stop])
                stage.controls[axes[number].name].value = axes[number].values[stop]
            at = zip(axes, figure.evaluate(STATE), strict=True)
            assert {axis.name: axis.values[stop] for axis, stop in at} == stage.values()
    stage.redraw()
    settled(page, exhibit, stage.finding)
    assert page.errors == []


def test_what_takes_long_follows_when_the_hand_has_rested(opened):
    """The first picture of a stop leaves out how types are split; the next one is whole."""
    page, stage = opened("explore_fit"), eval(CALLS["explore_fit"], {"ql": ql})
    figure = page.locator("#explore_fit")
    figure.locator("input[type=range]").first.focus()
    figure.evaluate("""figure => {
      const frame = figure.querySelector(".ql-frame");
      figure.seen = [];
      const look = new MutationObserver(() => figure.seen.push(frame.textContent.includes("…")));
      look.observe(frame, {childList: true});
    }""")
    page.keyboard.press("ArrowLeft")
    stops = [value for _, value in stage.controls["vram"].options]
    stage.set(vram=stops[stops.index(stage.values()["vram"]) - 1])
    page.wait_for_function("document.querySelector('#explore_fit').seen.length > 1", timeout=90_000)
    assert figure.evaluate("figure => figure.seen") == [True, False]
    assert figure.locator(".ql-frame").get_attribute("aria-busy") == "false"
    words = re.findall(r">([^<>]*/33)<", stage.picture.svg)
    assert words and all(word in figure.locator("svg").inner_html() for word in words)


def test_a_text_is_read_at_every_letter_and_panels_open(opened):
    page = opened("explore_tag")
    figure = page.locator("#explore_tag")
    figure.locator("input[type=text]").fill("mistral:7b-instruct-q5_K_S")
    stage = ql.explore_tag("mistral:7b-instruct-q5_K_S")
    settled(page, "explore_tag", stage.finding)
    page = opened("explore_memory")
    figure = page.locator("#explore_memory")
    figure.get_by_role("button", name="As Ollama settings").click()
    figure.locator(".ql-tab").last.click(timeout=90_000)
    assert [one.is_visible() for one in figure.locator(".ql-code").all()] == [False] * 4 + [True]
    assert "--ctx-size 32768" in figure.locator(".ql-code").last.inner_text()


def test_from_a_folder_it_says_that_it_needs_a_server(opened, site):
    page = opened("explore_memory", start=site.as_uri())
    figure = page.locator("#explore_memory")
    assert "python -m http.server" in figure.locator(".ql-status").inner_text()
    assert not figure.locator(".ql-handles").is_visible()
    assert figure.locator("svg").get_attribute("aria-label") == json.loads(in_page.drawn(
        figure.get_attribute("data-call"), "x", in_page.first_stops(
            in_page.made(figure.get_attribute("data-call"))), []))["finding"]
    assert page.errors == []


def test_a_link_opens_one_picture_and_a_target_is_reached(opened):
    """The address that the button leaves opens the same picture, here with a target that is met by it."""
    stage = ql.explore_memory("llama3.1:8b", 8, n_ctx=32768)
    stage.set(**aim("06-1").solution)
    moved = {name: value for name, value in stage.values().items() if value != stage.initial[name]}
    page = opened("explore_memory", at=f"#explore_memory?{urlencode(moved)}")
    settled(page, "explore_memory", stage.finding)
    figure = page.locator("#explore_memory")
    assert figure.locator(".ql-met").inner_text().startswith("✓ Reached:")
    figure.get_by_role("button", name="Link to this picture").click()
    assert page.evaluate("decodeURIComponent(location.hash)") == f"#explore_memory?{urlencode(moved)}"
    assert page.errors == []
