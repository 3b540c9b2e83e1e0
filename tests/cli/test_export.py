"""Lessons as pages: pictures with their words, links that lead to pages, nothing from the network."""

import re
import shutil

import pytest

from quantlab.cli import commands, workspace
from tests.browser.lab import ROOT


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    for name in ("00_start_here", "06_will_it_fit"):
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", tmp_path / "notebooks")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_picture_has_its_finding_and_links_lead_to_pages(project):
    said = commands.export([], "pages")
    assert said == "2 pages in pages/; begin with 00_start_here.html"
    for page in (project / "pages").glob("*.html"):
        html = page.read_text(encoding="utf-8")
        alts = re.findall(r'<img[^>]* alt="([^"]*)"', html)
        assert alts and all(len(alt.split()) > 3 for alt in alts)
        assert "No description has been provided" not in html and ".ipynb" not in html
        assert not re.search(r'<script[^>]+src="http', html)
    first = (project / "pages" / "00_start_here.html").read_text(encoding="utf-8")
    assert 'href="06_will_it_fit.html"' in first


def test_a_learners_own_copy_goes_first_and_an_unknown_lesson_is_named(project):
    own = project / workspace.MY_NOTEBOOKS
    own.mkdir()
    lesson = (project / "notebooks" / "06_will_it_fit.ipynb").read_text(encoding="utf-8")
    (own / "06_will_it_fit.ipynb").write_text(lesson.replace("Will it fit", "My own fit"), encoding="utf-8")
    assert commands.export(["06"], "out").startswith("1 pages in out/")
    assert "My own fit" in (project / "out" / "06_will_it_fit.html").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match=r"'99'.*06_will_it_fit"):
        commands.export(["99"])
