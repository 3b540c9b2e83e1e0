"""A JupyterLab of our own, started as a learner's is: a free loopback port, a copy of the lessons, nobody's
settings.
"""

import json
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil

from quantlab.cli.jupyterlab import our_options, quiet_environment
from tests.guard import Guard

ROOT = Path(__file__).resolve().parents[2]


class Lab:
    """Serves a copy of `notebooks` (a folder) until `stop`; use it in a `with` statement.

    environment: variables for the kernels, on top of the present ones; the reference profile unless it says
    otherwise.
    settings: plugin name -> JupyterLab settings.  Raises RuntimeError with the log's end when
    JupyterLab does not come up in a minute.
    """

    def __init__(self, notebooks: Path = ROOT / "notebooks", *, environment: dict[str, str] | None = None,
                 settings: dict[str, dict] | None = None):
        self.home = Path(tempfile.mkdtemp(prefix="quantlab-lab-"))
        self.folder = self.home / "notebooks"
        shutil.copytree(notebooks, self.folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
        for plugin, values in (settings or {}).items():
            file = self.home / "settings" / f"{plugin}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values))
        self.port, self.token = free_port(), secrets.token_hex(16)
        self.process = self._start({"QUANTLAB_PROFILE": "reference", **(environment or {})})
        self.guard = Guard(self.process)
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.home / "lab.log").read_text(errors="replace")

    def url(self, name: str) -> str:
        """The page that opens the lesson `name`, with a fresh layout."""
        return f"{self.address}/lab/tree/{name}?reset&token={self.token}"

    def sessions(self) -> list[dict]:
        """Open notebooks and their kernels, as the server sees them."""
        return json.loads(self._ask("/api/sessions"))

    def close_sessions(self) -> None:
        """Stop all kernels, so that the next lesson starts alone."""
        for session in self.sessions():
            self._ask(f"/api/sessions/{session['id']}", method="DELETE")

    def stop(self) -> None:
        """End the server and its kernels by pid and remove the folder. Safe to call twice."""
        stop_family(self.process)
        self.guard.release()
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _start(self, environment: dict[str, str]) -> subprocess.Popen:
        folders = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data",
                   "JUPYTER_RUNTIME_DIR": "runtime", "JUPYTERLAB_SETTINGS_DIR": "settings",
                   "JUPYTERLAB_WORKSPACES_DIR": "workspaces", "IPYTHONDIR": "ipython"}
        own = {name: str(self.home / folder) for name, folder in folders.items()}
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
                   f"--port={self.port}", "--ServerApp.port_retries=0",
                   f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={self.folder}",
                   "--LabApp.expose_app_in_browser=True", *our_options()]
        with (self.home / "lab.log").open("w") as log:
            return subprocess.Popen(command, env={**quiet_environment(), **own, **environment}, cwd=self.home,
                                    stdout=log, stderr=subprocess.STDOUT, start_new_session=True)

    def _wait(self, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                self._ask("/api/status")
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"JupyterLab did not come up. The end of its log:\n{self.log[-3000:]}")

    def _ask(self, path: str, method: str = "GET") -> bytes:
        request = urllib.request.Request(self.address + path, method=method,
                                         headers={"Authorization": f"token {self.token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def stop_family(process: subprocess.Popen) -> None:
    """End a process and all it started, by pid; kernels live in sessions of their own, so a group kill misses
    them.
    """
    try:
        parent = psutil.Process(process.pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
    _, alive = psutil.wait_procs(family[1:], timeout=2)
    for child in alive:
        child.kill()
