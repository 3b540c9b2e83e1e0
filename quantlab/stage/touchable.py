"""What eyes, keyboard and ears need of any exhibit: labels on its handles, a spoken finding, a picture that
takes clicks and keys, and a PNG for readers without a kernel.
"""

import base64
from collections.abc import Callable, Mapping
from functools import cache
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import anywidget
import ipywidgets as widgets
import traitlets
from IPython.display import display, update_display

from ..canvas.style import Picture, standalone
from ..canvas.svg import captioned
from .on_site import link, on_pages
from .share import again, source
from .still import ASLEEP, figure, picture_html


class Assistant(anywidget.AnyWidget):
    """The invisible helper in each explorer: names the handles (aria-label), speaks the finding (aria-live),
    tells when the hand has rested, and puts code and picture on the clipboard.
    """

    _esm = "".join(Path(__file__).with_name(name).read_text(encoding="utf-8")
                   for name in ("address.js", "assistant.js"))
    _css = Path(__file__).with_name("assistant.css")
    labels = traitlets.Dict().tag(sync=True)        # css class of a control -> its label in words
    finding = traitlets.Unicode().tag(sync=True)
    news = traitlets.Unicode().tag(sync=True)       # said once, even if the finding is another one by then
    shares = traitlets.List(traitlets.Unicode()).tag(sync=True)     # what can be taken along (assistant.js)
    changes = traitlets.Int().tag(sync=True)        # how often something was shown


class Touchable(widgets.VBox):
    """A column of widgets that can be used by keyboard and screen reader.

    controls: name -> widget; each one's `description` (or tooltip) becomes the label of its handle.
    """

    #: The call that made it, and its function, where one with `recalled` did.
    call = ""
    maker: Any = None

    def __init__(self, children, controls: Mapping[str, widgets.Widget] | None = None, **kwargs):
        controls = dict(controls or {})
        self.assistant = Assistant(labels={f"ql-c-{name}": _label(name, control)
                                           for name, control in controls.items()})
        for name, control in controls.items():
            control.add_class(f"ql-c-{name}")
        super().__init__([*children, self.assistant], **kwargs)
        self.add_class("ql-explorer")
        self.assistant.on_msg(lambda _widget, message, _buffers: self.heard(message))
        self._still_id = f"ql-{uuid4().hex}"

    def made_by(self, call: str) -> None:
        """The function that made it tells its own call."""
        self.call = call

    def say(self, finding: str, *news: str) -> None:
        """Announce a sentence politely (after the hand rests) and keep it as its text.  news: said with
        it, and still said when the next finding comes before the hand has rested.
        """
        with self.assistant.hold_sync():
            self.assistant.finding = " ".join(filter(None, [finding, *news]))
            self.assistant.news = " ".join(news) or self.assistant.news
            self.assistant.changes += 1

    @property
    def finding(self) -> str:
        """The sentence the widget shows now."""
        return self.assistant.finding

    def still(self) -> Picture | None:
        """The picture to bundle for readers without a kernel; None when words are enough."""
        return None

    def still_html(self) -> str:
        """What is saved with a notebook in front of the view: see `still`."""
        picture = self.still()
        if picture is None:
            return figure(escape(self.finding), ASLEEP)
        return figure(picture_html(png(picture), self.finding, picture.width), ASLEEP)

    def heard(self, message: Mapping) -> None:
        """The page tells that the hand has rested (what stands there is then what a saved notebook shows),
        asks for what a copy takes along, or only whether somebody is there.
        """
        if message.get("rested"):
            update_display(self._saved(), raw=True, display_id=self._still_id)
        elif message.get("copy") == "picture" and (picture := self.still()) is not None:
            self.assistant.send({"copied": "picture"}, buffers=[png(self.to_share(picture))])
        elif message.get("copy") == "code":
            self.assistant.send({"copied": "code", "text": self.code()})
        elif message.get("copy") == "link":
            self.assistant.send({"copied": "link", **self.link()})
        else:
            self.assistant.send({"here": True})

    def code(self) -> str:
        """The call that makes this exhibit again, as it stands."""
        return again(self.call, {})

    def link(self) -> dict[str, Any]:
        """What the address of this picture on the site is made of (`on_site.link`), or why there is none."""
        try:
            return link(self)
        except ValueError as error:
            return {"refused": str(error)}

    def offer_copies(self) -> None:
        """Offer to take it along, before it is displayed."""
        if self.call and self.still() is not None:
            on_a_page = bool(self.maker and on_pages(self.maker.__name__))
            self.assistant.shares = ["picture", "code", *["link"] * on_a_page]

    def to_share(self, picture: Picture) -> Picture:
        """The picture with what one should know of it elsewhere."""
        return captioned(picture, [source(self.call)])

    def _saved(self) -> dict[str, str]:
        return {"text/html": self.still_html(), "text/plain": self.finding}

    def _ipython_display_(self):
        self.offer_copies()
        display(self._saved(), raw=True, display_id=self._still_id)
        living = super()._repr_mimebundle_()
        living.pop("text/plain", None)              # where no view can live, the still says it already
        display(living, raw=True)

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
    """The picture as PNG at twice its size, light theme; needs no browser, but a compiled module, which is
    loaded only here.
    """
    import resvg_py

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


def framed(svg: str, width: int, height: int) -> str:
    """The drawing in a box that shrinks with the window and keeps room for a picture of `height`."""
    return f'<div class="ql-frame" style="max-width:{width}px;aspect-ratio:{width}/{height}">{svg}</div>'


def _label(name: str, control: widgets.Widget) -> str:
    return str(getattr(control, "description", "") or getattr(control, "tooltip", "") or name).strip(": ")
