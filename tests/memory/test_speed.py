"""Tokens a second follow from the bytes that are read."""

import pytest

import quantlab as ql
from quantlab.memory.cards import GPUS
from quantlab.memory.machine import read_bandwidth
from quantlab.memory.settings import Settings
from quantlab.memory.speed import EFFICIENCY, bytes_per_token, expected_speed, published_speeds
from quantlab.memory.weights import weights_of
from quantlab.models.catalog import MODELS

CARD = GPUS["GeForce RTX 4060"].bandwidth


def test_the_limit_is_bandwidth_over_bytes():
    made = ql.expected_speed("llama3.1:8b", "Q4_K_M", CARD, n_ctx=8192)
    assert made.card == 4617396480 + 8192 * 32 * 2 * 1024 * 2 and made.host == 0
    assert made.limit == pytest.approx(CARD / made.card) and 0 < made.low < made.high < made.limit


def test_of_the_experts_only_the_used_ones_are_read():
    read, _ = bytes_per_token("qwen3:30b", "Q4_K_M", Settings(n_ctx=256))
    # 8 of 128 experts; attention and output are read whole
    assert read < weights_of(MODELS["qwen3:30b"]).nbytes / 6


@pytest.mark.parametrize("name", ["llama3.1:8b", "gemma3:4b", "qwen3:30b"])
def test_layers_in_main_memory_are_read_there_and_nothing_is_lost(name):
    whole = sum(bytes_per_token(name, "Q4_K_M", Settings()))
    for n in (0, 1, 10, 20):
        card, host = bytes_per_token(name, "Q4_K_M", Settings(n_gpu_layers=n))
        assert card + host == pytest.approx(whole, rel=1e-4)        # rows filled up on a card
        assert (card == 0) == (n == 0)
    split = expected_speed(name, "Q4_K_M", CARD, host_bandwidth=50e9, n_gpu_layers=10)
    assert split.limit < expected_speed(name, "Q4_K_M", CARD).limit


@pytest.mark.parametrize("bandwidth", [0, -1, float("nan"), float("inf"), None])
def test_impossible_bandwidths_are_named(bandwidth):
    with pytest.raises(ValueError, match="bandwidth="):
        expected_speed("llama3.1:8b", "Q4_K_M", bandwidth)
    with pytest.raises(ValueError, match="host_bandwidth=None"):
        expected_speed("llama3.1:8b", "Q4_K_M", CARD, n_gpu_layers=3)


def test_published_runs_lie_in_the_range_but_for_one():
    shares = [run.tokens_per_second / expected_speed(run.model, run.ftype, run.bandwidth,
                                                     n_ctx=run.n_ctx).limit for run in published_speeds()]
    assert len(shares) == 14 and max(shares) < 1 and sum(EFFICIENCY[0] <= share <= EFFICIENCY[1]
                                                         for share in shares) == 13
    assert all(run.source.startswith("https://") for run in published_speeds())


def test_reading_is_measured_and_impossible_readings_are_refused():
    assert 1e8 < read_bandwidth(nbytes=2**24, passes=2) < 1e13
    with pytest.raises(ValueError, match="threads=0"):
        read_bandwidth(0)
