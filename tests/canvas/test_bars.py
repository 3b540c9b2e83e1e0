"""Bars: what passes the card is hatched, nothing leaves the picture, every word is drawn once."""

import xml.etree.ElementTree as ET

import pytest

from quantlab.canvas.bars import Bar, BarPiece, Row, draw_bars
from quantlab.canvas.style import BLUE, ORANGE, WIDTH

SVG = "{http://www.w3.org/2000/svg}"


def shapes(picture, fill=""):
    """(x, width) of each rectangle of a fill, in pixels."""
    found = [r for r in ET.fromstring(picture.svg).iter(f"{SVG}rect") if r.get("fill", "").startswith(fill)
             and r.get("x")]
    return [(float(r.get("x")), float(r.get("width"))) for r in found]


def test_a_bar_beyond_the_limit_is_hatched_from_the_limit_on():
    picture = draw_bars([Row("a", [Bar([BarPiece("p", 6, BLUE)], "6")]),
                         Row("b", [Bar([BarPiece("p", 12, BLUE)], "12")])], finding="f", subtitle="s",
                        limit=8, limit_words="card")
    hatched = [width for _, width in shapes(picture, "url(#over)") if width]
    whole = [width for _, width in shapes(picture, BLUE)]
    assert len(hatched) == 1 and hatched[0] / whole[1] == pytest.approx(4 / 8, abs=0.01)
    assert whole[0] / whole[1] == pytest.approx(6 / 8, abs=0.01)


def test_a_far_too_long_bar_is_cut_and_marked():
    long = Bar([BarPiece("p", 1e6, BLUE), BarPiece("q", 5, ORANGE)], "much")
    picture = draw_bars([Row("a", [long])], finding="f", subtitle="s", limit=8, limit_words="card")
    assert "▸" in picture.svg
    assert all(x + width <= WIDTH for x, width in shapes(picture))


def test_a_claim_is_hollow_and_names_are_escaped():
    rows = [Row("a", [Bar([BarPiece("said", 3, BLUE)], "said 3", claimed=True),
                      Bar([BarPiece("is", 4, BLUE)], "is 4")]),
            Row("<b>", [Bar([BarPiece("is", 1, BLUE)], "is 1")])]
    picture = draw_bars(rows, finding="f", subtitle="s", legend=[("", "said"), (BLUE, "is")])
    assert "&lt;b&gt;" in picture.svg and "<b>" not in picture.svg
    assert len(shapes(picture, BLUE)) == 3        # two bars and the legend; the claim is not filled


def test_nothing_at_all_still_draws():
    assert draw_bars([Row("a", [Bar([BarPiece("p", 0, BLUE)], "0")])], finding="f",
                     subtitle="s").svg.startswith("<svg")
