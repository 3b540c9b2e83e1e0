"""A lesson as a page: with `nbconvert`, whose links lead to the other lessons' pages."""

import re
from collections.abc import Iterable
from pathlib import Path

from nbconvert import HTMLExporter
from nbconvert.preprocessors import Preprocessor

VIEW = "application/vnd.jupyter.widget-view+json"
LINK = re.compile(r"(\]\((?:\./)?[\w-]+)\.ipynb((?:#[^)\s]*)?\))")


class ForAPage(Preprocessor):
    """Links to lessons become links to their pages; views that need a kernel go, stills stay.

    Other notebooks are left as they are: Jupyter's own settings name this class, too (pyproject.toml).
    """

    def preprocess(self, nb, resources):
        ours = any("import quantlab" in cell.source for cell in nb.cells)
        return super().preprocess(nb, resources) if ours else (nb, resources)

    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(r"\1.html\2", cell.source)
        else:
            cell.outputs = [one for one in cell.get("outputs", []) if [*one.get("data", {})] != [VIEW]]
        return cell, resources


def export_lessons(lessons: Iterable[Path], folder: Path) -> list[Path]:
    """Write each lesson as it stands (its last pictures, the chosen answers) as `folder`/<name>.html.

    Pictures are in the page, with what they say in words; formulas need no fonts from elsewhere.  OSError
    where the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    exporter = HTMLExporter(preprocessors=[ForAPage], mathjax_url="", require_js_url="",
                            mermaid_js_url="")
    pages = []
    for lesson in lessons:
        page = folder / f"{lesson.stem}.html"
        page.write_text(exporter.from_filename(str(lesson))[0], encoding="utf-8")
        pages.append(page)
    return pages
