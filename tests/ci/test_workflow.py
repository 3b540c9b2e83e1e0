"""The workflow files: what their steps name exists here, and GitHub's own grammar by actionlint, where Go is.
"""

import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CI, PAGES = (yaml.safe_load((ROOT / ".github/workflows" / name).read_text(encoding="utf-8"))
             for name in ("ci.yml", "pages.yml"))
JOBS = CI["jobs"] | PAGES["jobs"]
STEPS = [(name, step) for name, job in JOBS.items() for step in job["steps"]]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def faults(command: str) -> list[str]:
    """What a command names that is not here: files of the project, make's targets, extras, tests' markers."""
    words = shlex.split(command)
    paths = [word for word in words if re.fullmatch(r"\.?[\w-]+(/[\w.-]+)+|[\w-]+\.(txt|toml|sh|py)", word)]
    lost = [f"no file {path}" for path in paths if not (ROOT / path).exists()]
    if words[0] == "make":
        lost += [f"no target {word}" for word in words[1:] if "=" not in word and word not in TARGETS]
    for extras in re.findall(r"\.\[([\w,]+)\]", command):
        known = PROJECT["project"]["optional-dependencies"]
        lost += [f"no extra {extra}" for extra in extras.split(",") if extra not in known]
    if "pytest" in words:
        expression = words[words.index("-m", words.index("pytest")) + 1]
        markers = [line.split(":")[0] for line in PROJECT["tool"]["pytest"]["ini_options"]["markers"]]
        lost += [f"no marker {word}" for word in re.findall(r"\w+", expression)
                 if word not in ("not", "and", "or", *markers)]
    return lost


def lines(step: dict) -> list[str]:
    return [line for line in step.get("run", "").splitlines() if line.strip()]


@pytest.mark.parametrize("command", [line for _, step in STEPS for line in lines(step)])
def test_a_command_names_what_exists(command):
    assert faults(command) == []


@pytest.mark.parametrize("command", [
    "bash .ci/walk", "tools/setap.sh dev", "make lint tset", "pip install -c constraint.txt .",
    'pip install -e ".[dev,oracle]"', 'python -m pytest -m "not servers"'])
def test_a_command_that_names_nothing_is_found(command):
    assert len(faults(command)) == 1


def test_every_part_of_ci_is_run():
    ran = {name: [line for step in job["steps"] for line in lines(step)] for name, job in JOBS.items()}
    assert "bash .ci/run" in ran["everything"] and "make lint" in ran["lint"]
    assert any(line.startswith("python -m pytest") for line in ran["elsewhere"])


def test_files_that_name_a_cache_exist():
    named = [name for _, step in STEPS for key, value in step.get("with", {}).items()
             for name in (re.findall(r"'([^']+)'", str(value)) if key == "key" else
                          value.split() if key == "cache-dependency-path" else [])]
    assert len(named) > 5 and [name for name in named if not (ROOT / name).is_file()] == []


def test_the_ends_of_the_promised_range_of_pythons_are_tried():
    low, high = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["project"]["requires-python"]).groups()
    assert JOBS["elsewhere"]["strategy"]["matrix"]["python"] == [f"3.{low}", f"3.{int(high) - 1}"]


def test_skips_are_allowed_only_where_the_c_libraries_cannot_be():
    """conftest.py makes a failure of a skip where CI is true or 1, which GitHub sets by itself."""
    assert {name: job.get("env", {}).get("CI") for name, job in JOBS.items()} == {
        "everything": None, "elsewhere": "false", "lint": None, "build": None, "publish": None}


def test_the_site_that_is_published_is_the_one_that_is_built():
    """`make site` writes it, git ignores it, and only the job that publishes may write to Pages. The pages
    know the address at which they will be.
    """
    built, uploaded = PAGES["jobs"]["build"]["steps"][-2:]
    assert built["run"] == 'make site ARGS="site ${{ steps.pages.outputs.base_url }}/"'
    assert uploaded["with"] == {"path": "site"}
    assert "/site/" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    assert PAGES["permissions"] == {"contents": "read"}
    assert {name: job.get("permissions") for name, job in PAGES["jobs"].items()} == {
        "build": {"contents": "read", "pages": "read"}, "publish": {"pages": "write", "id-token": "write"}}


def actionlint(file: Path) -> str:
    """What actionlint, in the version that CI runs, has against a workflow."""
    tool = next(line for _, step in STEPS for line in lines(step) if "actionlint" in line)
    done = subprocess.run([*shlex.split(tool), str(file)], cwd=ROOT, capture_output=True, text=True,
                          timeout=300)
    return done.stdout + done.stderr


@pytest.mark.install
@pytest.mark.skipif(not shutil.which("go"), reason="actionlint is run by Go 1.26 or newer, which is not here")
def test_github_understands_the_workflows(tmp_path):
    files = sorted((ROOT / ".github/workflows").glob("*.yml"))
    assert len(files) == 2 and [said for file in files if (said := actionlint(file))] == []
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(files[1].read_text("utf-8").replace("needs: build", "needs: nobody"), "utf-8")
    assert "nobody" in actionlint(wrong)


def test_go_is_new_enough_for_the_server():
    script = (ROOT / "tools/ollama.sh").read_text(encoding="utf-8")
    demanded = int(re.search(r"Go 1\.(\d+) or newer", script)[1])
    given = [step["with"]["go-version"] for _, step in STEPS if "setup-go" in step.get("uses", "")]
    assert given and all(int(version.removeprefix("1.")) >= demanded for version in given)


@pytest.mark.skipif(os.name == "nt", reason="the bash of Windows may be another system's")
@pytest.mark.parametrize("script", [step["run"] for _, step in STEPS if "run" in step])
def test_bash_understands_the_step(script):
    said = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, timeout=30)
    assert (said.returncode, said.stderr) == (0, "")
