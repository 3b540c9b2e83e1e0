"""Whether a KV cache of few bits costs real models here what it costs them in llama.cpp.

SmolLM2 and Gemma 3 270M, their weights in float32, read the same two chunks here and there, keys and values
in the same types, with flash attention there. What is scored are the tokens of the later half of a chunk, as
`perplexity` scores them. A last bit that comes out otherwise pushes some keys over the edge of a step, and
each of them moves others: llama.cpp read token by token is as far from itself as a cache of 4 bits costs.
Divergences are means in nats per token; `se` is the standard error of llama.cpp's cost.
"""

import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

import quantlab as ql
from benchmarks.agreement import GEMMA, klds, theirs, three
from benchmarks.quantize_model import SMOLLM2
from quantlab.inference.chunks import chunks_of
from quantlab.inference.quality import standard_error
from quantlab.models.types import TENSOR_TYPES
from tests.inference.files import in_float32
from tests.inference.llama_oracle import ON

N_CTX, CHUNKS = 256, 2
MODELS = {"smollm2_135m": SMOLLM2, "gemma3_270m": GEMMA}
#: llama.cpp's name of a cache type -> ggml's number.
NUMBERS = {name.lower(): number for number, name in TENSOR_TYPES.items()}
#: Types of keys, and of values.
PAIRS = (("f16", "f16"), ("bf16", "bf16"), ("q8_0", "q8_0"), ("q5_1", "q5_1"), ("q5_0", "q5_0"),
         ("q4_1", "q4_1"), ("q4_0", "q4_0"), ("q8_0", "q4_0"), ("q4_0", "q8_0"))


def later_half(logits: np.ndarray) -> np.ndarray:
    return logits[N_CTX // 2:-1]


def compared(file: Path) -> dict:
    """Types of keys and values -> what they cost here and in llama.cpp, and how far the two are apart."""
    model, results = ql.load_lm(file, reference="llama.cpp"), {}
    chunks = chunks_of(model, ql.held_out_text(), N_CTX, CHUNKS)
    with tempfile.TemporaryDirectory() as folder:
        floats = in_float32(file, Path(folder) / "floats.gguf", model.weights)

        def llama_cpp(key: str, value: str, **settings) -> np.ndarray:
            types = {"type_k": NUMBERS[key], "type_v": NUMBERS[value], "flash_attn_type": ON}
            return np.concatenate([later_half(theirs(floats, chunk, **types, **settings))
                                   for chunk in chunks])

        def quantlab(lm) -> np.ndarray:
            return np.concatenate([later_half(lm.logits(chunk)) for chunk in chunks])

        own = quantlab(model)
        own_theirs = np.concatenate([later_half(theirs(floats, chunk)) for chunk in chunks])
        table = ql.compare_quality(file, text=chunks.ravel(), n_ctx=N_CTX, cache=None, progress=None,
                                   type_k=[key for key, _ in PAIRS], type_v=[value for _, value in PAIRS])
        for (key, value), as_told in zip(PAIRS, table.kld, strict=True):
            there, one_by_one = llama_cpp(key, value), llama_cpp(key, value, n_ubatch=1)
            here, cost = quantlab(model.with_cache(key, value)), klds(own_theirs, there)
            results[f"{key} {value}"] = {
                "cost": {"compare_quality": three(as_told), "quantlab": three(klds(own, here).mean()),
                         "llama_cpp": three(cost.mean()), "se": three(standard_error(cost)),
                         "steps_of_1_token": three(klds(own_theirs, one_by_one).mean())},
                "from_llama_cpp": {"quantlab": three(klds(there, here).mean()),
                                   "steps_of_1_token": three(klds(there, one_by_one).mean())}}
            print(key, value, results[f"{key} {value}"], flush=True)
    return results


def main() -> dict:
    """model -> types -> the divergences."""
    start = time.perf_counter()
    found = {name: compared(file) for name, file in MODELS.items() if file.is_file()}
    return {"xllamacpp": version("xllamacpp"), "n_ctx": N_CTX, "chunks": CHUNKS, **found,
            "seconds": round(time.perf_counter() - start)}
