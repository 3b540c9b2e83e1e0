"""Size against quality and the sensitivity map: nothing overlaps or leaves the picture, and what is drawn is in proportion."""

import re
import xml.etree.ElementTree as ET
from math import log10

import pytest

from quantlab.views.quality import BOTTOM, TOP, Dot, _box, _labels, _touch, draw_pareto
from quantlab.views.sensitivity import ROW, Line, draw_sensitivity
from quantlab.views.style import MEANING, WIDTH

SVG = "{http://www.w3.org/2000/svg}"
TINY = [Dot("F16", 8.40e6, 0, "28/28"), Dot("Q8_0", 4.47e6, 5e-5, "28/28"), Dot("Q6_K", 3.45e6, 5e-4, "28/28"),
        Dot("Q5_K", 2.89e6, 2e-3, "28/28"), Dot("Q5_0", 2.89e6, 3e-3, "28/28", False), Dot("Q4_K", 2.37e6, 8e-3, "28/28"),
        Dot("IQ4_XS", 2.24e6, 1e-2, "28/28"), Dot("IQ4_NL", 2.37e6, 1e-2, "28/28", False), Dot("Q4_0", 2.37e6, 1.3e-2, "28/28", False),
        Dot("Q3_K", 1.81e6, 4e-2, "21/28"), Dot("Q2_K", 1.39e6, 0.19, "0/28")]


def circles(picture):
    return [(float(c.get("cx")), float(c.get("cy"))) for c in ET.fromstring(picture.svg).iter(f"{SVG}circle")]


def test_dots_stand_where_their_numbers_say():
    places = sorted(circles(draw_pareto(TINY, finding="f", subtitle="s")))
    dots = sorted(TINY, key=lambda dot: (dot.nbytes, dot.kld == 0))
    assert len(places) == len(dots) and all(0 < x < WIDTH for x, _ in places)
    a, b, c = places[0], places[1], places[-2]              # Q2_K, Q3_K, Q8_0
    assert (b[0] - a[0]) / (c[0] - a[0]) == pytest.approx(log10(1.81 / 1.39) / log10(4.47 / 1.39), abs=0.01)
    assert (b[1] - a[1]) / (c[1] - a[1]) == pytest.approx(log10(0.19 / 0.04) / log10(0.19 / 5e-5), abs=0.01)
    assert all(TOP <= y <= BOTTOM for _, y in places[:-1]) and places[-1][1] > BOTTOM      # F16 is at no distance at all


def test_no_label_covers_another_or_leaves_the_picture():
    at = {(x, y) for x, y in circles(draw_pareto(TINY, finding="f", subtitle="s"))}
    ordered = sorted(TINY, key=lambda dot: dot.best)
    places = circles(draw_pareto(TINY, finding="f", subtitle="s"))
    boxes = [_box(dot, *label) for dot, label in zip(ordered, _labels(ordered, places), strict=True)]
    assert len(at) == len(boxes)
    for i, box in enumerate(boxes):
        assert box[0] > 0 and box[2] <= WIDTH
        assert not any(_touch(box, other) for other in boxes[i + 1 :]), ordered[i].name


def test_every_type_is_named_once_and_escaped():
    picture = draw_pareto([*TINY, Dot("<b>", 3e6, 1)], finding="f", subtitle="s")
    words = re.findall(r"<text[^>]*>([^<]*)</text>", picture.svg)
    assert all(words.count(dot.name) == 1 for dot in TINY) and "&lt;b&gt;" in words


@pytest.mark.parametrize("dots", [TINY[:1], TINY[1:2], [TINY[1], TINY[1]], [Dot("a", 1, 1e-12), Dot("b", 1e12, 50.0)]])
def test_few_or_far_apart_dots_still_draw(dots):
    places = circles(draw_pareto(dots, finding="f", subtitle="s"))
    assert len(places) == len(dots) and all(0 < x < WIDTH for x, _ in places)


def test_a_tile_is_filled_by_its_share_of_three_decades():
    picture = draw_sensitivity([Line("attn_v", [0.1, 0.01, 1e-3, 1e-4, 1e-6, 0], "1 MB")], finding="f", subtitle="s", right="saved")
    filled = [r for r in ET.fromstring(picture.svg).iter(f"{SVG}rect") if r.get("fill") == MEANING["error"]]
    assert [round(float(r.get("height")) / ROW, 2) for r in filled] == [1, 0.67, 0.33, 0, 0, 0]


def test_numbers_stand_on_wide_tiles_and_what_was_not_measured_is_empty():
    picture = draw_sensitivity([Line("attn_v", [0.057, None], "1 MB"), Line("token_embd", [0.0571], "2 MB", alone=True)],
                               finding="f", subtitle="s", right="saved")
    words = re.findall(r"<text[^>]*>([^<]*)</text>", picture.svg)
    assert words.count("57") == 2 and "not measured" in picture.svg and "attn_v, layer 0: 0.057" in picture.svg
    narrow = draw_sensitivity([Line("attn_v", [0.057] * 80, "1 MB")], finding="f", subtitle="s", right="saved")
    assert "57" not in re.findall(r"<text[^>]*>([^<]*)</text>", narrow.svg)
