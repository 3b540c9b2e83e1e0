"""What the Python of a page does: it makes an exhibit from its call, once, and draws it for the stops on
which the page's handles stand.

`shipped.py` packs this module beside the modules of quantlab that it needs, and `worker.js` calls `drawn`.
"""

import inspect
import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import quantlab
from quantlab.canvas.style import own_names
from quantlab.stage.exhibit import Exhibit
from quantlab.words import html_table


class Declared:
    """`ql` in a call: the public functions, but without the stage, which is made of widgets."""

    def __getattr__(self, name: str) -> Any:
        return inspect.unwrap(getattr(quantlab, name))


@cache
def made(call: str) -> Exhibit:
    """The exhibit of a call such as "ql.explore_fit(8)", which stood in a lesson when the site was built."""
    return eval(call, {"ql": Declared()})


def values_at(exhibit: Exhibit, stops: Sequence[int | str]) -> dict[str, Any]:
    """What the handles say: the number of a stop for each, or the text that was typed."""
    return {handle.name: handle.choices[int(stop)][1] if handle.choices else str(stop)
            for handle, stop in zip(exhibit.handles, stops, strict=True)}


def first_stops(exhibit: Exhibit) -> list[int | str]:
    """Where the handles stand at first."""
    return [[value for _, value in handle.choices].index(handle.value) if handle.choices else handle.value
            for handle in exhibit.handles]


def drawn(call: str, owner: str, stops: Sequence[int | str], opened: Sequence[str],
          rough: bool = False) -> str:
    """JSON of what stands there now: picture (its ids end with `owner`), finding, table, numbers, and the
    panels that are opened.  rough: without what takes long; it says whether something was left out.
    """
    exhibit = made(call)
    values = values_at(exhibit, stops)
    rough = rough and exhibit.rough is not None
    picture = exhibit.picture(values, rough=rough)
    return json.dumps({
        "rough": rough, "svg": own_names(picture.svg, owner), "finding": picture.finding,
        "table": html_table(picture.table),
        "width": picture.width, "height": picture.height, "numbers": finite(picture.numbers),
        "panels": "".join(exhibit.panels[words].shown(values) for words in opened)}, ensure_ascii=False)


def finite(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers that JSON has; a target is not met by one that it has not."""
    return {name: value for name, value in numbers.items()
            if not isinstance(value, float) or math.isfinite(value)}
