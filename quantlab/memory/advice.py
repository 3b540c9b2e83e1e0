"""Which file type for a model on a card: a rule that gives its reasons, from bytes alone.

    options = candidates("llama3.1:8b", 8 * 2**30, 8192)
    choose(options, "quality").estimate.ftype           # "Q6_K"

Whether a type fits is `fit.fits`' answer. What bytes cannot say, whether the answers are good enough, the
rule does not pretend to know.  Lesson: 08_when_to_use_which.
"""

from collections.abc import Sequence

from ..models.catalog import MODELS, PUBLISHED
from ..models.resolve import shape_of
from ..words import gib
from .fit import CardFit, fits
from .settings import Settings

FTYPES = ("Q2_K", "Q3_K_M", "Q4_K_S", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16")
LOW = ("Q2_K", "Q3_K_M")        # 2 and 3 bits a code: only when nothing else fits
OWN_TYPE = "gpt-oss"            # published in a 4-bit type of its own: a K-quant of it gains nothing
#: The models of the catalog that have types to choose from.
CHOICES = tuple(name for name, shape in MODELS.items() if shape.arch != OWN_TYPE)
#: What somebody may want -> the types in the order they are tried; the first that fits is suggested.
WISHES = {
    "balance": ("Q4_K_M", "Q4_K_S", "Q3_K_M", "Q2_K"),
    "quality": ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_K_S", "Q3_K_M", "Q2_K"),
    "memory": ("Q4_K_S", "Q3_K_M", "Q2_K"),
    "speed": ("Q4_K_S", "Q3_K_M", "Q2_K"),
}


def candidates(model, card: int, n_ctx: int) -> tuple[CardFit, ...]:
    """One CardFit per type, smallest first.  model: as in `estimate_memory`; card: bytes.

    Raises ValueError for an unknown model, for gpt-oss, and for an impossible context.
    """
    shape = shape_of(model)
    if shape.architecture.arch == OWN_TYPE:
        raise ValueError(
            f"no types to choose from for {model}: {OWN_TYPE} is published in a 4-bit type of its own")
    return tuple(fits(shape, card, ftype, Settings(n_ctx=n_ctx)) for ftype in FTYPES)


def choose(options: Sequence[CardFit], wish: str) -> CardFit | None:
    """The type to try first, None when none fits.  wish: a name of WISHES.  Raises ValueError for another."""
    if wish not in WISHES:
        raise ValueError(f"no wish {wish!r} here; there are {', '.join(WISHES)}")
    fitting = {option.estimate.ftype: option for option in options if option.room >= 0}
    return next((fitting[ftype] for ftype in WISHES[wish] if ftype in fitting), None)


def reason(option: CardFit, chosen: CardFit | None, wish: str) -> str:
    """Why this one was taken or not, in one line."""
    ftype = option.estimate.ftype
    if option.room < 0 or chosen is None:
        return f"{gib(-option.room)} too much"
    if option is chosen:
        return f"fits, {gib(option.room)} to spare"
    if ftype in LOW:
        return f"{ftype[1]}-bit codes: not needed here"
    if ftype == "F16" and wish == "quality":
        return "fits: for comparing, at twice the bytes of Q8_0"
    more = option.estimate.weights - chosen.estimate.weights
    if more < 0:
        return f"fits, at {option.bpw:.2f} bits a weight instead of {chosen.bpw:.2f}"
    if wish == "speed":
        return f"fits, but reads {100 * more / chosen.estimate.weights:.0f} % more for every token"
    return f"fits, for {gib(more)} more: worth it if you can tell" if wish == "balance" else \
        f"fits, but takes {gib(more)} more"


def instead(model, card: int, n_ctx: int) -> str:
    """What to change when no type fits: the context if that is enough, and the largest catalog model that
    would.
    """
    smallest = fits(model, card, FTYPES[0], Settings(n_ctx=n_ctx))
    tokens = smallest.longest_context // 1024 * 1024
    others = [name for name in CHOICES if fits(name, card, "Q4_K_M", Settings(n_ctx=n_ctx)).room >= 0]
    ways = [f"{tokens:,} tokens of context would fit as {FTYPES[0]}"] if tokens else []
    if others:
        ways.append(f"{max(others, key=lambda name: PUBLISHED[name].n_params)} would fit as Q4_K_M")
    return "; ".join(ways) or "no model of the catalog fits with this context"
