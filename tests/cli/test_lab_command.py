"""`python -m quantlab lab` really serves the learner's copy, and running a lesson never touches the original.
"""

import shutil
import sys

from benchmarks.startup import until_served
from quantlab.cli.workspace import COPIES
from tests.browser.lab import ROOT


def test_lab_serves_the_learners_copy_of_lesson_00(tmp_path):
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks", ignore=shutil.ignore_patterns(".*"))
    until_served(lambda *arguments: [sys.executable, "-m", "quantlab", "lab", *arguments], tmp_path,
                 limit=120)
    copies = {p.name: p.read_bytes() for p in (tmp_path / COPIES).glob("*.ipynb")}
    assert copies == {p.name: p.read_bytes() for p in (tmp_path / "notebooks").glob("*.ipynb")}


def test_the_learners_folder_is_ignored_by_git():
    ignored = (ROOT / ".gitignore").read_text().split()
    assert {f"{COPIES}/", ".tools", ".venv/"} <= set(ignored)
