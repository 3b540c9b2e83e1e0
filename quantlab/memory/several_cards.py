"""Several cards: which layers lie on which, and how many bytes that takes.

    bytes_on_cards(shape, weights, Settings(n_ctx=8192), [24 * 2**30, 24 * 2**30])

llama.cpp deals the layers out in proportion to the cards' memory (llama-model.cpp: load_tensors). While one
card computes, the one before it may already be at the next tokens: for that, each keeps four copies of
everything it reads from outside, for good (llama-context.cpp: pipeline_parallel; ggml-backend.cpp:
GGML_SCHED_MAX_COPIES). So two cards need more than twice the compute buffer of one.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from ..models.architecture import Architecture
from .alike import shared_alike
from .compute import cards_compute_bytes, compute_bytes
from .estimate import OVERHEAD
from .kv_cache import cache_bytes
from .settings import Settings
from .weights import Weights


def shares(n_layer: int, cards: Sequence[int]) -> list[range]:
    """The layers on each card; number n_layer is the output layer.  cards: bytes of each."""
    borders = [border / sum(cards) for border in accumulate(cards)]
    where = [bisect_right(borders, layer / (n_layer + 1)) for layer in range(n_layer + 1)]
    return [range(where.index(card), where.index(card) + where.count(card)) if card in where else range(0)
            for card in range(len(cards))]


def bytes_on_cards(shape: Architecture, weights: Weights, settings: Settings,
                   cards: Sequence[int]) -> list[int]:
    """Bytes that llama.cpp allocates on each of several cards that hold all layers: weights, KV cache and
    compute buffer.  ValueError for tensors in main memory: that is counted for one card only.
    """
    if settings.n_cpu_moe or settings.override_tensor:
        raise ValueError(f"n_cpu_moe={settings.n_cpu_moe} and override_tensor={settings.override_tensor!r} "
                         f"are counted for one card, and there are {len(cards)}: give the GiB of one")
    settings, found, parts = replace(settings, n_gpu_layers=None), [], shares(shape.n_layer, cards)
    buffers = cards_compute_bytes(shape, settings, parts, shared_alike(shape, weights))
    for share, compute in zip(parts, buffers, strict=True):
        blocks = [layer for layer in share if layer < shape.n_layer]
        total = sum(weights.blocks[layer].card for layer in blocks) + (weights.shared.card if blocks else 0)
        if shape.n_layer in share:
            total += weights.output.card + (weights.words.card if weights.tied else 0)
        if blocks:
            total += cache_bytes(shape, settings, blocks[0]) - cache_bytes(shape, settings, blocks[-1] + 1)
        found.append(total + compute)
    return found


def budget_of(cards: Sequence[int], shape: Architecture, weights: Weights, settings: Settings) -> int:
    """Bytes of all cards together for one model: each has a driver, each but the first a compute buffer more
    than was counted.
    """
    compute = compute_bytes(shape, settings, shared_alike(shape, weights))
    return sum(cards) - len(cards) * OVERHEAD.usual - (len(cards) - 1) * compute
