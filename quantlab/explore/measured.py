"""What the explorers of measured tables share: which models can be measured, rows of a table as plain dicts, words about time and place."""

from collections.abc import Mapping

import ipywidgets as widgets

from ..models.metadata import architecture_name
from ..models.source import open_model
from ..models.store import pulled_models
from ..profile import is_reference
from ..views.svg import notice
from .touch import Touch
from .workbench import Workbench, button, row

TINY = "tiny"
PLAIN = ("F32", "F16", "BF16")


class MeasuredLab(Workbench):
    """Tables of measurements as a picture: menus, Measure here and Stop, mouse and keys in the picture.

    A lab says `show` (draw what the menus say), `_changed` (a menu moved), `_where` (where the numbers are from), `touched` and `_measure`.
    """

    def __init__(self, controls: dict[str, widgets.Widget], tooltip: str, label: str, keys: str):
        self.controls = controls
        self.run = button("Measure here", tooltip, lambda: self.start(self._measure))
        self.stop = button("Stop", "Stop; what is finished stays", lambda: self.cancel.set())
        menus = list(controls.values())
        super().__init__({**controls, "run": self.run, "stop": self.stop}, [row(menus), row([self.run, self.stop])], notice("", ""))
        for menu in menus:
            menu.observe(self._changed, names="value")
        self.children = (self.view, *(child for child in self.children if child is not self.view), Touch(label, keys, self.touched))
        self._busy(False)
        self.show()
        self.tell(self._where())

    def _busy(self, busy: bool) -> None:
        self.run.disabled, self.stop.disabled = busy, not busy


def runnable_models() -> list[str]:
    """The pulled models that can be measured: of the llama architecture, with 16 or 32 bits. None under the reference profile."""
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
