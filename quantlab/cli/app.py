"""The lessons and the playground as pages with living exhibits and no code, served by Voila: for a classroom,
or for whoever wants to drag and not to program. Every reader has a kernel of their own.
"""

import json
import os
import re
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from . import workspace
from .jupyterlab import SETTINGS, STARTUP

WIDGETS = ["anywidget", "@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager8"]
#: Seconds until a kernel ends whose page is gone without a goodbye. A closed page says goodbye, which the
#: cross-site check would refuse, since Voila gives it no token. Only widgets are loaded.
SETTINGS_OF_VOILA = {"VoilaConfiguration": {"template": "quantlab", "extension_allowlist": WIDGETS,
                                            "extension_denylist": ["quantlab"]},
                     "Voila": {"tornado_settings": {"disable_check_xsrf": True}},
                     "MappingKernelManager": {"cull_idle_timeout": 600, "cull_interval": 60}}
CHECK = re.compile(r"^ql\.(check\w*)\((?:(.+), )?(\w+)\)\s*$", re.MULTILINE)
#: What is only for those who see the code: how to run it, and dots to replace.
KEYS = re.compile(r"^.*<kbd>Shift</kbd>.*(?:\n(?!\n).*)*\n?", re.MULTILINE)
DOTS = re.compile(r"\s*(?:Replace|replace) the (?:three )?dots[^.:]*[.:]")
PAGE = re.compile(r"\]\(\.\./docs/([\w-]+)\.md\)")
#: A file of the project, which is not among the pages.
FILE = re.compile(r"\[([^\]]+)\]\(\.\./((?!docs/|notebooks/)[^)]+)\)")
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def app(arguments: list[str]) -> int:
    """Serve the lessons and the playground as pages without code; further arguments go to Voila (--port)."""
    if find_spec("voila") is None:
        raise FileNotFoundError("Voila is not installed in this Python: run `make app`, or "
                                "`pip install -c constraints.txt -e .[app]`")
    from traitlets.config import Config
    from voila.app import Voila

    os.environ.setdefault("PYTHONSTARTUP", str(STARTUP))
    paths = [str(SETTINGS), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(paths)
    with TemporaryDirectory(prefix="quantlab-app-") as folder:
        for_readers(workspace.project_root(), Path(folder))
        print("Lessons without code: begin with 00_start_here, or with playground, which has all exhibits. "
              "Stop with Ctrl-C.", flush=True)
        Voila.launch_instance(argv=[folder, *arguments], config=Config(SETTINGS_OF_VOILA))
    return 0


def for_readers(root: Path, folder: Path) -> None:
    """Write the lessons into `folder` as readers get them who do not see code: a field for each exercise, and
    the pages of `docs/` to which they lead.
    """
    pages: set[str] = set()
    for lesson in workspace.originals(root):
        book = json.loads(lesson.read_text(encoding="utf-8"))
        for cell in book["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                pages |= set(PAGE.findall(source))
                words = FILE.sub(r"\1 (`\2`)", DOTS.sub("", KEYS.sub("", source)))
                cell["source"] = PAGE.sub(r"](\1.ipynb)", words)
            elif "check" in cell["metadata"].get("tags", []):
                cell["source"] = CHECK.sub(_field, source)
        _write(folder / lesson.name, book)
    for page in sorted(pages):
        words = (root / "docs" / f"{page}.md").read_text(encoding="utf-8")
        linked = re.sub(r"\]\(\.\./notebooks/", "](", words)
        cell = {"cell_type": "markdown", "id": page, "metadata": {}, "source": linked}
        _write(folder / f"{page}.ipynb", {"cells": [cell], "metadata": KERNEL, "nbformat": 4,
                                          "nbformat_minor": 5})


def _write(file: Path, book: dict) -> None:
    file.write_text(json.dumps(book), encoding="utf-8")


def _field(call: re.Match) -> str:
    """The call of a check as the field that makes it."""
    check, number, answer = call.groups()
    judged = f"lambda answer: ql.{check}({number}, answer)" if number else f"ql.{check}"
    return f"from quantlab.lessons.field import answer_field\nanswer_field({judged}, {answer!r})"
