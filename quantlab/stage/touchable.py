"""What eyes, keyboard and ears need of any exhibit: labels on its handles, a spoken finding, a picture that
takes clicks and keys, and a PNG for readers without a kernel.
"""

import base64
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import anywidget
import ipywidgets as widgets
import resvg_py
import traitlets

from ..canvas.style import Picture, standalone


class Assistant(anywidget.AnyWidget):
    """The invisible helper in each explorer: names the handles (aria-label) and speaks the finding
    (aria-live).
    """

    _esm = Path(__file__).with_name("assistant.js")
    _css = Path(__file__).with_name("assistant.css")
    labels = traitlets.Dict().tag(sync=True)        # css class of a control -> its label in words
    finding = traitlets.Unicode().tag(sync=True)


class Touchable(widgets.VBox):
    """A column of widgets that can be used by keyboard and screen reader.

    controls: name -> widget; each one's `description` (or tooltip) becomes the label of its handle.
    """

    def __init__(self, children, controls: Mapping[str, widgets.Widget] | None = None, **kwargs):
        controls = dict(controls or {})
        self.assistant = Assistant(labels={f"ql-c-{name}": _label(name, control)
                                           for name, control in controls.items()})
        for name, control in controls.items():
            control.add_class(f"ql-c-{name}")
        super().__init__([*children, self.assistant], **kwargs)
        self.add_class("ql-explorer")

    def say(self, finding: str) -> None:
        """Announce a sentence politely (after the hand rests) and keep it as the widget's text."""
        self.assistant.finding = finding

    @property
    def finding(self) -> str:
        """The sentence the widget shows now."""
        return self.assistant.finding

    def still(self) -> Picture | None:
        """The picture to bundle for readers without a kernel; None when words are enough."""
        return None

    def _repr_mimebundle_(self, **kwargs):
        data = super()._repr_mimebundle_(**kwargs)
        data["text/plain"] = self.finding
        if (picture := self.still()) is not None:
            data["image/png"] = base64.b64encode(png(picture)).decode()
        return data


class Touch(anywidget.AnyWidget):
    """The invisible hand of an explorer: put it among the children of a `Touchable`, beside a `.ql-view` with
    an SVG.

    label: what a screen reader says of the picture when it gets the focus.  heard: called with each message,
    one of {"spot": number of a bit, "single": whether it stood alone}, {"weight": number}, {"cell": number}
    or {"key": "ArrowLeft"}. The SVG's part with `data-here` is the chosen one: its aria-label is read out as
    it changes.
    """

    _esm = Path(__file__).with_name("touch.js")
    _css = Path(__file__).with_name("touch.css")
    label = traitlets.Unicode().tag(sync=True)
    # names of the keys that are ours, between spaces; single characters as they are
    listens = traitlets.Unicode().tag(sync=True)

    def __init__(self, label: str, keys: str, heard: Callable[[dict], None]):
        super().__init__(label=label, listens=keys)
        self.on_msg(lambda _widget, content, _buffers: heard(content))


def png(picture: Picture) -> bytes:
    """The picture as PNG at twice its size, light theme; needs no browser."""
    return bytes(resvg_py.svg_to_bytes(svg_string=standalone(picture.svg), font_files=_fonts(),
                                       background="#ffffff", skip_system_fonts=True,
                                       font_family="DejaVu Sans", zoom=2))


@cache
def _fonts() -> list[str]:
    """matplotlib ships DejaVu Sans: the one font that every machine of this workbook has."""
    found = find_spec("matplotlib")
    assert found and found.origin, "matplotlib is a dependency"
    folder = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"
    return [str(folder / name) for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf")]


def own_names(svg: str, owner: str) -> str:
    """`svg` with its ids made the owner's own: a page looks for `url(#over)` in its first drawing, even when
    that is off the screen and has no hatching to lend.
    """
    for name in set(re.findall(r' id="([\w-]+)"', svg)):
        svg = svg.replace(f' id="{name}"', f' id="{name}-{owner}"').replace(
            f"url(#{name})", f"url(#{name}-{owner})"
        )
    return svg


def _label(name: str, control: widgets.Widget) -> str:
    return str(getattr(control, "description", "") or getattr(control, "tooltip", "") or name).strip(": ")
