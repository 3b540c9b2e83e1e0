"""`make bench`: run the benchmarks and write what was measured, where and when, to
benchmarks/results/<name>.json.

    python benchmarks/run.py                 all but the slow ones
    python benchmarks/run.py latency         one
    python benchmarks/run.py quantize_model  a real small model and the shape of a large one: ten minutes
    python benchmarks/run.py large_model     how much memory measuring a model of 8 billion weights takes: a
                                             quarter of an hour
    python benchmarks/run.py quality         eleven types of the tiny model and SmolLM2's perplexity: a minute
    python benchmarks/run.py same_file       the same quantized file here, in llama.cpp, and in llama.cpp once
                                             more: two minutes
    python benchmarks/run.py gemma           Gemma 3 270M: perplexity, logits and six types, here and in
                                             llama.cpp: seven minutes
    python benchmarks/run.py kv_cache        nine caches of few bits of two real models, here and in
                                             llama.cpp: half an hour
    python benchmarks/run.py methods         SmolLM2's files of every method, here, in llama.cpp and in
                                             Ollama: half an hour
    python benchmarks/run.py methods_gemma   the same of Gemma 3 270M, two types: a quarter of an hour
    python benchmarks/run.py house           how many rooms, modules and code tokens, now and before G
    python benchmarks/run.py site_check      `make site-check`: every exhibit in WebAssembly: six minutes
    python benchmarks/run.py readers         five readers of `make app`: a move, and memory: two minutes
    python benchmarks/run.py site            the pages: weight, a slow line, a stop, Python: a minute
    python benchmarks/run.py truth           `make bench-truth`: a hundred million weights per type
    python benchmarks/run.py memory          `make bench-memory`: what llama.cpp allocates, measured again
    python benchmarks/run.py fuzz            `make fuzz`: a hundred thousand spoiled GGUF headers
    python benchmarks/run.py lab             ten thousand calls, and a whole comparison on a real Ollama: a
                                             quarter of an hour
    python benchmarks/run.py lab_statistics  the lab's intervals on simulated studies: three minutes
"""

import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
USUAL = ("formats", "format_memory", "startup", "latency", "fresh_clone", "language_model", "quality",
         "same_file", "house")
BENCHMARKS = (*USUAL, "lab_statistics", "lab", "quantize_model", "large_model", "whole_files", "gemma",
              "kv_cache", "methods", "methods_gemma", "readers", "site", "site_check", "truth", "memory",
              "fuzz")
PACKAGES = ("quantlab", "numpy", "jupyterlab", "ipywidgets", "anywidget", "gguf", "tokenizers",
            "libggml-python", "libgguf", "playwright")


def conditions() -> dict:
    """The machine, the versions, the date and how busy it was: what a number means nothing without."""
    return {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "machine": {"cpu": _cpu(), "cores": os.cpu_count(),
                        "ram_gib": round(psutil.virtual_memory().total / 2**30, 1),
                        "os": f"{platform.system()} {platform.machine()}",
                        "python": platform.python_version()},
            "versions": {name: version(name) for name in PACKAGES},
            "load_average_before": [round(load, 2) for load in psutil.getloadavg()],}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
                platform.machine())


def main(names: list[str]) -> int:
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        print(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}",
              file=sys.stderr)
        return 2
    for name in names or USUAL:
        run(name)
    return 0


def run(name: str, **asked) -> dict:
    """What a benchmark measured, asked for that; it is written down, too."""
    RESULTS.mkdir(exist_ok=True)
    print(f"{name} ...", flush=True)
    before = conditions()
    measured = import_module(f"benchmarks.{name}").main(**asked)
    after = [round(load, 2) for load in psutil.getloadavg()]
    file = RESULTS / f"{name}.json"
    file.write_text(json.dumps({"benchmark": name, **before, "load_average_after": after,
                                "results": measured}, indent=1) + "\n")
    print(json.dumps(measured, indent=1), f"-> {file.relative_to(ROOT)}", sep="\n", flush=True)
    return measured


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(sys.argv[1:]))
