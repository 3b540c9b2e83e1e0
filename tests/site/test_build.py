"""The pages: which cells move, which words are explained, and links that lead nowhere are found."""

import ast
import csv
import json
import re
from html import unescape
from pathlib import Path

import pytest
from PIL import Image

from quantlab.cli.export import LINK
from quantlab.stage.on_site import ALIVE, MAIN, OnPage
from quantlab.stage.still import ASLEEP
from tools.site.build import ROOT, build, written
from tools.site.cells import told
from tools.site.glossary import linked, terms
from tools.site.lessons import DATA, NEAR, anchor, body, github_anchor, in_html
from tools.site.links import faults
from tools.site.places import TABLE, places


@pytest.mark.parametrize(("source", "found"), [
    ("ql.explore_llama()", ("explore_llama", "ql.explore_llama()")),
    ('ql.explore_llama().aim("00-1", "00-2")', ("explore_llama", "ql.explore_llama()")),
    ('import quantlab as ql\n\nql.explore_block(qtype="Q8_0")',
     ("explore_block", "ql.explore_block(qtype='Q8_0')")),
    ('ql.predict("05-4").then(ql.explore_sensitivity).aim("05-1")',
     ("explore_sensitivity", "ql.explore_sensitivity()")),
    ('ql.predict("a").then(ql.explore_block, qtype="Q4_0")',
     ("explore_block", "ql.explore_block(qtype='Q4_0')")),
    ('ql.predict("a").then(ql.explore_block, weights)', None),
    ("ql.explore_model_map(mine.first)", None),         # nobody has this file here
    ("ql.explore_memory()", ("explore_memory", "ql.explore_memory()")),
    ("ql.explore_recital", None),
    ("%timeit ql.explore_llama()", None),
    ("x = 3", None),
])
def test_an_exhibit_moves_where_it_is_called_with_plain_arguments(source, found):
    assert told(source).exhibit == found


def test_every_exhibit_that_moves_stands_on_some_page():
    """What moves is called by a lesson; a name that no lesson calls would be dead weight."""
    called = set()
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code" and (found := told("".join(cell["source"])).exhibit):
                called.add(found[0])
    assert called == {*MAIN, *ALIVE}


def test_the_table_that_notebooks_link_by_is_that_of_the_pages():
    """`python -m tools.site.places` writes it again."""
    rows = csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines())
    assert [OnPage(**row) for row in rows] == [*places()]


@pytest.mark.parametrize("name", ["03_gguf_and_tags", "13_kv_cache_and_context", "05_k_quants"])
def test_a_page_moves_what_the_table_says(name):
    html, there = body(ROOT / "notebooks" / f"{name}.ipynb"), [one for one in places() if one.page == name]
    assert re.findall(r'<figure class="ql-play" id="([^"]+)"', html) == [place.id for place in there]
    calls = dict(re.findall(r'<figure class="ql-play" id="([^"]+)"[^>]* data-call="([^"]*)"', html))
    assert {place.id: place.call for place in there if place.id.partition("-")[0] in ALIVE} == {
        id: unescape(call) for id, call in calls.items()}


def test_words_of_the_glossary_are_linked_once_and_never_in_links_code_or_headings():
    known = {"Scale": "The number that codes are multiplied with.", "Super-block": "256 <weights>", "Q8": "x"}
    html = linked('<h2>Scale</h2><p>No <a href="x">scale</a>, <code>scale</code>; super-blocks have scales '
                  "&amp; a scale, drawn to scale.</p><p>A scale.</p>", known)
    assert html.count('class="term"') == 2
    assert '>scales</a> &amp; a scale, drawn to scale.</p><p>A scale.</p>' in html
    assert 'title="256 &lt;weights&gt;">super-blocks</a>' in html
    assert html.startswith('<h2>Scale</h2><p>No <a href="x">scale</a>, <code>scale</code>; ')


def test_every_word_of_the_glossary_has_a_meaning_in_plain_words():
    known = terms(ROOT / "notebooks" / "glossary.ipynb")
    assert len(known) > 25
    assert [word for word, meaning in known.items() if not meaning or set("`*[]→") & set(meaning)] == []


def test_headings_have_the_places_that_links_of_their_kind_lead_to():
    assert anchor("A file that explains itself") == "A-file-that-explains-itself"
    assert github_anchor("`FORMATS`, in one table") == "formats-in-one-table"
    assert 'id="Two-words"' in in_html("## Two words") and "¶" not in in_html("## Two words")
    assert 'href="types.html#a"' in in_html("[types](../docs/types.md#a)")
    assert LINK.sub(r"\1.html\2", "[a](glossary.ipynb#llama.cpp)") == "[a](glossary.html#llama.cpp)"


def test_a_table_that_a_lesson_links_lies_beside_the_pages(tmp_path):
    html = in_html("[the rows](../quantlab/data/published_speeds.csv), [types](../docs/types.md)")
    others = {name: (name, f"<h1>{name}</h1>") for name in ("types", "playground", "glossary", "api")}
    written(tmp_path, {"a": ("A", f"<h1>A</h1>{html}"), "index": ("Start", '<h1 id="lessons">Start</h1>'),
                       **others}, python=False)
    assert faults(tmp_path) == []
    assert (tmp_path / "data" / "published_speeds.csv").read_bytes().startswith(b"device,")


def test_every_link_out_of_the_lessons_folder_is_of_a_kind_that_the_pages_know():
    for path in [*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(\.\./[^)]+\)", path.read_text(encoding="utf-8")):
            assert NEAR.fullmatch(link) or DATA.fullmatch(link), (path.name, link)


def test_links_that_lead_nowhere_or_away_are_found(tmp_path):
    Path(tmp_path, "a.html").write_text('<p id="x"></p><a href="b.html#y">1</a><a href="c.html">2</a>'
                                        '<a href="#z">3</a><a href="#x">4</a><a href="https://e.org">5</a>'
                                        '<img src="https://e.org/p.png"><script src="none.js"></script>')
    Path(tmp_path, "b.html").write_text('<img src="data:image/png;base64,AA"><a href="a.html#x">6</a>')
    assert faults(tmp_path) == [
        "a.html fetches https://e.org/p.png", "a.html fetches none.js",
        "a.html links b.html#y, but there is no such place", "a.html links c.html, which is not there",
        "a.html links #z, but there is no such place"]


def test_the_landing_page_is_light_and_a_page_has_a_title_a_language_and_no_kernel(tmp_path):
    pages = {path.stem: path for path in build(tmp_path, only=["index", "00"], address="https://e.org/")}
    index = pages["index"].read_text(encoding="utf-8")
    weight = sum((tmp_path / name).stat().st_size
                 for name in ("index.html", "site.css", "site.js", "asked.js", "address.js"))
    assert weight <= 1_500_000
    lesson = pages["00_start_here"].read_text(encoding="utf-8")
    assert 'property="og:image" content="https://e.org/card.png"' in index
    assert '<a href="playground.html">Playground</a>' in index
    with Image.open(tmp_path / "card.png") as card:
        assert card.size == (1200, 630)
    for name, html in (("index", index), ("00_start_here", lesson)):
        moving = [place.id for place in places() if place.page == name]
        assert re.findall(r'<figure class="ql-play" id="([^"]+)"', html) == moving
        assert '<html lang="en">' in html and "<title>" in html and html.count("<h1") == 1
        assert 'class="ql-play"' in html and ASLEEP not in html and ".ipynb" not in html


def test_what_is_evaluated_is_a_call_with_constants():
    """A page is built from notebooks: nothing of a cell is run but the call of an exhibit."""
    _, call = told('ql.explore_block(qtype="Q4_0") if __import__("os") else 0').exhibit
    tree = ast.parse(call, mode="eval").body
    assert isinstance(tree, ast.Call) and ast.unparse(tree.func) == "ql.explore_block"
