"""What `ollama ps` said of models in main memory, taken apart."""

import pytest

from quantlab.lab.records import recorded
from quantlab.lab.speed import measure_speed

ROWS = recorded("resident")["runs"]
SCORES = 4 * 49152          # bytes: the next token's scores, which leave the graph in a buffer of their own
ROUNDED = 4 * 2**20 // 200  # llama-server says its buffers in MiB with two digits, and `ps` adds up four


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['model']}-{row['n_ctx']}")
def test_ps_is_tensors_cache_and_the_compute_buffer_that_is_estimated(row):
    rest = row["ps"] - row["tensors"] - row["kv_cache"] - row["compute_on_a_card"]
    assert rest == pytest.approx(SCORES, abs=ROUNDED)


def test_twice_the_batch_is_seen_in_the_buffer():
    compute = {row["n_ctx"]: row["compute_on_a_card"] for row in ROWS}
    assert compute[8192] > 2 * compute[4096] > 2 * compute[512]


@pytest.mark.parametrize(("models", "rounds", "words"),
                         [([], 3, r"models=\[\]"), ("a", 3, "models='a'"), (["a"], 0, "rounds=0")])
def test_nothing_to_measure_is_said(models, rounds, words):
    with pytest.raises(ValueError, match=words):
        measure_speed(models, rounds=rounds)
