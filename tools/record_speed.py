"""Record what lesson 14 shows where no server answers: speeds beside what memory allows, and what `ollama ps`
says beside the estimate.

    OLLAMA_HOST=127.0.0.1:PORT OLLAMA_MODELS=ITS_STORE python -m tools.record_speed
                                            about four minutes, on a quiet machine
    ... python -m tools.record_speed speed --rounds 1 --tokens 8 --out /tmp
                                            a rehearsal of the first half

Needs smollm2:135m-instruct-q4_K_M, -q8_0 and -fp16 on that server (all made from the F16 file in
.tools/models), and xllamacpp.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

from quantlab.lab.asking import make_alone, unload
from quantlab.lab.custom import create_custom_model
from quantlab.lab.server import Server
from quantlab.lab.speed import SPEED_OPTIONS, SPEED_PROMPT, measure_speed
from quantlab.memory.estimate import estimate_memory
from quantlab.memory.machine import read_bandwidth
from quantlab.memory.settings import Settings
from quantlab.memory.speed import bytes_per_token
from quantlab.models.source import open_model
from quantlab.oracles.llama_library import PINNED

from .qwen3_model import write_qwen3
from .record_runs import F16, FOLDER, MODELS

NAMES = [f"smollm2:135m-instruct-{tag}" for tag in ("q4_K_M", "q8_0", "fp16")]
QWEN3 = "tiny-qwen3:latest"
CONTEXTS = (512, 4096, 8192)
#: llama.cpp inside xllamacpp, which uses the processor's vector instructions: a discarded answer, then one by
#: its own count of tokens a
#: second.  As Ollama's, its answers have `num_predict` tokens, of which the first comes from reading the
#: prompt.
CHILD = '''
import json, os, sys, xllamacpp
path, prompt, tokens = sys.argv[1], sys.argv[2], int(sys.argv[3])
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.n_parallel, params.warmup = path, 512, 1, True
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
ask = {"prompt": prompt, "temperature": 0, "ignore_eos": True, "cache_prompt": False}
server.handle_completions(ask | {"n_predict": 8})
timings = server.handle_completions(ask | {"n_predict": tokens})["timings"]
print(json.dumps(timings["predicted_per_second"]), flush=True)
os._exit(0)
'''


def speed(server: Server, rounds: int, tokens: int) -> dict:
    """Three files of one model, written by Ollama and by llama.cpp with vector instructions in turns, one
    thread each.
    """
    options = SPEED_OPTIONS | {"num_predict": tokens, "num_thread": 1}
    engines = (f"Ollama {server.version()}, baseline build",
               f"llama.cpp in xllamacpp {PINNED}, vector instructions")
    found = {(engine, name): [] for engine in engines for name in NAMES}
    files, nbytes = {}, {}
    for name in NAMES:
        with open_model(name) as model:
            files[name] = model.file.paths[0]
            nbytes[name] = sum(bytes_per_token(model, None,
                                               Settings(n_ctx=options["num_ctx"], n_gpu_layers=0)))
    read = [read_bandwidth()]
    for _ in range(rounds):
        for row in measure_speed(NAMES, rounds=1, options=options, server=server):
            if "error" in row:
                raise RuntimeError(f"{row['model']}: {row['error']}")
            found[engines[0], row["model"]] += row["tokens_per_second"]
        unload(server, NAMES)
        for name in NAMES:
            found[engines[1], name].append(_written_by_llama(files[name], tokens))
        read.append(read_bandwidth())
    runs = [{"engine": engine, "model": name, "tokens_per_second": [round(speed, 2) for speed in speeds],
             "bytes_per_token": nbytes[name]} for (engine, name), speeds in found.items()]
    return {"read_bandwidth": [round(nbytes) for nbytes in read], "prompt": SPEED_PROMPT, "options": options,
            "runs": runs}


def _written_by_llama(path: Path, tokens: int) -> float:
    command = [sys.executable, "-c", CHILD, str(path), SPEED_PROMPT, str(tokens)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    return json.loads(done.stdout.splitlines()[-1])


def resident(server: Server, _rounds: int, _tokens: int) -> dict:
    """What `ollama ps` says of four models at three contexts, on a machine without a card, and what the
    tensors and the cache take.
    """
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        path = write_qwen3(Path(folder) / "qwen3.gguf", F16)
        create_custom_model(QWEN3.removesuffix(":latest"), f"FROM {path}", server=server)
        for name in (*NAMES, QWEN3):
            with open_model(path if name == QWEN3 else name) as model:
                for n_ctx in CONTEXTS:
                    said = make_alone(server, name, [*NAMES, QWEN3], {"num_ctx": n_ctx})
                    ours = estimate_memory(model, n_ctx=n_ctx)
                    runs.append({"model": name, "n_ctx": n_ctx, "ps": said["size"], "tensors": model.nbytes,
                                 "kv_cache": ours.kv_cache, "word_vectors": ours.host,
                                 "compute_on_a_card": ours.compute})
    return {"runs": runs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", nargs="*", default=["speed", "resident"],
                        help="speed, resident; both unless said")
    parser.add_argument("--rounds", type=int, default=5, help="answers of each file and program")
    parser.add_argument("--tokens", type=int, default=SPEED_OPTIONS["num_predict"],
                        help="tokens of each answer")
    parser.add_argument("--out", type=Path, default=FOLDER,
                        help="the folder for speed.json and resident.json")
    asked = parser.parse_args()
    server, cores = Server(timeout=600), os.cpu_count()
    load = os.getloadavg()[0]
    work = "busy with other work" if load > cores / 4 else "with nothing else to do"
    head = {"date": date.today().isoformat(), "ollama": server.version(), "python": platform.python_version(),
            "load": round(load, 2),
            "machine":
            f"a virtual machine ({platform.machine()}) with {cores} shared cores and no GPU, {work}",
            "models": MODELS}
    for name in asked.records:
        record = {"speed": speed, "resident": resident}[name]
        found = {"about": record.__doc__, **head, **record(server, asked.rounds, asked.tokens)}
        (asked.out / f"{name}.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n",
                                                encoding="utf-8")


if __name__ == "__main__":
    main()
