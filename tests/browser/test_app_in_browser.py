"""`make app` in the real browser: exhibits without code, exercises in fields, no request elsewhere."""

import os
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.browser.lab import ROOT, free_port, stop_family

pytestmark = pytest.mark.browser


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
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
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
    page.get_by_role("link", name="What is quantization?").first.click()
    page.wait_for_url("**/01_what_is_quantization.ipynb")
    page.locator(".ql-explorer .noUi-handle").first.wait_for(timeout=60_000)
    assert faults == []
    page.close()
