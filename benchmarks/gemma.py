"""Gemma 3 270M, a model that people use: how long its perplexity takes, how near its logits and its
perplexity are to llama.cpp's, and whether six types cost here what they cost there.

The logits and the perplexity are of the file's own weights (its Q4_K_M) decoded to float32, and held against
llama.cpp with keys and values in float32 and without flash attention; beside them what llama.cpp says with
its usual cache of 16 bits and flash attention. The largest logits are those after special tokens: the text
with turns of a chat has one near 100, scenes of Shakespeare stay near 30.

The types are made of the same weights, and each is held against these. llama.cpp rounds the inputs of a
quantized matrix to 8 bits, so it says a little more than the weights alone cost; and it is compared with
itself, read token by token and with flash attention. Divergences are means in nats per token, of the tokens
after the first quarter.
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
from benchmarks.agreement import GEMMA, kld, nlls, opening, theirs, three
from quantlab.inference.chunks import chunks_of
from quantlab.inference.llama import LanguageModel
from quantlab.inference.quality import perplexity as measured
from quantlab.inference.quality import right_tokens
from tests.inference.files import in_float32
from tests.inference.llama_oracle import F16, ON

TYPES = ("Q8_0", "Q5_K_M", "Q4_K_S", "Q4_0", "IQ4_XS", "Q3_K_S")
N, N_CTX, TOKENS = 128, 512, 4096
GOALS = {"perplexity_seconds_two_cores": 60, "perplexity_peak_mb": 1500, "perplexity_apart": 1e-4}
#: Other ways in which llama.cpp computes the same.
USUAL = {"flash_attention_f16_kv": {"flash_attn_type": ON, "type_k": F16, "type_v": F16}}
ITSELF = {"steps_of_1_token": {"n_ubatch": 1}, **USUAL}
CHAT = ("<start_of_turn>user\nWhat is the capital of France? Answer in one word, please.<end_of_turn>\n"
        "<start_of_turn>model\nParis<end_of_turn>\n<start_of_turn>user\nAnd of Italy?<end_of_turn>\n"
        "<start_of_turn>model\n")
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


def took() -> dict:
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


def own_weights(model: LanguageModel, floats: Path) -> dict:
    """How far the same weights in float32 are apart: logits, and the perplexity of a long text."""
    chunks = chunks_of(model, ql.held_out_text(), N_CTX, TOKENS // N_CTX)
    right = np.concatenate([right_tokens(chunk) for chunk in chunks])

    def unlikely(**settings) -> float:
        """llama.cpp's mean of what perplexity is made of."""
        return np.mean([nlls(theirs(floats, chunk, N_CTX, **settings)[N_CTX // 2:-1],
                             right_tokens(chunk)).mean() for chunk in chunks])

    base = unlikely()
    ours = float(measured(model, ql.held_out_text(), n_ctx=N_CTX, chunks=len(chunks),
                          progress=None).nll.mean())
    ways = {"quantlab": ours, **{name: unlikely(**settings) for name, settings in USUAL.items()}}
    texts = {"scenes": opening(model, ql.held_out_text(), N),
             "chat": [model.tokenizer.bos, *model.tokenizer.encode(CHAT)]}
    return {"perplexity": {"predicted": len(right), "llama_cpp": round(float(np.exp(base)), 4),
                           "apart": {name: three(np.expm1(nll - base)) for name, nll in ways.items()}},
            "logits": {name: gaps(model, floats, tokens) for name, tokens in texts.items()}}


def gaps(model: LanguageModel, floats: Path, tokens: list[int]) -> dict:
    """The largest logit, and the largest differences from llama.cpp's."""
    base = theirs(floats, tokens)
    others = {"quantlab": model.logits(tokens),
              **{name: theirs(floats, tokens, **settings) for name, settings in ITSELF.items()}}
    return {"tokens": len(tokens), "largest": three(np.abs(base).max()),
            "gap": {name: three(np.abs(logits - base).max()) for name, logits in others.items()}}


def types(model: LanguageModel, floats: Path, folder: Path) -> dict:
    """type -> what it costs here and in llama.cpp, and how far the two are apart on the same file."""
    tokens, results = opening(model, ql.held_out_text(), N), {}

    def apart(base: np.ndarray, logits: np.ndarray) -> float:
        return kld(base[N // 4:], logits[N // 4:])

    own, own_theirs = model.logits(tokens), theirs(floats, tokens)
    results["float32"] = {"quantlab_from_llama_cpp": apart(own_theirs, own),
                          **{name: apart(own_theirs, theirs(floats, tokens, **settings))
                             for name, settings in ITSELF.items()}}
    for ftype in TYPES:
        file = ql.quantize_model(GEMMA, folder / "typed.gguf", ftype, progress=None, allow_requantize=True)
        ours, base = ql.load_lm(file, reference="llama.cpp").logits(tokens), theirs(file, tokens)
        others = {name: theirs(file, tokens, **settings) for name, settings in ITSELF.items()}
        results[ftype] = {
            "cost": {"quantlab": apart(own, ours), "llama_cpp": apart(own_theirs, base),
                     **{name: apart(own_theirs, logits) for name, logits in others.items()}},
            "from_llama_cpp": {"quantlab": apart(base, ours),
                               **{name: apart(base, logits) for name, logits in others.items()}}}
        print(ftype, results[ftype], flush=True)
    return results


def main() -> dict:
    """All of it, beside the goals; the time is taken first, while nothing else is in memory."""
    start, found = time.perf_counter(), {"perplexity": took()}
    model = ql.load_lm(GEMMA, reference="llama.cpp")
    with tempfile.TemporaryDirectory() as folder:
        floats = in_float32(GEMMA, Path(folder) / "floats.gguf", model.weights)
        found |= {"own_weights": own_weights(model, floats), "types": types(model, floats, Path(folder))}
    return {"xllamacpp": version("xllamacpp"), "tokens": N, "goals": GOALS, **found,
            "seconds": round(time.perf_counter() - start)}
