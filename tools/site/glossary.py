"""The glossary's words, found again in the lessons: linked where they first stand on a page, with what they
mean on hover.
"""

import re
from collections.abc import Mapping
from html import escape
from pathlib import Path

import nbformat

from .lessons import anchor

TERM = re.compile(r"^### (.+)\n+(.+)$", re.M)
MARKUP = re.compile(r"\s*→.*$|\[([^\]]+)\]\([^)]*\)|[`*]")
PLAIN = ("p", "li", "td")
NOT_IN = ("a", "code", "pre", "h1", "h2", "h3", "h4", "button", "label", "svg", "figure", "details")
TAG = re.compile(r"(<!--.*?-->|<script\b.*?</script>|<style\b.*?</style>|<[^>]+>)", re.S)


def terms(path: Path) -> dict[str, str]:
    """Word -> its meaning in plain words, from the glossary's headings."""
    found = {}
    for cell in nbformat.read(path, as_version=4).cells:
        for word, meaning in TERM.findall(cell.source) if cell.cell_type == "markdown" else ():
            found[word.strip()] = MARKUP.sub(lambda m: m[1] or "", meaning).strip()
    return found


def linked(html: str, known: Mapping[str, str], page: str = "glossary.html") -> str:
    """`html` with each known word linked where it first stands in running text."""
    left = dict(sorted(known.items(), key=lambda pair: -len(pair[0])))
    open_tags: list[str] = []
    pieces = TAG.split(html)
    for i, piece in enumerate(pieces):
        if i % 2:
            _follow(piece, open_tags)
        elif piece.strip() and not set(NOT_IN) & set(open_tags) and set(PLAIN) & set(open_tags):
            pieces[i] = _with_links(piece, left, page)
    return "".join(pieces)


def _follow(tag: str, open_tags: list[str]) -> None:
    """Keep the list of open elements."""
    name = re.match(r"</?([a-z0-9]+)", tag, re.I)
    if not name or tag.endswith("/>") or name[1].lower() in ("br", "img", "hr", "input", "script", "style"):
        return
    if not tag.startswith("</"):
        open_tags.append(name[1].lower())
    elif name[1].lower() in open_tags:
        while open_tags.pop() != name[1].lower():
            pass


def _with_links(text: str, left: dict[str, str], page: str) -> str:
    """The words of `left` linked in one stretch of text, and taken out of `left`."""
    if not left:
        return text

    def link(found: re.Match) -> str:
        word = next((word for word in left if escape(word).lower() == found[1].lower()), None)
        if word is None:                                        # it stood in this very stretch before
            return found[0]
        meaning = escape(left.pop(word))
        return f'<a class="term" href="{page}#{anchor(escape(word))}" title="{meaning}">{found[0]}</a>'

    words = "|".join(re.escape(escape(word)) for word in left)
    return re.sub(rf"(?<![\w-])(?<!to )({words})s?(?![\w-])", link, text, flags=re.I)
