"""One lesson in a real browser: open, run, touch, look; and a list of all that went wrong meanwhile."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator

from .window import PANEL, Window

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
SCROLLER = f"{PANEL} .jp-WindowedPanel-outer"
EXPLORER = ".ql-moving:has(.noUi-handle)"
TOUCHABLE = ".ql-explorer:has(.ql-touch)"


class LessonPage:
    """The lesson `name` (a file name) in a window; `faults` collects what must not happen meanwhile."""

    def __init__(self, window: Window, name: str):
        self.window, self.lab, self.page, self.name = window, window.lab, window.page, name
        self.faults = window.faults

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.window.close_all()

    # -- opening and running

    def open(self, *, seconds: float = 60) -> None:
        """Open the lesson and wait until its kernel is there and idle."""
        self.show()
        self.open_kernel(seconds)

    def open_kernel(self, seconds: float = 60) -> None:
        """Wait until the lesson's kernel is there and idle."""
        self._wait_for_kernel(seconds)
        self.wait_idle()

    def show(self) -> None:
        """Open the lesson and wait for its cells; a kernel may or may not be there yet."""
        self.window.show(self.name)

    def command(self, name: str, **arguments) -> None:
        """Run one of JupyterLab's own commands and wait until it has ended."""
        self.page.evaluate(
            "([name, args]) => window.jupyterapp.commands.execute(name, args).then(() => null)",
            [name, arguments])

    def run_all(self, seconds: float = 90) -> None:
        """Run all cells and wait until the kernel rests and the widgets stand."""
        self.page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
        self.page.wait_for_timeout(100)
        self.wait_idle(seconds)
        self.wait_for_widgets()

    def run_only(self, *words: str, instead: str | None = None, seconds: float = 60) -> None:
        """Run only the code cells that have one of `words`, in the order of the lesson; instead: typed over
        the last of the words.
        """
        for word in words:
            self.page.evaluate("([word, instead]) => look.choose(word, instead)",
                               [word, instead if instead and word == words[-1] else word])
            self.command("notebook:run-cell")
        self.wait_idle(seconds)

    def wait_idle(self, seconds: float = 60) -> None:
        # on a narrow page the sign is in a menu
        self.page.wait_for_selector(f'{PANEL} .jp-Notebook-ExecutionIndicator[data-status="idle"], '
                                    f"{PANEL} .jp-Toolbar-responsive-opener:visible",
                                    timeout=seconds * 1000)
        self.page.wait_for_function("look.idle()", timeout=seconds * 1000)
        self.page.wait_for_function("!look.busy()", timeout=seconds * 1000)

    def wait_for_widgets(self) -> None:
        """Wait until every widget output of the notebook is drawn and each explorer has its live region
        filled.
        """
        self.page.wait_for_function("look.widgetsStand()", timeout=20_000)
        self.page.wait_for_timeout(100)

    def theme(self, name: str) -> None:
        """Switch to "light" or "dark" and wait until the page wears it."""
        self.command("apputils:change-theme", theme=THEMES[name])
        light = "true" if name == "light" else "false"
        self.page.wait_for_selector(f'body[data-jp-theme-light="{light}"]', state="attached")
        self.page.wait_for_timeout(200)

    # -- touching

    def explorers(self) -> list[Locator]:
        """All explorers with a slider that redraws at once, in the order of the lesson."""
        return self.page.locator(EXPLORER).all()

    def picture(self, explorer: Locator) -> str:
        """What the explorer shows now, as a string to compare."""
        return explorer.evaluate("e => look.signature(e)")

    def said(self, explorer: Locator) -> str:
        """What the explorer's live region tells a screen reader."""
        return explorer.locator(".ql-live").first.text_content().strip()

    def touchable(self) -> Locator:
        """The first explorer whose picture takes clicks and keys, back at its beginning."""
        explorer = self.page.locator(TOUCHABLE).first
        explorer.scroll_into_view_if_needed()
        explorer.locator("button:has-text('Reset')").click()
        self.answered()
        return explorer

    def answered(self) -> None:
        """Wait until the kernel has answered all that the page has told it, and the page has drawn it.

        What is typed into a box before that may be replaced by an answer to what came earlier.
        """
        self.page.evaluate("look.answered()")

    def hears(self, explorer: Locator, wanted: str | re.Pattern) -> re.Match:
        """Wait until the explorer says `wanted` (a text or a pattern) somewhere in its sentence."""
        pattern = wanted if isinstance(wanted, re.Pattern) else re.compile(re.escape(wanted))
        heard = self.wait_until(lambda: pattern.search(self.said(explorer)))
        assert heard, f"{pattern.pattern!r} is not in {self.said(explorer)!r}"
        return pattern.search(self.said(explorer))

    def wait_until(self, true: Callable[[], bool], seconds: float = 8) -> bool:
        """True as soon as `true()` is; False when it never becomes so."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if true():
                return True
            self.page.wait_for_timeout(20)
        return False

    def press(self, explorer: Locator, handle: int = 0, seconds: float = 8) -> bool:
        """Move a handle by one arrow key, up or, at its end, down; True when the picture changed in time."""
        knob = explorer.locator(".noUi-handle").nth(handle)
        knob.scroll_into_view_if_needed()
        for key in ("ArrowRight", "ArrowLeft"):
            place = knob.get_attribute("aria-valuenow")
            before = self.picture(explorer)
            knob.focus()
            self.page.keyboard.press(key)
            if knob.get_attribute("aria-valuenow") != place:
                return self.wait_until(lambda old=before: self.picture(explorer) != old, seconds)
        return False

    def drag(self, explorer: Locator, handle: int = 0) -> bool:
        """Drag a handle to the quarter of its track that is further away; True when the picture changed."""
        knob, track = explorer.locator(".noUi-handle").nth(handle), explorer.locator(".noUi-target").nth(
            handle)
        knob.scroll_into_view_if_needed()
        before, box, rail = self.picture(explorer), knob.bounding_box(), track.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        share = 0.25 if x > rail["x"] + rail["width"] / 2 else 0.75
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(rail["x"] + share * rail["width"], y, steps=6)
        self.page.mouse.up()
        return self.wait_until(lambda: self.picture(explorer) != before)

    # -- looking

    def cell_errors(self) -> list[str]:
        """Tracebacks and broken widgets on the page, in words."""
        outputs = self.page.evaluate("look.outputs()")
        raised = [f"{o['ename']}: {o['evalue']}" for o in outputs if o["output_type"] == "error"]
        words = self.page.locator(f"{PANEL} .jp-OutputArea-output").all_inner_texts()
        return raised + [text for text in words if "Error displaying widget" in text
                         or "Error creating widget" in text]

    def saved_outputs(self) -> list[dict]:
        """The outputs in the lesson's file."""
        cells = json.loads((self.lab.folder / self.name).read_text())["cells"]
        return [output for cell in cells for output in cell.get("outputs", [])]

    def silent_explorers(self) -> list[str]:
        """Explorers that tell a screen reader nothing, by the text they show."""
        return [explorer.inner_text()[:80] for explorer in self.page.locator(".ql-explorer").all()
                if not self.said(explorer)]

    def unnamed_handles(self) -> list[str]:
        """Handles, lists, boxes and buttons of the explorers that a screen reader could not name."""
        return self.page.evaluate("look.unnamed()")

    def cut_words(self) -> list[str]:
        """Texts of the drawings that reach beyond their drawing's edge, so that a learner cannot read them.
        """
        return self.page.evaluate("look.cutWords()")

    def scrolling(self) -> list[str]:
        """Boxes in and around exhibits that have a scrollbar of their own."""
        return self.page.evaluate("look.scrolling()")

    def shared_ids(self) -> list[str]:
        """Ids of shapes that two drawings of the page share; each drawing must bring its own."""
        return self.page.evaluate("look.sharedIds()")

    def pictures(self) -> int:
        """How many saved pictures (not drawings of a living widget) the page shows."""
        return self.page.evaluate("look.savedPictures()")

    def screenshots(self, folder: Path, label: str, height: int = 1400) -> list[Path]:
        """The whole lesson from top to end, in pieces of the screen's size: `<label>-1.png`, `<label>-2.png`,
        ...
        """
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"{label}-*.png"):
            old.unlink()
        size = self.page.viewport_size
        self.page.set_viewport_size({"width": size["width"], "height": height})
        self.page.wait_for_timeout(200)
        outer, files, top, end = self.page.locator(SCROLLER), [], 0, 1
        # cells off the screen have a guessed height: look again
        while top < end:
            outer.evaluate("(e, top) => e.scrollTo({top, behavior: 'instant'})", top)
            self.page.wait_for_timeout(100)
            files.append(folder / f"{label}-{len(files) + 1:02d}.png")
            outer.screenshot(path=files[-1], animations="disabled")
            view, end = outer.evaluate("look.extent")
            top += view - 40
        outer.evaluate("e => e.scrollTo({top: 0, behavior: 'instant'})")
        self.page.set_viewport_size(size)
        return files

    # -- watching

    def _wait_for_kernel(self, seconds: float) -> None:
        """The page says "idle" before a kernel is attached (and Run All then asks which one): the server
        knows.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            kernels = [s["kernel"] for s in self.lab.sessions() if s["path"] == self.name]
            if kernels and kernels[0]["execution_state"] == "idle" and kernels[0]["connections"]:
                break
            self.page.wait_for_timeout(100)
        else:
            raise TimeoutError(
                f"no idle kernel for {self.name} after {seconds} s; the log ends: {self.lab.log[-800:]}")
        self.page.wait_for_function("look.connected()")
