"""What was measured is remembered: a small JSON file a measurement, in the user's own cache folder, named
after everything that its numbers depend on.

    Measurements().put({"text": digest(text), ...}, {"kld": 0.02})

A changed file, text or line of the code that measures is another name, so nothing stale is ever read. A
measurement that is damaged, or cannot be written, is as good as none: it is made again.
"""

import json
import os
import sys
from functools import cache
from pathlib import Path

from ..models.digests import digest
from ..models.whole_file import whole_file

PACKAGE = Path(__file__).resolve().parent.parent
#: The code that the numbers come from.
CODE = ("formats/*.py", "methods/*.py", "inference/*.py", "models/recipe*.py", "models/plan.py",
        "models/writer.py", "models/gguf_*.py")
CACHE_VARIABLE = "QUANTLAB_CACHE"


class Measurements:
    """What was measured, by key.  folder: True for the user's own folder, a path, or None (False) to remember
    nothing.
    """

    def __init__(self, folder=True):
        self.folder = cache_folder() if folder is True else Path(folder).expanduser() if folder else None

    def get(self, key: dict) -> dict | None:
        """What was put under this key; None when nothing was, or when the file is damaged."""
        if self.folder is None:
            return None
        try:
            found = json.loads((self.folder / f"{digest(key)}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(found, dict) or found.get("key") != key or not isinstance(found.get("value"), dict):
            return None
        return found["value"] if found.get("check") == digest(found["value"]) else None

    def put(self, key: dict, value: dict) -> None:
        """Remember a value of plain numbers and words; whole or not at all, and not where nothing can be
        written.
        """
        if self.folder is None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with whole_file(self.folder / f"{digest(key)}.json") as write:
                write(json.dumps({"key": key, "value": value, "check": digest(value)}, indent=1).encode())
        except (OSError, ValueError):
            return


def cache_folder() -> Path:
    """The user's folder for measurements: what QUANTLAB_CACHE says, or where the system keeps such files."""
    if given := os.environ.get(CACHE_VARIABLE):
        return Path(given).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "quantlab" / "quality"


@cache
def code_digest() -> str:
    """The digest of the code that encodes, runs and measures: with another line of it, everything is measured
    anew.
    """
    files = sorted(path for pattern in CODE for path in PACKAGE.glob(pattern))
    return digest(b"".join(path.relative_to(PACKAGE).as_posix().encode()
                           + path.read_bytes().replace(b"\r\n", b"\n") for path in files))
