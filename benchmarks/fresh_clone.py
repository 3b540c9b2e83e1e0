"""How long a newcomer waits: from `make lab` in a fresh clone until lesson 00 is served, with a warm package
cache.
"""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.startup import until_served
from tests.browser.lab import ROOT


def main() -> dict:
    """Seconds for two clones in turn: the first finds the package cache as it is, the second finds it warm.
    """
    seconds = [round(make_lab(), 1) for _ in range(2)]
    return {"make_lab_first_s": seconds[0], "make_lab_warm_cache_s": seconds[1], "goal_s": 60,
            "installer": "uv" if shutil.which("uv") else "venv and pip"}


def make_lab() -> float:
    with tempfile.TemporaryDirectory(prefix="quantlab-clone-") as folder:
        clone = Path(folder) / "quantlab"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        return until_served(lambda *arguments: ["make", "lab", f"ARGS={' '.join(arguments)}"], clone)


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
