"""Learners' copies: made once, never overwritten unasked, replaced only with a backup."""

import subprocess
import sys

import pytest

from quantlab.cli import main, workspace


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    for name in ("00_start_here", "01_what_is_quantization"):
        (notebooks / f"{name}.ipynb").write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_copy_is_made_once_and_what_the_learner_wrote_stays(checkout):
    folder, messages = workspace.prepare(checkout)
    assert sorted(p.name for p in folder.glob("*.ipynb")) == ["00_start_here.ipynb",
                                                              "01_what_is_quantization.ipynb"]
    assert messages == []
    (folder / "00_start_here.ipynb").write_text("mine")
    workspace.prepare(checkout)
    assert (folder / "00_start_here.ipynb").read_text() == "mine"


def test_a_lesson_that_changed_is_announced_and_not_forced(checkout):
    folder, _ = workspace.prepare(checkout)
    (checkout / "notebooks" / "01_what_is_quantization.ipynb").write_text("second edition")
    _, messages = workspace.prepare(checkout)
    assert len(messages) == 1 and "reset 01" in messages[0]
    assert (folder / "01_what_is_quantization.ipynb").read_text() == "01_what_is_quantization"


def test_reset_brings_a_fresh_copy_and_keeps_the_old_one(checkout):
    folder, _ = workspace.prepare(checkout)
    (folder / "00_start_here.ipynb").write_text("mine")
    messages = workspace.renew(checkout, ["00"])
    assert (folder / "00_start_here.ipynb").read_text() == "00_start_here"
    assert [p.read_text() for p in folder.glob("before-*/00_start_here.ipynb")] == ["mine"]
    assert "fresh copy" in messages[0]
    assert workspace.renew(checkout, []) == ["All copies were fresh already."]


def test_reset_of_an_unknown_lesson_names_it_and_touches_nothing(checkout, capsys):
    workspace.prepare(checkout)
    assert main.main(["reset", "77"]) == 2
    assert "'77'" in capsys.readouterr().err
    assert not list((checkout / workspace.COPIES).glob("before-*"))


def test_a_broken_origins_file_loses_nothing(checkout):
    folder, _ = workspace.prepare(checkout)
    (folder / "00_start_here.ipynb").write_text("mine")
    (folder / workspace.ORIGINS).write_text("{ half")
    workspace.prepare(checkout)
    assert (folder / "00_start_here.ipynb").read_text() == "mine"


def test_running_the_command_outside_a_checkout_still_finds_the_lessons_it_came_from(tmp_path):
    done = subprocess.run([sys.executable, "-m", "quantlab", "--help"], cwd=tmp_path, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0
    assert "doctor" in done.stdout
