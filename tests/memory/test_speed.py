"""Tokens a second follow from the bytes that are read."""

import pytest

import quantlab as ql
from quantlab.memory.cards import GPUS
from quantlab.memory.machine import read_bandwidth
from quantlab.memory.settings import Settings
from quantlab.memory.speed import EFFICIENCY, bytes_per_token, expected_speed, published_speeds
from quantlab.memory.splits import HARDLY
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


def test_published_runs_lie_in_the_range_but_for_three():
    shares = [run.share for run in published_speeds()]
    assert len(shares) == 20 and max(shares) < 1 and sum(EFFICIENCY[0] <= share <= EFFICIENCY[1]
                                                         for share in shares) == 17
    assert all(run.source.startswith("https://") for run in published_speeds())


def test_published_runs_with_experts_in_main_memory_lose_what_hardly_faster_means():
    """On one machine: by layers 58 % of the limit, with experts 37 to 48 %."""
    by_layers = [run.share for run in published_speeds() if "n_gpu_layers" in run.placed]
    by_experts = [run.share for run in published_speeds() if "n_cpu_moe" in run.placed]
    assert len(by_layers) == len(by_experts) == 3 and max(by_experts) < min(by_layers)
    assert sum(by_layers) / sum(by_experts) == pytest.approx(HARDLY, abs=0.05)


def test_experts_in_main_memory_are_read_there_and_nothing_is_lost():
    """Whatever the pattern keeps there: the used experts' share, or the whole tensor."""
    for name in ("qwen3:30b", "gemma4:26b", "gpt-oss:20b", "deepseek-v2:16b-mla", "granite4:tiny-h"):
        shape = MODELS[name]
        whole = sum(bytes_per_token(name, None, Settings()))
        before = 0
        for settings in (Settings(n_cpu_moe=shape.n_layer // 2), Settings(n_cpu_moe=shape.n_layer),
                         Settings(override_tensor=r"blk\.=CPU")):
            card, host = bytes_per_token(name, None, settings)
            assert card + host == pytest.approx(whole, rel=1e-4) and host > before
            before = host
    experts = sum(row.nbytes for row in ql.tensor_list("qwen3:30b", "Q4_K_M").itertuples()
                  if row.role.endswith("_exps"))
    assert bytes_per_token("qwen3:30b", "Q4_K_M", Settings(n_cpu_moe=48))[1] == experts * 8 // 128


def test_of_tables_that_are_looked_up_one_row_is_read():
    """The word vectors, and each layer's own in Gemma: whole only where they are the output, too."""
    tied, size = "qwen3:4b", weights_of("qwen3:4b").words.host
    assert bytes_per_token(tied, None, Settings(n_gpu_layers=0))[1] >= size
    assert bytes_per_token(tied, None, Settings(override_tensor="token_embd=CPU"))[1] == size
    assert bytes_per_token("llama3.1:8b", None, Settings(override_tensor="token_embd=CPU"))[1] == 0


def test_reading_is_measured_and_impossible_readings_are_refused():
    assert 1e8 < read_bandwidth(nbytes=2**24, passes=2) < 1e13
    with pytest.raises(ValueError, match="threads=0"):
        read_bandwidth(0)
