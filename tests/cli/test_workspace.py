"""Learners' copies: made once, never overwritten unasked, replaced only with a backup, and whole or not there
on a full disk.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from quantlab.cli import main, workspace
from tests.posix import posix_only

SECOND = Path("notebooks", "01_what_is_quantization.ipynb")       # in the folder that a test runs in


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
    assert not list((checkout / workspace.MY_NOTEBOOKS).glob("before-*"))


def test_a_broken_origins_file_loses_nothing(checkout):
    folder, _ = workspace.prepare(checkout)
    (folder / "00_start_here.ipynb").write_text("mine")
    (folder / workspace.ORIGINS).write_text("{ half")
    workspace.prepare(checkout)
    assert (folder / "00_start_here.ipynb").read_text() == "mine"


@pytest.fixture
def small_disk(checkout, monkeypatch):
    """(`my_notebooks` on a disk of 64 KB, True); where none may be mounted, a folder that says it is one."""
    SECOND.write_bytes(b"x" * 100_000)
    folder = checkout / workspace.MY_NOTEBOOKS
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder]
    can = sys.platform == "linux" and shutil.which("mount")
    is_real = bool(can) and subprocess.run(mount, capture_output=True).returncode == 0
    if not is_real:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**16))
    yield folder, is_real
    if is_real:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_says_what_is_missing_and_keeps_no_half_copy(checkout, small_disk, monkeypatch):
    folder, is_real = small_disk
    with pytest.raises(OSError, match=r"the copies take 100 KB, .* room for 65\.5 KB: 34\.5 KB are missing"):
        workspace.prepare(checkout)
    assert not list(folder.iterdir())
    if is_real:         # others write at the same time: there is room when we look, and none when we write
        looks, usage = iter([SimpleNamespace(free=10**9)]), shutil.disk_usage
        monkeypatch.setattr(shutil, "disk_usage", lambda path: next(looks, None) or usage(path))
        with pytest.raises(OSError, match=r"No space left on device; .* 1 of 2 lessons .* take 100 KB"):
            workspace.prepare(checkout)
        assert [path.name for path in folder.iterdir()] == ["00_start_here.ipynb"]
        SECOND.write_text("short")
        assert workspace.prepare(checkout)[1] == [] and len(list(folder.glob("*.ipynb"))) == 2


@posix_only
@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no sizes of files")
def test_a_copy_that_the_system_refuses_halfway_leaves_yours_where_it_was(checkout):
    """The command as it is typed, where no file may be larger than 50 KB, as a quota would have it."""
    import resource

    folder, _ = workspace.prepare(checkout)
    (folder / SECOND.name).write_text("mine")
    SECOND.write_bytes(b"x" * 100_000)
    done = subprocess.run([sys.executable, "-m", "quantlab", "reset"], capture_output=True, text=True,
                          timeout=60, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)))
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
    assert f"{SECOND.name} could not be written: File too large; nothing was left behind" in done.stderr
    assert "1 of 2 lessons were copied; the others take 100 KB" in done.stderr
    assert (folder / SECOND.name).read_text() == "mine"
    assert not [path for path in folder.rglob("*") if path.suffix == ".part"]


def test_a_folder_that_may_not_be_written_to_is_a_sentence(checkout, capsys):
    (checkout / workspace.MY_NOTEBOOKS).write_text("a file is in the way")
    assert main.main(["reset"]) == 1 and "File exists" in capsys.readouterr().err


def test_running_the_command_outside_a_checkout_still_finds_the_lessons_it_came_from(tmp_path):
    done = subprocess.run([sys.executable, "-m", "quantlab", "--help"], cwd=tmp_path, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0
    assert "doctor" in done.stdout
