"""A real Ollama server for tests: own port, own store, own home, stopped by pid. Imported by
tests/conftest.py.

`ollama` is an empty server; `smollm` is the same one with three forms of SmolLM2-135M-Instruct, `gemma` with
two of Gemma 3 270M. Where there is no server or no test model the tests skip and say what is missing; with
CI=true that is a failure.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from .guard import Guard

ROOT = Path(__file__).resolve().parent.parent
FILES = {kind: ROOT / ".tools" / "models" / f"SmolLM2-135M-Instruct.{kind}.gguf"
         for kind in ("Q4_1", "F16", "Q4_K_M", "Q8_0")}
GEMMA_FILES = {kind: ROOT / ".tools" / "models" / f"gemma-3-270m.{kind}.gguf"
               for kind in ("Q4_K_M", "F16", "Q8_0")}
FORMS = {"135m-q4_1": "Q4_1", "135m-instruct-q4_K_M": "Q4_K_M", "135m-instruct-q8_0": "Q8_0"}


@dataclass
class Running:
    """A started server: `url`, its command line tool (`cli`), its store, and its log for failures."""

    binary: str
    home: Path
    url: str
    process: subprocess.Popen

    @property
    def store(self) -> Path:
        return self.home / "store"

    @property
    def log(self) -> str:
        return (self.home / "serve.log").read_text(errors="replace")

    def cli(self, *arguments: str) -> str:
        """What `ollama <arguments>` prints, asked of this server."""
        done = subprocess.run([self.binary, *arguments], env=_environment(self.home, self.url),
                              capture_output=True, text=True, timeout=300)
        said = f"ollama {' '.join(arguments)}: {done.stderr[-2000:]}\n{self.log[-3000:]}"
        assert done.returncode == 0, said
        return done.stdout

    def create(self, name: str, file: Path) -> None:
        """A model of a file, on one thread."""
        modelfile = self.home / "Modelfile"
        modelfile.write_text(f"FROM {file}\nPARAMETER num_thread 1\n")
        self.cli("create", name, "-f", str(modelfile))


@pytest.fixture(scope="session")
def ollama(tmp_path_factory):
    """A running, empty server."""
    binary = _binary()
    if binary is None:
        without("no Ollama server: `make ollama` finds or builds one")
    server = _start(binary, tmp_path_factory.mktemp("ollama"))
    guard = Guard(server.process)
    try:
        _wait(server)
        yield server
    finally:
        stop(server.process)
        guard.release()
        shutil.rmtree(server.store, ignore_errors=True)     # a gigabyte that pytest would keep


@pytest.fixture(scope="session")
def smollm(ollama):
    """The server with `smollm:135m-q4_1`, and q4_K_M and q8_0 made by `quantize_model` from 16 bits.

    The same three are also there as `smollm2:...`, the names that lesson 07 uses.
    """
    needs(FILES)
    for tag, kind in FORMS.items():
        ollama.create(f"smollm:{tag}", FILES[kind])
        ollama.cli("cp", f"smollm:{tag}", f"smollm2:{tag.replace('135m-q4_1', '135m-instruct-q4_1')}")
    return ollama


@pytest.fixture
def live(smollm, monkeypatch):
    """The `smollm` server as the one that a learner's machine would find; the profile is live."""
    monkeypatch.setenv("OLLAMA_HOST", smollm.url)
    monkeypatch.setenv("QUANTLAB_PROFILE", "live")
    return smollm


@pytest.fixture(scope="module")
def gemma_tags(ollama):
    """The server's names of Gemma 3 270M: Q4_K_M as published, and that one decoded and made Q8_0 by
    `quantize_model`.
    """
    needs(GEMMA_FILES)
    tags = {kind: f"gemma3:270m-{kind.lower()}" for kind in ("Q4_K_M", "Q8_0")}
    for kind, tag in tags.items():
        ollama.create(tag, GEMMA_FILES[kind])
    yield tags
    ollama.cli("rm", *tags.values())


@pytest.fixture
def gemma(gemma_tags, ollama, monkeypatch):
    """`gemma_tags` on the server that a learner's machine would find, with its store."""
    monkeypatch.setenv("OLLAMA_HOST", ollama.url)
    monkeypatch.setenv("OLLAMA_MODELS", str(ollama.store))
    monkeypatch.setenv("QUANTLAB_PROFILE", "live")
    return gemma_tags


@pytest.fixture
def nobody(monkeypatch):
    """A machine without a server: a port on which nobody listens."""
    url = f"http://127.0.0.1:{_free_port()}"
    monkeypatch.setenv("OLLAMA_HOST", url)
    monkeypatch.setenv("QUANTLAB_PROFILE", "live")
    return url


def needs(files: dict[str, Path]) -> None:
    """Skip where one of the test models is missing."""
    for path in files.values():
        if not path.is_file():
            without(f"no test model {path.name}: `python tools/test_models.py` fetches it")


def without(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI=true, and {reason}")
    pytest.skip(reason)


def _binary() -> str | None:
    """The pinned build; outside CI the one on PATH goes first."""
    built = ROOT / ".tools" / "ollama" / "ollama"
    found = None if os.environ.get("CI") == "true" else shutil.which("ollama")
    return found or (str(built) if built.is_file() else None)


def _environment(home: Path, url: str) -> dict[str, str]:
    keep = {name: value for name, value in os.environ.items() if not name.startswith("OLLAMA_")}
    return {**keep, "HOME": str(home), "OLLAMA_HOST": url.removeprefix("http://"),
            "OLLAMA_MODELS": str(home / "store"), "OLLAMA_KEEP_ALIVE": "10m"}


def start(binary: str, home: Path, store: Path, url: str | None = None, **settings: str) -> Running:
    """A second server over an existing store, up and answering; end it with `stop`.  settings: of its
    environment.
    """
    server = _start(binary, home, url, store, **settings)
    _wait(server)
    return server


def _start(binary: str, home: Path, url: str | None = None, store: Path | None = None,
           **settings: str) -> Running:
    url = url or f"http://127.0.0.1:{_free_port()}"
    environment = _environment(home, url) | ({"OLLAMA_MODELS": str(store)} if store else {}) | settings
    with (home / "serve.log").open("w") as log:
        process = subprocess.Popen([binary, "serve"], env=environment, stdout=log, stderr=subprocess.STDOUT,
                                   start_new_session=True)
    return Running(binary, home, url, process)


def _wait(server: Running, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.url}/api/version", timeout=2) as answer:
                json.load(answer)
            return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
    pytest.fail(f"Ollama did not come up in {seconds} s. The end of its log:\n{server.log[-3000:]}")


def stop(process: subprocess.Popen) -> None:
    """End the server and its runners: they share the session that `_start` made."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, sign)
        try:
            process.wait(10)
            return
        except subprocess.TimeoutExpired:
            continue


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
