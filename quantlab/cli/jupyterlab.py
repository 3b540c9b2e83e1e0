"""JupyterLab on the learner's own copies: how it is started, and why it ends with us."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from . import workspace

QUIET = ["--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
         "--LabApp.extension_manager=readonly"]      # no request that leaves this machine
# settings that have no argument: no question about news
SETTINGS = Path(__file__).with_name("jupyter")
STARTUP = Path(__file__).with_name("startup.py")
# what is run before its kernel is there waits for it
PATIENT = f"--LabApp.extra_labextensions_path={SETTINGS / 'labextensions'}"
PROMPT = "--ServerApp.kernel_websocket_connection_class=quantlab.cli.connection.PromptConnection"
ENCRYPTED = "--KernelManager.transport_encryption=auto"      # else each kernel warns of eavesdropping


def our_options() -> list[str]:
    """What JupyterLab is told beyond the folder: no requests, quick answers, encrypted kernels."""
    import zmq

    return [*QUIET, PATIENT, PROMPT, *([ENCRYPTED] if zmq.has("curve") else [])]


def lab(arguments: list[str]) -> int:
    """Open your own copies of the lessons in JupyterLab; further arguments go to it (--no-browser, --port).

    JupyterLab takes this process's place where the system can do that, so that whatever ends one ends the
    other: Ctrl-C, SIGTERM, a closed terminal. Windows cannot: there Ctrl-C and a closed window reach both.
    """
    if find_spec("jupyterlab") is None:
        raise FileNotFoundError("JupyterLab is not installed in this Python: run `make lab`, or "
                                "`pip install -c constraints.txt -e .`")
    folder, messages = workspace.prepare(workspace.project_root())
    print(*messages, f"Your copies of the lessons are in {workspace.MY_NOTEBOOKS}/; nothing you change there "
                     "is ever overwritten. Stop with Ctrl-C, twice.", sep="\n", flush=True)
    root_user = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}",
               "--LabApp.default_url=/lab/tree/00_start_here.ipynb", *our_options(), *root_user, *arguments]
    environment = quiet_environment()
    if sys.platform != "win32":
        os.execve(sys.executable, command, environment)
    try:
        return subprocess.call(command, env=environment)
    except KeyboardInterrupt:
        return 0


def quiet_environment() -> dict[str, str]:
    """The environment in which JupyterLab starts: what the user has, and our defaults for settings the user
    left alone.
    """
    paths = [str(SETTINGS), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    return {"PYTHONSTARTUP": str(STARTUP), **os.environ, "JUPYTER_CONFIG_PATH": os.pathsep.join(paths)}
