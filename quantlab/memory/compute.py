"""The compute buffer: what lies on the card while tokens go through the layers, and is gone afterwards.

    compute_bytes(MODELS["llama3.1:8b"], Settings(n_ctx=8192))      # 130037888

llama.cpp plans it when it makes a context (llama_context::graph_reserve): it builds the graph of the largest
step (graphs.py), shares it among the devices, and gives each result a place until its last use
(scheduler.py). The same is done here. Checked against what llama.cpp allocates; see the tests.
"""

from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import lru_cache

from ..models.architecture import Architecture
from ..models.types import block_of
from .graphs import graph_of
from .parts import Layers
from .scheduler import COPIES, Scheduler
from .settings import Settings
from .weights import Types, Weights

#: The tensors that CUDA works off together where they are alike (fusion.py).
TOGETHER = tuple(f"ffn_{part}_{kind}.weight" for part in ("gate", "up") for kind in ("exps", "shexp"))
MOST_PERIOD = 8  # layers after which the kinds of layers begin anew, in any model


@lru_cache(maxsize=4096)
def compute_bytes(a: Architecture, settings: Settings, alike: frozenset[int] = frozenset()) -> int:
    """Bytes of the compute buffer on a card that holds every layer.  Settings that do not matter here are
    ignored.  alike: the layers whose shared expert CUDA computes together with the others (`shared_alike`).
    """
    return _sizes(a, settings, _any_types(a, alike), (0,) * (a.n_layer + 1), 1)[0]


def shared_alike(a: Architecture, weights: Weights) -> frozenset[int]:
    """The layers whose shared expert is of the others' size and quantized type."""
    if not a.n_expert_shared and not a.n_ff_shexp:
        return frozenset()
    return _shared_alike(weights.types)


@lru_cache(maxsize=1024)
def _shared_alike(types: Types) -> frozenset[int]:
    by_layer: dict[int, list] = {}
    for name, shape, qtype in types:
        if name.endswith(TOGETHER):
            by_layer.setdefault(int(name.split(".")[1]), []).append((shape[:2], qtype))
    return frozenset(layer for layer, found in by_layer.items()
                     if len(found) == len(TOGETHER) and len(set(found)) == 1 and block_of(found[0][1])[0] > 1)


def split_compute_bytes(
    a: Architecture, weights: Weights, settings: Settings, kept: frozenset[str] = frozenset()
) -> tuple[int, int]:
    """Bytes of the compute buffers on a card that holds only the last layers, as `settings.n_gpu_layers`
    says, and in main memory.

    Layers in main memory are computed on the card when many tokens come at once (scheduler.py): then the
    types of their weights matter, as these are copied there.  kept: tensors that lie in main memory though
    their layer does not.
    """
    on_card = weights.n_blocks_on_card(settings.n_gpu_layers)
    devices = (1,) * (a.n_layer - on_card) + (0,) * on_card + (int(settings.n_gpu_layers == 0),)
    card, host = _sizes(a, settings, weights.types, devices, 1, kept)
    return card, host


def cards_compute_bytes(
    a: Architecture, settings: Settings, shares: Sequence[range], alike: frozenset[int] = frozenset()
) -> list[int]:
    """Bytes of the compute buffer on each of several cards that hold all layers; number n_layer is the output
    layer.  alike: as in `compute_bytes`.
    """
    devices = tuple(card for card, share in enumerate(shares) for _ in share)
    return list(_sizes(a, settings, _any_types(a, alike), devices, len(shares))[:-1])


@lru_cache(maxsize=1024)
def _any_types(a: Architecture, alike: frozenset[int] = frozenset()) -> Types:
    """Tensors on cards stay where they are: any type will do, so long as those are alike that have to be."""
    return tuple((tensor.name, tensor.shape,
                  "Q8_0" if tensor.layer in alike and tensor.name.endswith(TOGETHER) else "F16")
                 for tensor in a.tensors())


@lru_cache(maxsize=4096)
def _sizes(
    a: Architecture,
    settings: Settings,
    types: Types,
    devices: tuple[int, ...],
    n_cards: int,
    kept: frozenset[str] = frozenset(),
) -> tuple[int, ...]:
    """Bytes of each device's buffer, main memory last.  devices: of each layer and of the output layer."""
    weights, layers = _weights_and_layers(a, types, devices, n_cards, kept)
    plan = Layers(a, settings, weights, layers, devices, n_cards, kept)
    if settings.flash_attention and (n_cards in devices[:-1] or kept):
        plan = replace(plan, flash=_flash_stays(plan))
    return tuple(Scheduler(n_cards, COPIES if n_cards > 1 else 1).sizes(graph_of(plan)))


def _flash_stays(plan: Layers) -> bool:
    """Whether flash attention would be computed where each layer's cache lies, with one token of each
    conversation; llama.cpp leaves it off where it would not (llama_context::resolve_fused_ops).
    """
    one = replace(plan.settings, n_ubatch=1, n_outputs=1)
    graph = graph_of(replace(plan, settings=one, probe=True))
    Scheduler(plan.host).split(graph)
    return all(out.where == plan.devices[layer] for out, layer in graph.flashed)


@lru_cache(maxsize=1024)
def _weights_and_layers(
    a: Architecture, types: Types, devices: tuple[int, ...], host: int, kept: frozenset[str]
) -> tuple[dict, tuple[int, ...]]:
    """Tensor name -> shape and type; and the layers to walk through: all of them where a model of many kinds
    of layers lies in two places.
    """
    several = (host in devices or kept) and (a.pattern or a.n_embd_per_layer)
    kinds = _kinds(a, types, devices, host, kept)
    layers = tuple(range(a.n_layer)) if several else layers_to_walk(kinds)
    return {name: (shape, qtype) for name, shape, qtype in types}, layers


def _kinds(
    a: Architecture, types: Types, devices: tuple[int, ...], host: int, kept: frozenset[str] = frozenset()
) -> list[Hashable]:
    """What each layer is like: layers that are alike need the same."""
    tensors: list[list] = [[] for _ in range(a.n_layer)]
    for name, shape, qtype in types:
        if name.startswith("blk."):
            _, number, part = name.split(".", 2)
            layer = int(number)
            lent = devices[layer] == host or name in kept or name.endswith(TOGETHER)
            tensors[layer].append((part, shape, qtype if lent else ""))
    ends = {0, a.n_layer - 1}
    return [(a.is_sliding(i), devices[i], i in ends, tuple(mine)) for i, mine in enumerate(tensors)]


def layers_to_walk(kinds: Sequence[Hashable]) -> tuple[int, ...]:
    """The layers after which nothing new happens are left out: where the same few kinds come again and again,
    they are walked through twice, and once more at their end.
    """
    kept: list[int] = []
    start, n = 0, len(kinds)
    while start < n:
        most, end, period = 0, start + 1, 1
        for length in range(1, MOST_PERIOD + 1):
            stop = start + length
            while stop < n and kinds[stop] == kinds[stop - length]:
                stop += 1
            left_out = (stop - start - 3 * length) // length * length
            if left_out > most:
                most, end, period = left_out, stop, length
        kept += [*range(start, start + 2 * period if most else end), *range(start + 2 * period + most, end)]
        start = end
    return tuple(kept)
