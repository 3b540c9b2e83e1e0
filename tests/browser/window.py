"""A window of a real browser on JupyterLab, in which lessons are opened one after the other.

Loading JupyterLab takes a browser five seconds, opening another notebook in it one and a half: so tests that
need no fresh page share a window.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Error, Request, sync_playwright

from .lab import Lab

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--force-prefers-reduced-motion"]
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"
PROBE = Path(__file__).with_name("probe.js")


@cache
def find_chromium() -> str | None:
    """The browser: `QUANTLAB_CHROMIUM`, Chromium on PATH, or the one Playwright installed; None when there is
    none.
    """
    for candidate in (os.environ.get("QUANTLAB_CHROMIUM"), shutil.which("chromium"),
                      shutil.which("chromium-browser"), shutil.which("google-chrome")):
        if candidate and Path(candidate).exists():
            return candidate
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A headless Chromium. Raises FileNotFoundError, saying what to do, when none is found."""
    path = find_chromium()
    if path is None:
        raise FileNotFoundError(
            "no Chromium: `make tools` installs it, or set QUANTLAB_CHROMIUM to a browser's path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS,
                                              ignore_default_args=["--hide-scrollbars"])
        try:
            yield browser
        finally:
            browser.close()


class Window:
    """JupyterLab in one page of `browser`, loaded with the first lesson that it shows.

    `faults` collects page errors, console errors and requests beyond this machine; opening a lesson empties
    it.
    """

    def __init__(self, lab: Lab, browser: Browser, *, width: int = 1200, height: int = 1000):
        self.lab, self.faults, self.loaded = lab, [], False
        self.context = browser.new_context(viewport={"width": width, "height": height})
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.context.add_init_script(path=PROBE)
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.page.on("pageerror", lambda error: self.faults.append(f"page error: {error}"))
        self.page.on("console", self._hear)
        self.page.on("request", self._watch)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()
        self.lab.close_sessions()

    def show(self, name: str) -> None:
        """Open the notebook `name` and wait for its cells; a kernel may or may not be there yet."""
        self.faults.clear()
        if self.loaded:
            self.page.evaluate("name => look.open(name)", name)
        else:
            self.page.goto(self.lab.url(name))
            self.page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=60_000)
            self.loaded = True
        self.page.wait_for_selector(f"{PANEL} .jp-Cell")
        self.page.evaluate("window.jupyterapp.shell.collapseLeft()")

    def close_all(self) -> None:
        """Close all notebooks, none saved, and stop their kernels, so that the next one starts alone."""
        if self.loaded and not self.page.is_closed():
            self.page.evaluate("look.closeAll()")
        self.lab.close_sessions()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"console error: {message.text[:400]} ({_place(message)})")

    def _watch(self, request: Request) -> None:
        if not re.match(rf"(https?|wss?)://127\.0\.0\.1:{self.lab.port}/|data:|blob:", request.url):
            self.faults.append(f"request beyond this machine: {request.url[:200]}")


def _place(message: ConsoleMessage) -> str:
    try:
        return str(message.location.get("url", ""))[:120]
    except Error:
        return ""
