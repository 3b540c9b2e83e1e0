"""The one walker: where an arrow, Home, End or Page key leads, in a list, in a grid, and along the stops of a
handle.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

Stop = TypeVar("Stop")
STEPS = {"ArrowLeft": -1, "ArrowRight": 1, "ArrowUp": -1, "ArrowDown": 1}


def along(key: str, here: int, count: int, steps: Mapping[str, int] = STEPS) -> int:
    """The place in a list of `count` that a key leads to from `here`: arrows by `steps`, Home and End its
    ends.
    """
    to = {"Home": 0, "End": count - 1}.get(key, here + steps.get(key, 0))
    return min(max(to, 0), count - 1)


def across(key: str, row: int, column: int, lengths: Sequence[int]) -> tuple[int, int]:
    """(row, column) that a key leads to in a grid whose rows have `lengths`.

    Left and Right go on in the row before and after; Up and Down keep the column; Home and End are the row's
    ends.
    """
    if key in ("Home", "End"):
        return row, along(key, column, lengths[row])
    if key in ("ArrowUp", "ArrowDown"):
        row = along(key, row, len(lengths))
        return row, min(column, lengths[row] - 1)
    place = along(key, sum(lengths[:row]) + column, sum(lengths))
    row = next(i for i in range(len(lengths)) if place < sum(lengths[: i + 1]))
    return row, place - sum(lengths[:row])


def turned(key: str, value: Stop, stops: Sequence[Stop], up: int = 1, around: bool = False) -> Stop:
    """The stop that Page Up or Page Down leads to.  up: by how many stops Page Up moves.  around: the last is
    followed by the first.
    """
    to = stops.index(value) + {"PageUp": up, "PageDown": -up}.get(key, 0)
    return stops[to % len(stops) if around else min(max(to, 0), len(stops) - 1)]
