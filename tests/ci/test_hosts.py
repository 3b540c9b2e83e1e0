"""A development container and Binder: their files, and the learner's copies that their start makes."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BINDER = ROOT / ".binder"


@pytest.fixture
def checkout(tmp_path):
    """A checkout with two lessons."""
    (tmp_path / "notebooks").mkdir()
    for number in ("00", "06"):
        (lesson,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
        shutil.copy(lesson, tmp_path / "notebooks")
    return tmp_path


def run(command: list, folder: Path) -> str:
    """What a command prints in `folder`, where `python` is the one that runs the tests."""
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": paths, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=env, text=True, check=True, stdout=subprocess.PIPE)
    return done.stdout


def copies_are_made_once(checkout: Path, start: list) -> None:
    """Both lessons are copied; what a learner wrote into a copy is still there after another start."""
    run(start, checkout)
    mine = checkout / "my_notebooks" / "00_start_here.ipynb"
    assert len(list(mine.parent.glob("*.ipynb"))) == 2
    assert mine.read_bytes() == (checkout / "notebooks" / mine.name).read_bytes()
    mine.write_text("mine")
    run(start, checkout)
    assert mine.read_text() == "mine"


def container() -> dict:
    text = (ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8")
    return json.loads("".join(line for line in text.splitlines() if not line.startswith("//")))


def test_the_container_sets_up_what_learners_set_up():
    script, wants = shlex.split(container()["postCreateCommand"])
    assert (ROOT / script).is_file() and wants == "lab"


def test_the_container_makes_the_copies(checkout):
    python, *arguments = shlex.split(container()["postStartCommand"])
    assert python == ".venv/bin/python"              # as tools/setup.sh makes it
    copies_are_made_once(checkout, [sys.executable, *arguments])


def test_binder_installs_the_project_with_the_pinned_versions():
    lines = (BINDER / "requirements.txt").read_text(encoding="utf-8").splitlines()
    constraint, project = [line for line in lines if not line.startswith("#")]
    assert (BINDER / constraint.removeprefix("--constraint ")).resolve() == ROOT / "constraints.txt"
    assert project == "--editable ."                 # run in the root of the checkout
    python = (BINDER / "runtime.txt").read_text(encoding="utf-8").strip()
    assert python in ("python-3.11", "python-3.12", "python-3.13")


@pytest.mark.skipif(os.name == "nt", reason="Binder runs Linux")
def test_binder_makes_the_copies_and_hands_over(checkout):
    start = ["bash", BINDER / "start"]
    copies_are_made_once(checkout, [*start, "true"])
    settings = run([*start, "printenv", "JUPYTER_CONFIG_PATH"], checkout).strip().split(":")[0]
    assert settings == f"{checkout}/quantlab/cli/jupyter"
    assert (ROOT / "quantlab/cli/jupyter/labconfig").is_dir()
