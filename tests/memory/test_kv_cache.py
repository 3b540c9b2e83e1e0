"""The KV cache against llama.cpp's own allocator, byte for byte."""

import csv
from pathlib import Path

import pytest

import quantlab as ql
from quantlab.memory.kv_cache import KV_TYPES, kv_cache_bytes
from quantlab.models.architecture import Architecture
from quantlab.models.catalog import MODELS


def measured() -> list[dict[str, str]]:
    lines = (Path(__file__).parent / "measured.csv").read_text().splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


@pytest.mark.parametrize("row", measured(), ids=lambda r: f"{r['model']}-{r['n_ctx']}-{r['type_kv']}")
def test_every_byte_is_llama_cpps(row):
    ours = kv_cache_bytes(MODELS[row["model"]], int(row["n_ctx"]), type_k=row["type_kv"],
                          type_v=row["type_kv"])
    assert ours == int(row["kv_bytes"])


def test_the_measured_rows_reach_every_kind_of_attention():
    rows = measured()
    assert {row["type_kv"] for row in rows} == set(KV_TYPES)
    archs = {MODELS[row["model"]].arch for row in rows}
    assert {"llama", "gemma2", "gemma3", "gpt-oss", "deepseek2", "qwen3moe", "phi3"} <= archs


def test_both_makes_of_deepseek_by_hand():
    old, new = (kv_cache_bytes(f"deepseek-v2:16b{make}", 4096) for make in ("", "-mla"))
    assert old == 27 * 4096 * 2 * 16 * (192 + 128) and new == 27 * 4096 * 2 * (512 + 64)
    said = " ".join(ql.estimate_memory("deepseek-v2:16b-mla").notes)
    assert f"{old / new:.1f} times" in said and "Ollama library" in said


def test_a_context_is_rounded_up_to_256():
    llama = MODELS["llama3.1:8b"]
    assert (
        kv_cache_bytes(llama, 1)
        == kv_cache_bytes(llama, 256)
        < kv_cache_bytes(llama, 257)
        == kv_cache_bytes(llama, 512)
    )


def test_a_window_stops_growing_and_a_full_layer_does_not():
    gemma = MODELS["gemma3:4b"]
    per_token = (kv_cache_bytes(gemma, 65536) - kv_cache_bytes(gemma, 32768)) / 32768
    # 5 of 34 layers see everything; 2 rows of 4 heads of 256, 2 bytes each
    assert per_token == 5 * 2 * 4 * 256 * 2


@pytest.mark.parametrize("n_ctx", [0, -1, float("nan"), float("inf"), 10**12, 1.5, True])
def test_impossible_contexts_are_named(n_ctx):
    with pytest.raises(ValueError, match="n_ctx"):
        kv_cache_bytes(MODELS["llama3.1:8b"], n_ctx)


def test_unknown_type_and_odd_rows_are_named():
    with pytest.raises(ValueError, match="q5_k"):
        kv_cache_bytes(MODELS["llama3.1:8b"], 4096, type_k="q5_k")
    odd = Architecture(arch="llama", n_layer=1, n_embd=48, n_head=3, n_head_kv=3, head_dim=16, n_ff=64,
                       n_vocab=100)
    with pytest.raises(ValueError, match="row of 48"):
        kv_cache_bytes(odd, 4096, type_v="q8_0")
