"""What waits for a guess in a lesson appears when it is asked for: the committed notebook never shows it."""

import json
import re
from pathlib import Path

import pytest

import quantlab as ql

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def sections_that_wait() -> dict[str, list[str]]:
    """Number of the guess -> the code cells of its section up to it."""
    found, section = {}, list[str]()
    for file in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")):
        for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                section = [] if re.search(r"^##? ", source, re.MULTILINE) else section
                continue
            section = [*section, source]
            for number in re.findall(r'ql\.predict\("(\d\d-\d+)"\)\s*\.then\(', source):
                found[number] = section
    return found


SECTIONS = sections_that_wait()


@pytest.mark.parametrize("number", SECTIONS)
def test_it_appears(number, monkeypatch, tmp_path):
    monkeypatch.setenv("QUANTLAB_PROFILE", "reference")
    monkeypatch.chdir(tmp_path)
    names: dict = {"ql": ql}
    *before, last = SECTIONS[number]
    for source in before:
        exec(source, names)
    setup, _, call = last.rpartition("ql.predict(")
    exec(setup, names)
    guess = eval("ql.predict(" + call, names)
    assert guess.shown is None and "<img" not in guess.still_html()
    guess.choose(0)
    assert guess.shown in guess.children and len(guess.shown.finding.split()) >= 4
    assert "Nothing can be drawn" not in guess.shown.finding
