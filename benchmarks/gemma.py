"""Gemma 3 270M, a model that people use: how long its perplexity takes, and whether six types cost here what
they cost in llama.cpp.

The types are made of the file's own weights (its Q4_K_M, decoded), and each is held against these. llama.cpp
rounds the inputs of a quantized matrix to 8 bits, so it says a little more than the weights alone cost; and
it is compared with itself, read token by token and with flash attention, since another order of the same sums
gives other logits. Divergences are means in nats per token, of the tokens after the first quarter.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

import quantlab as ql
from benchmarks.quantize_model import SMOLLM2
from quantlab.inference.llama import LanguageModel
from quantlab.inference.quality import log_softmax
from tests.inference.files import copied
from tests.inference.llama_oracle import F16, ON, LlamaCpp

GEMMA = SMOLLM2.with_name("gemma-3-270m.Q4_K_M.gguf")
TYPES = ("Q8_0", "Q5_K_M", "Q4_K_S", "Q4_0", "IQ4_XS", "Q3_K_S")
N, TOKENS = 128, 4096
GOALS = {"perplexity_seconds_two_cores": 60, "perplexity_peak_mb": 1500}
#: Other ways in which llama.cpp computes the same.
ITSELF = {"steps_of_1_token": {"n_ubatch": 1},
          "flash_attention_f16_kv": {"flash_attn_type": ON, "type_k": F16, "type_v": F16}}
PERPLEXITY = """
import json, sys, time
import quantlab as ql
from quantlab.inference.quality import perplexity
lm = ql.load_lm(sys.argv[1])
start, cpu = time.perf_counter(), time.process_time()
found = perplexity(lm, ql.held_out_text(), n_ctx=512, chunks=int(sys.argv[2]) // 512,
                   progress=None)
print(json.dumps([time.perf_counter() - start, time.process_time() - cpu, found.ppl]))
"""


def perplexity() -> dict:
    """Seconds on the wall and of the processor, and the peak memory of the process, loading included."""
    run = subprocess.Popen([sys.executable, "-c", PERPLEXITY, str(GEMMA), str(TOKENS)],
                           stdout=subprocess.PIPE, text=True)
    said = run.stdout.read()
    _, status, used = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode:
        raise RuntimeError(f"the perplexity of Gemma ended with status {run.returncode}")
    wall, cpu, ppl = json.loads(said)
    return {"tokens": TOKENS, "seconds": round(wall, 1), "cpu_seconds": round(cpu, 1),
            "threads": os.environ.get("OPENBLAS_NUM_THREADS", str(os.cpu_count())),
            "peak_mb": round(used.ru_maxrss * 1024 / 1e6), "ppl": round(ppl, 3)}


def kld(base: np.ndarray, logits: np.ndarray) -> float:
    """Mean KL divergence of (T, n_vocab) logits from others, three digits."""
    p, q = log_softmax(base[N // 4:]), log_softmax(logits[N // 4:])
    return float(f"{(np.exp(p) * (p - q)).sum(axis=1).mean():.3g}")


def load(file: Path) -> LanguageModel:
    return ql.load_lm(file, reference="llama.cpp")


def theirs(file: Path, tokens: list[int], **settings) -> np.ndarray:
    """llama.cpp's logits with some of its settings changed."""
    with LlamaCpp(file, 256, **settings) as oracle:
        return oracle.logits(tokens)


def types() -> dict:
    """type -> what it costs here and in llama.cpp, and how far the two are apart on the same file."""
    model, results = load(GEMMA), {}
    tokens = [model.tokenizer.bos, *model.tokenizer.encode(ql.held_out_text()[:8 * N], special=False)][:N]
    with tempfile.TemporaryDirectory() as folder:
        floats = copied(GEMMA, Path(folder) / "floats.gguf", f32=True, tensors=dict(model.weights))
        own, own_theirs = model.logits(tokens), theirs(floats, tokens)
        results["float32"] = {"quantlab_from_llama_cpp": kld(own_theirs, own),
                              **{name: kld(own_theirs, theirs(floats, tokens, **settings))
                                 for name, settings in ITSELF.items()}}
        floats.unlink()
        for ftype in TYPES:
            file = ql.quantize_model(GEMMA, Path(folder) / "typed.gguf", ftype, progress=None,
                                     allow_requantize=True)
            ours, base = load(file).logits(tokens), theirs(file, tokens)
            others = {name: theirs(file, tokens, **settings) for name, settings in ITSELF.items()}
            results[ftype] = {
                "cost": {"quantlab": kld(own, ours), "llama_cpp": kld(own_theirs, base),
                         **{name: kld(own_theirs, logits) for name, logits in others.items()}},
                "from_llama_cpp": {"quantlab": kld(base, ours),
                                   **{name: kld(base, logits) for name, logits in others.items()}}}
            print(ftype, results[ftype], flush=True)
    return results


def main() -> dict:
    """The perplexity and the types, beside the goals."""
    start = time.perf_counter()
    found = {"perplexity": perplexity(), "types": types()}
    return {"xllamacpp": version("xllamacpp"), "tokens": N, "goals": GOALS, **found,
            "seconds": round(time.perf_counter() - start)}
