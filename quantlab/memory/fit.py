"""Whether a model fits: one rule for the whole workbook, and `recommend`, which ranks every type of file by
it.

    fits("llama3.1:8b", 8 * 2**30, "Q4_K_M", Settings(n_ctx=8192)).room         # bytes to spare
    recommend("qwen3:14b", 12, n_ctx=8192)[0].ftype

A model fits when what llama.cpp allocates on the card (weights, KV cache and compute buffer, as `planned`
counts them) and the driver's usual share (`estimate.OVERHEAD.usual`) are no more than the card has. If not,
its last layers may still fit: then it is split, and the CPU computes the first layers; or, of a mixture,
everything but the experts of the first layers (splits.py).  Lesson: 06_will_it_fit.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape

from ..models.architecture import Architecture
from ..models.recipe_rules import PROGRAMS
from ..models.resolve import shape_of
from ..models.source import Model
from ..words import GIB, Tabled, gib
from .cards import usual_card
from .estimate import (
    OVERHEAD,
    MemoryEstimate,
    of_this_file,
    own_ftype,
    planned,
    planned_shape,
    projector_of,
)
from .ranking import rank, with_importances
from .settings import LARGEST_CONTEXT, PADDING, Settings, is_amount, padded
from .several_cards import budget_of, bytes_on_cards
from .speed import HOST_BANDWIDTH
from .splits import Way, experts_that_stay, last_that_fits, layers_that_fit, way, why
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
    def experts(self) -> int | None:
        """The fewest first layers whose experts must stay in main memory, so that all the rest fits; None
        where that is no way.
        """
        budget = self.card - OVERHEAD.usual
        return 0 if self.room >= 0 else experts_that_stay(self.shape, self.weights, self.estimate.settings,
                                                          budget)

    def ways(self, bandwidth: float = 0, host_bandwidth: float = HOST_BANDWIDTH) -> list[Way]:
        """How it can lie on the card, the fastest first.  In bytes a second: bandwidth, 0 for what cards of
        this size usually have; host_bandwidth.
        """
        found = [self.best(bandwidth, host_bandwidth)]
        if self.room < 0 and self.experts:
            found.append(self._way(bandwidth, host_bandwidth, n_gpu_layers=self.layers))
        return sorted(found, key=lambda way: -way.speed.limit)

    def best(self, bandwidth: float = 0, host_bandwidth: float = HOST_BANDWIDTH) -> Way:
        """The first of `ways`, without looking at the other: with experts in main memory where that can be,
        as they are read least for the room they take.
        """
        if self.room >= 0:
            return self._way(bandwidth, host_bandwidth)
        if self.experts:
            return self._way(bandwidth, host_bandwidth, n_cpu_moe=self.experts)
        return self._way(bandwidth, host_bandwidth, n_gpu_layers=self.layers)

    def bandwidths(self, bandwidth: float, host_bandwidth: float) -> tuple[float, float]:
        """The same, with what cards of this size usually have in place of 0."""
        return bandwidth or usual_card(self.card).bandwidth, host_bandwidth

    def _way(self, bandwidth: float, host_bandwidth: float, n_gpu_layers: int | None = None,
             n_cpu_moe: int | None = None) -> Way:
        settings = replace(self.estimate.settings, n_gpu_layers=n_gpu_layers)
        settings = settings if n_cpu_moe is None else replace(settings, n_cpu_moe=n_cpu_moe)
        return way(self.shape, self.weights, settings, self.estimate.ftype,
                   *self.bandwidths(bandwidth, host_bandwidth))

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
    one).  ways: how it can lie on the card, the fastest first: where it does not fit by layers, and of a
    mixture with experts in main memory.  quality: from the table that was passed in, else None.  Of several
    cards, headroom is that of the fullest.
    """

    ftype: str
    size: int
    bpw: float
    headroom: int
    longest_context: int
    n_gpu_layers: int
    ways: tuple[Way, ...]
    quality: object = None

    @property
    def estimate(self) -> MemoryEstimate:
        """The bytes of the fastest way."""
        return self.ways[0].estimate

    @property
    def why(self) -> str:
        """Which way is the better and why, in one sentence; "" where there is only one."""
        return why(self.ways)

    @property
    def fits(self) -> bool:
        return self.headroom >= 0

    @property
    def verdict(self) -> str:
        """Whether it fits, in words."""
        if self.fits:
            return f"fits, {gib(self.headroom)} to spare"
        return f"{gib(-self.headroom)} too much; {self.n_gpu_layers or 'no'} layers fit"

    def told(self, by_layers: bool) -> str:
        """One of two ways in a cell, the better one marked; "" where it is none."""
        found = [way for way in self.ways if (way.layers is not None) == by_layers and not self.fits]
        mark = "◂ " if len(self.ways) > 1 and found == [self.ways[0]] else ""
        return "".join(f"{mark}{way.flags}: {way.speed.words}" for way in found)

    def rows(self) -> list[tuple]:
        return Options([self]).rows()


class Options(Tabled, list):
    """What `recommend` found, best first.  assumed: the bandwidths that the speeds were expected with, in
    words.
    """

    def __init__(self, options: Iterable[Option] = (), assumed: str = ""):
        super().__init__(options)
        self.assumed = assumed

    @property
    def notes(self) -> list[str]:
        """Of the first that must be split and can be so in two ways, which is the better and why; and of the
        first of all whether its place takes an importance matrix.
        """
        whys = [f"◂ {option.ftype}, {option.why}." for option in self if option.why]
        found = [*whys[:1], self.assumed] if whys else []
        if self and self[0].ftype in with_importances():
            found.append(f"{self[0].ftype} stands first as it was measured: made with an importance matrix. "
                         "Look for imatrix where you download it.")
        return found

    def __repr__(self) -> str:
        return "\n".join([super().__repr__(), *self.notes])

    def _repr_html_(self) -> str:
        return super()._repr_html_() + "".join(f"<p>{escape(note)}</p>" for note in self.notes)

    def rows(self) -> list[tuple]:
        asked = f"at {self[0].estimate.settings.n_ctx:,} tokens" if self else "verdict"
        known = any(option.quality is not None for option in self)
        split = any(len(option.ways) > 1 for option in self)
        return [("type", "bits per weight", "file", asked, "longest context", *["quality"] * known,
                 *("split by layers, tokens/s", "by experts, tokens/s") * split),
                *((o.ftype, f"{o.bpw:.2f}", gib(o.size), o.verdict, f"{o.longest_context:,}",
                   *[o.quality] * known, *(o.told(layers) for layers in (True, False) if split))
                  for o in self)]

    def table(self):
        """A pandas table, a row for each option: sizes in GiB, contexts in tokens, and what is known of the
        quality.
        """
        import pandas as pd

        columns = ("ftype", "size_gib", "bits_per_weight", "fits", "headroom_gib", "longest_context",
                   "layers_on_card", "quality", "better", "tokens_per_second")
        return pd.DataFrame([(o.ftype, o.size / GIB, o.bpw, o.fits, o.headroom / GIB, o.longest_context,
                              o.n_gpu_layers, o.quality, o.ways[0].flags, o.ways[0].speed.words)
                             for o in self], columns=columns)


def recommend(model, vram_gib: float | Iterable[float], *, n_ctx: int = 4096,
              ftypes: Sequence[str] | None = None, quality: Mapping[str, object] | None = None,
              projector: Model | None = None, bandwidth: float = 0, host_bandwidth: float = HOST_BANDWIDTH,
              **settings) -> Options:
    """Every ftype for this model on this card, best first by the rule of ranking.py: what fits before what
    must be split, better measured first, broken types last.

    A mixture of experts that does not fit is split by layers, or with the experts of its first layers in main
    memory, whichever is faster; both are told. ftypes: all of llama-quantize's; of a model that is published
    in one type only, that one.

    model: as in `estimate_memory`.  vram_gib: GiB of the card, or of each of several, in llama.cpp's order.
    Where the layers do not fit on several, the number that does is an assumption: as many as one card of all
    their memory would hold, and experts are not moved there.  In bytes a second: bandwidth of the card, 0 for
    what cards of its size usually have; host_bandwidth of main memory (51.2e9: two channels of
    DDR4-3200).  settings: the other arguments of `estimate_memory`, such as
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
        speeds = bandwidth or usual_card(max(cards)).bandwidth, host_bandwidth
        option = _option(shape, weights, ftype, asked, cards, speeds)
        ways = tuple(way.of(model) for way in option.ways)
        options.append(replace(option, ways=ways, quality=(quality or {}).get(ftype)))
    return Options(sorted(options, key=_place), _assumed(bandwidth, max(cards), host_bandwidth))


def _assumed(bandwidth: float, card: int, host_bandwidth: float) -> str:
    usual = usual_card(card)
    where = f"{bandwidth / 1e9:g} GB/s" if bandwidth else (
        f"the {usual.bandwidth / 1e9:g} GB/s of {usual.name}")
    return f"Expected with {where} on the card, and {host_bandwidth / 1e9:g} GB/s in main memory."


def _place(o: Option) -> tuple:
    """The key to sort options by."""
    best = o.ways[0]
    return rank(o.ftype, o.bpw, o.fits, 2**16 - best.n_cpu_moe if best.layers is None else best.layers)


def _offered(shape: Architecture) -> Sequence[str]:
    """The type in which a model is published, else all mixes that are proposed to people."""
    return (shape.only_type,) if shape.only_type else PROGRAMS["llama.cpp"].offered


def _option(shape: Architecture, weights: Weights, ftype: str, asked: Settings, cards: list[int],
            speeds: tuple[float, float]) -> Option:
    whole = planned(shape, weights, replace(asked, n_gpu_layers=None), ftype)
    bpw = 8 * weights.nbytes / weights.n_weights
    if len(cards) == 1:
        fit = CardFit(shape, weights, whole, cards[0])
        return Option(ftype, weights.nbytes, bpw, fit.room, fit.longest_context, fit.layers,
                      tuple(fit.ways(*speeds)))

    def left(n_ctx: int) -> int:
        used = bytes_on_cards(shape, weights, replace(asked, n_ctx=n_ctx), cards)
        return min(card - OVERHEAD.usual - nbytes for card, nbytes in zip(cards, used, strict=True))

    room, longest = left(asked.n_ctx), _longest(shape, lambda n: left(n) >= 0)
    layers = shape.n_layer + 1 if room >= 0 else min(
        layers_that_fit(shape, weights, asked, budget_of(cards, shape, weights, asked)), shape.n_layer)
    settings = replace(asked, n_gpu_layers=None if room >= 0 else layers)
    only = way(shape, weights, settings, ftype, *speeds)
    return Option(ftype, weights.nbytes, bpw, room, longest, layers, (only,))


def _longest(shape: Architecture, fit: Callable[[int], bool]) -> int:
    """A multiple of 256 up to what the model was trained for."""
    most = padded(shape.n_ctx_train or LARGEST_CONTEXT) // PADDING
    return last_that_fits(lambda n: fit(n * PADDING), 0, most) * PADDING


def _cards(vram_gib: float | Iterable[float]) -> list[int]:
    sizes = [vram_gib] if isinstance(vram_gib, int | float) else list(vram_gib)
    for size in sizes:
        if not is_amount(size, 0, LARGEST_CARD_GIB) or not size:
            raise ValueError(
                f"vram_gib={size!r} is no amount of memory: give GiB of the card, such as 8 or 24")
    if not sizes:
        raise ValueError("vram_gib is empty: give the GiB of one card, or of each of several")
    return [int(size * GIB) for size in sizes]
