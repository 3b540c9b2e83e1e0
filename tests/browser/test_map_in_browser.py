"""The model map in the real browser: a tensor is chosen by click and by key, and what is said is what the
tensor table says.
"""

import re

import pytest

from quantlab.models.recipes import tensor_list
from quantlab.words import size

pytestmark = pytest.mark.browser
SOURCES = ("import quantlab as ql\nql.explore_model_map()",)


def said(name: str, ftype: str) -> str:
    row = tensor_list("llama-3.1-8b", ftype).set_index("name").loc[name]
    shape = " × ".join(f"{n:,}" for n in row["shape"])
    return (
        f"{name}: {shape} weights in {row['type']}, {row['nbytes']:,} bytes, {row['bpw']:.6g} bits per "
        "weight")


def hears(lesson, explorer, words: str) -> None:
    """The live region says it, and so does the part that a screen reader is led to."""
    lesson.hears(explorer, words)
    here, view = explorer.locator("[data-here]"), explorer.locator(".ql-view")
    assert here.get_attribute("aria-label") == words
    assert lesson.wait_until(lambda: view.get_attribute("aria-activedescendant") == here.get_attribute("id"))


def row(explorer, role: str):
    """The tiles of a role, found by the label in front of them."""
    labels = explorer.locator(".ql-view svg > text").all_text_contents()
    roles = [words for words in labels if re.fullmatch(r"(attn|ffn|token|output|rope)\w*", words)]
    return explorer.locator(".ql-spot").nth(roles.index(role))


@pytest.mark.parametrize(("role", "layer"), [("attn_v", 5), ("ffn_down", 31), ("attn_norm", 0),
                                             ("attn_q", 16)])
def test_a_click_chooses_the_tile_under_the_mouse(lesson, explorer, role, layer):
    tiles = row(explorer, role)
    box = tiles.bounding_box()
    tiles.click(position={"x": (layer + 0.5) * box["width"] / 32, "y": box["height"] / 2})
    hears(lesson, explorer, said(f"blk.{layer}.{role}.weight", "Q4_K_M"))
    assert lesson.faults == [] and lesson.cell_errors() == []


def test_the_mouse_is_told_the_type_where_it_rests(lesson, explorer):
    tiles, types = row(explorer, "ffn_down"), tensor_list("llama-3.1-8b", "Q4_K_M").set_index("name")["type"]
    box = tiles.bounding_box()
    for layer in (0, 3, 4, 6, 31):
        lesson.page.mouse.move(box["x"] + (layer + 0.5) * box["width"] / 32, box["y"] + box["height"] / 2)
        wanted = types[f"blk.{layer}.ffn_down.weight"]
        assert lesson.wait_until(lambda wanted=wanted: explorer.locator(".ql-view").get_attribute("title")
                                 == wanted)


def test_keys_walk_the_map_and_change_the_ftype(lesson, explorer):
    explorer.locator(".ql-view").focus()
    press = lesson.page.keyboard.press

    def hears_now(name):
        hears(lesson, explorer, said(name, "Q4_K_M"))

    press("ArrowRight")
    hears_now("blk.1.attn_v.weight")
    press("ArrowDown")
    hears_now("blk.1.attn_output.weight")
    press("End")
    hears_now("blk.31.attn_output.weight")
    press("ArrowRight")
    hears_now("blk.0.ffn_norm.weight")
    press("n")
    hears_now("blk.0.ffn_down.weight")
    press("PageUp")
    menu = explorer.locator(".ql-c-ftype select")
    assert lesson.wait_until(lambda: menu.input_value() != "Q4_K_M")
    press("PageDown")
    assert lesson.wait_until(lambda: menu.input_value() == "Q4_K_M")
    assert lesson.faults == []


def test_the_menu_changes_map_size_and_sentence(lesson, explorer):
    for ftype in ("Q2_K", "IQ4_XS", "Q8_0"):
        told = size(tensor_list("llama-3.1-8b", ftype).nbytes.sum())
        explorer.locator(".ql-c-ftype select").select_option(label=ftype)
        assert lesson.wait_until(lambda f=ftype,
                                 s=told: f"{f} is {s}" in explorer.locator(".ql-view svg").get_attribute(
                                     "aria-label"))
        assert explorer.locator(".ql-c-size .widget-readout").text_content() == f"{told}, {ftype}"
    explorer.locator(".ql-c-beside select").select_option(label="Q6_K")
    assert lesson.wait_until(lambda: "Q8_0 is 1.94 GB larger than Q6_K" in lesson.said(explorer))
    assert lesson.cut_words() == [] and lesson.faults == []
