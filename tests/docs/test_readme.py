"""The front door is true: what it links to is there, its commands are commands, its lines of Python run, and
what it says of errors is what is said.
"""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import quantlab as ql
from quantlab.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/package.md")}
README = PAGES["README.md"]
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", PAGES)
def test_links_and_pictures_lead_somewhere(name):
    words = re.sub(r"```.*?```", "", PAGES[name], flags=re.DOTALL)
    found = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", words) if "://" not in link]
    assert [link for link in found if not ((ROOT / name).parent / link).exists()] == []


def test_every_picture_says_what_it_shows():
    alts = re.findall(r"!\[([^\]]*)\]\(docs/", README)
    assert len(alts) == 4 and all(len(alt) > 30 for alt in alts)


def test_no_picture_or_badge_is_asked_of_another_host():
    assert re.findall(r"!\[[^\]]*\]\((?!docs/)", README) == [] and "<img" not in README


@pytest.mark.parametrize("name", PAGES)
def test_commands_are_commands(name):
    made = re.findall(r"(?:^|`)(?:\w+=\S+ )?make ([a-z-]+)", PAGES[name], re.MULTILINE)
    ours = re.findall(r"-m quantlab ([a-z]+)", PAGES[name])
    known = {command.__name__ for command in COMMANDS}
    assert set(made) <= set(TARGETS) and set(ours) <= known and (made or ours)


def test_the_lines_of_python_run():
    code = re.search(r"```python\n(.+?)```", README, re.DOTALL)[1]
    names: dict = {}
    exec(code, names)
    assert names["q"].bpw == ql.FORMATS["Q4_K"].bpw


def test_messages_are_those_that_are_printed():
    said = {"setup: no Python 3.11, 3.12 or 3.13 found": "tools/setup.sh",
            "-m venv' failed": "tools/setup.sh", "No Ollama answers at": "quantlab/lab/server.py"}
    for words, place in said.items():
        assert words in README and words in (ROOT / place).read_text(encoding="utf-8")


def test_the_moving_picture_is_small_and_ends_after_three_rounds():
    """It is XML, asks nobody, stops by itself, and does not move for who asked their system for that."""
    text = (ROOT / "docs/llama.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    frames = [one for one in root if one.tag.endswith("}g")]
    assert len(text) < 200_000 and len(frames) == 10
    assert re.findall(r"step-end [\d.]+s (\w+)", text) == ["3"] * 9
    assert "prefers-reduced-motion:reduce" in text
    assert [link for link in re.findall(r'href="([^"]+)"', text) if not link.startswith("data:")] == []


@pytest.mark.parametrize("file", sorted((ROOT / "docs").glob("lesson_*.png")), ids=lambda file: file.stem)
def test_screenshots_are_small(file):
    assert file.stat().st_size < 100_000
