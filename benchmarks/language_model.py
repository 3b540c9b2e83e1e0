"""How fast a model runs in NumPy: seconds to load it, tokens a second of a prompt and of generated text, peak
memory of the process.

The tiny Llama and SmolLM2-135M from their 16-bit files, each in a process of its own, start-up included in
the memory. A prompt passes through the layers in chunks, generated tokens one by one: the first is limited by
arithmetic, the second by reading all weights.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

SMOLLM2 = Path(__file__).resolve().parents[1] / ".tools" / "models" / "SmolLM2-135M-Instruct.F16.gguf"
#: Model -> (its file or name, tokens of the prompt, tokens generated).
MODELS = {"tiny": ("tiny", 192, 64), "smollm2_135m": (str(SMOLLM2), 512, 64)}
RUNS = 3
GOALS = {"smollm2_135m_prompt_tokens_per_second": 300}
CODE = """
import json, sys, time
import quantlab as ql
from quantlab.inference.generate import generate_tokens
name, n_prompt, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
start = time.perf_counter()
model = ql.load_lm(name)
loaded = time.perf_counter() - start
tokens = (model.tokenizer.encode("O Romeo, Romeo! wherefore art thou Romeo? ") * n_prompt)[:n_prompt]
model.forward(tokens[:8], model.new_cache(8))
start = time.perf_counter()
model.forward(tokens, model.new_cache(n_prompt), last=True)
prompt = time.perf_counter() - start
model.tokenizer.ends = frozenset()
chosen = generate_tokens(model, tokens[:8], n)
next(chosen)
start = time.perf_counter()
generated = len(list(chosen)) / (time.perf_counter() - start)
print(json.dumps([loaded, n_prompt / prompt, generated]))
"""


def measure(name: str, n_prompt: int, n: int) -> tuple[float, float, float, float]:
    """(seconds to load, prompt tokens/s, generated tokens/s, peak MB) of one process."""
    run = subprocess.Popen([sys.executable, "-c", CODE, name, str(n_prompt), str(n)], stdout=subprocess.PIPE,
                           text=True)
    told = run.stdout.read()
    _, status, used = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode:
        raise RuntimeError(f"running {name} ended with status {run.returncode}")
    return *json.loads(told), used.ru_maxrss * 1024 / 1e6


def main() -> dict:
    """The medians of a few runs, beside the goals."""
    results = {}
    for key, (name, n_prompt, n) in MODELS.items():
        runs = [measure(name, n_prompt, n) for _ in range(RUNS)]
        loaded, prompt, generated, peak = (statistics.median(column) for column in zip(*runs, strict=True))
        results[key] = {"load_seconds": round(loaded, 2), "prompt_tokens": n_prompt,
                        "prompt_tokens_per_second": round(prompt), "generated_tokens": n,
                        "generated_tokens_per_second": round(generated, 1), "peak_mb": round(peak),
                        "runs": RUNS}
        print(key, results[key], flush=True)
    return {"goals": GOALS, **results}
