"""`python -m quantlab lab` really serves the learner's copy, running a lesson never touches the original, and
what ends the command ends JupyterLab and its kernels.
"""

import shutil
import signal
import sys
import urllib.request

import psutil
import pytest

from benchmarks.startup import serving
from quantlab.cli.workspace import MY_NOTEBOOKS
from tests.browser.lab import ROOT

TYPED = (sys.executable, "-m", "quantlab", "lab")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals for one process")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_lab_serves_the_learners_copies_and_ends_as_a_whole(tmp_path, name):
    """SIGHUP: a closed terminal.  Ctrl-C is JupyterLab's own matter: it has taken the command's place."""
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks", ignore=shutil.ignore_patterns(".*"))
    with serving(lambda *arguments: [*TYPED, *arguments], tmp_path, limit=120) as (process, port):
        copies = {path.name: path.read_bytes() for path in (tmp_path / MY_NOTEBOOKS).glob("*.ipynb")}
        assert copies == {path.name: path.read_bytes() for path in (tmp_path / "notebooks").glob("*.ipynb")}
        address = f"http://127.0.0.1:{port}/api/kernels?token=bench"
        urllib.request.urlopen(urllib.request.Request(address, b"{}"), timeout=30).close()
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        assert len(family) > 1, "a kernel runs"
        assert "jupyterlab" in family[0].cmdline()
        process.send_signal(getattr(signal, name))
        process.wait(30)
        _, alive = psutil.wait_procs(family[1:], timeout=30)
        assert not alive


def test_the_learners_folder_is_ignored_by_git():
    ignored = (ROOT / ".gitignore").read_text().split()
    assert {f"{MY_NOTEBOOKS}/", ".tools", ".venv/"} <= set(ignored)
