"""Weights and KV cache against llama.cpp's allocator: 608 measured cases, every byte, on the card and beside
it.
"""

import csv
from functools import cache
from pathlib import Path

import pytest

import quantlab
from quantlab.memory.kv_cache import cache_bytes, layers_by_sight
from quantlab.memory.settings import Settings
from quantlab.memory.weights import card_nbytes, weights_of
from quantlab.models.catalog import MODELS

TABLE = Path(quantlab.__file__).parent / "data" / "memory_measured.csv"


@cache
def cases() -> list[dict]:
    """The measured table with its numbers as numbers and its settings as Settings."""
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        n_ubatch = int(row["n_ubatch"])
        row["settings"] = Settings(n_ctx=int(row["n_ctx"]), n_ubatch=n_ubatch,
                                   flash_attention=row["flash_attn"] == "1", type_k=row["type_kv"],
                                   type_v=row["type_kv"], n_outputs=n_ubatch if row["n_outputs"] == "n_ubatch"
                                   else int(row["n_outputs"]))
        row |= {name: int(number) for name, number in row.items() if name.endswith("_bytes")}
    return rows


def test_weights_and_cache_are_exact_in_all_608_cases():
    wrong = []
    for row in cases():
        card, host = weights_of(MODELS[row["model"]].unnamed, row["ftype"]).placed()
        ours = card, host, cache_bytes(MODELS[row["model"]], row["settings"])
        truth = row["weights_gpu_bytes"], row["weights_host_bytes"], row["kv_gpu_bytes"]
        if ours != truth:
            wrong.append((row["model"], row["settings"], ours, truth))
    assert len(cases()) == 608 and not wrong


@pytest.mark.parametrize("name", MODELS)
def test_no_layer_is_lost_between_card_and_main_memory(name):
    weights = weights_of(MODELS[name], "Q4_K_M")
    before = weights.placed(0)
    assert before.card == 0 and before.host == weights.nbytes
    for n in range(1, MODELS[name].n_layer + 3):
        now = weights.placed(n)
        assert now.card > before.card if n <= MODELS[name].n_layer + 1 else now == before, n
        before = now
    assert now == weights.placed(None)


def test_the_output_layer_goes_first_and_a_tied_one_is_there_twice():
    untied, tied = weights_of(MODELS["llama3.1:8b"]), weights_of(MODELS["gemma3:4b"])
    assert untied.placed(1).card == untied.output.card
    assert tied.placed(1).card == tied.output.card + tied.words.card
    assert tied.placed(1).host == tied.placed(0).host - tied.output.host


def test_small_rows_are_filled_up_to_512_numbers():
    assert card_nbytes((2048, 3), "Q4_0") == 2048 * 3 // 32 * 18
    assert card_nbytes((576, 1), "Q8_0") == -(-(1024 // 32 * 34) // 128) * 128
    assert card_nbytes((576, 1), "F32") == 576 * 4


def test_the_cache_follows_its_layers():
    gemma, settings = MODELS["gemma3:4b"], Settings(n_ctx=32768)
    assert layers_by_sight(gemma, 30) == (0, 4) and cache_bytes(gemma, settings, 34) == 0
    parts = [cache_bytes(gemma, settings, n) - cache_bytes(gemma, settings, n + 1) for n in range(34)]
    assert sum(parts) == cache_bytes(gemma, settings) and len(set(parts)) == 2


def test_an_open_model_counts_its_own_tensors():
    with quantlab.open_model("tiny") as model:
        assert weights_of(model).nbytes == model.nbytes
