"""Lessons for readers who do not see code: each exercise is a field, and no sentence speaks of code."""

import json
import re

import pytest

import quantlab as ql
from quantlab.cli.app import for_readers
from tests.browser.lab import ROOT


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    for_readers(ROOT, folder)
    return {path.stem: json.loads(path.read_text(encoding="utf-8"))["cells"]
            for path in folder.glob("*.ipynb")}


def texts(cells, kind):
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == kind]


def test_every_exercise_is_a_field_that_calls_its_own_check(served):
    for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        checks = [cell for cell in cells if "check" in cell["metadata"].get("tags", [])]
        fields = [source for source in texts(served[path.stem], "code") if "answer_field(" in source]
        assert len(fields) == len(checks) >= 1, path.stem
        for source in fields:
            made = eval(source.splitlines()[-1], {"ql": ql, "answer_field": lambda check, asked: check(...)})
            assert made.voice == "not started"


def test_no_sentence_speaks_of_dots_or_of_running_cells(served):
    for name, cells in served.items():
        told = "\n".join(texts(cells, "markdown")).replace("hold three dots for you", "")
        assert not re.search(r"three dots|<kbd>Shift</kbd>", told), name


def test_links_lead_to_pages_that_are_served(served):
    for name, cells in served.items():
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", "\n".join(texts(cells, "markdown"))):
            assert target.removesuffix(".ipynb") in served, (name, target)
