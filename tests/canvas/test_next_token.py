"""The next token as a picture: bars on one scale, the leaders named, a strip that holds any text, and no text
that is markup.
"""

import re
import xml.etree.ElementTree as ET

import pytest

from quantlab.canvas.style import BLUE, GREY, WIDTH
from quantlab.exhibits.next_token import ROOM, Chance, TextToken, draw_next_token, visible

SVG = "{http://www.w3.org/2000/svg}"
STEPS = [TextToken("To", 0.1, False), TextToken(" be", 3.0, True)]
CHANCES = [Chance(" the", 0.4, 0.1, "F16"), Chance(" a", 0.2, 0.5, "Q2_K", True), Chance("\n", 0.1, 0.0)]


def drawn(steps=STEPS, chosen=1, chances=CHANCES):
    return draw_next_token(steps, chosen, chances, Chance("1,021 others", 0.3, 0.4), ("F16", "Q2_K"),
                           finding="f", subtitle="s")


def bars(picture, fill):
    """Widths of the wide boxes in one colour: not the little ones that explain it."""
    found = [float(r.get("width")) for r in ET.fromstring(picture.svg).iter(f"{SVG}rect")
             if r.get("fill") == fill]
    return [width for width in found if width != 9]


def test_bars_are_probabilities_on_one_scale():
    picture = drawn()
    assert bars(picture, GREY) == pytest.approx([ROOM * p / 0.5 for p in (0.4, 0.2, 0.1)], abs=0.1)
    assert bars(picture, BLUE) == pytest.approx([ROOM * p / 0.5 for p in (0.1, 0.5, 0.0)], abs=0.1)


def test_the_leaders_are_named_and_what_follows_is_marked():
    words = re.findall(r">([^<]+)</text>", drawn().svg)
    assert all(said in words for said in ("leads at F16", "leads at Q2_K", "▸ ␣a", "⏎", "under 0.1 %"))
    both = drawn(chances=[Chance("x", 0.9, 0.8, "in both")])
    assert "leads in both" in both.svg and "▸" not in both.svg


@pytest.mark.parametrize("count", [1, 2, 40, 250])
@pytest.mark.parametrize("where", [0, 0.5, 1])
def test_the_strip_shows_the_chosen_token_and_stays_inside(count, where):
    chosen = int((count - 1) * where)
    picture = drawn([TextToken(" word"[: 1 + i % 5], i / 50, i % 7 == 0) for i in range(count)], chosen)
    shown = [int(g.get("data-first")) for g in ET.fromstring(picture.svg).iter(f"{SVG}g")
             if g.get("data-cells")]
    assert chosen in shown and shown == list(range(shown[0], shown[-1] + 1)) and picture.svg.count(
        "data-here") == 1
    assert all(float(r.get("x")) + float(r.get("width")) <= WIDTH
               for r in ET.fromstring(picture.svg).iter(f"{SVG}rect"))
    assert picture.height < 720 and len(picture.table) == 1 + len(CHANCES) + 1 + count


def test_a_token_is_made_visible_and_never_markup():
    assert visible(" to\n") == "␣to⏎" and visible("") == "∅" and visible("\x00") == "▯"
    assert len(visible("x" * 99)) == 16
    picture = drawn([TextToken("<script>", 0, False)], 0, [Chance('"><b>', 1, 1, "in both")])
    ET.fromstring(picture.svg)
    assert "<script" not in picture.svg and "<b>" not in picture.svg
    assert min(float(size) for size in re.findall(r'font-size="([\d.]+)"', picture.svg)) >= 9
