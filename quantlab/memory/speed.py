"""How fast an answer can come: every token reads the model's weights and the cache once, so memory bandwidth
is the limit.

    expected_speed("llama3.1:8b", "Q4_K_M", GPUS["GeForce RTX 4060"].bandwidth)      # a range, in tokens a
    second

What is read is counted; what share of its bandwidth a machine reaches is an assumption, and makes the range.
Lesson: 14_speed_and_bandwidth.
"""

import csv
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from ..models.architecture import Architecture
from ..models.families import role_and_layer
from ..models.recipes import recipe
from ..models.source import Model
from ..models.types import tensor_nbytes
from .estimate import planned, shape_of
from .settings import Settings
from .weights import weights_of

#: Share of a card's bandwidth that generation reaches: what all but one of the runs in
#: quantlab/data/published_speeds.csv reach.
EFFICIENCY = (0.4, 0.9)
PUBLISHED_RUNS = Path(__file__).parent.parent / "data" / "published_speeds.csv"
EXPERTS = ("ffn_gate_exps", "ffn_up_exps", "ffn_down_exps")


class Speed(NamedTuple):
    """Tokens a second, from `low` to `high`; `limit`: if every byte of bandwidth were used.  card, host:
    bytes read for each token.
    """

    low: float
    high: float
    limit: float
    card: int
    host: int


class PublishedRun(NamedTuple):
    """A speed that somebody published.  bandwidth: bytes a second of the device; n_ctx: tokens in the
    context; source: where it is said.
    """

    device: str
    bandwidth: float
    model: str
    ftype: str
    n_ctx: int
    tokens_per_second: float
    source: str


@cache
def published_speeds() -> tuple[PublishedRun, ...]:
    """The runs in quantlab/data/published_speeds.csv: llama.cpp writing one answer with everything on one
    device.
    """
    with PUBLISHED_RUNS.open(encoding="utf-8", newline="") as file:
        return tuple(PublishedRun(row["device"], float(row["bandwidth_gb_s"]) * 1e9, row["model"],
                                  row["ftype"], int(row["n_ctx"]), float(row["tokens_per_second"]),
                                  row["source"]) for row in csv.DictReader(file))


def expected_speed(model: Architecture | Model | str, ftype: str | None, bandwidth: float, *,
                   host_bandwidth: float | None = None, **settings) -> Speed:
    """Tokens a second for one conversation whose context is full.

    bandwidth: bytes a second of the card; host_bandwidth: of main memory, needed when layers lie there
    (`n_gpu_layers`).
    settings: the arguments of `estimate_memory`.  Reading is taken to happen one after the other: a card
    waits for main memory.
    Raises ValueError for bandwidths that cannot be.
    """
    asked, shape = Settings(**settings), shape_of(model)
    card, host = bytes_per_token(model, ftype, asked)
    seconds = 0.0
    for nbytes, speed, name in ((card, bandwidth, "bandwidth"), (host, host_bandwidth, "host_bandwidth")):
        if not nbytes:
            continue
        if speed is None or not isfinite(speed) or speed <= 0:
            raise ValueError(
                f"{name}={speed!r} is no speed: give bytes a second, such as 272e9 for 272 GB/s; "
                f"{nbytes:,} bytes a token of {shape.arch} are read there")
        seconds += nbytes / speed
    limit = 1 / seconds
    return Speed(EFFICIENCY[0] * limit, EFFICIENCY[1] * limit, limit, card, host)


def bytes_per_token(model: Architecture | Model | str, ftype: str | None, settings: Settings) -> tuple[int,
                                                                                                       int]:
    """(bytes on the card, bytes in main memory) that one new token reads: weights, of the experts only those
    used, and the cache.

    Of the table of word vectors one row is read: nothing. Tied, it is the output, and read whole.
    """
    shape = shape_of(model)
    weights = weights_of(model if isinstance(model, Model) else shape, ftype)
    estimate = planned(shape, weights, settings, ftype or "")
    idle = _idle_experts(model if isinstance(model, Model) else shape, shape, ftype)
    first = shape.n_layer - weights.n_blocks_on_card(settings.n_gpu_layers)
    words = weights.words.host if settings.n_gpu_layers != 0 or not weights.tied else 0
    all_cache = planned(shape, weights, Settings(**{**settings.as_dict(), "n_gpu_layers": None}), "").kv_cache
    host = weights.placed(settings.n_gpu_layers).host - words + all_cache - estimate.kv_cache - sum(
        idle[:first])
    return estimate.weights + estimate.kv_cache - sum(idle[first:]), host


def _idle_experts(model: Architecture | Model, shape: Architecture, ftype: str | None) -> Sequence[int]:
    """Bytes of experts that a token does not use, layer by layer."""
    if not shape.n_expert:
        return [0] * shape.n_layer
    if not isinstance(model, Model):
        return _idle_in_shape(shape, ftype or "Q4_K_M")
    types = {name: qtype for name, (qtype, _) in model.types.items()} if ftype is None else recipe(ftype,
                                                                                                   model)
    return _idle(shape, ((*role_and_layer(name), dims, types[name]) for name,
                         (_, dims) in model.types.items()))


@lru_cache(maxsize=256)
def _idle_in_shape(shape: Architecture, ftype: str) -> tuple[int, ...]:
    types = recipe(ftype, shape)
    return tuple(_idle(shape, ((tensor.role, tensor.layer, tensor.shape, types[tensor.name])
                               for tensor in shape.tensors())))


def _idle(shape: Architecture, tensors: Iterable[tuple[str, int | None, tuple[int, ...], str]]) -> list[int]:
    """tensors: (role, layer, shape, type)."""
    idle = [0] * shape.n_layer
    for role, layer, dims, qtype in tensors:
        if role in EXPERTS and layer is not None and layer < shape.n_layer:
            idle[layer] += tensor_nbytes(dims, qtype) * (shape.n_expert
                                                         - shape.n_expert_used) // shape.n_expert
    return idle
