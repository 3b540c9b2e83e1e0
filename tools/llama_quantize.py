"""Fetch llama.cpp's own `llama_model_quantize`, the oracle for whole files: a shared library inside an npm
package.

    python tools/llama_quantize.py      prints the folder that holds the libraries

The package (MIT, as llama.cpp is) has llama.cpp v0.5.0 for Linux on x86-64, built by the makers of
node-llama-cpp. Nothing of it is run here: npm downloads the archive, its digest is compared, and the
libraries are unpacked outside the checkout, as the test models are.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE, VERSION = "@node-llama-cpp/linux-x64", "3.22.1"
SHA256 = "0d953e1503d5ab4608d8ed5b739132308c81ac05ffeb760d2a7f30e08a9f90e0"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
FOLDER = Path(os.environ.get("QUANTLAB_TOOLS") or CACHE / "quantlab" / "tools") / f"llama-quantize-{VERSION}"
LIBRARIES = ("libllama.v0.5.0.so", "libggml.v0.5.0.so", "libggml-base.so")


def fetch(scratch: Path) -> Path:
    """The archive, by npm, from whichever registry it is set up for."""
    if not shutil.which("npm"):
        raise SystemExit("npm is missing, which fetches llama.cpp's quantizer (Debian: 'make tools' "
                         "installs it)")
    subprocess.run(["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}"], cwd=scratch, check=True,
                   stdout=subprocess.DEVNULL)
    return next(scratch.glob("*.tgz"))


def unpack(archive: Path, folder: Path) -> None:
    """The three libraries that quantizing needs, each by its plain name."""
    with tarfile.open(archive) as packed:
        for name in LIBRARIES:
            found = packed.extractfile(f"package/bins/linux-x64/{name}")
            assert found is not None, f"{name} is not in {archive.name}"
            (folder / name).write_bytes(found.read())


def main() -> int:
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        print(f"{PACKAGE} is for Linux on x86-64; elsewhere whole files are not compared", file=sys.stderr)
        return 0
    if not FOLDER.is_dir():
        FOLDER.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FOLDER.parent) as scratch:
            archive = fetch(Path(scratch))
            if (got := hashlib.sha256(archive.read_bytes()).hexdigest()) != SHA256:
                print(f"{archive.name} has the digest {got}, {SHA256} was expected", file=sys.stderr)
                return 1
            part = Path(scratch) / "libraries"
            part.mkdir()
            unpack(archive, part)
            part.replace(FOLDER)
    print(FOLDER)
    return 0


if __name__ == "__main__":
    sys.exit(main())
