"""The tables of models and cards: shapes that give the published parameter counts, memory in bytes."""

import csv
from pathlib import Path

import pytest

import quantlab as ql
from quantlab.memory.catalog import GPUS, MODELS, nearest_model
from quantlab.memory.catalog import PUBLISHED as FACTS
from quantlab.models.tensor_lists import ARCHITECTURES

#: As their makers publish them, in billions (model cards); the exact ones stand in the table.
PUBLISHED = {"llama2:7b": 6.74, "llama3.1:8b": 8.03, "llama3.2:3b": 3.21, "llama3.1:70b": 70.6, "mistral:7b": 7.25,
             "mixtral:8x7b": 46.7, "qwen2.5:7b": 7.62, "qwen3:32b": 32.8, "qwen3:30b": 30.5, "gemma2:9b": 9.24,
             "phi4:14b": 14.7, "gpt-oss:20b": 20.9, "deepseek-v2:16b": 15.7, "qwen3:0.6b": 0.596, "qwen3:4b": 4.02,
             "qwen3:8b": 8.19, "qwen3:14b": 14.8, "gemma3:4b": 3.88, "gemma3:12b": 11.8, "gemma3:27b": 27.0}


@pytest.mark.parametrize("name", MODELS)
def test_the_shape_gives_the_published_parameter_count(name):
    n_params = MODELS[name].n_params
    small = n_params - FACTS[name].n_params      # rope_freqs and the like, which publishers do not count
    assert 0 <= small <= 1e-5 * n_params, (n_params, small)
    assert n_params / 1e9 == pytest.approx(PUBLISHED[name], rel=5e-3)


def test_the_catalog_and_the_tensor_lists_mean_the_same_models():
    for name, listed in (("llama2:7b", "llama-2-7b"), ("llama3.1:8b", "llama-3.1-8b")):
        assert MODELS[name] == ARCHITECTURES[listed]
        assert FACTS[name].q4_k_m_bytes == ql.tensor_list(listed, "Q4_K_M").nbytes.sum()


def test_every_row_has_a_source_and_q4_k_m_bytes_that_can_be():
    for name in MODELS:
        assert len(FACTS[name].source) > 20
        assert 4.5 < 8 * FACTS[name].q4_k_m_bytes / FACTS[name].n_params < 6.1, name


def test_a_geforce_of_24_gb_has_24_gib():
    assert GPUS["GeForce RTX 4090"].vram_bytes == 24 * 2**30
    assert GPUS["GeForce RTX 4090"].bandwidth == 1008 * 10**9


def test_a_data_centre_card_has_what_its_driver_reports():
    assert GPUS["H200"].vram_bytes == 143771 * 2**20        # sold as 141 GB
    assert GPUS["L4"].vram_bytes < 24 * 2**30               # sold as 24 GB; error correction takes a share


def test_cards_are_plausible_and_sourced():
    for name, card in GPUS.items():
        assert card.name == name and 8 * 2**30 <= card.vram_bytes <= 200 * 2**30
        assert 200e9 < card.bandwidth < 1e13 and len(card.source) > 10


def test_nearest_is_by_ratio_and_total_parameters():
    assert nearest_model(7) == "mistral:7b"         # 7.25 B; Llama-2-7B has 6.74
    assert nearest_model(8) == "llama3.1:8b"
    assert nearest_model(70) == nearest_model(405) == "llama3.1:70b"
    assert nearest_model(0.1) == "qwen3:0.6b"
    assert nearest_model(45) == "mixtral:8x7b"      # 46.7 B in memory, whatever its name multiplies to


@pytest.mark.parametrize("params", [0, -7, float("nan"), float("inf")])
def test_no_size_has_no_nearest_model(params):
    with pytest.raises(ValueError, match="billions"):
        nearest_model(params)


def test_each_file_is_described():
    readme = (Path(ql.__file__).parent / "data" / "README.md").read_text()
    for name in ("models.csv", "gpus.csv"):
        assert f"## {name}" in readme
        with (Path(ql.__file__).parent / "data" / name).open(newline="") as file:
            assert all(row["source"].strip() for row in csv.DictReader(file))
