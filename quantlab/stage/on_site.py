"""Where on the site (`tools/site/`) an exhibit moves, and the address that opens it there as it stands here.

    on_site.link(stage)     # {"page": "http://localhost:8000/index.html", "id": "explore_llama", ...}

Whether a page can show a picture is not guessed: the exhibit of that page is made here, its handles are put
where they shall stand, and the two pictures are compared. How an address is spelled stands in `address.js`,
which the notebook's script and the pages' share.
"""

import ast
import csv
import math
import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from ..profile import as_reference
from ..words import listed
from .handles import Handle

if TYPE_CHECKING:
    from .base import Stage

#: Exhibits that a page's Python draws, wherever a lesson calls them with plain arguments.
ALIVE = ("explore_memory", "explore_fit", "explore_kv_cache", "explore_speed", "explore_tag")
#: Exhibits that a page walks -> their main handles; with the stops that are shown where those are not all.
MAIN: dict[str, dict[str, Sequence | None]] = {
    "explore_llama": {"bits": None, "hot": None, "scale": None},
    "explore_bits": {"bits": None, "piece": None},
    "explore_float": {"value": (-100000.0, -math.pi, -1.0, -0.148619622, -0.1, -1e-6, 0.0, 1e-8, 1e-6, 0.0001,
                                0.01, 0.1, 0.148619622, 0.3, 0.5, 1.0, 1.1, 2.0, math.pi, 7.3, 17.0, 100.0,
                                240.0, 448.0, 1000.0, 65504.0, 70000.0, 100000.0, 1e10)},
    "explore_outlier": {"size": None, "block": (16, 32, 64, 256, 1024), "bits": (3, 4)},
    "explore_types": {"ftype": None, "model": None, "unit": None},
    "explore_scale_search": {"group": tuple(range(10)), "far": None},
    "explore_model_map": {"size": None},
    "explore_recital": {"qtype": None, "passage": (0, 1, 2, 3, 30)},
    "explore_sensitivity": {"qtype": None, "per": None, "mix": None},
    "explore_quality": {"pure": None, "key": None, "unit": None},
    "explore_block": {"qtype": None, "block": (0, 1)},
}
VARIABLE, HERE = "QUANTLAB_SITE", "http://localhost:8000/"
SERVED = f"Copied. It opens at {HERE} after: make site, then python -m http.server --directory site"
OTHERWISE = "The site has this exhibit, but not this picture: it was made with something that no page has."


class OnPage(NamedTuple):
    """Where an exhibit moves.  page: without ".html".  id: of the figure there.  call: what made it."""

    page: str
    id: str
    call: str


@cache
def on_pages(name: str) -> tuple[OnPage, ...]:
    """Those of the exhibit `name`, such as "explore_llama", in the order of the pages; () where it moves on
    none.  The table is held against the pages that `make site` builds.
    """
    table = (files("quantlab") / "data" / "site.csv").read_text(encoding="utf-8")
    return tuple(OnPage(**row) for row in csv.DictReader(table.splitlines())
                 if row["call"].startswith(f"ql.{name}("))


def page_stops(stage: "Stage", handle: Handle, only: Sequence | None = None) -> list[tuple[str, Any]]:
    """(words, value) of each place where the page's handle can stand; none where a text is typed.  only: as
    in MAIN; where the handle stands at first is always among them.
    """
    value = stage.values()[handle.name]
    if handle.kind == "number":
        return [(f"{stop:g}", stop) for stop in sorted({*(only or ()), value})]
    if handle.kind in ("text", "area"):
        return []
    options = handle.choices if handle.kind in ("check", "slider") else stage.controls[handle.name].options
    options = options.items() if isinstance(options, Mapping) else options
    pairs = [stop if isinstance(stop, tuple) else (str(stop), stop) for stop in options]
    return [pair for pair in pairs if only is None or pair[1] in {*only, value}]


def site() -> tuple[str, str]:
    """(address of the site, what is said after an address of it was copied): $QUANTLAB_SITE, else a server of
    this machine.  ValueError where the variable is no address.
    """
    given = os.environ.get(VARIABLE, "").strip()
    if not given:
        return HERE, SERVED
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"{VARIABLE}={given!r} is no address of a site: give one such as "
                         "https://name.example/quantlab/")
    return given.rstrip("/") + "/", f"Copied: it opens at {given}"


def link(stage: Any) -> dict[str, Any]:
    """What `address.js` spells, and what is said then: page, id, moved ([handle, value] of those that do not
    stand as they stand there at first), said.

    Raises ValueError in words where no page of the site can show the picture.
    """
    address, said = site()
    reasons = []
    for place in on_pages(stage.maker.__name__):
        with as_reference():
            there = stage.maker(*_arguments(place.call)[0], **_arguments(place.call)[1])
            try:
                moved = _moved(stage, there)
            except ValueError as error:
                reasons.append(str(error))
                continue
            finally:
                for whole in (there, there.targets, there.status):
                    _dismiss(whole)
        return {"page": f"{address}{place.page}.html", "id": place.id, "moved": moved, "said": said}
    raise ValueError(reasons[0] if reasons else "The site does not have this exhibit.")


def _arguments(call: str) -> tuple[list, dict[str, Any]]:
    """Those of a call with constants."""
    node = ast.parse(call, mode="eval").body
    assert isinstance(node, ast.Call), "the table has calls"
    return ([ast.literal_eval(one) for one in node.args],
            {str(one.arg): ast.literal_eval(one.value) for one in node.keywords})


def _moved(here: "Stage", there: "Stage") -> list[tuple[str, Any]]:
    """The handles of the page's exhibit that must be moved to show what is shown here; they are.  ValueError
    where they cannot show it.
    """
    main, now, wanted = MAIN.get(there.maker.__name__), here.values(), {}
    for handle in there.exhibit.handles:
        if handle.name not in now or (main and handle.name not in main):
            continue
        only = main[handle.name] if main else None
        wanted[handle.name] = _stop(there, handle, now[handle.name], only)
    there.set(**wanted)
    if there.picture.svg != here.picture.svg:
        fixed = [f"“{handle.label}”" for handle in there.exhibit.handles
                 if handle.name not in wanted and now.get(handle.name) != there.values()[handle.name]]
        raise ValueError(f"The site has this exhibit, but {listed(fixed)} cannot be moved there." if fixed
                         else OTHERWISE)
    return [(name, value) for name, value in wanted.items() if value != there.initial[name]]


def _dismiss(widget: Any) -> None:
    """Nobody shows it: its parts are forgotten, here and in the browser."""
    for part in (*getattr(widget, "children", ()), getattr(widget, "layout", None),
                 getattr(widget, "style", None)):
        if part is not None:
            _dismiss(part)
    widget.close()


def _stop(there: "Stage", handle: Handle, value: Any, only: Sequence | None) -> Any:
    """The page's stop at this value; a menu that has no such choice lets go of its slider."""
    values = [stop for _, stop in page_stops(there, handle, only)]
    for stop in values:
        if value in (stop, round(stop, 9) if isinstance(stop, float) else stop):        # as `Stage.values`
            return stop
    if not values:
        return value
    if handle.name in there.exhibit.links:
        return there.exhibit.links[handle.name].free
    raise ValueError(f"The site has this exhibit, but without {value!r} for “{handle.label}”.")
