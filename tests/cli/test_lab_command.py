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
from quantlab.cli import connection, startup
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
        patience = f"http://127.0.0.1:{port}/lab/extensions/quantlab/static/patience.js?token=bench"
        assert b"quantlab:patience" in urllib.request.urlopen(patience, timeout=30).read()
        assert "jupyterlab" in family[0].cmdline()
        process.send_signal(getattr(signal, name))
        process.wait(30)
        _, alive = psutil.wait_procs(family[1:], timeout=30)
        assert not alive


def test_the_learners_folder_is_ignored_by_git():
    ignored = (ROOT / ".gitignore").read_text().split()
    assert {f"{MY_NOTEBOOKS}/", ".tools", ".venv/"} <= set(ignored)


def test_a_name_of_another_cell_is_asked_for_in_words():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    startup.install(shell)
    said = []
    shell._showtraceback = lambda kind, error, words: said.append("\n".join(words))
    shell.run_cell("ql.explore_bits()")
    shell.run_cell("mine + 1")
    assert said[0] == startup.sentence("ql") and startup.ABOVE in said[0]
    assert said[1].startswith(startup.sentence("mine")) and "Traceback" in said[1]


def test_a_connection_does_not_wait_for_more_to_send(monkeypatch):
    """Tornado's handlers have Nagle's algorithm on; what is Jupyter's own is not tried here."""
    told = []
    jupyters_own = connection.ZMQChannelsWebsocketConnection
    monkeypatch.setattr(jupyters_own, "connect", lambda self: told.append("connected"))
    one = connection.PromptConnection.__new__(connection.PromptConnection)
    handler = type("Handler", (), {"set_nodelay": lambda self, value: told.append(value)})()
    monkeypatch.setattr(connection.PromptConnection, "websocket_handler", handler)
    one.connect()
    assert told == [True, "connected"]
