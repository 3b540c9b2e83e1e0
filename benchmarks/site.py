"""The pages as a reader meets them: what the first one weighs, how soon its slider moves on a slow line, how
long a stop takes to be painted, and the same for the exhibits that the page's own Python draws.

Chromium, behind `http.server` on this machine, which compresses nothing: a host that does is faster. Where
others work on the machine the seconds of its processor (`cpu`) say more than those of the clock.
"""

import statistics
import tempfile
import time
from pathlib import Path

import psutil

from quantlab.stage.on_site import ALIVE
from tests.browser.window import open_browser
from tests.site.conftest import serving
from tools.site.build import landing, written
from tools.site.lessons import moving
from tools.site.shipped import FOLDER

SLOW = {"offline": False, "latency": 40, "downloadThroughput": 10e6 / 8, "uploadThroughput": 10e6 / 8}
STOPS, WAIT = 60, 120_000
#: Moves the first handle stop by stop, there and back; milliseconds until each picture has been painted; if
#: `whole`, with what follows when the hand rests.
WALK = """async ([name, count, whole]) => {
  const figure = document.getElementById(name), frame = figure.querySelector(".ql-frame"), took = [];
  const handle = figure.querySelector(".ql-handles input"), text = handle.type === "text";
  const words = handle.value, last = Number(handle.max);
  for (let i = 1; i <= count; i++) {
    await new Promise(requestAnimationFrame);
    const begun = performance.now();
    const drawn = new Promise((done) => {
      const look = new MutationObserver(() => {
        if (whole && frame.ariaBusy === "true") return;
        look.disconnect();
        done();
      });
      look.observe(frame, {childList: true});
    });
    handle.value = text ? words.slice(0, 1 + i % words.length) : last - Math.abs(last - i % (2 * last));
    handle.dispatchEvent(new Event("input", {bubbles: true}));
    await drawn;
    figure.getBoundingClientRect();
    await new Promise((done) => { const {port1, port2} = new MessageChannel();
      port1.onmessage = done; requestAnimationFrame(() => port2.postMessage(0)); });
    took.push(performance.now() - begun);
  }
  return took;
}"""


def _quantiles(took: list[float]) -> dict[str, float]:
    return {"median_ms": round(statistics.median(took), 1),
            "p95_ms": round(statistics.quantiles(took, n=20)[-1], 1)}


def _first_slider(browser, address: str) -> float:
    """Seconds from the address to the first slider that has moved, at 10 Mbit/s and 40 ms."""
    page = browser.new_context(viewport={"width": 1000, "height": 900}).new_page()
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", SLOW)
    begun = time.perf_counter()
    page.goto(f"{address}/index.html", wait_until="commit")
    page.locator(".ql-awake input").first.focus(timeout=WAIT)
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.querySelector('.ql-play').dataset.finding.startsWith('3 bits')")
    took = time.perf_counter() - begun
    page.context.close()
    return took


def _python(browser, address: str, name: str) -> dict:
    """The exhibit `name`: seconds from the touch to the first picture, then stops that are new, and again."""
    page = browser.new_context(viewport={"width": 1000, "height": 900}).new_page()
    page.set_default_timeout(WAIT)
    page.goto(f"{address}/python.html")
    page.locator(f"#{name}").scroll_into_view_if_needed()
    page.wait_for_selector(f"#{name}.ql-awake")
    begun = _cpu()
    first = page.evaluate(WALK, [name, 1])[0] / 1000
    found = {"first_picture_s": round(first, 2), "first_picture_cpu_s": round(_cpu() - begun, 2)}
    for what in ("new_stops", "stops_again"):
        begun = _cpu()
        took = page.evaluate(WALK, [name, STOPS])
        found[what] = {**_quantiles(took), "cpu_ms_a_stop": round(1000 * (_cpu() - begun) / STOPS, 1)}
    found["rested"] = _quantiles(page.evaluate(WALK, [name, STOPS, True]))
    page.context.close()
    return found


def _cpu() -> float:
    """Seconds for which the browser's processes have computed: what others do here does not lengthen them."""
    times = [one.cpu_times() for one in psutil.Process().children(recursive=True)
             if "chrom" in one.name()]
    return sum(time.user + time.system for time in times)


def main() -> dict:
    """Bytes, seconds and milliseconds, of the landing page and of each exhibit that Python draws."""
    with tempfile.TemporaryDirectory() as made, open_browser() as browser:
        folder = Path(made)
        html = "".join(moving(name, f"ql.{name}()") for name in ALIVE)
        written(folder, {"index": ("quantlab", landing([])), "python": ("Python", f"<h1>Python</h1>{html}")})
        pages = [path for path in folder.iterdir() if path.suffix in (".css", ".js") or path.stem == "index"]
        with serving(folder) as address:
            slow = min(_first_slider(browser, address) for _ in range(3))
            page = browser.new_page()
            page.goto(f"{address}/index.html")
            page.wait_for_selector("#explore_llama.ql-awake")
            return {"landing_bytes": sum(path.stat().st_size for path in pages),
                    "first_slider_moved_s_at_10_mbit_40_ms": round(slow, 2),
                    "landing_stop": _quantiles(page.evaluate(WALK, ["explore_llama", STOPS])),
                    "python_bytes": sum(path.stat().st_size for path in (folder / FOLDER).iterdir()),
                    "python": {name: _python(browser, address, name) for name in ALIVE}}
