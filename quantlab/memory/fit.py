"""Whether a model fits: one rule for the whole workbook, and `recommend`, which ranks every type of file by
it.

    fits("llama3.1:8b", 8 * 2**30, "Q4_K_M", Settings(n_ctx=8192)).room         # bytes to spare
    recommend("qwen3:14b", 12, n_ctx=8192)[0].ftype

A model fits when what llama.cpp allocates on the card (weights, KV cache and compute buffer, as `planned`
counts them) and the driver's usual share (`estimate.OVERHEAD.usual`) are no more than the card has. If not,
its last layers may still fit: then it is split, and the CPU computes the first layers.  Lesson:
06_will_it_fit.

On several cards llama.cpp deals the layers out in proportion to the cards' memory (llama-model.cpp:
load_tensors). While one card computes, the one before it may already be at the next tokens: for that, each
keeps four copies of everything it reads from outside, for good (llama-context.cpp: pipeline_parallel;
ggml-backend.cpp: GGML_SCHED_MAX_COPIES). So two cards need more than twice the compute buffer of one.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate

from ..models.architecture import Architecture
from ..models.recipe_rules import PROGRAMS
from ..models.resolve import shape_of
from ..models.source import Model
from ..words import GIB, Tabled, gib
from .alike import shared_alike
from .compute import cards_compute_bytes, compute_bytes, least_compute_bytes
from .estimate import (
    OVERHEAD,
    MemoryEstimate,
    of_this_file,
    own_ftype,
    planned,
    planned_shape,
    projector_of,
)
from .kv_cache import cache_bytes
from .overrides import in_main_memory, placed_with
from .ranking import rank
from .settings import LARGEST_CONTEXT, PADDING, Settings, is_amount, padded
from .weights import Weights, weights_of

LARGEST_CARD_GIB = 100_000


@dataclass(frozen=True)
class CardFit:
    """A model on one card of `card` bytes.  estimate: what it needs with every layer there."""

    shape: Architecture = field(repr=False)
    weights: Weights = field(repr=False)
    estimate: MemoryEstimate
    card: int

    @property
    def room(self) -> int:
        """Bytes to spare with every layer on the card; negative when that is too much."""
        return self.card - self.estimate.needed

    @property
    def kind(self) -> str:
        """"fits"; "splits" where only some layers do; "no" where none does."""
        return "fits" if self.room >= 0 else "splits" if self.layers else "no"

    @cached_property
    def layers(self) -> int:
        """How many layers fit; the output layer counts as one."""
        if self.room >= 0:
            return self.shape.n_layer + 1
        return layers_that_fit(self.shape, self.weights, self.estimate.settings, self.card - OVERHEAD.usual)

    @cached_property
    def longest_context(self) -> int:
        """The longest context with every layer on the card; 0 when none fits."""
        return _longest(self.shape, lambda n: self._needed(n) <= self.card)

    @property
    def bpw(self) -> float:
        """Bits per weight of the whole file."""
        return 8 * self.weights.nbytes / self.weights.n_weights

    def _needed(self, n_ctx: int) -> int:
        return planned(self.shape, self.weights, replace(self.estimate.settings, n_ctx=n_ctx), "").needed


def fits(model, card: int, ftype: str | None = None, settings: Settings | None = None) -> CardFit:
    """How a model lies on a card of `card` bytes: the one rule.  Its `room`, `kind` and `layers` are the
    answer.

    model, ftype: as in `estimate_memory`.  settings: how it is run; n_gpu_layers does not matter. Raises
    ValueError for what cannot be.
    """
    model = shape_of(model)
    shape, weights = planned_shape(model), weights_of(model, ftype)
    settings = replace(settings or Settings(), n_gpu_layers=None)
    found = of_this_file(planned(shape, weights, settings, ftype or own_ftype(model)), model)
    return CardFit(shape, weights, found, card)


@dataclass(frozen=True, repr=False)
class Option(Tabled):
    """One type of file.  size: bytes of all tensors; bpw: bits per weight.  headroom: bytes left with all
    layers on the card, negative when they do not fit.  longest_context: tokens that fit with all layers on
    the card, 0 for none.  n_gpu_layers: how many fit at the asked context (the output layer counts as
    one).  quality: from the table that was passed in, else None.  Of several cards, headroom is that of the
    fullest.
    """

    ftype: str
    size: int
    bpw: float
    estimate: MemoryEstimate
    headroom: int
    longest_context: int
    n_gpu_layers: int
    quality: object = None

    @property
    def fits(self) -> bool:
        return self.headroom >= 0

    @property
    def verdict(self) -> str:
        """Whether it fits, in words."""
        if self.fits:
            return f"fits, {gib(self.headroom)} to spare"
        return f"{gib(-self.headroom)} too much; {self.n_gpu_layers or 'no'} layers fit"

    def rows(self) -> list[tuple]:
        return Options([self]).rows()


class Options(Tabled, list):
    """What `recommend` found, best first."""

    def rows(self) -> list[tuple]:
        asked = f"at {self[0].estimate.settings.n_ctx:,} tokens" if self else "verdict"
        known = any(option.quality is not None for option in self)
        return [("type", "bits per weight", "file", asked, "longest context", *["quality"] * known),
                *((o.ftype, f"{o.bpw:.2f}", gib(o.size), o.verdict, f"{o.longest_context:,}",
                   *[o.quality] * known) for o in self)]

    def table(self):
        """A pandas table, a row for each option: sizes in GiB, contexts in tokens, and what is known of the
        quality.
        """
        import pandas as pd

        columns = ("ftype", "size_gib", "bits_per_weight", "fits", "headroom_gib", "longest_context",
                   "layers_on_card", "quality")
        return pd.DataFrame([(o.ftype, o.size / GIB, o.bpw, o.fits, o.headroom / GIB, o.longest_context,
                              o.n_gpu_layers, o.quality) for o in self], columns=columns)


def recommend(model, vram_gib: float | Iterable[float], *, n_ctx: int = 4096,
              ftypes: Sequence[str] | None = None, quality: Mapping[str, object] | None = None,
              projector: Model | None = None, **settings) -> Options:
    """Every ftype for this model on this card, best first by the rule of ranking.py: what fits before what
    must be split, better measured first, broken types last.

    ftypes: all of llama-quantize's; of a model that is published in one type only, that one.

    model: as in `estimate_memory`.  vram_gib: GiB of the card, or of each of several, in llama.cpp's order.
    Where the layers do not fit on several, the number that does is an assumption: as many as one card of all
    their memory would hold.  settings: the other arguments of `estimate_memory`, such as
    `**memory_profile(...).as_dict()`.  projector: as there; its weights are taken off the first
    card.  quality: ftype -> what is known of it, joined in.  Types that llama-quantize refuses for this shape
    are left out.  Raises ValueError for cards and settings that cannot be.
    """
    cards, model, asked = _cards(vram_gib), shape_of(model), Settings(n_ctx=n_ctx, **settings)
    shape = planned_shape(model)
    with projector_of(model, projector) as beside:
        cards[0] -= 0 if beside is None else beside.nbytes
    options = []
    for ftype in ftypes if ftypes is not None else _offered(shape):
        try:
            weights = weights_of(model, ftype)
        except ValueError as error:
            if "refuses" in str(error):
                continue
            raise
        option = _option(shape, weights, ftype, asked, cards, (quality or {}).get(ftype))
        options.append(replace(option, estimate=of_this_file(option.estimate, model)))
    return Options(sorted(options, key=lambda o: rank(o.ftype, o.bpw, o.fits, o.n_gpu_layers)))


def _offered(shape: Architecture) -> Sequence[str]:
    """The type in which a model is published, else all mixes that are proposed to people."""
    return (shape.only_type,) if shape.only_type else PROGRAMS["llama.cpp"].offered


def _option(shape: Architecture, weights: Weights, ftype: str, asked: Settings, cards: list[int],
            quality) -> Option:
    whole = planned(shape, weights, replace(asked, n_gpu_layers=None), ftype)
    if len(cards) == 1:
        fit = CardFit(shape, weights, whole, cards[0])
        room, layers, longest = fit.room, fit.layers, fit.longest_context
    else:
        def left(n_ctx: int) -> int:
            used = bytes_on_cards(shape, weights, replace(asked, n_ctx=n_ctx), cards)
            return min(card - OVERHEAD.usual - nbytes for card, nbytes in zip(cards, used, strict=True))

        room, longest = left(asked.n_ctx), _longest(shape, lambda n: left(n) >= 0)
        layers = shape.n_layer + 1 if room >= 0 else min(
            layers_that_fit(shape, weights, asked, _budget(cards, shape, weights, asked)), shape.n_layer)
    estimate = whole if room >= 0 else planned(shape, weights, replace(asked, n_gpu_layers=layers), ftype)
    bpw = 8 * weights.nbytes / weights.n_weights
    return Option(ftype, weights.nbytes, bpw, estimate, room, longest, layers, quality)


def layers_that_fit(shape: Architecture, weights: Weights, settings: Settings, budget: int) -> int:
    """The most layers whose bytes on the card are at most `budget`; one more layer is never smaller.

    Walking through a split model takes a while, and finds nearly the same for each number: so no more are
    tried than can fit, and the bytes that one walk finds say where to try next; the last is walked in full.
    """
    names = in_main_memory(shape, weights, settings)

    def stays(n: int) -> int:
        return placed_with(weights, replace(settings, n_gpu_layers=n), names).card + cache_bytes(
            shape, settings, shape.n_layer - weights.n_blocks_on_card(n))

    def most(compute: int, low: int, high: int) -> int:
        return last_that_fits(lambda n: stays(n) + compute <= budget, low, high)

    low, high = 0, last_that_fits(
        lambda n: stays(n) + least_compute_bytes(shape, weights, settings, n) <= budget, 0, shape.n_layer + 1)
    n = high
    while low < high:
        found = planned(shape, weights, replace(settings, n_gpu_layers=n), "", every=False)
        low, high = (n, high) if found.total <= budget else (low, n - 1)
        n = max(most(found.compute, low, high), min(low + 1, high))
    while low and planned(shape, weights, replace(settings, n_gpu_layers=low), "").total > budget:
        low -= 1
    return low


def shares(n_layer: int, cards: Sequence[int]) -> list[range]:
    """The layers on each card; number n_layer is the output layer.  cards: bytes of each."""
    borders = [border / sum(cards) for border in accumulate(cards)]
    where = [bisect_right(borders, layer / (n_layer + 1)) for layer in range(n_layer + 1)]
    return [range(where.index(card), where.index(card) + where.count(card)) if card in where else range(0)
            for card in range(len(cards))]


def bytes_on_cards(shape: Architecture, weights: Weights, settings: Settings,
                   cards: Sequence[int]) -> list[int]:
    """Bytes that llama.cpp allocates on each of several cards that hold all layers: weights, KV cache and
    compute buffer.
    """
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


def _budget(cards: list[int], shape: Architecture, weights: Weights, settings: Settings) -> int:
    """Bytes of all cards together for one model: each has a driver, each but the first a compute buffer more
    than was counted.
    """
    compute = compute_bytes(shape, settings, shared_alike(shape, weights))
    return sum(cards) - len(cards) * OVERHEAD.usual - (len(cards) - 1) * compute


def _longest(shape: Architecture, fit: Callable[[int], bool]) -> int:
    """A multiple of 256 up to what the model was trained for."""
    most = padded(shape.n_ctx_train or LARGEST_CONTEXT) // PADDING
    return last_that_fits(lambda n: fit(n * PADDING), 0, most) * PADDING


def last_that_fits(fit: Callable[[int], bool], low: int, high: int) -> int:
    """The largest number from low to high that fits, by halving; `low` is taken without asking."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fit(middle) else (low, middle - 1)
    return low


def _cards(vram_gib: float | Iterable[float]) -> list[int]:
    sizes = [vram_gib] if isinstance(vram_gib, int | float) else list(vram_gib)
    for size in sizes:
        if not is_amount(size, 0, LARGEST_CARD_GIB) or not size:
            raise ValueError(
                f"vram_gib={size!r} is no amount of memory: give GiB of the card, such as 8 or 24")
    if not sizes:
        raise ValueError("vram_gib is empty: give the GiB of one card, or of each of several")
    return [int(size * GIB) for size in sizes]
