"""What the lab's explorers share: a picture, a line that says what happens, and one task at a time in a
thread.
"""

import threading
from collections.abc import Callable
from html import escape

import ipywidgets as widgets

from ..canvas.style import WIDTH, Picture
from ..lab.server import LabError, Server
from ..profile import is_reference
from ..stage.legacy import Touchable, html_table, markup, own_names

WIDE = dict(width="740px")
NAMED = dict(description_width="120px")


class Workbench(Touchable):
    """What both explorers share: a picture, a line that says what happens, and one task at a time in a
    thread.
    """

    def __init__(self, controls: dict[str, widgets.Widget], rows: list[widgets.Widget], picture: Picture):
        self.server, self.thread, self.cancel = Server(), None, threading.Event()
        self.view, self.status, self.words = markup(), markup(), markup()
        self.view.add_class("ql-view")
        self.as_table = widgets.ToggleButton(description="As table", tooltip="The same in words and numbers",
                                             layout=dict(width="auto"))
        self.as_table.observe(lambda _change: self._write_table(), names="value")
        super().__init__([*rows, self.status, self.view, row([self.as_table]), self.words], controls)
        self.draw(picture)

    def draw(self, picture: Picture) -> None:
        self.picture = picture
        self.view.value = own_names(picture.svg, self.view.model_id)
        self._write_table()
        self.say(picture.finding)

    def tell(self, words: str, busy: bool = False) -> None:
        """One line of what goes on, escaped."""
        mark = "⏳ " if busy else ""
        self.status.value = f'<div class="ql-answer">{mark}{escape(words) or "&nbsp;"}</div>'

    def start(self, work: Callable[[], None]) -> None:
        """Run `work` in a thread; LabErrors, other ValueErrors and OSErrors become sentences. Nothing happens
        while one runs.
        """
        if self.thread is not None and self.thread.is_alive():
            self.tell("One thing after the other: press Cancel, or wait for the answer.")
            return
        self.cancel.clear()
        self._busy(True)

        def task():
            try:
                work()
            # OSError: a file named in FROM that cannot be read
            except (ValueError, OSError) as error:
                self.tell(str(error))
                self.say(str(error))
            finally:
                self._busy(False)

        self.thread = threading.Thread(target=task, daemon=True)
        self.thread.start()

    def still(self) -> Picture:
        return self.picture

    def _busy(self, busy: bool) -> None:
        """Which buttons can be pressed; each explorer knows its own."""

    def _write_table(self) -> None:
        self.words.value = html_table(self.picture.table) if self.as_table.value else ""


def row(children) -> widgets.Box:
    """Widgets beside each other, on a further line where there is no room."""
    return widgets.Box(list(children), layout=dict(flex_flow="row wrap", max_width=f"{WIDTH}px"))


def button(words: str, tooltip: str, press: Callable[[], None]) -> widgets.Button:
    """A button; `press` takes no argument."""
    made = widgets.Button(description=words, tooltip=tooltip, layout=dict(width="auto"))
    made.on_click(lambda _button: press())
    return made


def installed_models(server: Server) -> tuple[list[tuple[str, str]], str]:
    """(label, name) of each installed model, the forms of one model from large to small; or none and the
    reason.
    """
    if is_reference():
        return [], "The reference profile asks no server."
    try:
        found = sorted(server.models(), key=lambda m: (m["name"].split(":")[0], -m["size"], m["name"]))
    except LabError as error:
        return [], str(error)
    if not found:
        return [], "Ollama answers, but no model is installed yet: try `ollama pull smollm2:135m-instruct-q8_0` (0.15 GB)."
    return [(f"{m['name']}   {m['quantization_level']}, {m['size'] / 1e6:,.0f} MB", m["name"])
            for m in found], ""
