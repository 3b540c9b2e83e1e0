"""Which exhibits move on which page: `python -m tools.site.places` writes the table by which a notebook's
"Link to this picture" knows the site (`quantlab/data/site.csv`).
"""

import csv
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import quantlab as ql
from quantlab.stage.on_site import ALIVE, OnPage

from .cells import told
from .frames import axes_of

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "quantlab" / "data" / "site.csv"
#: What moves on the landing page.
FIRST = ("explore_llama", "ql.explore_llama()")


def places() -> Iterator[OnPage]:
    """All of them, page by page, as `build` writes the pages; the ids are those of `lessons.named`."""
    yield OnPage("index", *FIRST)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        met: Counter[str] = Counter()
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            found = told("".join(cell["source"])) if cell["cell_type"] == "code" else told("")
            if found.exhibit and not (found.quiz and not found.guess) and _moves(*found.exhibit):
                name, call = found.exhibit
                met[name] += 1
                yield OnPage(path.stem, name + (f"-{met[name]}" if met[name] > 1 else ""), call)


def _moves(name: str, call: str) -> bool:
    """Whether a page can move it."""
    if name in ALIVE:
        return True
    try:
        return bool(axes_of(name, eval(call, {"ql": ql})))
    except ValueError:
        return False


if __name__ == "__main__":
    os.environ["QUANTLAB_PROFILE"] = "reference"
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([OnPage._fields, *places()])
