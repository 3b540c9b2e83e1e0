"""`make app` in the real browser: exhibits without code, exercises in fields, no request elsewhere, alive
where the machine is busy, and readable in light and dark.
"""

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.browser.lab import ROOT, free_port, stop_family
from tests.browser.test_keyboard_in_browser import serious

pytestmark = pytest.mark.browser
BUSY = Path(__file__).with_name("slow_answers.js")
LIVING = "document.querySelectorAll('.ql-explorer:not(.jupyter-widgets-disconnected) .ql-live').length"
STILLS = "[...document.querySelectorAll('.ql-still')].filter(still => still.offsetParent).length"
LOOK = """() => { const of = (e, what) => getComputedStyle(e)[what];
    return [of(document.body, 'backgroundColor'), of(document.querySelector('h1'), 'color'),
            of(document.documentElement, 'colorScheme'), document.body.dataset.jpThemeLight]; }"""
LIGHT, DARK = (["rgb(255, 255, 255)", "rgba(0, 0, 0, 0.87)", "light", "true"],
               ["rgb(17, 17, 17)", "rgb(255, 255, 255)", "dark", "false"])


def at_fault(message) -> bool:
    """Whether a message of the console is a fault: a model that is found at the second look is none."""
    return message.type == "error" and "widget model not found" not in message.text


@pytest.fixture(scope="module")
def address():
    port = free_port()
    command = [sys.executable, "-m", "quantlab", "app", "--no-browser", f"--port={port}",
               "--Voila.ip=127.0.0.1"]
    served = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env={**os.environ, "QUANTLAB_PROFILE": "reference"}, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    for _ in range(150):
        try:
            urllib.request.urlopen(url)
            break
        except OSError:
            time.sleep(0.2)
    yield url
    stop_family(served)


def test_a_lesson_without_code(address, chromium):
    page, faults = chromium.new_page(viewport={"width": 1200, "height": 900}), []
    page.on("request", lambda one: faults.append(one.url) if "//127.0.0.1" not in one.url[:20]
            and not one.url.startswith(("data:", "blob:")) else None)
    page.on("console", lambda message: faults.append(message.text) if at_fault(message) else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(f"{address}/voila/render/00_start_here.ipynb")
    knob = page.locator(".ql-explorer .noUi-handle").first
    knob.wait_for(timeout=60_000)
    assert "import quantlab" not in page.inner_text("body")
    drawing = page.locator(".ql-view svg").first
    before = drawing.get_attribute("aria-label")
    knob.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("([sel, old]) => document.querySelector(sel).getAttribute('aria-label') !== old",
                           arg=[".ql-view svg", before])
    field = page.locator(".ql-c-answer input").first
    field.fill("(16 * 4 + 16) / 16")
    field.press("Enter")
    page.locator("text=Correct.").first.wait_for()
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_selector(f"body[data-jp-theme-light={'true' if scheme == 'light' else 'false'}]")
        assert serious(page) == [], scheme
    page.get_by_role("link", name="What is quantization?").first.click()
    page.wait_for_url("**/01_what_is_quantization.ipynb")
    page.locator(".ql-explorer .noUi-handle").first.wait_for(timeout=60_000)
    assert faults == []
    page.close()


@pytest.fixture(scope="module")
def playground(address, chromium):
    """All exhibits on one page, opened as on a busy machine, in a dark system; its faults; what it sent."""
    page, faults, told = chromium.new_page(color_scheme="dark"), [], []
    page.set_default_timeout(180_000)
    page.add_init_script(path=BUSY)
    page.on("console", lambda message: faults.append(message.text) if at_fault(message) else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: told.append(frame)))
    page.goto(f"{address}/voila/render/playground.ipynb")
    page.wait_for_selector(".ql-explorer .ql-live", state="attached")
    page.wait_for_timeout(3000)
    yield page, faults, told
    page.close()


def test_every_exhibit_lives_on_a_busy_machine(playground):
    page, faults, told = playground
    calls = (ROOT / "notebooks/playground.ipynb").read_text(encoding="utf-8").count("ql.explore_")
    assert page.evaluate(LIVING) == calls >= 30
    assert page.evaluate(STILLS) == 0 and faults == []
    assert len(told) < 20, "the widgets were asked for one by one"


def test_what_was_not_found_is_looked_for_again(playground):
    page = playground[0]
    lost = page.locator(".jp-OutputArea-output:has(> .ql-explorer)").last
    lost.evaluate("output => { output.textContent = 'Error displaying widget: model not found'; }")
    before = page.evaluate(LIVING)
    page.wait_for_function(f"{LIVING} > {before}")
    page.locator(".ql-explorer .noUi-handle").last.wait_for()


def test_the_page_is_as_dark_as_the_system(playground):
    page = playground[0]
    assert page.evaluate(LOOK) == DARK
    assert serious(page) == []
    page.emulate_media(color_scheme="light")
    page.wait_for_selector("body[data-jp-theme-light=true]")
    assert page.evaluate(LOOK) == LIGHT
    assert serious(page) == []
