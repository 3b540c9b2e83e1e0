"""What a page draws of an exhibit: its first picture, and its handles with their stops. `frames` and `alive`
make it, `player` writes it as HTML, `site.js` moves it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from quantlab.canvas.style import Picture


@dataclass(frozen=True)
class Axis:
    """A handle as a page draws it.  kind: as `Handle.kind`.  stops: `values`, and their words; neither where
    a text is typed.  first: the number of a stop, or the text.
    """

    name: str
    label: str
    kind: str
    values: tuple
    words: tuple[str, ...]
    first: Any


@dataclass(frozen=True)
class Shown:
    """An exhibit on a page.

    height: of its tallest picture, as far as it is known.  presets: words on a button -> the axes that
    it moves, by number, with their stops.
    links: (menu, slider, the slider's stop for each of the menu's, None where it has none; the menu's stop
    that names nothing): axes by number, as `handles.Link` has them.  panels: words on a button -> its tip.
    packed: the walked pictures; call: what the page's Python draws; one of the two.  owner: what the ids in
    the drawings end with.
    """

    axes: Sequence[Axis]
    first: Picture
    height: int
    presets: Mapping[str, Sequence[tuple[int, Any]]]
    note: str = ""
    links: Sequence[tuple[int, int, Sequence[int | None], int]] = ()
    panels: Mapping[str, str] = field(default_factory=dict)
    packed: str = ""
    call: str = ""
    owner: str = ""
