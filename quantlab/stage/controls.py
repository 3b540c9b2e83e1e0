"""Handles and buttons drawn as ipywidgets, and the rows they stand in."""

from collections.abc import Callable, Iterable, Mapping
from math import isinf

import ipywidgets as widgets

from ..canvas.style import WIDTH
from .handles import Button, Handle, Link

KINDS = {"slider": widgets.IntSlider, "stops": widgets.SelectionSlider, "menu": widgets.Dropdown,
         "several": widgets.SelectMultiple, "text": widgets.Text, "area": widgets.Textarea,
         "check": widgets.Checkbox}


def control(handle: Handle, width: int, label_width: int) -> widgets.Widget:
    """The widget of a handle.  width, label_width: pixels, where the handle has none of its own."""
    traits: dict = {"description": handle.label, "value": handle.value,
                    "style": dict(description_width=f"{handle.label_width or label_width}px"),
                    "layout": dict(width=f"{handle.width or width}px")}
    if handle.height:
        traits["layout"]["height"] = f"{handle.height}px"
    if handle.kind in ("slider", "number"):
        traits |= {"min": handle.low, "max": handle.high, "step": handle.step}
    if handle.kind in ("stops", "menu", "several"):
        traits["options"] = handle.stops
    if handle.kind in ("text", "area"):
        traits |= {"placeholder": handle.hint, "continuous_update": handle.live}
    if handle.kind == "number":
        if isinf(handle.low):
            return widgets.FloatText(description=handle.label, value=handle.value, step=handle.step,
                                     style=traits["style"], layout=traits["layout"])
        whole = isinstance(handle.value, int) and isinstance(handle.step, int)
        return (widgets.BoundedIntText if whole else widgets.BoundedFloatText)(**traits)
    return KINDS[handle.kind](**traits)


def follow_each_other(name: str, controls: Mapping[str, widgets.Widget], link: Link,
                      place: Callable[..., None]) -> None:
    """The menu `name` and its slider follow each other; whoever was moved by hand draws.

    place: moves handles without drawing.
    """
    menu, slider = controls[name], controls[link.slider]

    def follow(change):
        if (wanted := link.place(change.new)) is not None:
            place(**{link.slider: wanted})

    def let_go(change):
        wanted = link.place(menu.value)
        if wanted is not None and abs(wanted - change.new) > 1e-6:
            place(**{name: link.free})

    menu.observe(follow, names="value")
    slider.observe(let_go, names="value")


def shown_as(made: widgets.Widget) -> str:
    """What a control says now, in the words of its stop where it has one."""
    return str(getattr(made, "label", None) or made.value)


def press_button(button: Button) -> widgets.Button:
    """The widget of a button, as wide as its words."""
    made = widgets.Button(description=button.words, tooltip=button.tip, layout=dict(width="auto"))
    made.on_click(lambda _button: button.press())
    if button.hidden:
        made.layout.display = "none"
    return made


def toggle(words: str, tip: str, changed: Callable[[], None]) -> widgets.ToggleButton:
    """A button that stays pressed; `changed` is called when it is pressed and when it is released."""
    made = widgets.ToggleButton(description=words, tooltip=tip, layout=dict(width="auto"))
    made.observe(lambda _change: changed(), names="value")
    return made


def in_a_row(children: Iterable[widgets.Widget]) -> widgets.Widget:
    """Widgets beside each other, on a further line where there is no room; one piece of HTML as it is."""
    row = list(children)
    if len(row) == 1 and isinstance(row[0], widgets.HTML):
        return row[0]
    layout = dict(flex_flow="row wrap", max_width=f"{WIDTH + 20}px")
    return widgets.Box(row, layout=layout).add_class("ql-row")


def markup(html: str = "") -> widgets.HTML:
    """A piece of HTML; whoever writes into it escapes what is not its own."""
    return widgets.HTML(html)
