"""What llama.cpp itself chooses where a model is too large for a card: the rule behind `--fit`, which is on
unless somebody says otherwise, and to which Ollama (since 0.30) leaves the choice, too.

    llama_cpp_fit(fits("qwen3:30b", 12 * 2**30)).words   # "49 layers on the card, 22 without their experts"

The rule leaves a margin free (`--fit-target`, 1 GiB). Of a dense model it takes as many layers as the rest
holds. Of a mixture it first takes all layers without their experts, then gives the experts back layer by
layer from the front, and at last parts of one more layer: so those that stay in main memory are the last
ones, where `--n-cpu-moe` keeps the first.  Source: llama.cpp's common/fit.cpp (common_params_fit_impl, build
11434), for one card and a context that is given: where none is, it is first made smaller, down to 4,096
tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from .estimate import OVERHEAD, planned
from .fit import CardFit
from .settings import Settings
from .speed import HOST_BANDWIDTH
from .splits import Way, way

#: Bytes that stay free on the card (common.h: fit_params_target).
MARGIN = 2**30
#: What of the first layer that is there in part stays in main memory, from its experts alone to what is added
#: to attention (fit.cpp: get_overflow_pattern).
MOE, ATTENTION, UP, GATE = ("ffn_(up|down|gate_up|gate)_(ch|)exps", "ffn_(gate|up|gate_up|down).*",
                            "ffn_(gate|gate_up|down).*", "ffn_down.*")


@dataclass(frozen=True)
class Deal:
    """How many layers a card gets, the output layer counted as one; how many of them, the last ones, only in
    part; and what the first of these leaves in main memory.
    """

    n_layer: int = 0
    n_part: int = 0
    overflow: str = MOE

    @property
    def n_full(self) -> int:
        return self.n_layer - self.n_part

    def settings(self, asked: Settings, n_blocks: int) -> Settings:
        """What the card is then loaded with (set_ngl_tensor_split_tbo).  n_blocks: of the whole model."""
        first = n_blocks + 1 - self.n_layer + self.n_full
        kept = [rf"blk\.{layer}\.{self.overflow if layer == first else MOE}=CPU"
                for layer in range(first, first + self.n_part)]
        return replace(asked, n_gpu_layers=self.n_layer, n_cpu_moe=0, override_tensor=",".join(kept))


@dataclass(frozen=True)
class FitChoice:
    """What `--fit` would do; deal is None where nothing has to be changed."""

    deal: Deal | None
    way: Way

    @property
    def words(self) -> str:
        """What lies where."""
        if self.deal is None:
            return "all on the card"
        part = f", {self.deal.n_part} without their experts" if self.deal.n_part else ""
        return f"{self.deal.n_layer or 'no'} layers on the card{part}"


def llama_cpp_fit(fit: CardFit, margin: int = MARGIN, bandwidth: float = 0,
                  host_bandwidth: float = HOST_BANDWIDTH) -> FitChoice:
    """The choice for a model on one card, whose driver has taken its usual share already.  margin: bytes that
    stay free; bandwidths as in `CardFit.ways`.
    """
    free = fit.card - OVERHEAD.usual
    settings = replace(fit.estimate.settings, n_cpu_moe=0, override_tensor="")
    deal = deal_out(fit, settings, free - margin)
    chosen = settings if deal is None else deal.settings(settings, fit.shape.n_layer)
    return FitChoice(deal, way(fit.shape, fit.weights, chosen, fit.estimate.ftype,
                               *fit.bandwidths(bandwidth, host_bandwidth)))


def deal_out(fit: CardFit, settings: Settings, target: int) -> Deal | None:
    """The layers for a card of which `target` bytes may be used; None where everything fits."""
    n = fit.shape.n_layer

    def used(deal: Deal) -> int:
        return planned(fit.shape, fit.weights, deal.settings(settings, n), "").total

    if planned(fit.shape, fit.weights, settings, "").total <= target:
        return None
    is_mixture = bool(fit.shape.n_expert)
    everything = Deal(n + 1, n if is_mixture else 0)

    def more_layers(now: Deal, step: int) -> Deal:
        part = now.n_part + (step if now.n_part else step - 1) if is_mixture else 0
        return Deal(now.n_layer + step, part)

    deal = _between(Deal(), everything, used, target, lambda deal: deal.n_layer, more_layers)
    without = replace(settings, n_cpu_moe=n) if is_mixture else settings
    if not is_mixture or planned(fit.shape, fit.weights, without, "").total >= target:
        return deal
    deal = _between(deal, replace(deal, n_part=0), used, target, lambda deal: deal.n_full,
                    lambda now, step: replace(now, n_part=now.n_part - min(step, now.n_part)))
    return _one_more_in_part(deal, used, target)


def _between(low: Deal, high: Deal, used: Callable[[Deal], int], target: int, count: Callable[[Deal], int],
             more: Callable[[Deal, int], Deal]) -> Deal:
    """The largest deal that keeps to the target, by the method of false position: as if each layer took the
    same.
    """
    low_used, high_used = used(low), used(high)
    if high_used <= target:
        return high
    while (delta := count(high) - count(low)) > 1:
        # below the first layer's own need the number would be negative, which C++ makes a very large one
        step = delta * (target - low_used) // (high_used - low_used) if target >= low_used else delta
        test = more(low, min(max(step, 1), delta - 1))
        test_used = used(test)
        if test_used <= target:
            low, low_used = test, test_used
        else:
            high, high_used = test, test_used
    return low


def _one_more_in_part(deal: Deal, used: Callable[[Deal], int], target: int) -> Deal:
    if deal.n_layer <= 1:
        return deal
    up, gate, attention = (replace(deal, overflow=overflow) for overflow in (UP, GATE, ATTENTION))
    if used(up) < target:
        return gate if used(gate) < target else up
    return attention if used(attention) < target else deal
