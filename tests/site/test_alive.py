"""What a page's Python draws: the exhibits' own handles, the notebook's pictures, and no module too many."""

import json
import random
import zipfile
from io import BytesIO

import pytest

import quantlab as ql
from quantlab.canvas.style import own_names
from quantlab.exhibits.memory import _settings
from quantlab.stage import touchable
from quantlab.words import html_table
from tests.thinned import some
from tools.site import alive, build, in_page, shipped
from tools.site.player import player

CALLS = ("ql.explore_memory('llama3.1:8b', 8, n_ctx=32768)", "ql.explore_fit(8, model='llama3.1:8b')",
         "ql.explore_speed('llama3.1:8b', 'GeForce RTX 4090')", "ql.explore_tag()",
         "ql.explore_memory(None, 24, params_b=34)",
         "ql.explore_kv_cache('llama3.1:8b', 'gemma3:4b', n_ctx=131072, vram_gb=24)")


def any_stops(axes, rng: random.Random) -> list:
    """A place for each handle, drawn."""
    return [rng.randrange(len(axis.values)) if axis.values else rng.choice(("mistral:7b-q4_0", "a:b-c", ""))
            for axis in axes]


@pytest.mark.parametrize("call", CALLS)
def test_a_drawn_state_is_the_notebooks(call):
    """Picture, finding, table and numbers, at places of the handles that no hand would choose."""
    shown, stage, rng = alive.shown(call, "x"), eval(call, {"ql": ql}), random.Random(call)
    assert shown.first.finding == stage.finding
    for _ in some(range(6), 2):
        stops = any_stops(shown.axes, rng)
        stage.set(**{axis.name: axis.values[stop] if axis.values else stop
                     for axis, stop in zip(shown.axes, stops, strict=True)})
        for axis, stop in zip(shown.axes, stops, strict=True):      # what follows another may have moved
            assert not axis.values or stage.values()[axis.name] in axis.values, (axis, stop)
        told = json.loads(in_page.drawn(call, "x", [
            axis.values.index(stage.values()[axis.name]) if axis.values else stage.values()[axis.name]
            for axis in shown.axes], []))
        assert told["finding"] == stage.picture.finding
        assert told["svg"] == own_names(stage.picture.svg, "x")
        assert told["table"] == html_table(stage.picture.table)
        assert told["numbers"] == in_page.finite(stage.picture.numbers)


def test_the_handles_of_a_page_are_those_of_the_notebook():
    shown, stage = alive.shown(CALLS[0], "x"), ql.explore_memory("llama3.1:8b", 8, n_ctx=32768)
    assert [axis.label for axis in shown.axes] == [one.description for one in stage.controls.values()]
    assert {*shown.presets} == {words for words in stage.exhibit.presets if "machine" not in words}
    assert {*shown.panels} == {"As Ollama settings", "Ways to split it"}
    html = player(shown, "explore_memory")
    assert html.count("<label>") == len(stage.controls) and "data-panel" in html


def test_a_panel_is_what_the_notebook_opens_and_a_wrong_setting_is_a_sentence():
    call, shown = CALLS[0], alive.shown(CALLS[0], "x")
    first = in_page.first_stops(in_page.made(call))
    told = json.loads(in_page.drawn(call, "x", first, ["As Ollama settings"]))
    stage = ql.explore_memory("llama3.1:8b", 8, n_ctx=32768)
    assert told["panels"] == stage.panels["As Ollama settings"].html(stage.values())
    names = [axis.name for axis in shown.axes]
    wrong = [*first]
    wrong[names.index("flash")] = 0
    wrong[names.index("type_kv")] = shown.axes[names.index("type_kv")].values.index("q8_0")
    told = json.loads(in_page.drawn(call, "x", wrong, ["As Ollama settings"]))
    assert "flash attention" in told["panels"] and told["panels"].startswith("<p>")


def test_every_tab_of_the_settings_has_its_commands_in_the_notebook_and_on_the_page():
    values = ql.explore_memory("llama3.1:8b", 8).values()
    tabs = _settings(ql.MODELS, values).count('class="ql-tab"')
    for css in (touchable.Assistant._css, build.ROOT / "tools/site/site.css"):
        rules = css.read_text(encoding="utf-8") if hasattr(css, "read_text") else str(css)
        assert [i for i in range(tabs) if f'[data-tab="{i}"] ' not in rules] == [], css


def test_only_what_is_opened_is_shipped_and_the_package_is_the_same_each_time():
    files = shipped.needed(["ql.explore_tag()"])
    packed = shipped.package(files)
    assert packed == shipped.package(files)
    with zipfile.ZipFile(BytesIO(packed)) as archive:
        names = {*archive.namelist()}
    assert {"quantlab/exhibits/tag.py", "quantlab/models/tag.py", "in_page.py"} <= names
    assert not [name for name in names if "/memory/fit" in name or "touchable" in name or "/tests/" in name]


def test_an_exhibit_that_needs_numpy_is_refused():
    with pytest.raises(ValueError, match="a page's Python has no"):
        shipped.needed(["ql.explore_bits()"])
