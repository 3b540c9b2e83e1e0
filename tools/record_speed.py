"""Record what lesson 14 shows where no server answers: speeds beside what memory allows, and what `ollama ps` says beside the estimate.

    OLLAMA_HOST=127.0.0.1:PORT OLLAMA_MODELS=ITS_STORE python -m tools.record_speed

Needs smollm2:135m-instruct-q4_K_M, -q8_0 and -fp16 on that server (all made from the F16 file in .tools/models), and xllamacpp.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

from quantlab.lab.custom import create_custom_model
from quantlab.lab.resident import make_alone
from quantlab.lab.server import Server
from quantlab.lab.speed import OPTIONS, PROMPT, measure_speed
from quantlab.memory.bandwidth import read_bandwidth
from quantlab.memory.estimate import estimate_memory
from quantlab.memory.llama_library import PINNED
from quantlab.memory.settings import Settings
from quantlab.memory.speed import bytes_per_token
from quantlab.models.source import open_model

from .qwen3_model import write_qwen3
from .record_runs import F16, FOLDER, MODELS

NAMES = [f"smollm2:135m-instruct-{tag}" for tag in ("q4_K_M", "q8_0", "fp16")]
QWEN3 = "tiny-qwen3:latest"
CONTEXTS = (512, 4096, 8192)
#: One answer of llama.cpp inside xllamacpp, which uses the processor's vector instructions: its own count of tokens a second.
CHILD = '''
import json, os, sys, xllamacpp
path, prompt, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.n_parallel, params.warmup = path, 512, 1, True
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
ask = {"prompt": prompt, "n_predict": 64, "temperature": 0, "ignore_eos": True, "cache_prompt": False}
print(json.dumps([server.handle_completions(ask)["timings"]["predicted_per_second"] for _ in range(rounds)]), flush=True)
os._exit(0)
'''


def speed(server: Server) -> dict:
    """Three files of one model, written by Ollama and by llama.cpp with vector instructions, one thread each, in turns."""
    before = read_bandwidth()
    rows = measure_speed(NAMES, options={"num_thread": 1}, server=server)
    runs = [{"engine": f"Ollama {server.version()}, baseline build", **row} for row in rows]
    for name in NAMES:
        with open_model(name) as model:
            command = [sys.executable, "-c", CHILD, str(model.file.paths[0]), PROMPT, "5"]
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
        runs.append({"engine": f"llama.cpp in xllamacpp {PINNED}, vector instructions", "model": name,
                     "tokens_per_second": json.loads(done.stdout.splitlines()[-1])})
    for run in runs:
        with open_model(run["model"]) as model:
            run["bytes_per_token"] = sum(bytes_per_token(model, None, Settings(n_ctx=512, n_gpu_layers=0)))
        run["tokens_per_second"] = [round(speed, 2) for speed in run["tokens_per_second"]]
    return {"read_bandwidth": [round(before), round(read_bandwidth())], "prompt": PROMPT, "options": OPTIONS | {"num_thread": 1},
            "runs": runs}


def resident(server: Server) -> dict:
    """What `ollama ps` says of four models at three contexts, on a machine without a card, and what the tensors and the cache take."""
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        path = write_qwen3(Path(folder) / "qwen3.gguf", F16)
        create_custom_model(QWEN3.removesuffix(":latest"), f"FROM {path}", server=server)
        for name in (*NAMES, QWEN3):
            with open_model(path if name == QWEN3 else name) as model:
                for n_ctx in CONTEXTS:
                    said = make_alone(server, name, [*NAMES, QWEN3], {"num_ctx": n_ctx})
                    ours = estimate_memory(model, n_ctx=n_ctx)
                    runs.append({"model": name, "n_ctx": n_ctx, "ps": said["size"], "tensors": model.nbytes, "kv_cache": ours.kv_cache,
                                 "word_vectors": ours.host, "compute_on_a_card": ours.compute})
    return {"runs": runs}


def main() -> None:
    server = Server(timeout=600)
    head = {"date": date.today().isoformat(), "ollama": server.version(), "python": platform.python_version(),
            "machine": f"a virtual machine ({platform.machine()}) with {os.cpu_count()} shared cores and no GPU, busy with other work",
            "models": MODELS}
    for record in (speed, resident):
        found = {"about": record.__doc__, **head, **record(server)}
        (FOLDER / f"{record.__name__}.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
