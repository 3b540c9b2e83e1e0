"""Measure what a KV cache of few bits costs models that people use: quantlab/data/kv_cache/quality.json.

    python -m tools.record_cache        # half an hour on an idle core

Each model reads a short and a long text, with its own weights; only the cache is rounded, as llama.cpp rounds
it. The files come with the packages that tools/test_models.py names. Nothing is random, and what was measured
before is taken from the cache of measurements.
"""

import platform
from datetime import UTC, datetime

from quantlab.inference.chunks import HELD_OUT
from quantlab.inference.compare import QUALITY, compare_quality
from quantlab.models.digests import sha256
from tools.record_tiny_quality import told, write
from tools.test_models import F16, GEMMA, GEMMA_PARTS, PACKAGE

#: Name for people -> its file.
MODELS = {"SmolLM2-135M-Instruct": F16, "Gemma 3 270M": GEMMA}
#: (tokens of a chunk, chunks) -> types of keys, and of values.
TEXTS = {(512, 8): (("q8_0", "q8_0", "q4_0", "q4_0"), ("q8_0", "q4_0", "q8_0", "q4_0")),
         (8192, 1): (("q8_0", "q4_0"), ("q8_0", "q4_0"))}
COLUMNS = ("type_k", "type_v", "ftype", "nbytes", "bpw", "ppl", "ppl_se", "kld", "kld_se", "kld99", "top1",
           "ln_ratio", "ln_ratio_se")


def record() -> list[dict]:
    """A row for each model, text and pair of types."""
    rows = []
    for model, path in MODELS.items():
        for (n_ctx, chunks), (keys, values) in TEXTS.items():
            table = compare_quality(path, type_k=keys, type_v=values, n_ctx=n_ctx, chunks=chunks,
                                    progress=told)
            if table.error.any():
                raise RuntimeError(table.error[table.error != ""].iloc[0])
            rows += [{"model": model, "n_ctx": n_ctx, "predicted": (n_ctx - 1 - n_ctx // 2) * chunks,
                      **{key: row[key] for key in COLUMNS}} for row in table.to_dict("records")]
    return rows


def head() -> dict:
    """What the table is about."""
    return {"about": "Made by tools/record_cache.py", "date": datetime.now(UTC).date().isoformat(),
            "machine": f"{platform.machine()}, NumPy on the processor",
            "files": {model: {"name": path.name, "sha256": sha256(path)} for model, path in MODELS.items()},
            "source": f"{PACKAGE} (Apache-2.0) and {GEMMA_PARTS[0]} to part4 (the Gemma terms of use), PyPI",
            "text": "scenes of Shakespeare (the tiny model's held_out.txt) a row at most",
            "text_sha256": sha256(HELD_OUT), "model": "SmolLM2 and Gemma 3", "seed": None}


def main() -> None:
    rows = record()
    write(QUALITY["kv_cache"], head() | {"predicted": max(row["predicted"] for row in rows)}, rows)


if __name__ == "__main__":
    main()
