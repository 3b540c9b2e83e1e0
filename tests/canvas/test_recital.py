"""A recital as a picture: the mark begins at the first wrong word, nothing leaves the picture, and no text is
markup.
"""

import re
import xml.etree.ElementTree as ET

import pytest

from quantlab.canvas.recital import LARGE, PassageRow, PassageTile, Said, draw_recital
from quantlab.canvas.style import GREEN, VERMILION

SVG = "{http://www.w3.org/2000/svg}"
ROWS = [PassageRow("28 passages: 2 recited", 0, [PassageTile(f"opening {i}", i < 2, str(i))
                                                 for i in range(28)]),
        PassageRow("14 more: 0 recited", 28, [PassageTile("<b>x</b> | y * z", False, "·")
                                              for _ in range(14)])]


def drawn(wrote: Said, should: Said | None = None, chosen: int | None = 3):
    should = should or Said(wrote.given, wrote.good, "")
    return draw_recital(wrote, should, ("it goes on:", "the text:"), ROWS, chosen, finding="f", subtitle="s")


def marked(picture) -> str:
    """The words set as wrong, line by line: coloured, underlined and bold, never coloured alone."""
    spans = [s for s in ET.fromstring(picture.svg).iter(f"{SVG}tspan") if s.get("fill") == VERMILION]
    assert all(s.get("text-decoration") == "underline" and s.get("font-weight") == "bold" for s in spans)
    return "\n".join(s.text for s in spans)


def test_the_mark_runs_from_the_first_wrong_word_to_the_end():
    picture = drawn(Said("To be", ", that is the ", "quest.\n\nHam.\n O,  I am"))
    assert marked(picture).replace("\u00a0", " ") == "quest.\nHam.\n O,  I am"
    assert marked(drawn(Said("To be", ", that is the question", ""))) == ""


@pytest.mark.parametrize("rest",
                         ["", "x", "word " * 200, "w" * 300, "\n".join("line"[: i % 5] for i in range(40)),
                          "\n\n\n"])
def test_the_picture_keeps_its_height_and_its_lines_fit(rest):
    picture = drawn(Said("To be", " ok ", rest))
    assert picture.height == drawn(Said("a", "", "")).height
    lines = ["".join(span.text for span in t.iter(f"{SVG}tspan"))
             for t in ET.fromstring(picture.svg).iter(f"{SVG}text")]
    assert max(len(words) for words in lines) <= LARGE[2] + 2


def test_a_tile_has_a_tick_or_a_number_and_can_be_clicked():
    picture = drawn(Said("a", "b", "c"))
    assert picture.svg.count(">✓<") == 2 and len(re.findall(f'<rect[^>]*"{GREEN}"', picture.svg)) == 2
    rows = [g for g in ET.fromstring(picture.svg).iter(f"{SVG}g") if g.get("data-cells")]
    assert [(g.get("data-first"), g.get("data-cells")) for g in rows] == [("0", "28"), ("28", "14")]
    assert all(len(g.get("data-tips").split(" ")) == int(g.get("data-cells"))
               and g.get("data-tips").count("|") == 0 for g in rows)
    assert 'aria-label="opening 3: 3 words, then a wrong one"' in picture.svg
    assert "data-here" not in drawn(Said("a", "b", "c"), chosen=None).svg


def test_no_text_is_markup_and_none_is_too_small():
    picture = drawn(Said("<script>", "&amp;", "</text><b>\x00\x1b"))
    ET.fromstring(picture.svg)
    assert "<script" not in picture.svg and "<b>" not in picture.svg and "▯▯" in picture.svg
    assert min(float(size) for size in re.findall(r'font-size="([\d.]+)"', picture.svg)) >= 9
