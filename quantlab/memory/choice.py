"""Which file type for this model on this card: a rule that gives its reasons, from bytes alone.

    options = candidates("llama3.1:8b", 8 * 2**30, 8192)
    choose(options, "quality")          # "Q4_K_M"

What bytes cannot say, whether the answers are good enough, it does not pretend to know.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ..models.catalog import MODELS, PUBLISHED
from .kv_cache import kv_cache_bytes
from .weights import weights_of

GIB = 2**30
# kept free for compute buffers and the driver: an assumption, and said so wherever it is used
RESERVE = int(0.6 * GIB)
FTYPES = ("Q2_K", "Q3_K_M", "Q4_K_S", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16")
LOW = ("Q2_K", "Q3_K_M")        # 2 and 3 bits a code: only when nothing else fits
#: The catalog without gpt-oss, which is published in a 4-bit type of its own: making a K-quant of it gains
#: nothing.
CHOICES = tuple(name for name, model in MODELS.items() if model.arch != "gpt-oss")
#: What somebody may want -> the types in the order they are tried; the first that fits is suggested.
WISHES = {
    "balance": ("Q4_K_M", "Q4_K_S", "Q3_K_M", "Q2_K"),
    "quality": ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_K_S", "Q3_K_M", "Q2_K"),
    "memory": ("Q4_K_S", "Q3_K_M", "Q2_K"),
    "speed": ("Q4_K_S", "Q3_K_M", "Q2_K"),
}


class Candidate(NamedTuple):
    """A type of a model on a card: bytes of the weights that lie on it, of the KV cache and of the card; bits
    per weight.
    """

    ftype: str
    weights: int
    kv: int
    card: int
    bpw: float

    @property
    def left(self) -> int:
        """Bytes that stay free; negative when it is too much."""
        return self.card - self.weights - self.kv

    @property
    def fits(self) -> bool:
        return self.left >= RESERVE


def candidates(model: str, card: int, n_ctx: int) -> tuple[Candidate, ...]:
    """One candidate per type, smallest first.  card: bytes.  Raises ValueError for an unknown model or an
    impossible context.
    """
    if model not in CHOICES:
        raise ValueError(f"no types to choose from for {model!r}; there are {', '.join(CHOICES)}")
    kv, found = kv_cache_bytes(MODELS[model], n_ctx), []
    for ftype in FTYPES:
        weights = weights_of(model, ftype)
        found.append(Candidate(ftype, weights.placed().card, kv, card, 8 * weights.nbytes
                               / PUBLISHED[model].n_params))
    return tuple(found)


def choose(options: Sequence[Candidate], wish: str) -> str:
    """The type to try first, "" when none fits.  wish: a name of WISHES.  Raises ValueError for another wish.
    """
    if wish not in WISHES:
        raise ValueError(f"no wish {wish!r} here; there are {', '.join(WISHES)}")
    fitting = {option.ftype for option in options if option.fits}
    return next((ftype for ftype in WISHES[wish] if ftype in fitting), "")


def reason(option: Candidate, chosen: Candidate | None, wish: str) -> str:
    """Why this one was taken or not, in one line."""
    if option.left < 0:
        return f"{_gib(-option.left)} too much"
    if not option.fits:
        return f"only {_gib(option.left)} left for buffers: too tight"
    if option == chosen:
        return f"fits, {_gib(option.left)} left for buffers"
    if option.ftype in LOW:
        return f"{option.ftype[1]}-bit codes: not needed here"
    if option.ftype == "F16" and wish == "quality":
        return "fits: for comparing, at twice the bytes of Q8_0"
    more = option.weights - chosen.weights
    if more < 0:
        return f"fits, at {option.bpw:.2f} bits a weight instead of {chosen.bpw:.2f}"
    if wish == "speed":
        return f"fits, but reads {100 * more / chosen.weights:.0f} % more for every token"
    return f"fits, for {_gib(more)} more: worth it if you can tell" if wish == "balance" else f"fits, but takes {_gib(more)} more"


def fastest(model: str, option: Candidate, bandwidth: int) -> float | None:
    """Tokens a second that memory allows at most: each token reads all weights once.  None for a mixture of
    experts.

    bandwidth: bytes a second.  Real speeds are lower, and computing can be what limits instead of memory.
    """
    return None if MODELS[model].n_expert else bandwidth / option.weights


def instead(model: str, card: int, n_ctx: int) -> str:
    """What to change when no type fits: the context if that is enough, and the largest catalog model that
    would.
    """
    smallest = candidates(model, card, 256)[0]
    tokens = max(n for n in range(0, 2**18, 1024) if n == 0 or kv_cache_bytes(model, n) <= card - smallest.weights - RESERVE) if smallest.fits else 0
    room = card - RESERVE
    others = [name for name in CHOICES if weights_of(name, "Q4_K_M").placed().card
              + kv_cache_bytes(MODELS[name], n_ctx) <= room]
    ways = [f"{tokens:,} tokens of context would fit as {smallest.ftype}"] if tokens else []
    if others:
        ways.append(f"{max(others, key=lambda name: PUBLISHED[name].n_params)} would fit as Q4_K_M")
    return "; ".join(ways) or "no model of the catalog fits with this context"


def _gib(nbytes: int) -> str:
    return f"{nbytes / GIB:.2f} GiB" if nbytes < 20 * GIB else f"{nbytes / GIB:.0f} GiB"
