"""Fetch Pyodide, Python for a web page, which `make site` puts beside the pages: an npm package.

    python tools/pyodide.py      prints the folder that holds its files

The package is Mozilla's (MPL-2.0). npm downloads the archive, its digest is compared, and five files are
unpacked outside the checkout, as the test models are; the two large ones are deflated, since not every host
of pages does it. The pinned version stands here and nowhere else.
"""

import gzip
import hashlib
import json
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
#: The start, the standard library of Python, and the two halves of the interpreter, which are deflated.
AS_THEY_ARE, DEFLATED = ("pyodide.mjs", "python_stdlib.zip"), ("pyodide.asm.mjs", "pyodide.asm.wasm")
#: What the build says of itself; the list of packages in it is not needed.
LOCK = "pyodide-lock.json"


def fetch(scratch: Path) -> Path:
    """The archive, by npm, from whichever registry it is set up for.  FileNotFoundError without npm."""
    if not shutil.which("npm"):
        raise FileNotFoundError("npm is missing, which fetches Pyodide (Debian: `make tools` installs it)")
    subprocess.run(["npm", "pack", "--silent", f"pyodide@{VERSION}"], cwd=scratch, check=True,
                   stdout=subprocess.DEVNULL)
    return next(scratch.glob("*.tgz"))


def unpack(archive: Path, to: Path) -> None:
    """The five files that a page needs."""
    with tarfile.open(archive) as packed:
        def read(name: str) -> bytes:
            found = packed.extractfile(f"package/{name}")
            assert found is not None, f"{name} is not in {archive.name}"
            return found.read()

        for name in AS_THEY_ARE:
            (to / name).write_bytes(read(name))
        for name in DEFLATED:
            (to / f"{name}.gz").write_bytes(gzip.compress(read(name), 9, mtime=0))
        lock = {"info": json.loads(read(LOCK))["info"], "packages": {}}
        (to / LOCK).write_text(json.dumps(lock), encoding="utf-8")


def folder() -> Path:
    """The folder with the files, fetched where it is not there yet.

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
            unpack(archive, part)
            part.replace(FOLDER)
    return FOLDER


if __name__ == "__main__":
    print(folder())
    sys.exit()
