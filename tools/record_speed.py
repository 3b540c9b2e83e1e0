"""What lesson 14 shows where no server answers: speeds beside what memory allows, and what `ollama ps` says
beside the estimate. The recorders that `tools/record.py` calls.
"""

import os

from quantlab.lab.asking import make_alone
from quantlab.lab.server import Server
from quantlab.lab.speed import SPEED_OPTIONS, SPEED_PROMPT, measure_speed
from quantlab.memory.estimate import estimate_memory
from quantlab.memory.machine import read_bandwidth
from quantlab.memory.settings import Settings, ollama_batch
from quantlab.memory.speed import bytes_per_token
from quantlab.models.source import open_model

NAMES = [f"smollm2:135m-instruct-{tag}" for tag in ("iq4_xs", "q4_K_M", "q8_0", "fp16")]
CONTEXTS = (512, 4096, 8192)
ROUNDS = 5


def speed(server: Server) -> dict:
    """Four files of one model, by one thread of the processor and by all of them, in turns."""
    threads = sorted({1, os.cpu_count() or 1})
    found = {(count, name): [] for count in threads for name in NAMES}
    nbytes = {}
    for name in NAMES:
        with open_model(name) as model:
            nbytes[name] = sum(bytes_per_token(model, None,
                                               Settings(n_ctx=SPEED_OPTIONS["num_ctx"], n_gpu_layers=0)))
    read = {count: [read_bandwidth(threads=count)] for count in threads}
    for _ in range(ROUNDS):
        for count in threads:
            for row in measure_speed(NAMES, rounds=1, options={"num_thread": count}, server=server):
                if "error" in row:
                    raise RuntimeError(f"{row['model']}: {row['error']}")
                found[count, row["model"]] += row["tokens_per_second"]
            read[count].append(read_bandwidth(threads=count))
    runs = [{"threads": count, "model": name, "tokens_per_second": [round(speed, 2) for speed in speeds],
             "bytes_per_token": nbytes[name]} for (count, name), speeds in found.items()]
    return {"read_bandwidth": {count: [round(nbytes) for nbytes in every] for count, every in read.items()},
            "prompt": SPEED_PROMPT, "options": SPEED_OPTIONS, "runs": runs}


def resident(server: Server) -> dict:
    """What `ollama ps` says of four files at three contexts, on a machine without a card, beside the tensors
    and the KV cache; on a card the buffers for computing would take what the last column says.
    """
    runs = []
    for name in NAMES:
        with open_model(name) as model:
            for n_ctx in CONTEXTS:
                said = make_alone(server, name, NAMES, {"num_ctx": n_ctx})
                ours = estimate_memory(model, n_ctx=n_ctx, n_ubatch=ollama_batch(n_ctx))
                runs.append({"model": name, "n_ctx": n_ctx, "ps": said["size"], "tensors": model.nbytes,
                             "kv_cache": ours.kv_cache, "compute_on_a_card": ours.compute})
    return {"runs": runs}


RECORDERS = {"speed": speed, "resident": resident}
