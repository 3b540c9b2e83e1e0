"""Several cards: which layers lie on which, and what llama.cpp allocates on each when all layers are on cards.

Layers are dealt out in proportion to the cards' memory (llama-model.cpp: load_tensors). While one card computes, the one before it may
already be at the next tokens: for that, each keeps four copies of everything it reads from outside, for good (llama-context.cpp:
pipeline_parallel; ggml-backend.cpp: GGML_SCHED_MAX_COPIES). So two cards need more than twice the compute buffer of one.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from ..models.architecture import Architecture
from .compute import share_compute_bytes
from .kv_cache import cache_bytes
from .placement import Weights
from .settings import Settings


def shares(n_layer: int, cards: Sequence[int]) -> list[range]:
    """The layers on each card; number n_layer is the output layer.  cards: bytes of each."""
    borders = [border / sum(cards) for border in accumulate(cards)]
    where = [bisect_right(borders, layer / (n_layer + 1)) for layer in range(n_layer + 1)]
    return [range(where.index(card), where.index(card) + where.count(card)) if card in where else range(0) for card in range(len(cards))]


def bytes_on_cards(shape: Architecture, weights: Weights, settings: Settings, cards: Sequence[int]) -> list[int]:
    """Bytes that llama.cpp allocates on each of several cards that hold all layers: weights, KV cache and compute buffer."""
    settings, found = replace(settings, n_gpu_layers=None), []
    for share in shares(shape.n_layer, cards):
        blocks = [layer for layer in share if layer < shape.n_layer]
        total = sum(weights.blocks[layer].card for layer in blocks) + (weights.shared.card if blocks else 0)
        if shape.n_layer in share:
            total += weights.output.card + (weights.words.card if weights.tied else 0)
        if blocks:
            total += cache_bytes(shape, settings, blocks[0]) - cache_bytes(shape, settings, blocks[-1] + 1)
        found.append(total + (share_compute_bytes(shape, settings, share.start, share.stop) if share else 0))
    return found
