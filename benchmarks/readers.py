"""Five readers at a time on `make app`: how long a move takes until its picture stands, and their memory.

Each reader has a page of its own in one Chromium and presses an arrow key in an exhibit, all five in turn, as
often as `MOVES`; the time is from the key to the new picture in the page.
"""

import os
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil

from tests.browser.lab import free_port, stop_family
from tests.browser.window import open_browser

ROOT = Path(__file__).resolve().parents[1]
READERS, MOVES = 5, 12
PAGES = ("06_will_it_fit", "playground")
MOVED = """([explorer, before, start]) => new Promise(done => {
  const look = () => explorer.querySelector('.ql-view').innerHTML !== before
    || performance.now() - start > 8000 ? done(performance.now() - start) : requestAnimationFrame(look);
  look(); })"""


def main() -> dict:
    """Page -> what its readers waited for, and what their kernels took."""
    return {page: _of(page) for page in PAGES}


def _of(name: str) -> dict:
    port = free_port()
    served = subprocess.Popen([sys.executable, "-m", "quantlab", "app", "--no-browser", f"--port={port}",
                               "--Voila.ip=127.0.0.1"], cwd=ROOT, env={**os.environ}, start_new_session=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(f"http://127.0.0.1:{port}")
        with open_browser() as browser:
            return _read(browser, f"http://127.0.0.1:{port}/voila/render/{name}.ipynb", served.pid)
    finally:
        stop_family(served)


def _wait(url: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(url)
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"nobody answers at {url}")


def _read(browser, url: str, server: int) -> dict:
    pages, opened = [browser.new_page() for _ in range(READERS)], []
    for page in pages:
        page.set_default_timeout(240_000)
        start = time.monotonic()
        page.goto(url, wait_until="commit")
        page.locator(".ql-moving .noUi-handle").first.wait_for()
        opened.append(time.monotonic() - start)
    moves = []
    for step in range(MOVES):
        for page in pages:
            explorer = page.locator(".ql-moving:has(.noUi-handle)").first
            knob = explorer.locator(".noUi-handle").first
            knob.focus()
            before = explorer.locator(".ql-view").inner_html()
            start = page.evaluate("performance.now()")
            page.keyboard.press("ArrowLeft" if step % 2 else "ArrowRight")
            moves.append(page.evaluate(MOVED, [explorer.element_handle(), before, start]))
    kernels = [one.memory_info().rss / 2**20 for one in psutil.Process(server).children(recursive=True)
               if "ipykernel" in " ".join(one.cmdline())]
    moves.sort()
    return {"readers": READERS, "moves": len(moves), "move_ms_p50": round(statistics.median(moves), 1),
            "move_ms_p95": round(moves[int(0.95 * len(moves))], 1),
            "opened_s": [round(seconds, 1) for seconds in opened],
            "kernel_mib_each": [round(mib) for mib in sorted(kernels)],
            "server_mib": round(psutil.Process(server).memory_info().rss / 2**20)}
