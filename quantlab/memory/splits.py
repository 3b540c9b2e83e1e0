"""How a model that is too large for a card is split between the card and main memory: its first layers as a
whole, or of a mixture the experts of its first layers only.

    one = fits("qwen3:30b", 12 * 2**30)
    [way.words for way in one.ways()]           # the better first: "the experts of 20 layers in main memory"

A token reads all of a layer, but only a few of its experts: 8 of 128 in Qwen3 30B. So experts are what is
read least for the room that they take, and belong in the slow memory first.  Source: llama.cpp's
common/arg.cpp (--n-cpu-moe, --cpu-moe, --n-gpu-layers).  Lessons: 06_will_it_fit, 14_speed_and_bandwidth.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from ..models.architecture import Architecture
from ..words import number, size
from .compute import least_compute_bytes
from .estimate import MemoryEstimate, of_this_file, planned
from .kv_cache import cache_bytes, layers_by_sight
from .overrides import in_main_memory, is_expert, placed_with
from .settings import Settings
from .speed import Speed, read_bytes, speed_of
from .weights import Weights

#: Ratios of what the bytes allow below which nothing is promised: published runs of one machine reach so much
#: less of it with experts in main memory than by layers (quantlab/data/published_speeds.csv), as card and
#: processor wait for each other in every layer.
HARDLY = 1.39
#: Bytes: a quick walk (`planned`, every=False) this far from a budget is on the right side of it. It was off
#: by 3.9 MiB at most in 3,700 settings of the catalog's models, but for those with a sliding window in some
#: layers: there by up to 373.
CLOSE = 16 * 2**20


@dataclass(frozen=True)
class Way:
    """One way to lie on a card.  settings: they say what lies there; speed: what is expected; counted: makes
    the estimate, when it is first asked for.
    """

    settings: Settings
    speed: Speed
    counted: Callable[[], MemoryEstimate] = field(repr=False, compare=False)

    @cached_property
    def estimate(self) -> MemoryEstimate:
        """The bytes, with these settings."""
        return self.counted()

    def of(self, model) -> "Way":
        """The same, whose estimate says what else there is to say of this model (`of_this_file`)."""
        return replace(self, counted=lambda: of_this_file(self.estimate, model))

    def __getstate__(self) -> dict:
        """A copy elsewhere has the estimate, in place of what makes it."""
        return {"settings": self.settings, "speed": self.speed, "estimate": self.estimate}

    @property
    def layers(self) -> int | None:
        """Layers on the card, the output layer counted as one; None for all."""
        return self.settings.n_gpu_layers

    @property
    def n_cpu_moe(self) -> int:
        """First layers whose experts stay in main memory."""
        return self.settings.n_cpu_moe

    @property
    def words(self) -> str:
        """What lies where."""
        n = self.n_cpu_moe
        said = [f"the experts of {n} layer{'s' * (n > 1)} in main memory"] * bool(n)
        said += [f"{self.layers or 'no'} layers on the card"] * (self.layers is not None)
        return ", ".join(said) or "all on the card"

    @property
    def flags(self) -> str:
        """What llama-server is told; "" for what it does anyway."""
        said = [f"--n-gpu-layers {self.layers}"] * (self.layers is not None)
        return " ".join([*said, *[f"--n-cpu-moe {self.n_cpu_moe}"] * bool(self.n_cpu_moe)])


def way(shape: Architecture, weights: Weights, settings: Settings, ftype: str, bandwidth: float,
        host_bandwidth: float) -> Way:
    """A model with these settings, and its speed.  Bandwidths in bytes a second."""
    read = read_bytes(shape, weights, settings)
    return Way(settings, speed_of(*read, bandwidth, host_bandwidth),
               partial(planned, shape, weights, settings, ftype))


def why(ways: Sequence[Way]) -> str:
    """Why the first is the better, in one sentence; "" where there is no choice."""
    if len(ways) < 2:
        return ""
    best, other = ways[:2]
    return (f"{best.words}: a token reads {size(best.speed.host)} there instead of "
            f"{size(other.speed.host)}, so it comes {faster(ways)} as with {other.words}")


def faster(ways: Sequence[Way]) -> str:
    """How much faster the first of two is than the second, in words."""
    ratio = ways[0].speed.limit / ways[1].speed.limit
    return f"up to {number(ratio, 2)} times as fast" if ratio >= HARDLY else "about as fast"


def experts_that_stay(shape: Architecture, weights: Weights, settings: Settings, budget: int) -> int | None:
    """The fewest first layers whose experts must stay in main memory, so that all the rest is at most
    `budget` bytes on the card; None where there are no experts, or where all of them are not enough.

    As with layers: a walk, a guess from the weights, and walks around it.
    """
    if not shape.n_expert:
        return None

    def split(n: int) -> Settings:
        return replace(settings, n_gpu_layers=None, n_cpu_moe=n)

    def enough(n: int) -> bool:
        return on_card(shape, weights, split(n), budget)

    n = shape.n_layer
    if not enough(n):
        return None
    spare = budget - planned(shape, weights, split(n), "", every=False).total
    experts = [sum(nbytes for name, nbytes in layer if is_expert(name)) for layer in weights.layers]
    while n > 1 and experts[n - 1] <= spare:
        n, spare = n - 1, spare - experts[n - 1]
    while not enough(n):
        n += 1
    while n > 1 and enough(n - 1):
        n -= 1
    return n


def on_card(shape: Architecture, weights: Weights, settings: Settings, budget: int) -> bool:
    """Whether what such a split puts on the card is at most `budget` bytes: every layer is walked through
    where the quick walk comes CLOSE to it, and where some layers have a sliding window and some have none.
    """
    quick = planned(shape, weights, settings, "", every=False).total
    near = abs(budget - quick) < CLOSE or all(layers_by_sight(shape))
    return (planned(shape, weights, settings, "").total if near else quick) <= budget


def layers_that_fit(shape: Architecture, weights: Weights, settings: Settings, budget: int) -> int:
    """The most layers whose bytes on the card are at most `budget`; one more layer is never smaller.

    Walking through a split model takes a while, and finds nearly the same for each number: so no more are
    tried than can fit, and the bytes that one walk finds say where to try next.
    """
    names = in_main_memory(shape, weights, settings)

    def enough(n: int) -> bool:
        return on_card(shape, weights, replace(settings, n_gpu_layers=n), budget)

    def stays(n: int) -> int:
        return placed_with(weights, replace(settings, n_gpu_layers=n), names).card + cache_bytes(
            shape, settings, shape.n_layer - weights.n_blocks_on_card(n))

    def most(compute: int, low: int, high: int) -> int:
        return last_that_fits(lambda n: stays(n) + compute <= budget, low, high)

    low, most_layers = 0, last_that_fits(
        lambda n: stays(n) + least_compute_bytes(shape, weights, settings, n) <= budget, 0, shape.n_layer + 1)
    n = high = most_layers
    while low < high:
        found = planned(shape, weights, replace(settings, n_gpu_layers=n), "", every=False)
        low, high = (n, high) if found.total <= budget else (low, n - 1)
        n = max(most(found.compute, low, high), min(low + 1, high))
    while low and not enough(low):
        low -= 1
    while low < most_layers and enough(low + 1):
        low += 1
    return low


def last_that_fits(fit: Callable[[int], bool], low: int, high: int) -> int:
    """The largest number from low to high that fits, by halving; `low` is taken without asking."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fit(middle) else (low, middle - 1)
    return low
