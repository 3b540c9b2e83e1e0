"""Makes the picture of an explorer something to touch: clicks and keys in it are told to Python."""

from collections.abc import Callable
from pathlib import Path

import anywidget
import traitlets


class Touch(anywidget.AnyWidget):
    """The invisible hand of an explorer: put it among the children of a `Touchable`, beside a `.ql-view` with an SVG.

    label: what a screen reader says of the picture when it gets the focus.  heard: called with each message, one of
    {"spot": number of a bit, "single": whether it stood alone}, {"weight": number}, {"cell": number} or {"key": "ArrowLeft"}.
    The SVG's part with `data-here` is the chosen one: its aria-label is read out as it changes.
    """

    _esm = Path(__file__).with_name("touch.js")
    _css = Path(__file__).with_name("touch.css")
    label = traitlets.Unicode().tag(sync=True)
    listens = traitlets.Unicode().tag(sync=True)           # names of the keys that are ours, between spaces; single characters as they are

    def __init__(self, label: str, keys: str, heard: Callable[[dict], None]):
        super().__init__(label=label, listens=keys)
        self.on_msg(lambda _widget, content, _buffers: heard(content))
