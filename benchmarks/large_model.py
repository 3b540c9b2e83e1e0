"""How much memory it takes to measure a model that is larger than the machine: a file with the shape of
Llama 3.1 8B in 16 bits (16 GB; 32 GB as float32); and a comparison of two layers of it with their Q4_0.

The weights are zero and take no room on the disk (a sparse file), so that nothing is said of quality, and
none of the time is a disk's. The peak is what the operating system counted for the whole process: Python,
the file's mapped pages, caches and logits. Everything happens that happens with a real model: a vocabulary of
128,256 tokens, a chunk of text, the quantized file written and read. However much memory this machine has, no
matrix is kept. More tokens and layers take longer; of memory, only their keys and values (beside "peak_mb").
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

import quantlab as ql
from benchmarks.quality import in_a_process
from benchmarks.quantize_model import write_file
from quantlab.inference import stored
from quantlab.inference.quality import perplexity as of_text
from quantlab.models.catalog import MODELS
from quantlab.models.source import open_model

SHAPE, FTYPE, TOKENS, LAYERS = "llama3.1:8b", "Q4_0", 32, (32, 2)
GOALS = {"peak_mb": 4000}
stored.SHARE = 0.0


def perplexity(path: str) -> dict:
    """Of one chunk, by the file's own weights."""
    found = of_text(ql.load_lm(path), _text(), n_ctx=TOKENS)
    return {"predicted": found.n, "ppl": round(found.ppl)}


def compare_quality(path: str) -> dict:
    """One type against the file's own weights."""
    (row,) = ql.compare_quality(path, FTYPE, _text(), n_ctx=TOKENS, cache=None, progress=None).itertuples()
    if row.error:
        raise RuntimeError(row.error)
    return {"ftype": row.ftype, "nbytes": int(row.nbytes), "kld": float(row.kld)}


def _text() -> np.ndarray:
    return np.random.default_rng(0).integers(0, MODELS[SHAPE].n_vocab, TOKENS)


def main() -> dict:
    """Seconds and megabytes of both, beside the goal."""
    names = zip(("perplexity", "compare_quality"), LAYERS, strict=True)
    a = MODELS[SHAPE]
    return {"goals": GOALS, "shape": SHAPE, "tokens": TOKENS,
            "keys_and_values_mb_of_512_tokens": round(512 * 8 * a.n_layer * a.n_head_kv * a.head_dim / 1e6),
            **{name: _measured(name, n_layer) for name, n_layer in names}}


def _measured(name: str, n_layer: int) -> dict:
    words = {"llama.attention.layer_norm_rms_epsilon": 1e-5, "llama.rope.freq_base": 500000.0,
             "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "llama-bpe",
             "tokenizer.ggml.bos_token_id": 128000,
             "tokenizer.ggml.tokens": [f"t{i}" for i in range(MODELS[SHAPE].n_vocab)]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hollow-F16.gguf"
        # rope_freqs of 0 would divide by zero
        write_file(path, replace(MODELS[SHAPE], n_layer=n_layer, rope_freqs=False), more=words)
        with open_model(path) as model:
            size = {"layers": n_layer, "million_weights": round(model.n_weights / 1e6),
                    "file_mb": round(model.nbytes / 1e6), "float32_mb": round(4 * model.n_weights / 1e6)}
        return {**size, **in_a_process("large_model", name, str(path))}
