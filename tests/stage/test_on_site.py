"""A link of the notebook opens the same picture on the site, or says why none can."""

import random

import ipywidgets as widgets
import numpy as np
import pytest

import quantlab as ql
from quantlab.memory import machine
from quantlab.memory.machine import Gpu, Machine
from quantlab.stage.on_site import ALIVE, MAIN, SERVED, link, on_pages, page_stops, site
from tools.site.frames import axes_of

GIB = 2**30
EXHIBITS = (*MAIN, *ALIVE)


def opened(told: dict):
    """The exhibit of the page that a link names, with its handles moved as the page's script does."""
    page = told["page"].rpartition("/")[2].removesuffix(".html")
    name = told["id"].partition("-")[0]
    [place] = [one for one in on_pages(name) if (one.page, one.id) == (page, told["id"])]
    there = eval(place.call, {"ql": ql})
    if name in MAIN:                        # the page has these stops and no others
        axes = {axis.name: axis.values for axis in axes_of(name, there)}
        assert all(value in axes[handle] for handle, value in told["moved"])
    there.set(**dict(told["moved"]))
    return there


def wander(stage, rng: random.Random) -> None:
    """Handles as a page has them go to drawn stops."""
    main = MAIN.get(stage.maker.__name__)
    for handle in stage.exhibit.handles:
        if main is None or handle.name in main:
            found = page_stops(stage, handle, main and main[handle.name])
            stage.controls[handle.name].value = rng.choice(found)[1] if found else rng.choice(
                ("mistral:7b-q4_0", "qwen3:8b", ""))


@pytest.mark.parametrize("name", EXHIBITS)
def test_a_link_leads_to_the_same_picture(name):
    stage, rng = getattr(ql, name)(), random.Random(name)
    for _ in range(4):
        told = link(stage)
        there = opened(told)
        assert (there.finding, there.picture.svg) == (stage.finding, stage.picture.svg)
        wander(stage, rng)


def test_the_first_page_that_can_show_it_is_named():
    told = link(ql.explore_llama().at(bits=2, scale="one for every 32 pixels"))
    assert told == {"page": "http://localhost:8000/index.html", "id": "explore_llama", "said": SERVED,
                    "moved": [("bits", 2), ("scale", "one for every 32 pixels")]}
    assert link(ql.explore_block(qtype="MXFP4"))["page"].endswith("/02_blocks_and_outliers.html")
    smol = link(ql.explore_model_map("smollm2-135m", "Q4_K_M", ftype="IQ4_XS"))
    assert smol["page"].endswith("/09_custom_models.html") and smol["moved"] == []


@pytest.mark.parametrize(("make", "why"), [
    (lambda: ql.explore_bits(np.linspace(-1, 1, 384)), "without 'all 384 weights' for “which weights”"),
    (lambda: ql.explore_float(0.7), "without 0.7 for “your number”"),
    (lambda: ql.explore_block().at(bit=5), "“bit” cannot be moved there"),
    (lambda: ql.explore_scale_search().at(group=300), "without 300 for “group”"),
    (lambda: ql.explore_memory(ql.MODELS["qwen3:14b"], 8), "made with something that no page has"),
])
def test_what_no_page_shows_is_said(make, why):
    stage = make()
    assert why in stage.link()["refused"]


def test_a_flipped_bit_is_on_no_page():
    block = ql.explore_block()
    assert "page" in block.link()
    block.touched({"spot": 3, "single": True})
    block.buttons["flip"].click() if "flip" in block.buttons else None
    assert "cannot be moved there" in block.link()["refused"]


def test_a_card_of_ones_own_is_a_size_on_the_page(monkeypatch):
    """A live notebook names this machine's card in its menu; the page, made elsewhere, has the size alone."""
    mine = Machine("mine", 8, 64 * GIB, 60 * GIB, (Gpu("Home-made card", 12 * GIB, 12 * GIB),))
    monkeypatch.setenv("QUANTLAB_PROFILE", "live")
    monkeypatch.setattr(machine, "_live", lambda: mine)
    stage = ql.explore_memory("llama3.1:8b")
    assert "Home-made" in stage.values()["card"]
    told = link(stage)
    assert dict(told["moved"])["vram"] == 12 and "Home-made" not in str(told)
    monkeypatch.setenv("QUANTLAB_PROFILE", "reference")
    assert opened(told).finding == stage.finding


def test_where_the_site_is(monkeypatch):
    monkeypatch.setenv("QUANTLAB_SITE", "https://name.example/quantlab")
    assert site()[0] == "https://name.example/quantlab/" and "name.example" in site()[1]
    assert link(ql.explore_tag())["page"].startswith("https://name.example/quantlab/03_gguf")
    for wrong in ("name.example", "file:///site/", "https://", "https://name.example/?a=1", "https://e.org/#x"):
        monkeypatch.setenv("QUANTLAB_SITE", wrong)
        assert wrong in ql.explore_tag().link()["refused"]
    monkeypatch.setenv("QUANTLAB_SITE", " ")
    assert site()[0] == "http://localhost:8000/" and "make site" in site()[1]


def test_a_link_leaves_no_widget_behind():
    stage = ql.explore_memory("llama3.1:8b", 8)
    link(stage)
    before = len(widgets.widget._instances)
    link(stage.at(n_ctx=65536))
    assert len(widgets.widget._instances) == before


def test_what_can_be_taken_along():
    for made, wanted in ((ql.explore_memory("llama3.1:8b", 8), ["picture", "code", "link"]),
                         (ql.plot_rule(), ["picture", "code"]), (ql.predict("13-1"), [])):
        made.offer_copies()
        assert made.assistant.shares == wanted
    guess = ql.predict("13-1").then(ql.explore_kv_cache, "llama3.1:8b", "gemma3:4b", n_ctx=131072, vram_gb=24)
    guess.choose(0)
    assert guess.shown.assistant.shares == ["picture", "code", "link"]
    assert guess.shown.link()["id"] == "explore_kv_cache"
