"""The compute buffer: what lies on the card while tokens go through the layers, and is gone afterwards.

    compute_bytes(MODELS["llama3.1:8b"], Settings(n_ctx=8192))      # 130037888

llama.cpp plans it when it makes a context (llama_context::graph_reserve): it builds the graph of the largest
step (graphs.py), shares it among the devices, and gives each result a place until its last use
(scheduler.py). The same is done here. Checked against what llama.cpp allocates; see the tests.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate

from ..models.architecture import Architecture
from ..models.cache_types import FEW_BITS
from .alike import TOGETHER, kinds_of_layers, layers_to_search, layers_to_walk
from .ggml import LENT_FROM
from .graphs import graph_of
from .parts import Layers
from .scheduler import COPIES, Scheduler
from .settings import Settings
from .weights import Types, Weights, by_name

FEED_FORWARD = ("ffn_up", "ffn_gate", "ffn_down")


@lru_cache(maxsize=4096)
def compute_bytes(a: Architecture, settings: Settings, alike: frozenset[int] = frozenset()) -> int:
    """Bytes of the compute buffer on a card that holds every layer.  Settings that do not matter here are
    ignored.  alike: the layers whose shared expert CUDA computes together with the others (`shared_alike`).
    """
    return _sizes(a, settings, _any_types(a, alike), (0,) * (a.n_layer + 1), 1)[0]


@lru_cache(maxsize=8192)
def split_compute_bytes(
    a: Architecture,
    weights: Weights,
    settings: Settings,
    kept: frozenset[str] = frozenset(),
    every: bool = True,
) -> tuple[int, int]:
    """Bytes of the compute buffers on a card that holds only the last layers, as `settings.n_gpu_layers`
    says, and in main memory.

    Layers in main memory are computed on the card when many tokens come at once (scheduler.py): then the
    types of their weights matter, as these are copied there.  kept: tensors that lie in main memory though
    their layer does not.  every: False, for a search, leaves out layers that are like others, which is
    faster. It is seldom off, by some MB; where some layers have a sliding window, by hundreds (`on_card`):
    what lies between gaps can depend on all layers before.
    """
    on_card = weights.n_blocks_on_card(settings.n_gpu_layers)
    devices = (1,) * (a.n_layer - on_card) + (0,) * on_card + (int(settings.n_gpu_layers == 0),)
    card, host = _sizes(a, settings, weights.types, devices, 1, kept, every)
    return card, host


def least_compute_bytes(a: Architecture, weights: Weights, settings: Settings, n_gpu_layers: int) -> int:
    """Bytes that the compute buffer on a card has at least: of the largest matrix of a feed-forward part that
    is lent to it from main memory; 0 where few tokens are computed at a time.
    """
    first = min(a.n_layer - weights.n_blocks_on_card(n_gpu_layers), a.n_layer - 1)
    return _largest_matrices(weights)[first] if settings.n_tokens >= LENT_FROM else 0


@lru_cache(maxsize=1024)
def _largest_matrices(weights: Weights) -> list[int]:
    """Bytes on a card of the largest matrix of a feed-forward part in the first layers, for each number of
    them.
    """
    each = [max((nbytes for name, nbytes in layer if name.startswith(FEED_FORWARD)), default=0)
            for layer in weights.layers]
    return [0, *accumulate(each, max)]


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


def _sizes(
    a: Architecture,
    settings: Settings,
    types: Types,
    devices: tuple[int, ...],
    n_cards: int,
    kept: frozenset[str] = frozenset(),
    every: bool = False,
) -> tuple[int, ...]:
    """Bytes of each device's buffer, main memory last.  devices: of each layer and of the output layer."""
    settings = replace(settings, n_gpu_layers=None, n_cpu_moe=0, override_tensor="")
    plan = _plan(a, settings, types, devices, n_cards, kept, every)
    # values in few bits need flash attention, so llama.cpp asks no further (llama_init_from_model)
    asks = settings.flash_attention and settings.type_v not in FEW_BITS
    if asks and (n_cards in devices[:-1] or kept):
        few = replace(settings, n_ctx=1, n_ubatch=1, n_outputs=1)
        probe = _plan(a, few, types, devices, n_cards, kept, probe=True)
        plan = replace(plan, flash=_flash_stays(probe))
    return _walked(plan)


def _plan(
    a: Architecture,
    settings: Settings,
    types: Types,
    devices: tuple[int, ...],
    host: int,
    kept: frozenset[str],
    every: bool = False,
    probe: bool = False,
) -> Layers:
    """What is to be walked through: all layers if so asked, in a search those that answer nearly; without a
    split the layers that are not like others are enough.
    """
    kinds = kinds_of_layers(a, types, devices, host, kept, typed=not probe)
    split = host in devices or kept
    layers = (tuple(range(a.n_layer)) if every else layers_to_search(a, types, kinds[:-1])
              if split and not probe else layers_to_walk(kinds[:-1]))
    walked = (*(kinds[i] for i in layers), kinds[-1])
    return Layers(a, settings, walked, host, by_name(types), layers, devices, kept, probe=probe)


@lru_cache(maxsize=4096)
def _walked(plan: Layers) -> tuple[int, ...]:
    """Bytes of each device's buffer; of plans that are equal only one is walked through."""
    return tuple(Scheduler(plan.host, COPIES if plan.host > 1 else 1).sizes(graph_of(plan)))


@lru_cache(maxsize=1024)
def _flash_stays(probe: Layers) -> bool:
    """Whether flash attention would be computed where each layer's cache lies, with one token of each
    conversation; llama.cpp leaves it off where it would not (llama_context::resolve_fused_ops).
    """
    graph = graph_of(probe)
    Scheduler(probe.host).split(graph)
    return all(out.where == probe.devices[layer] for out, layer in graph.flashed)
