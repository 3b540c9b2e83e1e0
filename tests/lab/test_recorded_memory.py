"""What `ollama ps` said of models in main memory, taken apart to the byte."""

import pytest

from quantlab.lab.records import recorded
from quantlab.lab.speed import measure_speed

ROWS = recorded("resident")["runs"]


@pytest.mark.parametrize("row", [row for row in ROWS if row["model"].startswith("smollm2")],
                         ids=lambda row: f"{row['model']}-{row['n_ctx']}")
def test_for_llama_cpp_ps_is_tensors_and_cache_and_nothing_else(row):
    assert row["ps"] == row["tensors"] + row["kv_cache"]


@pytest.mark.parametrize("row", [row for row in ROWS if "qwen3" in row["model"]],
                         ids=lambda row: str(row["n_ctx"]))
def test_ollamas_own_engine_counts_word_vectors_twice_and_its_compute_buffer(row):
    rest = row["ps"] - row["tensors"] - row["kv_cache"] - row["word_vectors"]
    assert rest > 0 and abs(rest - row["compute_on_a_card"]) < 2**21 / 2 + 2**17
    if row["n_ctx"] >= 4096:
        assert abs(rest - row["compute_on_a_card"]) < 15_000


@pytest.mark.parametrize(("models", "rounds", "words"),
                         [([], 3, r"models=\[\]"), ("a", 3, "models='a'"), (["a"], 0, "rounds=0")])
def test_nothing_to_measure_is_said(models, rounds, words):
    with pytest.raises(ValueError, match=words):
        measure_speed(models, rounds=rounds)
