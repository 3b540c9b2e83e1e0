"""Whether the links of all pages of a folder lead somewhere, and whether one asks another host for anything.
"""

from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

#: What a browser fetches by itself: an attribute of these elements.
FETCHED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src", "video": "src",
           "audio": "src", "use": "href", "image": "href", "object": "data", "embed": "src"}


class Links(HTMLParser):
    """ids: of a page.  links: where its links lead.  parts: what a browser fetches for it."""

    def __init__(self, html: str):
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.parts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said: Mapping[str, str] = {name: value or "" for name, value in attrs}
        if "id" in said:
            self.ids.add(said["id"])
        if tag == "a" and "href" in said:
            self.links.append(said["href"])
        elif FETCHED.get(tag, "") in said:
            self.parts.append(said[FETCHED[tag]])


def faults(folder: Path) -> list[str]:
    """What is wrong with the links of all pages of a folder, in words; empty where all is well."""
    pages = {path.name: Links(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.html"))}
    found = []
    for name, page in pages.items():
        for part in page.parts:
            if not part.startswith("data:") and not (folder / unquote(part)).is_file():
                found.append(f"{name} fetches {part[:80]}")
        for link in page.links:
            if link.startswith(("https://", "http://", "mailto:", "data:")):
                continue
            to, _, anchor = link.partition("#")
            if to and not (folder / unquote(to)).is_file():
                found.append(f"{name} links {link}, which is not there")
            elif anchor and (to or name) in pages and unquote(anchor) not in pages[to or name].ids:
                found.append(f"{name} links {link}, but there is no such place")
    return found
