"""How fast an answer can come: every token reads the model's weights and the cache once, so memory bandwidth
is the limit.

    expected_speed("llama3.1:8b", "Q4_K_M", GPUS["GeForce RTX 4060"].bandwidth)    # tokens a second

What is read is counted; what share of its bandwidth a machine reaches is an assumption, and makes the range.
Lesson: 14_speed_and_bandwidth.
"""

from dataclasses import dataclass
from functools import cache
from math import isfinite
from typing import NamedTuple

from ..models.architecture import Architecture
from ..models.catalog import rows_of
from ..models.resolve import shape_of
from ..words import Tabled, number, size
from .estimate import planned_shape
from .kv_cache import cache_bytes
from .settings import Settings
from .weights import Weights, weights_of

#: Share of a card's bandwidth that generation reaches: what all but one of the runs in
#: quantlab/data/published_speeds.csv reach.
EFFICIENCY = (0.4, 0.9)
EXPERTS = ("ffn_gate_exps.weight", "ffn_up_exps.weight", "ffn_down_exps.weight")


@dataclass(frozen=True, repr=False)
class Speed(Tabled):
    """Tokens a second, from `low` to `high`; `limit`: if every byte of bandwidth were used.  card, host:
    bytes read for each token.
    """

    low: float
    high: float
    limit: float
    card: int
    host: int

    def rows(self) -> list[tuple]:
        return [("what", "tokens a second"), ("expected", f"{number(self.low, 3)} to {number(self.high, 3)}"),
                ("at most", number(self.limit, 3)), ("read on the card for each token", size(self.card)),
                ("read in main memory", size(self.host))]


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
    return tuple(PublishedRun(row["device"], float(row["bandwidth_gb_s"]) * 1e9, row["model"], row["ftype"],
                              int(row["n_ctx"]), float(row["tokens_per_second"]), row["source"])
                 for row in rows_of("published_speeds.csv"))


def expected_speed(model, ftype: str | None, bandwidth: float, *, host_bandwidth: float | None = None,
                   **settings) -> Speed:
    """Tokens a second for one conversation whose context is full.

    model, ftype: as in `estimate_memory`.  bandwidth: bytes a second of the card; host_bandwidth: of main
    memory, needed when layers lie there (`n_gpu_layers`).
    settings: the arguments of `estimate_memory`.  Reading is taken to happen one after the other: a card
    waits for main memory.  Raises ValueError for bandwidths that cannot be.
    """
    card, host = bytes_per_token(model, ftype, Settings(**settings))
    seconds = 0.0
    for nbytes, speed, name in ((card, bandwidth, "bandwidth"), (host, host_bandwidth, "host_bandwidth")):
        if not nbytes:
            continue
        if speed is None or not isfinite(speed) or speed <= 0:
            raise ValueError(f"{name}={speed!r} is no speed: give bytes a second, such as 272e9 for 272 GB/s;"
                             f" {nbytes:,} bytes are read there for each token")
        seconds += nbytes / speed
    limit = 1 / seconds
    return Speed(EFFICIENCY[0] * limit, EFFICIENCY[1] * limit, limit, card, host)


def bytes_per_token(model, ftype: str | None, settings: Settings) -> tuple[int, int]:
    """(bytes on the card, bytes in main memory) that one new token reads: weights, of the experts only those
    used, and the cache.

    Of the table of word vectors one row is read: nothing. Tied, it is the output, and read whole.
    """
    model = shape_of(model)
    shape, weights = planned_shape(model), weights_of(model, ftype)
    first = shape.n_layer - weights.n_blocks_on_card(settings.n_gpu_layers)
    placed, cache = weights.placed(settings.n_gpu_layers), cache_bytes(shape, settings, first)
    idle = _idle_experts(shape, weights)
    words = weights.words.host if settings.n_gpu_layers != 0 or not weights.tied else 0
    host = placed.host - words + cache_bytes(shape, settings) - cache - sum(idle[:first])
    return placed.card + cache - sum(idle[first:]), host


def _idle_experts(shape: Architecture, weights: Weights) -> list[int]:
    """Bytes of experts that a token does not use, layer by layer (as a card holds them)."""
    unused = shape.n_expert - shape.n_expert_used
    return [sum(nbytes * unused // shape.n_expert for name, nbytes in layer if name in EXPERTS)
            for layer in weights.layers]
