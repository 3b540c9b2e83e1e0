"""Exhibits with millions of states that need no NumPy: the page's own Python draws them, when they are
touched. Their handles are those of the exhibit's declaration.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from quantlab.canvas.style import own_names
from quantlab.stage.exhibit import Exhibit

from .in_page import first_stops, made
from .shown import Axis, Shown

#: Begins the words of a preset of the machine that built the site, which is not the reader's.
NOT_HERE = ("My machine", "No card found")


def shown(call: str, owner: str) -> Shown:
    """The exhibit of a call such as "ql.explore_fit(8)", as a page draws it.

    owner: what the ids in its drawings end with.
    """
    exhibit = made(call)
    axes = tuple(Axis(handle.name, handle.label, handle.kind, tuple(value for _, value in handle.choices),
                      tuple(words for words, _ in handle.choices), stop)
                 for handle, stop in zip(exhibit.handles, first_stops(exhibit), strict=True))
    at = {axis.name: i for i, axis in enumerate(axes)}
    first = exhibit.picture(exhibit.initial)
    tallest = max(first.height, *(exhibit.picture(exhibit.initial | values).height
                                  for values in exhibit.presets.values()), 0)
    return Shown(axes, replace(first, svg=own_names(first.svg, owner)), tallest,
                 {words: [(at[name], _stop(axes[at[name]], value)) for name, value in values.items()]
                  for words, values in exhibit.presets.items() if not words.startswith(NOT_HERE)},
                 exhibit.note, [*_links(exhibit, axes)],
                 {words: panel.tip for words, panel in exhibit.panels.items()}, call=call, owner=owner)


def _stop(axis: Axis, value: Any) -> Any:
    """Where a handle stands at a value."""
    return axis.values.index(value) if axis.values else value


def _links(exhibit: Exhibit, axes: Sequence[Axis]) -> Iterator[tuple[int, int, list[int | None], int]]:
    """Which slider follows which menu, and where to."""
    number = {axis.name: i for i, axis in enumerate(axes)}
    for name, link in exhibit.links.items():
        menu, slider = axes[number[name]], axes[number[link.slider]]
        places = [link.place(value) for value in menu.values]
        yield (number[name], number[link.slider],
               [None if place is None else slider.values.index(place) for place in places],
               menu.values.index(link.free))
