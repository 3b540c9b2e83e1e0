"""What the lab's explorers share: a picture, a line that says what happens, and one task at a time in a
thread.

What the explorers of measured tables share: which models can be measured, rows of a table as plain dicts,
words about time and place.
"""

import threading
from collections.abc import Callable, Mapping
from html import escape

import ipywidgets as widgets

from ..canvas.style import WIDTH, Picture
from ..canvas.svg import notice
from ..lab.server import LabError, Server
from ..models.metadata import architecture_name
from ..models.source import open_model
from ..models.store import pulled_models
from ..profile import is_reference
from ..stage.legacy import Touch, Touchable, html_table, markup, own_names

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


TINY = "tiny"
PLAIN = ("F32", "F16", "BF16")


class MeasuredLab(Workbench):
    """Tables of measurements as a picture: menus, Measure here and Stop, mouse and keys in the picture.

    A lab says `show` (draw what the menus say), `_changed` (a menu moved), `_where` (where the numbers are
    from), `touched` and `_measure`.
    """

    def __init__(self, controls: dict[str, widgets.Widget], tooltip: str, label: str, keys: str):
        self.controls = controls
        self.run = button("Measure here", tooltip, lambda: self.start(self._measure))
        self.stop = button("Stop", "Stop; what is finished stays", lambda: self.cancel.set())
        menus = list(controls.values())
        super().__init__({**controls, "run": self.run, "stop": self.stop},
                         [row(menus), row([self.run, self.stop])], notice("", ""))
        for menu in menus:
            menu.observe(self._changed, names="value")
        self.children = (self.view, *(child for child in self.children if child is not self.view),
                         Touch(label, keys, self.touched))
        self._busy(False)
        self.show()
        self.tell(self._where())

    def _busy(self, busy: bool) -> None:
        self.run.disabled, self.stop.disabled = busy, not busy


def runnable_models() -> list[str]:
    """The pulled models that can be measured: of the llama architecture, with 16 or 32 bits. None under the
    reference profile.
    """
    found = []
    for stored in [] if is_reference() else pulled_models():
        try:
            with open_model(stored.name) as opened:
                if architecture_name(opened.metadata) == "llama" and opened.ftype in PLAIN:
                    found.append(stored.name)
        except ValueError:              # not readable, or no GGUF: nothing to measure
            continue
    return found


def plain_rows(table) -> list[Mapping]:
    """The rows of a pandas table that have numbers, as dicts; what is missing is None."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [row for row in rows if not row["error"]]


def patience(model: str) -> str:
    if model == TINY:
        return "That takes about a minute."
    return "That takes a while: a model of 135 million weights needs about 15 seconds for each point."


def short_place(place: str) -> str:
    """The subtitle's part of where the numbers come from."""
    return place.split(",")[0].split(" with ")[0].rstrip(".")
