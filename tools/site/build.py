"""Build the site: `python -m tools.site.build [folder [address]]`, or `make site`.

A landing page with the llama, every lesson, the glossary, the public names and the other pages of docs/:
static files with one style sheet, three scripts, and Python for the exhibits that need it. Nothing is asked
of another host. Links are checked at the end.
"""

import argparse
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from html import escape, unescape
from pathlib import Path

from quantlab.words import size

from .card import CARD, drawn_card
from .glossary import linked, terms
from .lessons import body, github_anchor, in_html, moving
from .links import faults
from .shipped import ship

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
ADDRESS = ROOT / "quantlab" / "stage" / "address.js"
GLOSSARY = "glossary"
NAV = {"index.html": "Start", "index.html#lessons": "Lessons", "playground.html": "Playground",
       "glossary.html": "Glossary", "api.html": "Public names"}
TITLE = re.compile(r"<h1[^>]*>(.*?)</h1>", re.S)
FIRST = re.compile(r"</h1>\s*<p>(.*?)</p>", re.S)
TABLE = re.compile(r'<a href="data/([^"]+)"')
CALL = re.compile(r'<figure class="ql-play"[^>]* data-call="([^"]*)"')
PYTHON = '<meta name="python-bytes" content="{}">\n'
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<meta name="description" content="{description}">
<meta property="og:title" content="{title}">
<meta property="og:description" content="{description}">
<meta property="og:image" content="{card}">
<meta name="twitter:card" content="summary_large_image">
{head}<link rel="icon" href="data:,">
<link rel="stylesheet" href="site.css">
<script src="address.js" defer></script>
<script src="asked.js" defer></script>
<script src="site.js" defer></script>
</head>
<body>
<a class="skip" href="#main">To the text</a>
<nav aria-label="Site">{nav}</nav>
<main id="main">
{body}
</main>
<footer>quantlab: quantization you can touch. Everything on these pages was computed or measured; nothing is
asked of another computer.</footer>
</body>
</html>
"""
WELCOME = """<h1>Quantization you can touch</h1>
<p>A language model is billions of numbers. Quantization stores each of them in a few bits, and this page
shows what that does. Move the sliders: fewer bits, one pixel that is far too bright, scales that are shared
by fewer pixels.</p>
{llama}
<p>The same arithmetic packs the weights of every model that Ollama runs. The lessons take it apart, with real
weights, real files and real memory.</p>
<h2 id="lessons">Lessons</h2>
<ol class="lessons">
{lessons}
</ol>
<h2 id="your-own">On your own computer</h2>
<p>Here you look and move what is there. On your own computer every picture takes your models, your card and
your prompts. You need Python 3.11, 3.12 or 3.13, git and make. The command</p>
<pre>make lab</pre>
<p>in a copy of the project sets everything up and opens the lessons.</p>
"""


def page(title: str, html: str, head: str = "", address: str = "") -> str:
    """A whole page around the body `html`.  head: further elements of its head.  address: of the site."""
    first = re.search(r"<p>(.*?)</p>", html, re.S)
    nav = "".join(f'<a href="{place}">{words}</a>' for place, words in NAV.items())
    description = escape(_plain(first[1])[:200]) if first else ""
    return PAGE.format(title=escape(title), nav=nav, body=html, head=head, description=description,
                       card=escape(address + CARD))


def _plain(html: str) -> str:
    """The words of a piece of HTML."""
    return " ".join(unescape(re.sub(r"<[^>]+>", "", html)).split())


def landing(lessons: Iterable[tuple[str, str]]) -> str:
    """The first page.  lessons: (name of the page, its body)."""
    rows = []
    for name, html in lessons:
        title, first = TITLE.search(html), FIRST.search(html)
        words = _plain(first[1]) if first else ""
        rows.append(f'<li><a href="{name}.html">{escape(_plain(title[1]) if title else name)}</a>'
                    f"<br>{escape(words)}</li>")
    return WELCOME.format(llama=moving("explore_llama", "ql.explore_llama()"), lessons="\n".join(rows))


def build(folder: Path, only: Iterable[str] | None = None, python: bool = True,
          address: str = "") -> list[Path]:
    """Write the site into `folder`, which is emptied first.  only: the beginnings of the notebooks' names,
    and "index".
    python: whether Pyodide is put beside the pages; without it its exhibits are pictures.  address: where the
    site will be found, such as "https://name.example/"; whoever shows a card for a link wants it in full.

    Returns the pages.  ValueError for a link that leads nowhere or asks another host for a part of a page.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    notebooks, docs = ROOT / "notebooks", ROOT / "docs"
    known = terms(notebooks / f"{GLOSSARY}.ipynb")
    bodies = {path.stem: body(path) for path in sorted(notebooks.glob("*.ipynb"))
              if only is None or path.stem.startswith((*only,))}
    lessons = [(name, html) for name, html in bodies.items() if name != GLOSSARY]
    pages = {}
    if only is None or "index" in only:
        pages["index"] = ("quantlab: quantization you can touch", landing(lessons))
    pages |= {name: (_title(html, name), linked(html, known)) for name, html in lessons}
    pages |= {GLOSSARY: ("Glossary", bodies[GLOSSARY])} if GLOSSARY in bodies else {}
    for path in sorted(docs.glob("*.md")):
        html = in_html(path.read_text(encoding="utf-8"), github_anchor)
        pages[path.stem] = (_title(html, path.stem), html)
    written(folder, pages, python, address)
    if only is None and (wrong := faults(folder)):
        raise ValueError(f"{len(wrong)} links lead nowhere or away: {'; '.join(wrong[:20])}")
    return [folder / f"{name}.html" for name in pages]


def written(folder: Path, pages: Mapping[str, tuple[str, str]], python: bool = True,
            address: str = "") -> None:
    """Write pages and what they load.  pages: name -> (title, body)."""
    calls = {unescape(call) for _, html in pages.values() for call in CALL.findall(html)}
    head = PYTHON.format(size(ship(folder, sorted(calls)))) if python and calls else ""
    for name, (title, html) in pages.items():
        (folder / f"{name}.html").write_text(page(title, html, head, address), encoding="utf-8")
    for script in (HERE / "site.css", HERE / "site.js", HERE / "asked.js", ADDRESS):
        shutil.copy(script, folder / script.name)
    (folder / CARD).write_bytes(drawn_card())
    for name in {name for _, html in pages.values() for name in TABLE.findall(html)}:
        (folder / "data").mkdir(exist_ok=True)
        shutil.copy(ROOT / "quantlab" / "data" / name, folder / "data" / name)


def _title(html: str, name: str) -> str:
    found = TITLE.search(html)
    return _plain(found[1]) if found else name


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build the site.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "site", help="site/ if not given")
    parser.add_argument("address", nargs="?", default="", help="of the site, for the card of its links")
    given = parser.parse_args()
    os.environ["QUANTLAB_PROFILE"] = "reference"        # the pictures of every machine are the same
    made = build(given.folder, address=given.address)
    print(f"{len(made)} pages in {made[0].parent}, {sum(one.stat().st_size for one in made) / 1e6:.1f} MB; "
          f"open {made[0]}")
