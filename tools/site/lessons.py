"""A lesson as the body of a page: its words, its stored outputs, and exhibits that move in place of stills.

The notebook is read as it stands (`quantlab.cli.export` makes links to pages and drops what needs a kernel).
An exhibit that is called with plain arguments and has frames (`frames.MAIN`) becomes a player; any other
shows its last picture with its words.
"""

import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from html import escape, unescape
from pathlib import Path

import nbformat
from nbconvert.filters import ansi2html, markdown2html

import quantlab as ql
from quantlab.canvas.style import Picture, own_names
from quantlab.cli.export import ForAPage
from quantlab.stage.aims import aim
from quantlab.stage.on_site import ALIVE

from .alive import shown as drawn_here
from .asked import guess, quiz, targets
from .cells import told
from .frames import walked
from .player import player

#: Links between lessons and docs, wherever they stand: all pages are in one folder.
NEAR = re.compile(r"\]\((?:\.\./(?:docs|notebooks)/|\./)?([\w-]+)\.(?:md|ipynb)(#[^)\s]*)?\)")
#: Links to tables that ship with quantlab: they are put beside the pages.
DATA = re.compile(r"\]\(\.\./quantlab/data/([\w.-]+)\)")
ANCHOR_LINK = re.compile(r'<a class="anchor-link".*?</a>', re.S)
HEADING = re.compile(r"<h([1-6])([^>]*)>(.*?)</h\1>", re.S)
STORED = re.compile(r'<img [^>]*?alt="([^"]*)"[^>]*? src="data:image/png[^>]*>')
FOR_A_KERNEL = re.compile(r"<style>\.jp-.*?</style>|<style scoped>.*?</style>|<figcaption>.*?</figcaption>",
                          re.S)


def body(path: Path) -> str:
    """The lesson's HTML, without head and navigation."""
    notebook, _ = ForAPage().preprocess(nbformat.read(path, as_version=4), {})
    pieces = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            pieces.append(in_html(cell.source))
        elif cell.cell_type == "code":
            pieces.append(_code(cell))
    return named("\n".join(pieces))


def in_html(markdown: str, place: Callable[[str], str] | None = None) -> str:
    """Markdown as HTML, with ids at its headings, and wide tables in a box.

    place: the id of a heading's words: `anchor` unless said.
    """
    def heading(found: re.Match) -> str:
        words = ANCHOR_LINK.sub("", found[3])
        plain = re.sub(r"<[^>]+>", "", words).strip()
        return f'<h{found[1]} id="{(place or anchor)(plain)}">{words}</h{found[1]}>'

    linked = DATA.sub(r"](data/\1)", NEAR.sub(r"](\1.html\2)", markdown))
    return boxed(HEADING.sub(heading, markdown2html(linked)))


def anchor(heading: str) -> str:
    """The id of a lesson's heading, as JupyterLab makes it: hyphens for spaces."""
    return heading.replace(" ", "-").replace('"', "&quot;")


def github_anchor(heading: str) -> str:
    """The id of a heading of docs/, as GitHub makes it: small letters, without signs."""
    return re.sub(r"[^\w -]", "", unescape(heading).lower()).replace(" ", "-")


def boxed(html: str) -> str:
    """Tables in boxes of their own, which scroll where the window is narrow."""
    box = '<div class="wide" tabindex="0" role="region" aria-label="Table"><table>'
    return re.sub(r"<table\b[^>]*>", box, html).replace("</table>", "</table></div>")


def _code(cell) -> str:
    found, shown = told(cell.source), "".join(map(_output, cell.outputs))
    moves = moving(*found.exhibit, found.targets) if found.exhibit else ""
    moves = moves or (picture(found.picture) if found.picture else "")
    if found.guess:
        folded = f'<details class="ql-then"><summary>Show me</summary>{moves}</details>'
        shown = guess(found.guess) + (folded if moves and found.waits else moves)
    elif found.quiz:
        shown = quiz(found.quiz)
    elif moves:
        shown = moves
    elif found.still:
        shown = in_colours(shown, found.still)
    if not cell.source.strip():
        return shown
    return (f'<details class="code"><summary>Code of this step</summary><pre>{escape(cell.source)}</pre>'
            f"</details>{shown}")


@cache
def moving(name: str, call: str, wanted: tuple[str, ...] = ()) -> str:
    """The player of an exhibit with its targets; "" for one that has none of its main handles here."""
    owner = re.sub(r"\W+", "-", call.removeprefix("ql.")).strip("-")
    if name in ALIVE:
        return player(drawn_here(call, owner), name, targets(wanted, wanted))
    try:
        frames = walked(name, eval(call, {"ql": ql}), owner)
    except ValueError:
        return ""
    reachable = [number for number in wanted if frames.reaches(aim(number))]
    return player(frames.shown(owner), name, targets(wanted, reachable))


def picture(call: str) -> str:
    """A picture without handles, as it is drawn now."""
    return f"<figure>{_drawn(eval(call, {'ql': ql}).picture, call)}</figure>"


def in_colours(html: str, call: str) -> str:
    """A stored output whose picture is drawn anew, in the colours of the page, where it is still the same.
    html: with the picture as the notebook keeps it, for a light page only.
    """
    made = eval(call, {"ql": ql})
    saved = STORED.search(html)
    if not saved or unescape(saved[1]) != made.finding:
        return html
    return html.replace(saved[0], _drawn(made.still(), call), 1)


def _drawn(shown: Picture, call: str) -> str:
    """A picture in the page's colours; where the window is narrow it scrolls in its box."""
    svg = own_names(shown.svg, re.sub(r"\W+", "-", call).strip("-"))
    return (f'<div class="ql-scroll" tabindex="0" role="region" aria-label="The picture">'
            f'<div class="ql-frame" style="max-width:{shown.width}px">{svg}</div></div>')


def named(html: str) -> str:
    """A page whose exhibits have names of their own: the second "explore_bits" is "explore_bits-2"."""
    met: Counter[str] = Counter()

    def name(found: re.Match) -> str:
        met[found[2]] += 1
        return f"{found[1]}{found[2]}" + (f"-{met[found[2]]}" if met[found[2]] > 1 else "")

    return re.sub(r'(<figure class="ql-play" id=")(\w+)', name, html)


def _output(output) -> str:
    """One stored output as HTML: a page's, a picture's, or plain text."""
    if output.output_type == "stream":
        return f"<pre>{ansi2html(output.text)}</pre>"
    data = output.get("data", {})
    if "text/html" in data:
        return boxed(FOR_A_KERNEL.sub("", data["text/html"]))
    if "image/png" in data:
        alt = escape(data.get("text/plain", ""))
        return f'<img alt="{alt}" src="data:image/png;base64,{data["image/png"]}">'
    return f'<pre>{escape(data.get("text/plain", ""))}</pre>'
