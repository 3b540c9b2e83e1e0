"""Tensors that stay in main memory though their layer lies on a card: `--n-cpu-moe`, `--cpu-moe` and
`--override-tensor` of llama.cpp (common/arg.cpp, llama-model-loader.cpp).

    in_main_memory(shape, weights, Settings(n_cpu_moe=24))      # names of the experts of 24 layers

A pattern is looked for anywhere in a tensor's name, as std::regex_search does.
"""

import re
from functools import lru_cache

from ..models.architecture import Architecture
from ..models.families import role_and_layer
from .settings import Settings
from .weights import GROUPS, TensorBytes, Weights, by_name, part_of

#: The experts' matrices, behind "blk.N" (llama.cpp: LLM_FFN_EXPS_REGEX).
EXPERTS = r"\.ffn_(up|down|gate|gate_up)_(ch|)exps"


def is_expert(name: str) -> bool:
    """Whether a tensor's name, with or without "blk.N", is one of experts', of which a token uses a few."""
    return re.search(EXPERTS, f".{name}") is not None


def patterns_of(settings: Settings) -> tuple[str, ...]:
    """What llama.cpp would be told.  Raises ValueError for a pattern that is none."""
    found = [rf"blk\.{layer}{EXPERTS}" for layer in range(settings.n_cpu_moe)]
    for one in filter(None, settings.override_tensor.split(",")):
        pattern, _, where = one.rpartition("=")
        if not pattern or where != "CPU":
            raise ValueError(
                f"override_tensor={one!r} is not understood: write PATTERN=CPU, such as "
                r"'\.ffn_.*_exps\.=CPU'; other places than CPU are not counted here"
            )
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(
                f"override_tensor has the pattern {pattern!r}, which cannot be read: {error}"
            ) from None
        found.append(pattern)
    return tuple(found)


def in_main_memory(shape: Architecture, weights: Weights, settings: Settings) -> frozenset[str]:
    """Names of the tensors that are kept off the cards.  Raises ValueError where there are none to keep, or
    fewer layers than are named.
    """
    if not settings.n_cpu_moe and not settings.override_tensor:
        return frozenset()
    if settings.n_cpu_moe and not shape.n_expert:
        raise ValueError(
            f"n_cpu_moe={settings.n_cpu_moe} asks for experts in main memory, and this "
            f"{shape.arch} has none: use n_gpu_layers to keep whole layers there"
        )
    if settings.n_cpu_moe > shape.n_layer:
        raise ValueError(f"n_cpu_moe={settings.n_cpu_moe} is more than the {shape.n_layer} layers there are")
    found: frozenset[str] = frozenset()
    for pattern in patterns_of(settings):
        mine = _matching(weights.types, pattern)
        # the first layers of some mixtures have no experts
        if not mine and not pattern.startswith(r"blk\."):
            raise ValueError(f"override_tensor has the pattern {pattern!r}, which is in no tensor's name")
        found |= mine
    return found


@lru_cache(maxsize=4096)
def _matching(types, pattern: str) -> frozenset[str]:
    return frozenset(name for name, _, _ in types if re.search(pattern, name))


def placed_with(weights: Weights, settings: Settings, kept: frozenset[str]) -> TensorBytes:
    """Bytes on the card and in main memory, with the tensors `kept` off the card."""
    card, host = weights.placed(settings.n_gpu_layers)
    if not kept:
        return TensorBytes(card, host)
    first = len(weights.blocks) - weights.n_blocks_on_card(settings.n_gpu_layers)
    tensors = by_name(weights.types)
    for name in kept:
        role, layer = role_and_layer(name)
        if settings.n_gpu_layers == 0 or (layer is not None and layer < first):
            continue
        part = part_of(*tensors[name])
        if layer is not None or role not in GROUPS:
            card, host = card - part.card, host + part.host
        elif role == "token_embd" and weights.tied:  # one for both uses
            card -= part.card
    return TensorBytes(card, host)
