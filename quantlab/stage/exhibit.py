"""An exhibit as data: its handles, how its picture is drawn, and what stands around it.

`base.Stage` puts it into a notebook as widgets. Nothing here knows a widget, so that a page draws the same
handles with its own script, and a picture needs no more than its facts do: no NumPy where those need none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from ..canvas.style import Picture
from ..canvas.svg import notice
from .handles import Button, Handle, Link, Panel

STUCK = "Nothing can be drawn for these values: move a handle, or press Reset."


@dataclass(frozen=True)
class Exhibit:
    """`draw(**values)` is its picture, `values` being what the handles say.

    handles: in the order in which they stand.  draw: a pure function that returns a `Picture`; None for an
    exhibit that shows its pictures by itself (`Stage.show`), beginning with `first`.
    rough: the same without what takes long, for a page that would be slow to follow a hand; then `draw`.
    presets: words on a button -> {handle: value}.  buttons: what else can be pressed.  note: a line of help.
    rows: names of handles and buttons, row by row; by default all handles. Other buttons stand in a row of
    their own.
    keys, label: the keys that the picture takes, as `Touch` has them, and what a screen reader says of the
    picture.
    pages: the handle that Page Up and Page Down move.  form_first: the handles stand above the picture.
    links: name of a menu -> the slider that follows it.  panels: words on a button -> what it opens below.
    pieces: names of pieces of HTML, each a row of its own, for what is no picture; whoever writes into
    `Stage.pieces[name].value` escapes what is not its own.  below: further rows, under the picture and its
    table.  width, label_width: pixels of a handle and of its words.
    """

    handles: Sequence[Handle] = ()
    draw: Callable[..., Picture] | None = None
    _: KW_ONLY
    first: Picture | None = None
    rough: Callable[..., Picture] | None = None
    presets: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    buttons: Sequence[Button] = ()
    note: str = ""
    rows: Sequence[Sequence[str]] | None = None
    keys: str = ""
    label: str = ""
    pages: str = ""
    form_first: bool = False
    links: Mapping[str, Link] = field(default_factory=dict)
    panels: Mapping[str, Panel] = field(default_factory=dict)
    pieces: Sequence[str] = ()
    below: Sequence[Sequence[str]] = ()
    width: int = 360
    label_width: int = 110

    @property
    def initial(self) -> dict[str, Any]:
        """What the handles say at first, by name."""
        return {handle.name: handle.value for handle in self.handles}

    def picture(self, values: Mapping[str, Any],
                facts: Callable[..., Mapping[str, Any]] = lambda **values: values,
                rough: bool = False) -> Picture:
        """What is drawn for these values of the handles; a ValueError of `facts` or `draw` is shown as a
        sentence in place of the picture, any other error is a bug and surfaces.

        facts: what `draw` is told for the values, where it is told more than those.  rough: without what
        takes long, where that can be left out.
        """
        if self.draw is None:
            return self.first or notice("", "")
        try:
            return ((rough and self.rough) or self.draw)(**facts(**values))
        except ValueError as error:
            return notice(str(error), STUCK)


def show(picture: Picture) -> Exhibit:
    """A picture with no handles."""
    return Exhibit(draw=lambda: picture)


def refusal(title: str, error: object, call: str) -> Exhibit:
    """A picture that says why nothing can be shown: what is needed, what is wrong, and the call that works.
    """
    return show(notice(title, f"{str(error).rstrip('.')}. {call}"))
