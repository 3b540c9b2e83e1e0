"""The base of everything a learner touches: controls bound to a picture, for eyes, keyboard and ears.

`Explorer` redraws an SVG string by `observe` (an inline matplotlib figure would take ten times as long),
keeps its height while dragging, has presets and a reset, and shows its table on request. `Touchable`, below
it, gives every handle its label and tells a screen reader the new finding; `_repr_mimebundle_` adds a PNG and
the sentence, so that a saved notebook that nobody has run still shows the picture.

Makes the picture of an explorer something to touch: clicks and keys in it are told to Python.
"""

import base64
import re
from collections.abc import Callable, Mapping
from functools import cache
from html import escape
from importlib.util import find_spec
from pathlib import Path

import anywidget
import ipywidgets as widgets
import resvg_py
import traitlets

from ..canvas.style import WIDTH, Picture, standalone
from ..canvas.svg import notice
from ..words import html_table


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
        self.assistant = Assistant(labels={f"ql-c-{name}": _label(name, control) for name,
                                           control in controls.items()})
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


class Explorer(Touchable):
    """Controls under a picture: `draw(**values)` gets every control's value and returns a `Picture`.

    controls: argument name of `draw` -> widget.  presets: button text -> {name: value}.  note: a line of
    help. A ValueError from `draw` is shown as a sentence in place of the picture; any other error is a bug
    and surfaces.
    """

    def __init__(self, draw: Callable[..., Picture], controls: Mapping[str, widgets.Widget] | None = None, *,
                 presets: Mapping[str, Mapping[str, object]] | None = None, note: str = ""):
        self.draw, self.controls = draw, dict(controls or {})
        self.initial = self.values()
        self.picture = self._drawn()
        self._held = False
        self.view = widgets.HTML(layout=dict(height="0px", overflow="auto hidden"))
        self.view.add_class("ql-view")
        self.words = widgets.HTML()
        self.buttons = self._buttons(presets or {})
        help_line = [widgets.HTML(f'<span class="ql-note">{escape(note)}</span>')] if note else []
        rows = [self.view, _row(self.controls.values()), *help_line, _row(self.buttons.values()), self.words]
        super().__init__(rows, self.controls)
        # each handle redraws at once; other explorers wait for a button
        self.add_class("ql-moving")
        for control in self.controls.values():
            control.observe(self.redraw, names="value")
        self.redraw()

    def values(self) -> dict[str, object]:
        """What the controls say now, by name. A browser answers 12.000000000000002 for 12: that tail is cut
        off.
        """
        values = {name: control.value for name, control in self.controls.items()}
        return {name: round(value, 9) if isinstance(value, float) else value for name,
                value in values.items()}

    def set(self, **values) -> None:
        """Move several controls and draw once."""
        self._held = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self._held = False
        self.redraw()

    def redraw(self, _change=None) -> None:
        """Draw the picture of the present values; called by every control that moves."""
        if self._held:
            return
        self.picture = self._drawn()
        self._make_room()
        self.view.value = own_names(self.picture.svg, self.view.model_id)
        self.say(self.picture.finding)
        self._write_table()

    def _make_room(self) -> None:
        """The page must not jump while dragging: the view grows for a taller picture and never shrinks."""
        needed = self.picture.height + 6
        if needed > int(self.view.layout.height.removesuffix("px")):
            self.view.layout.height = f"{needed}px"

    def _drawn(self) -> Picture:
        try:
            return self.draw(**self.values())
        except ValueError as error:
            return notice(str(error), "Nothing can be drawn for these values: move a handle, or press Reset.")

    def still(self) -> Picture:
        return self.picture

    def _buttons(self, presets) -> dict[str, widgets.Widget]:
        buttons = {}
        for words, values in presets.items():
            buttons[words] = button(words, f"Set the handles: {words}", lambda _b,
                                    values=values: self.set(**values))
        if self.controls:
            buttons["Reset"] = button("Reset", "Back to the first picture",
                                      lambda _b: self.set(**self.initial))
        if self.picture.table:
            table = widgets.ToggleButton(description="As table",
                                         tooltip="The same facts in words and numbers",
                                         layout=dict(width="auto"))
            table.observe(lambda _change: self._write_table(), names="value")
            buttons["As table"] = table
        return buttons

    def _write_table(self) -> None:
        if "As table" in self.buttons:
            self.words.value = html_table(self.picture.table) if self.buttons["As table"].value else ""


def show(picture: Picture) -> Explorer:
    """A picture with no handles, shown with all of the base's care (theme, table, PNG for readers without a
    kernel).
    """
    return Explorer(lambda: picture)


def markup(html: str = "") -> widgets.HTML:
    """A piece of HTML inside a `Touchable`; whoever writes into it escapes what is not its own."""
    return widgets.HTML(html)


def png(picture: Picture) -> bytes:
    """The picture as PNG at twice its size, light theme; needs no browser."""
    return bytes(resvg_py.svg_to_bytes(svg_string=standalone(picture.svg), font_files=_fonts(),
                                       background="#ffffff", skip_system_fonts=True,
                                       font_family="DejaVu Sans", zoom=2))


@cache
def _fonts() -> list[str]:
    """matplotlib ships DejaVu Sans: the one font that every machine of this workbook has."""
    folder = Path(find_spec("matplotlib").origin).parent / "mpl-data" / "fonts" / "ttf"
    return [str(folder / name) for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf")]


def own_names(svg: str, owner: str) -> str:
    """`svg` with its ids made the owner's own: a page looks for `url(#over)` in its first drawing, even when
    that is off the screen and has no hatching to lend.
    """
    for name in set(re.findall(r' id="([\w-]+)"', svg)):
        svg = svg.replace(f' id="{name}"', f' id="{name}-{owner}"').replace(f"url(#{name})",
                                                                            f"url(#{name}-{owner})")
    return svg


def _row(children) -> widgets.Box:
    row = widgets.Box(list(children), layout=dict(flex_flow="row wrap", max_width=f"{WIDTH + 20}px"))
    return row.add_class("ql-row")


def button(words: str, tooltip: str, press: Callable) -> widgets.Button:
    """A button as wide as its words; `press` is called with it."""
    made = widgets.Button(description=words, tooltip=tooltip, layout=dict(width="auto"))
    made.on_click(press)
    return made


def _label(name: str, control: widgets.Widget) -> str:
    return str(getattr(control, "description", "") or getattr(control, "tooltip", "") or name).strip(": ")


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
