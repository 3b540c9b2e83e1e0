"""The pages in a real browser, opened from a folder: they move, speak, ask nobody, and fit everybody."""

import random

import pytest
from axe_playwright_python.sync_playwright import Axe

import quantlab as ql
from tests.thinned import WHOLE, some
from tools.site.build import ROOT, build
from tools.site.frames import walked

pytestmark = pytest.mark.browser
#: Page -> the exhibit that is moved there.
MOVED = {"index": "explore_llama", "01_what_is_quantization": "explore_bits",
         "04_quantization_types": "explore_types", "02_blocks_and_outliers": "explore_outlier"}
#: All pages, of which `make test` looks at some (`make bench-full`: at all of them).
ALL = ["index", *sorted(path.stem for folder, ext in (("notebooks", "ipynb"), ("docs", "md"))
                        for path in (ROOT / folder).glob(f"*.{ext}"))]
PAGES = ALL if WHOLE else [*MOVED, "glossary", "api"]
SCHEMES = ("light", "dark")
SERIOUS = ("serious", "critical")
UNFOLD = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
PUT = """(figure, stops) => {
  [...figure.querySelectorAll("input,select")].forEach((handle, i) => { handle.value = stops[i]; });
  figure.querySelector("input,select").dispatchEvent(new Event("input", {bubbles: true}));
  return [figure.dataset.finding, figure.querySelector("svg").getAttribute("aria-label")];
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    build(folder, only=PAGES, python=False)
    return folder


@pytest.fixture
def opened(site, browser):
    """Opens a page from the folder; `opened.away` are its requests beyond it, `opened.errors` what failed."""
    contexts = []

    def open_page(name: str, width: int = 1000, **how):
        context = browser.new_context(viewport={"width": width, "height": 900}, **how)
        contexts.append(context)
        page = context.new_page()
        page.away, page.errors = [], []
        page.on("request", lambda r: r.url.startswith((site.as_uri(), "data:")) or page.away.append(r.url))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda said: said.type == "error" and page.errors.append(said.text))
        page.goto(f"{site.as_uri()}/{name}.html")
        walked_ones = page.locator(".ql-play:not([data-call]):visible")
        if walked_ones.count():
            walked_ones.first.scroll_into_view_if_needed()
            page.wait_for_selector(".ql-awake")
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize(("name", "exhibit"), MOVED.items())
def test_a_page_says_what_the_notebook_says_at_drawn_states(opened, name, exhibit):
    page, rng = opened(name), random.Random(name)
    stage = getattr(ql, exhibit)()
    axes = walked(exhibit, stage).axes
    count = page.evaluate("document.querySelectorAll('.ql-play').length")
    for number in range(count):
        page.locator(".ql-play").nth(number).scroll_into_view_if_needed()
    figure = page.locator(f".ql-play[aria-label={exhibit.removeprefix('explore_')}]").first
    for _ in some(range(50), 5):
        stops = [rng.randrange(len(axis.values)) for axis in axes]
        for axis, stop in zip(axes, stops, strict=True):
            stage.controls[axis.name].value = axis.values[stop]
        assert figure.evaluate(PUT, stops) == [stage.finding, stage.finding]
    assert (page.away, page.errors) == ([], [])


@pytest.mark.parametrize(("name", "scheme"),
                         [(name, scheme) for i, name in enumerate(PAGES) for scheme in some(SCHEMES, 2, i)])
def test_everybody_can_use_a_page(opened, name, scheme):
    """With all that is folded unfolded, since a reader will open it; and nothing is asked of another host."""
    page = opened(name, color_scheme=scheme)
    page.evaluate(UNFOLD)
    assert (page.away, page.errors) == ([], [])         # axe asks for the style sheet once more, in vain
    found = Axe().run(page).response
    assert any(rule["id"] == "color-contrast" for rule in found["passes"]), "axe has looked at something"
    assert [(rule["id"], [node["target"] for node in rule["nodes"]][:3]) for rule in found["violations"]
            if rule["impact"] in SERIOUS] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_telephone(opened, name):
    page = opened(name, width=390)
    page.evaluate(UNFOLD)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for handles in page.locator(".ql-handles:visible").all():
        assert handles.bounding_box()["width"] <= 390


def test_keys_move_a_slider_and_the_finding_is_spoken(opened):
    page = opened("index")
    first = page.locator(".ql-play").get_attribute("data-finding")
    page.locator("input[type=range]").first.focus()
    page.keyboard.press("ArrowLeft")
    said = page.locator(".ql-play").get_attribute("data-finding")
    assert said != first and said.startswith("3 bits")
    page.wait_for_function(f"document.querySelector('[aria-live=polite]').textContent === {said!r}")
    assert page.locator("input[type=range]").first.get_attribute("aria-valuetext") == "3"


def test_presets_reset_and_the_table(opened):
    page, stage = opened("index"), ql.explore_llama()
    first = stage.finding
    page.get_by_role("button", name="One pixel ruins it").click()
    stage.buttons["One pixel ruins it"].click()
    assert page.locator(".ql-play").get_attribute("data-finding") == stage.finding != first
    page.get_by_role("button", name="As table").click()
    shown = page.locator(".ql-shown table")
    assert [row.split("\t") for row in shown.inner_text().splitlines()] == [*map(list, stage.picture.table)]
    page.get_by_role("button", name="Reset").click()
    assert page.locator(".ql-play").get_attribute("data-finding") == first
    assert page.get_by_role("button", name="As table").get_attribute("aria-expanded") == "true"


def test_without_a_script_the_first_picture_and_its_words_are_there(site, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.as_uri()}/index.html")
    assert page.locator(".ql-play svg").get_attribute("aria-label") == ql.explore_llama().finding
    assert not page.locator(".ql-handles").is_visible()
    context.close()
