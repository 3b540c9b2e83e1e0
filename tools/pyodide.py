"""Fetch Pyodide, Python for a web page, which `make site` puts beside the pages: an npm package.

    python tools/pyodide.py      prints the folder that holds its files

The package is Mozilla's (MPL-2.0). npm downloads the archive, its digest is compared, and five files are
unpacked outside the checkout, as the test models are. The pinned version stands here and nowhere else.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "314.0.7"
SHA256 = "66b7949e5a0cba2250b586d7e368bf12fb482800748d182c4618254b685ffaa0"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
FOLDER = Path(os.environ.get("QUANTLAB_TOOLS") or CACHE / "quantlab" / "tools") / f"pyodide-{VERSION}"
#: Its start, its two halves, the standard library of Python, and what the build says of itself.
FILES = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")


def fetch(scratch: Path) -> Path:
    """The archive, by npm, from whichever registry it is set up for.  FileNotFoundError without npm."""
    if not shutil.which("npm"):
        raise FileNotFoundError("npm is missing, which fetches Pyodide (Debian: `make tools` installs it)")
    subprocess.run(["npm", "pack", "--silent", f"pyodide@{VERSION}"], cwd=scratch, check=True,
                   stdout=subprocess.DEVNULL)
    return next(scratch.glob("*.tgz"))


def folder() -> Path:
    """The folder with FILES, fetched where it is not there yet.

    Raises ValueError for an archive that is not the pinned one.
    """
    if not FOLDER.is_dir():
        FOLDER.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FOLDER.parent) as scratch:
            archive = fetch(Path(scratch))
            if (got := hashlib.sha256(archive.read_bytes()).hexdigest()) != SHA256:
                raise ValueError(f"{archive.name} has the digest {got}, {SHA256} was expected")
            part = Path(scratch) / "files"
            part.mkdir()
            with tarfile.open(archive) as packed:
                for name in FILES:
                    found = packed.extractfile(f"package/{name}")
                    assert found is not None, f"{name} is not in {archive.name}"
                    (part / name).write_bytes(found.read())
            part.replace(FOLDER)
    return FOLDER


if __name__ == "__main__":
    print(folder())
    sys.exit()
