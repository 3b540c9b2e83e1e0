"""What a newcomer installs: the conda file's pip section in a fresh environment, and the versions it pins."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


def pip_section() -> list[str]:
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (section,) = [d["pip"] for d in dependencies if isinstance(d, dict)]
    assert any(str(d).startswith("python") for d in dependencies) and "pip" in dependencies
    return section


def test_constraints_are_exact_and_name_no_package_index():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"#.*|[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines)
    assert not re.search(r"https?://|index-url|@", "\n".join(lines))


def test_every_dependency_of_the_project_is_pinned():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(d for group in project["optional-dependencies"].values()
                                          for d in group)]
    names = {re.match(r"[A-Za-z0-9_.-]+", d)[0].lower().replace("_", "-") for d in wanted}
    pinned = {line.split("==")[0].lower().replace("_", "-")
              for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert names - pinned == set()


@pytest.mark.install
def test_the_conda_files_pip_section_installs_a_working_quantlab(tmp_path):
    """As conda does it: the section becomes a requirements file beside environment.yml."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True, timeout=120)
    python = next(p for p in (venv / "bin" / "python", venv / "Scripts" / "python.exe") if p.exists())
    requirements = ROOT / ".tools" / "environment-pip-section.txt"
    requirements.parent.mkdir(exist_ok=True)
    requirements.write_text("\n".join(pip_section()).replace("constraints.txt", "../constraints.txt"))
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # conda's pip is a current one
    subprocess.run([*pip, "--upgrade", "pip>=25"], check=True, timeout=300)
    subprocess.run([*pip, "--no-compile", "-r", requirements], cwd=ROOT, check=True, timeout=900)
    says = subprocess.run([python, "-m", "quantlab", "doctor"], cwd=tmp_path,
                          env={**os.environ, "QUANTLAB_PROFILE": "live"}, capture_output=True, text=True,
                          timeout=120)
    assert says.returncode == 0, says.stderr
    assert "JupyterLab" in says.stdout
    star = "from quantlab import *; print(recommend_quantization(8, 7), recommend_quantization(24, 34))"
    run = subprocess.run([python, "-c", star], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert run.stdout.split() == ["q5_K_M", "q4_K_M"], run.stderr
