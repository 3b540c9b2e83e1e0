"""Which layers need the same: those that are alike, and of them those that have to be walked through.

    kinds = kinds_of_layers(shape, types, devices, host=1)      # the last one: of all outside the layers
    layers_to_walk(kinds[:-1])                                  # (0, 1, 2, 30, 31)

Two walks through equal kinds, in equal settings, find the same bytes: however many layers are left out
between, and whatever the types of weights are that stay where they are computed with. So a walk through one
split of a model answers for most others (compute.py).
"""

from collections.abc import Hashable, Sequence
from functools import lru_cache

from ..models.architecture import Architecture
from ..models.types import block_of
from .weights import Types, Weights

#: The tensors that CUDA works off together where they are alike (fusion.py).
TOGETHER = tuple(f"ffn_{part}_{kind}.weight" for part in ("gate", "up") for kind in ("exps", "shexp"))
MOST_PERIOD = 8  # layers after which the kinds of layers begin anew, in any model
#: What a tensor is like: its name in the layer, its shape, its type where that matters, and whether it stays
#: in main memory though its layer does not.
Part = tuple[str, tuple[int, ...], str, bool]


def kinds_of_layers(
    a: Architecture,
    types: Types,
    devices: tuple[int, ...],
    host: int,
    kept: frozenset[str] = frozenset(),
    typed: bool = True,
) -> tuple[Hashable, ...]:
    """What each layer is like, and at last everything outside the layers.

    devices: of each layer, and of the output layer.  kept: names of tensors in main memory.  typed: False
    where only the devices are asked for, for which no type matters.
    """
    parts, ends = _parts(a.n_layer, types, host in devices or bool(kept), kept, typed), {0, a.n_layer - 1}
    found: list[Hashable] = []
    for i, device in enumerate(devices):
        if i < a.n_layer:
            found.append((a.is_sliding(i), device, i in ends, parts[i][device == host]))
        else:  # some of what is outside is computed with where the first layer lies
            found.append((device, *parts[i]))
    return tuple(found)


@lru_cache(maxsize=256)
def _differences(a: Architecture, types: Types) -> tuple[int, int, bool]:
    """How many sorts of layers there are by their tensors, how many by what they see, and whether one matrix
    makes queries, keys and values.
    """
    parts = [on_card for on_card, _ in _parts(a.n_layer, types, False, frozenset(), False)[:-1]]
    fused = any(name.startswith("attn_qkv") for name, *_ in parts[0])
    return len(set(parts)), len({a.is_sliding(i) for i in range(a.n_layer)}), fused


@lru_cache(maxsize=256)
def _parts(
    n_layer: int, types: Types, split: bool, kept: frozenset[str], typed: bool
) -> tuple[tuple[tuple[Part, ...], tuple[Part, ...]], ...]:
    """For each layer, and for what is outside: what it is like on a card, and in main memory."""
    found: list[tuple[list[Part], list[Part]]] = [([], []) for _ in range(n_layer + 1)]
    for name, shape, qtype in types:
        layer, part = n_layer, name
        if name.startswith("blk."):
            _, number, part = name.split(".", 2)
            layer = int(number)
        stays, qtype = name in kept, qtype if typed else ""
        on_card = qtype if stays or name.endswith(TOGETHER) else ""
        found[layer][0].append((part, shape, on_card, stays))
        if split:
            found[layer][1].append((part, shape, qtype, stays))
    same: dict[tuple[Part, ...], tuple[Part, ...]] = {}          # one object for all that are alike
    card, host = ([same.setdefault(mine, mine) for mine in map(tuple, every)]
                  for every in zip(*found, strict=True))
    return tuple(zip(card, host, strict=True))


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


def layers_to_search(a: Architecture, types: Types, kinds: Sequence[Hashable]) -> tuple[int, ...]:
    """The layers of a split model whose walk finds nearly the bytes of a walk through all, for a search.

    Where layers differ in nothing but types: the first and the last of each kind, which are the same for most
    splits. All of them where there is more to differ in, and where queries, keys and values are pieces of
    one result (Phi-3), which leaves gaps of many sizes.
    """
    by_tensors, by_sight, fused = _differences(a, types)
    if a.pattern or a.n_embd_per_layer or fused:
        return tuple(range(a.n_layer))
    if by_tensors > 1 or by_sight > 1:
        return layers_to_walk(kinds)
    last = {kind: i for i, kind in enumerate(kinds)}
    first = {kind: i for i, kind in reversed([*enumerate(kinds)])}
    return tuple(sorted({*first.values(), *last.values()}))
