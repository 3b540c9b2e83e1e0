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
from ..models.families import role_and_layer
from ..models.resolve import shape_of
from ..words import Tabled, number, size
from .cards import CPUS
from .estimate import planned_shape
from .kv_cache import cache_bytes
from .overrides import in_main_memory, is_expert, placed_with
from .settings import Settings
from .weights import Weights, part_of, weights_of

#: Share of the bandwidth that generation reaches: what all but three of the runs in
#: quantlab/data/published_speeds.csv reach.
EFFICIENCY = (0.4, 0.9)
#: What may be elsewhere, in short words: layers on the card, layers whose experts were not.
PLACED = {"n_gpu_layers": "{} layers", "n_cpu_moe": "moe {}"}
#: Main memory where nobody says: two channels of DDR4-3200, in bytes a second.
HOST_BANDWIDTH = CPUS["DDR4-3200, two channels"].bandwidth


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

    @property
    def words(self) -> str:
        """The expected range; what is only expected claims no tenths."""
        return " to ".join(f"{speed:.0f}" if speed >= 9.95 else f"{speed:.1f}"
                           for speed in (self.low, self.high))

    def rows(self) -> list[tuple]:
        return [("what", "tokens a second"), ("expected", f"{number(self.low, 3)} to {number(self.high, 3)}"),
                ("at most", number(self.limit, 3)), ("read on the card for each token", size(self.card)),
                ("read in main memory", size(self.host))]


class PublishedRun(NamedTuple):
    """A speed that somebody published.  bandwidth: bytes a second of the device; n_ctx: tokens in the
    context; placed: where not all lay on it, the arguments of `expected_speed` that say so; source: where it
    is said.
    """

    device: str
    bandwidth: float
    model: str
    ftype: str
    n_ctx: int
    tokens_per_second: float
    placed: dict[str, float | int]
    source: str

    @property
    def share(self) -> float:
        """Of what the bandwidths allow."""
        return self.tokens_per_second / self.expected.limit

    @property
    def expected(self) -> Speed:
        return expected_speed(self.model, self.ftype, self.bandwidth, n_ctx=self.n_ctx, **self.placed)

    @property
    def where(self) -> str:
        """What lay where, in short; "" for all on the device."""
        return ", ".join(words.format(self.placed[name]) for name, words in PLACED.items()
                         if name in self.placed)


@cache
def published_speeds() -> tuple[PublishedRun, ...]:
    """The runs in quantlab/data/published_speeds.csv: llama.cpp writing one answer, with everything on one
    device where nothing else is said.
    """
    return tuple(PublishedRun(row["device"], float(row["bandwidth_gb_s"]) * 1e9, row["model"], row["ftype"],
                              int(row["n_ctx"]), float(row["tokens_per_second"]), _placed(row), row["source"])
                 for row in rows_of("published_speeds.csv"))


def _placed(row: dict[str, str]) -> dict[str, float | int]:
    found: dict[str, float | int] = {name: int(row[name]) for name in PLACED if row[name]}
    return found | ({"host_bandwidth": float(row["host_gb_s"]) * 1e9} if found else {})


def expected_speed(model, ftype: str | None, bandwidth: float, *, host_bandwidth: float | None = None,
                   **settings) -> Speed:
    """Tokens a second for one conversation whose context is full.

    model, ftype: as in `estimate_memory`.  bandwidth: bytes a second of the card; host_bandwidth: of main
    memory, needed when something is read there (`n_gpu_layers`, `n_cpu_moe`, `override_tensor`).
    settings: the arguments of `estimate_memory`.  Reading is taken to happen one after the other: a card
    waits for main memory.  Raises ValueError for bandwidths that cannot be.
    """
    return speed_of(*bytes_per_token(model, ftype, Settings(**settings)), bandwidth, host_bandwidth)


def speed_of(card: int, host: int, bandwidth: float, host_bandwidth: float | None) -> Speed:
    """The speed at which so many bytes a token are read from the card and from main memory, one after the
    other.  Raises ValueError for bandwidths that cannot be.
    """
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

    Of a table of word vectors one row is read: nothing. Tied, it is the output, and read whole.
    """
    model = shape_of(model)
    return read_bytes(planned_shape(model), weights_of(model, ftype), settings)


def read_bytes(shape: Architecture, weights: Weights, settings: Settings) -> tuple[int, int]:
    """The same from parts already known."""
    kept = in_main_memory(shape, weights, settings)
    first = shape.n_layer - weights.n_blocks_on_card(settings.n_gpu_layers)
    placed = placed_with(weights, settings, kept)
    cache, cache_here = cache_bytes(shape, settings), cache_bytes(shape, settings, first)
    idle_card, idle_host = _idle_experts(shape, weights, first, kept)
    is_output = weights.tied and (settings.n_gpu_layers == 0 or "token_embd.weight" in kept)
    rows = weights.host_only.host + (0 if is_output else weights.words.host)
    return placed.card + cache_here - idle_card, placed.host - rows + cache - cache_here - idle_host


def _idle_experts(shape: Architecture, weights: Weights, first: int, kept: frozenset[str]) -> tuple[int, int]:
    """Bytes of experts that a token does not use: on the card, and in main memory."""
    idle, unused = [0, 0], shape.n_expert - shape.n_expert_used
    for name, tensor, qtype in weights.types:
        if is_expert(name):
            layer = role_and_layer(name)[1]
            in_host = name in kept or (layer is not None and layer < first)
            idle[in_host] += part_of(tensor, qtype)[in_host] * unused // shape.n_expert
    return idle[0], idle[1]
