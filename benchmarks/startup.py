"""How long until the first picture? `import quantlab` beyond NumPy, and `python -m quantlab lab` until lesson
00 is served.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.browser.lab import ROOT, free_port, stop_family

REPEATS = 7
TIMED = "import {first}; import time; t = time.perf_counter(); {code}; print(time.perf_counter() - t)"


def main() -> dict:
    """Seconds and milliseconds, each the median of some runs in fresh interpreters."""
    return {
        "import_quantlab_beyond_numpy_ms": milliseconds("numpy", "import quantlab"),
        "first_quantize_beyond_import_ms": milliseconds("numpy, quantlab", "quantlab.quantize"),
        "first_explorer_beyond_import_ms": milliseconds("numpy, quantlab", "quantlab.explore_bits"),
        "goal_import_ms": 150,
        "lab_serves_lesson_00_s": round(statistics.median(serve() for _ in range(3)), 2),
    }


def milliseconds(first: str, code: str) -> float:
    """Median time of `code` in a fresh interpreter that has imported `first`."""
    command = [sys.executable, "-c", TIMED.format(first=first, code=code)]
    times = [float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
             for _ in range(REPEATS)]
    return round(1000 * statistics.median(times), 1)


def serve() -> float:
    """Seconds from typing `python -m quantlab lab` to the answer that holds lesson 00, in a folder of its
    own.
    """
    with tempfile.TemporaryDirectory(prefix="quantlab-startup-") as folder:
        shutil.copytree(ROOT / "notebooks", Path(folder) / "notebooks")
        return until_served(lambda *arguments: [sys.executable, "-m", "quantlab", "lab", *arguments],
                            Path(folder))


def until_served(command: Callable[..., list[str]], folder: Path, limit: float = 900) -> float:
    """Seconds until the command, given JupyterLab's arguments and run in `folder`, serves lesson 00; then
    stop it.
    """
    start = time.perf_counter()
    with serving(command, folder, limit):
        return time.perf_counter() - start


@contextmanager
def serving(command: Callable[..., list[str]], folder: Path,
            limit: float) -> Iterator[tuple[subprocess.Popen, int]]:
    """The command's process once it serves lesson 00, and its port; stopped at the end, with all it started.
    """
    port = free_port()
    own = {name: str(folder / name.lower())
           for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")}
    arguments = ("--no-browser", f"--port={port}", "--ServerApp.port_retries=0",
                 "--IdentityProvider.token=bench")
    start = time.perf_counter()
    process = subprocess.Popen(command(*arguments), cwd=folder, env={**os.environ, **own},
                               stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _served(port):
            if process.poll() is not None or time.perf_counter() - start > limit:
                raise RuntimeError(f"lesson 00 was not served in {limit} s")
            time.sleep(0.05)
        yield process, port
    finally:
        stop_family(process)


def _served(port: int) -> bool:
    address = f"http://127.0.0.1:{port}/api/contents/00_start_here.ipynb?token=bench"
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return len(json.load(answer)["content"]["cells"]) > 3
    except OSError:
        return False


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
