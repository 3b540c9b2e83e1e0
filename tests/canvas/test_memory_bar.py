"""The memory bar: widths in proportion, the rest hatched, an assumption hatched in grey with its range,
nothing outside, nothing moves.
"""

import re
import xml.etree.ElementTree as ET

import pytest

from quantlab.canvas.memory_bar import LEFT, MOST, RIGHT, Term, draw_memory_bar
from quantlab.canvas.style import BLUE, GREY, ORANGE, WIDTH
from quantlab.exhibits.fit import Cell, draw_heat

SVG = "{http://www.w3.org/2000/svg}"


def widths(picture, fill):
    found = [r for r in ET.fromstring(picture.svg).iter(f"{SVG}rect") if r.get("fill", "") == fill
             and r.get("height") == "50.0"]
    return [float(r.get("width")) for r in found]


def bar(weights, kv, card, ways=(("less", "helps"),)):
    terms = [Term("weights", weights, f"{weights} GiB", "because", BLUE),
             Term("KV cache", kv, f"{kv} GiB", "so", ORANGE),
             Term("driver", 0.5, "0.50 GiB", "assumed", GREY, (0.3, 0.75))]
    return draw_memory_bar(terms, card, f"card: {card} GiB", finding="f", subtitle="s",
                           rule=(4, "the rule: 4"), ways=ways, ways_title="w")


@pytest.mark.parametrize("weights, kv, card", [(4, 1, 8), (4, 4, 8), (4, 5, 8), (39, 10, 24), (0.1, 0.1, 256),
                                               (12, 64, 1), (0, 0, 1)])
def test_widths_are_in_proportion_and_the_rest_is_hatched(weights, kv, card):
    picture = bar(weights, kv, card)
    total = weights + kv + 0.5
    scale = (RIGHT - LEFT - 14) / min(max(card, total, 4), MOST * card)
    assert widths(picture, BLUE)[0] == pytest.approx(min(weights, card) * scale, abs=0.2)
    assert sum(widths(picture, "url(#over)")) == pytest.approx(max(min(total, MOST * card) - card, 0) * scale,
                                                               abs=0.4)
    assert ("▸" in picture.svg) == (total > MOST * card)
    boxes = [r for r in ET.fromstring(picture.svg).iter(f"{SVG}rect") if r.get("x")]
    assert all(float(r.get("x")) >= 0 and float(r.get("x")) + float(r.get("width")) <= WIDTH for r in boxes)


def test_the_assumption_is_hatched_in_grey_and_its_range_drawn():
    picture = bar(4, 1, 8)
    scale = (RIGHT - LEFT - 14) / 8
    assert widths(picture, "url(#assumed)") == [pytest.approx(0.5 * scale, abs=0.2)]
    spans = [float(r.get("x2")) - float(r.get("x1")) for r in ET.fromstring(picture.svg).iter(f"{SVG}line")]
    assert pytest.approx(0.45 * scale, abs=0.2) in spans


def test_every_term_is_told_once_in_the_list_and_the_height_stays():
    words = re.findall(r"<text[^>]*>([^<]*)</text>", bar(12, 64, 1).svg)
    for name in ("because", "64 GiB", "card: 1 GiB", "✓ less", "the rule: 4"):
        assert words.count(name) == 1, (name, words)
    assert bar(4, 1, 8, ()).height == bar(12, 64, 1, [("a", "b")] * 9).height


def test_a_cell_says_what_it_is_without_its_colour():
    cells = [Cell("fits", "2.1", "fits"), Cell("splits", "20/33", "20 of 33"), Cell("no", "CPU", "<no>")]
    picture = draw_heat([("Q4_K_M", cells)], "Q4_K_M", finding="f", subtitle="s")
    words = re.findall(r"<text[^>]*>([^<]*)</text>", picture.svg)
    assert {"✓ 2.1", "20/33", "✗ CPU", "◂ the rule", "CPU only"} <= set(words) and "&lt;no&gt;" in picture.svg
