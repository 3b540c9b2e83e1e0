"""Part of `make bench-memory`: rules of thumb and another program on the measured cases that all of them can be asked about.

    pip install --target DIR ggufit==0.3.0 && PYTHONPATH=DIR make bench-memory      # else that row says it is not installed
"""

import importlib.util
from importlib.metadata import version

from quantlab.memory.catalog import MODELS, PUBLISHED
from quantlab.memory.estimate import estimate_memory
from quantlab.memory.recommend import rule_of_thumb_gb
from quantlab.memory.weights import card_weight_bytes
from quantlab.models.architecture import Architecture

PARTS = ("weights_gpu_bytes", "kv_gpu_bytes", "compute_gpu_bytes")


def peers(rows: list[dict[str, str]]) -> dict:
    """Mean error of each peer's total in percent, and the share of cases where it is more than 5 % too low: Q4_K_M, 16-bit cache, flash
    attention, one row of output; what llama.cpp allocates on the card is the truth."""
    cases = [row for row in rows if row["flash_attn"] == "1" and row["type_kv"] == "f16" and row["n_outputs"] == "1"]
    rules = {"quantlab": _ours, "the lesson's rule": _lesson, "weights only": _weights}
    if importlib.util.find_spec("ggufit"):
        rules[f"ggufit {version('ggufit')}"] = _ggufit
    found = {}
    for name, rule in rules.items():
        off = [rule(row["model"], int(row["n_ctx"])) / sum(int(row[part]) for part in PARTS) - 1 for row in cases]
        found[name] = {"mean_error_percent": round(100 * sum(map(abs, off)) / len(off), 2),
                       "worst_percent": round(100 * max(off, key=abs), 1),
                       "too_low_by_5_percent": round(sum(o < -0.05 for o in off) / len(off), 3)}
    return {"cases": len(cases), "rules": found, "not_installed": [] if importlib.util.find_spec("ggufit") else ["ggufit"]}


def _ours(model: str, n_ctx: int) -> float:
    return estimate_memory(model, n_ctx=n_ctx).total


def _lesson(model: str, n_ctx: int) -> float:
    return rule_of_thumb_gb(PUBLISHED[model].n_params / 1e9)["q4_K_M"] * 1e9


def _weights(model: str, n_ctx: int) -> float:
    return card_weight_bytes(model, "Q4_K_M")


def _ggufit(model: str, n_ctx: int) -> float:
    """ggufit with our own shapes, so that only its formula is judged: model_size_gb, kv_cache_gb, gpu_vram_needed."""
    calculator = importlib.import_module("ggufit.calculator")

    a: Architecture = MODELS[model]
    shape = {"layers": a.n_layer, "num_key_value_heads": a.n_head_kv, "num_attention_heads": a.n_head, "head_dim": a.head_dim,
             "hidden_size": a.n_embd}
    if a.kv_lora_rank:
        shape |= {"attention_family": "mla", "kv_lora_rank": a.kv_lora_rank, "qk_rope_head_dim": a.rope_dim}
    weights = calculator.model_size_gb(PUBLISHED[model].n_params / 1e9, "q4")
    return calculator.gpu_vram_needed(weights, calculator.kv_cache_gb(shape, n_ctx)) * 2**30
