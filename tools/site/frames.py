"""An exhibit walked at every stop of its main handles, and packed so small that a page can carry it.

Neighbouring pictures share most of their shapes. A packed exhibit is a list of different shapes, and for each
picture the numbers of its own, deflated: a shape that stays costs next to nothing. `site.js` puts the
pictures together again.
"""

import base64
import json
import math
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from quantlab.canvas.style import Picture, own_names
from quantlab.stage.aims import Aim, aims
from quantlab.stage.base import Stage
from quantlab.stage.handles import Handle
from quantlab.stage.on_site import MAIN, page_stops
from quantlab.words import html_table

from .in_page import finite
from .shown import Axis, Shown

MOST = 400              # pictures of one exhibit
#: What targets speak of: names of handles, and of numbers that pictures tell.
SPOKEN_OF = {name for aim in aims().values() for name, _, _ in aim.when}


@dataclass(frozen=True)
class Frames:
    """A walked exhibit: `pictures` has one for each combination of stops, the last axis moving fastest.

    presets: words on a button -> the axes that it moves, by number, with their stops.
    numbers: what targets are measured by, beside the main handles, for each picture.
    """

    axes: tuple[Axis, ...]
    pictures: tuple[Picture, ...]
    presets: Mapping[str, Sequence[tuple[int, Any]]]
    note: str
    numbers: tuple[Mapping[str, Any], ...]

    def reaches(self, aim: Aim) -> bool:
        """Whether a target is met by one of the pictures."""
        stops = product(*(axis.values for axis in self.axes))
        names = [axis.name for axis in self.axes]
        return any(aim.met({**dict(zip(names, values, strict=True)), **numbers})
                   for values, numbers in zip(stops, self.numbers, strict=True))

    def shown(self, owner: str) -> Shown:
        """What a page draws of it."""
        return Shown(self.axes, self.first, max(one.height for one in self.pictures), self.presets,
                     self.note, packed=self.packed(), owner=owner)

    @property
    def first(self) -> Picture:
        """The picture that the exhibit begins with."""
        return self.pictures[place(self.axes, [axis.first for axis in self.axes])]

    def packed(self) -> str:
        """All pictures, findings and tables as base64 of a raw deflate of JSON: "parts" are the different
        shapes and rows, "frames" and "tables" the numbers of their parts, "finding" the sentences, "numbers"
        what targets are measured by.
        """
        parts: dict[str, int] = {}

        def numbers(cut: Sequence[str]) -> list[int]:
            return [parts.setdefault(part, len(parts)) for part in cut]

        told = {"frames": [numbers(shapes(one.svg)) for one in self.pictures],
                "tables": [numbers(shapes(html_table(one.table))) for one in self.pictures],
                "finding": [one.finding for one in self.pictures], "numbers": self.numbers,
                "parts": [*parts]}
        text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
        squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
        return base64.b64encode(squeeze.compress(text.encode()) + squeeze.flush()).decode()


def place(axes: Sequence[Axis], stops: Sequence[int]) -> int:
    """The number of the picture at these stops."""
    at = 0
    for stop, axis in zip(stops, axes, strict=True):
        at = at * len(axis.values) + stop
    return at


def shapes(svg: str) -> list[str]:
    """The text of a drawing, cut between its elements."""
    return re.split(r"(?<=>)(?=<)", svg)


def walked(name: str, stage: Stage, owner: str = "it") -> Frames:
    """The exhibit `name` of MAIN at all its main stops; it is reset afterwards.

    owner: what the ids of its drawings end with, so that no two exhibits of a page share one.
    Raises ValueError as `axes_of` does.
    """
    axes = axes_of(name, stage)
    pictures, numbers, start = [], [], _others(stage, axes)
    for values in product(*(axis.values for axis in axes)):
        if _others(stage, axes) != start:               # a handle has followed the one that was moved
            stage.reset()
        for axis, value in zip(axes, values, strict=True):
            if stage.values()[axis.name] != value:
                stage.controls[axis.name].value = value         # as a hand does it: others may follow
        pictures.append(replace(stage.picture, svg=own_names(stage.picture.svg, owner)))
        numbers.append(_numbers(stage, axes))
    stage.reset()
    return Frames(axes, tuple(pictures), dict(_presets(stage, axes)), stage.exhibit.note, tuple(numbers))


def _numbers(stage: Stage, axes: Sequence[Axis]) -> dict[str, Any]:
    """What targets speak of, without the main handles, as JSON has it."""
    found = {name: getattr(value, "item", lambda value=value: value)()
             for name, value in stage.gauges().items()
             if name in SPOKEN_OF and name not in {axis.name for axis in axes}}
    return finite({name: value for name, value in found.items() if isinstance(value, str | int | float)})


def _others(stage: Stage, axes: Sequence[Axis]) -> dict[str, Any]:
    """What all other handles say."""
    return {key: value for key, value in stage.values().items() if key not in {axis.name for axis in axes}}


def axes_of(name: str, stage: Stage) -> tuple[Axis, ...]:
    """The main handles of the exhibit `name` of MAIN, with their stops.

    Raises ValueError for an exhibit without such handles, and for more than MOST pictures.
    """
    handles = {handle.name: handle for handle in stage.exhibit.handles}
    chosen = {key: only for key, only in MAIN[name].items() if key in handles}
    if not chosen:
        raise ValueError(f"{name} has none of the handles {', '.join(MAIN[name])} here")
    axes = tuple(_axis(stage, handles[key], only) for key, only in chosen.items())
    if (count := math.prod(len(axis.values) for axis in axes)) > MOST:
        raise ValueError(f"{name} at every stop is {count} pictures, {MOST} at most: leave out some stops")
    return axes


def _axis(stage: Stage, handle: Handle, only: Sequence | None) -> Axis:
    pairs = page_stops(stage, handle, only)
    values = tuple(stop for _, stop in pairs)
    return Axis(handle.name, handle.label, handle.kind, values, tuple(str(words) for words, _ in pairs),
                values.index(stage.values()[handle.name]))


def _presets(stage: Stage, axes: Sequence[Axis]) -> Iterator[tuple[str, list[tuple[int, Any]]]]:
    """Those presets that the main handles can show by themselves."""
    names = {axis.name for axis in axes}
    for words, values in stage.exhibit.presets.items():
        others = {key: value for key, value in values.items() if key not in names}
        if any(stage.values()[key] != value for key, value in others.items()):
            continue
        if all(axis.name not in values or values[axis.name] in axis.values for axis in axes):
            at = {axis.name: i for i, axis in enumerate(axes)}
            yield words, [(at[key], axes[at[key]].values.index(value)) for key, value in values.items()
                          if key in at]
