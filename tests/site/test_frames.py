"""A walked exhibit is what the notebook shows at the same stops, and it is small enough for a page."""

import base64
import json
import random
import re
import zlib

import pytest

import quantlab as ql
from quantlab.canvas.style import Picture, own_names
from quantlab.canvas.svg import page, text
from quantlab.stage.base import Stage
from quantlab.stage.exhibit import Exhibit
from quantlab.stage.handles import slider
from quantlab.words import html_table
from tools.site import frames
from tools.site.frames import MAIN, walked

#: Bytes of a packed exhibit, as base64.
MOST_BYTES = {"explore_bits": 25_000, "explore_types": 20_000, "explore_llama": 400_000}


def unpacked(packed: str) -> dict:
    return json.loads(zlib.decompress(base64.b64decode(packed), -15))


@pytest.mark.parametrize("name", MAIN)
def test_every_exhibit_shows_what_the_notebook_shows(name):
    """At drawn stops: drawing, finding and table of the exhibit when its handles are put there."""
    made = walked(name, getattr(ql, name)(), "x")
    told, rng = unpacked(made.packed()), random.Random(name)
    assert len(made.packed()) <= MOST_BYTES.get(name, 500_000)
    assert len(told["frames"]) == len(made.pictures) > 1
    fresh = getattr(ql, name)()
    for _ in range(8):
        stops = [rng.randrange(len(axis.values)) for axis in made.axes]
        fresh.reset()
        for axis, stop in zip(made.axes, stops, strict=True):
            fresh.controls[axis.name].value = axis.values[stop]
        at = frames.place(made.axes, stops)
        assert told["finding"][at] == fresh.picture.finding
        assert "".join(told["parts"][i] for i in told["frames"][at]) == own_names(fresh.picture.svg, "x")
        assert "".join(told["parts"][i] for i in told["tables"][at]) == html_table(fresh.picture.table)


@pytest.mark.parametrize("name", ["explore_llama", "explore_types", "explore_bits", "explore_outlier"])
def test_a_preset_leads_where_the_notebooks_button_leads(name):
    stage = getattr(ql, name)()
    made = walked(name, stage)
    assert made.first.finding == stage.finding and made.presets
    for words, stops in made.presets.items():
        stage.reset()
        stage.buttons[words].click()
        at = [axis.first for axis in made.axes]
        for axis, stop in stops:
            at[axis] = stop
        assert made.pictures[frames.place(made.axes, at)].finding == stage.finding


def drawn(a: int) -> Picture:
    return page(90, [text(20, 80, a)], finding=f"{a} here")


def test_an_exhibit_without_its_main_handles_and_one_with_too_many_stops_are_refused(monkeypatch):
    stage = Stage(Exhibit([slider("a", "a", 4, 0, 9)], drawn))
    with pytest.raises(ValueError, match="none of the handles bits, hot, scale"):
        walked("explore_llama", stage)
    monkeypatch.setitem(MAIN, "explore_llama", {"a": None})
    monkeypatch.setattr(frames, "MOST", 9)
    with pytest.raises(ValueError, match="is 10 pictures, 9 at most"):
        walked("explore_llama", stage)


def test_no_two_exhibits_of_a_page_share_an_id():
    one, two = (walked("explore_bits", ql.explore_bits(), owner) for owner in ("one", "two"))
    ids = [{*re.findall(r' id="([^"]+)"', "".join(picture.svg for picture in made.pictures))}
           for made in (one, two)]
    assert not ids[0] & ids[1]
