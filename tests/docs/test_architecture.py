"""The map is true: every path that a page of the project names is there, every room stands on its floor."""

import re
from pathlib import Path

import pytest

from tests.test_floors import FLOORS

ROOT = Path(__file__).resolve().parents[2]
# all but CHANGELOG.md, which tells of what was
PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "quantlab/data/README.md",
         "quantlab/data/tiny/README.md")
PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)*/?)`")
# by the commands, not in the repository
MADE_HERE = {"my_notebooks/", "site/", ".venv/", ".tools/", "test-artifacts/"}
ENDINGS = (".py", ".csv", ".json", ".txt", ".md", ".toml", ".yml", "/")


def named_paths(page: str) -> set[str]:
    """Words in backticks that look like a file or a folder of the project."""
    return {name for name in PATH.findall((ROOT / page).read_text(encoding="utf-8"))
            if name.endswith(ENDINGS)}


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_is_named_exists(page):
    """As a reader resolves it: from the top, in the package, in its data."""
    names = named_paths(page)
    missing = {name for name in names
               if not any((ROOT / base / name).exists()
                          for base in ("", "quantlab", "quantlab/data", "quantlab/data/tiny"))}
    assert names and missing - MADE_HERE == set()


def test_the_drawing_has_every_room_on_its_floor():
    drawing = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").split("```")[1]
    for room, floor in FLOORS.items():
        line = next(line for line in drawing.splitlines() if re.search(rf"\b{room}(/|\.py)", line))
        assert line.split()[0] == str(floor), f"{room} is on floor {floor}"
