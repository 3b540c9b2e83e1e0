"""What to do on a card: which file type to take (a rule that gives its reasons, from bytes alone), which
single change makes a model fit, and what free memory could buy.

    options = candidates("llama3.1:8b", 8 * 2**30, 8192)
    choose(options, "quality").estimate.ftype           # "Q6_K"
    list(ways(Situation(MODELS["llama3.1:8b"], "Q8_0", 32768, "f16", 1, True, 8 * 2**30)))

Whether a type fits is `fit.fits`' answer. What bytes cannot say, whether the answers are good enough, is not
pretended to be known.  Lessons: 06_will_it_fit, 08_when_to_use_which.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from ..models.architecture import Architecture
from ..models.catalog import MODELS, PUBLISHED
from ..models.resolve import shape_of
from ..models.source import Model
from ..words import GIB, gib, one_of
from .cards import GPUS, Card
from .estimate import OVERHEAD, MemoryEstimate
from .fit import CardFit, fits
from .kv_cache import KV_TYPES
from .settings import Settings, ollama_batch, ollama_predicts
from .splits import faster, last_that_fits
from .weights import FTYPES, weight_bytes, weights_of

#: The types of a slider, smallest file first.
SLIDER = [ftype for ftype in FTYPES if ftype != "Q4_0"]
#: The types that the rule weighs, and of them those of 2 and 3 bits a code: only when nothing else fits.
WEIGHED = [ftype for ftype in SLIDER if ftype != "Q5_K_S"]
LOW = ("Q2_K", "Q3_K_M")
#: The models of the catalog.
CHOICES = tuple(MODELS)
#: What somebody may want -> the types in the order they are tried; the first that fits is suggested.
WISHES = {
    "balance": ("Q4_K_M", "Q4_K_S", "Q3_K_M", "Q2_K"),
    "quality": ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_K_S", "Q3_K_M", "Q2_K"),
    "memory": ("Q4_K_S", "Q3_K_M", "Q2_K"),
    "speed": ("Q4_K_S", "Q3_K_M", "Q2_K"),
}


def candidates(model, card: int, n_ctx: int) -> tuple[CardFit, ...]:
    """One CardFit per type, smallest first; only one where only one is published.  model: as in
    `estimate_memory`; card: bytes.  Raises ValueError for an unknown model and for an impossible context.
    """
    shape = shape_of(model)
    return tuple(fits(shape, card, ftype, Settings(n_ctx=n_ctx)) for ftype in types_of(shape, WEIGHED))


def types_of(model: Architecture | Model, types: Sequence[str] = SLIDER) -> Sequence[str]:
    """The types there are to choose from, smallest file first: `types`, or the only one that is published;
    and of a file its own, whatever it is called.
    """
    if isinstance(model, Architecture):
        return [model.only_type] if model.only_type else types
    if model.ftype in types:
        return types
    smaller = [ftype for ftype in types if weight_bytes(model, ftype) < model.nbytes]
    return [*smaller, model.ftype, *types[len(smaller):]]


def choose(options: Sequence[CardFit], wish: str) -> CardFit | None:
    """The type to try first, None when none fits.  wish: a name of WISHES.  Raises ValueError for another."""
    fitting = {option.estimate.ftype: option for option in options if option.room >= 0}
    order = WISHES[one_of("wish", wish, WISHES)]
    if len(options) == 1:                   # published in this type only
        order = tuple(fitting)
    return next((fitting[ftype] for ftype in order if ftype in fitting), None)


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
    return f"fits, for {gib(more)} more: try if it is worth it" if wish == "balance" else \
        f"fits, but takes {gib(more)} more"


def instead(model, card: int, n_ctx: int) -> str:
    """What to change when no type fits: the context if that is enough, and the largest catalog model that
    would.
    """
    smallest = candidates(model, card, n_ctx)[0]
    tokens = smallest.longest_context // 1024 * 1024
    others = [name for name in CHOICES if fits(name, card, None, Settings(n_ctx=n_ctx)).room >= 0]
    ways = [f"{tokens:,} tokens of context would fit as {smallest.estimate.ftype}"] if tokens else []
    if others:
        best = max(others, key=lambda name: PUBLISHED[name].n_params)
        ways.append(f"{best} would fit as {MODELS[best].usual_type}")
    return "; ".join(ways) or "no model of the catalog fits with this context"


# ---- changes

#: The contexts of a slider, in tokens.
CONTEXTS = tuple(k * 1024 for k in (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256))


@dataclass(frozen=True)
class Situation:
    """A model and its settings on a card.  num_ctx: tokens of each of n_parallel conversations.  card:
    bytes.  n_cpu_moe: first layers whose experts stay in main memory.
    """

    model: Architecture | Model
    ftype: str
    num_ctx: int
    type_kv: str
    n_parallel: int
    flash: bool
    card: int
    n_cpu_moe: int = 0

    @property
    def shape(self) -> Architecture:
        return self.model.architecture

    @property
    def types(self) -> tuple[list[str], list[str]]:
        """The types with smaller and with larger files that could be taken instead, the nearest first."""
        types = list(types_of(self.model))
        at = types.index(self.ftype)
        return types[:at][::-1], types[at + 1:]

    @property
    def n_ubatch(self) -> int:
        """Tokens that Ollama computes at a time here, where nobody sets num_batch."""
        n_ctx = self.num_ctx * self.n_parallel
        predicted = ollama_predicts(self.shape, weights_of(self.model, self.ftype).nbytes, n_ctx)
        free = max(self.card - OVERHEAD.usual, 1)
        batch = ollama_batch(n_ctx, predicted, free, flash_attention=self.flash, cuda_card=free)
        return min(self.num_ctx, batch)

    def fit(self) -> CardFit:
        """Whether it fits.  Raises ValueError where llama.cpp refuses these settings."""
        settings = Settings(n_ctx=self.num_ctx * self.n_parallel, n_parallel=self.n_parallel,
                            n_ubatch=self.n_ubatch,
                            flash_attention=self.flash, type_k=self.type_kv, type_v=self.type_kv,
                            n_cpu_moe=self.n_cpu_moe)
        return fits(self.model, self.card, self.ftype, settings)

    def estimate(self) -> MemoryEstimate:
        return self.fit().estimate

    def room(self) -> float:
        """Bytes to spare on the card, negative where it does not fit; minus infinity where llama.cpp refuses
        these settings.
        """
        try:
            return self.fit().room
        except ValueError:
            return -inf


def ways(now: Situation) -> Iterator[tuple[str, str, dict]]:
    """Single changes after which everything fits, the gentlest first: (what, what it brings, the changed
    fields).
    """
    changes: list[dict[str, Any]] = [] if now.flash else [dict(flash=True)]
    if now.flash:
        changes += [dict(type_kv=smaller) for smaller in KV_TYPES[KV_TYPES.index(now.type_kv) + 1:]]
    changes += [dict(n_parallel=n) for n in range(now.n_parallel - 1, 0, -1)]
    changes += [dict(num_ctx=tokens)] if (tokens := longest(now)) else []
    changes += [dict(ftype=smaller) for smaller in now.types[0]]
    done = set()
    for change in changes:
        (field, value), = change.items()
        room = replace(now, **change).room()
        if field not in done and room >= 0:
            done.add(field)
            warning = "; test its answers first" if value in LOW else ""
            yield _in_words(field, value), f"{gib(room)} to spare{warning}", change
    yield from _larger_card(now)
    yield from _split(now)


def _in_words(field: str, value) -> str:
    words = {"flash": "flash attention on", "type_kv": f"KV cache as {value}",
             "n_parallel": f"{value} at a time", "ftype": f"the weights as {value}"}
    return f"{value:,} tokens" if field == "num_ctx" else words[field]


def _larger_card(now: Situation) -> Iterator[tuple[str, str, dict]]:
    needed = now.estimate().needed
    if gpu := _smallest_card(needed):
        words = f"such as {gpu.name}: {gib(gpu.vram_bytes - needed)} to spare"
        yield f"a card of {gpu.vram_bytes / GIB:.0f} GiB", words, dict(card=gpu.vram_bytes)


def _split(now: Situation) -> Iterator[tuple[str, str, dict]]:
    """What would lie on the card where not everything can: all but experts, where that is faster, else some
    layers.
    """
    most, fit = now.shape.n_layer + 1, now.fit()
    ways = fit.ways()
    if (best := ways[0]).layers is None and len(ways) > 1:
        n = best.n_cpu_moe
        brings = f"experts of {n} layers to main memory: {faster(ways)} as by layers"
        yield best.flags, brings, dict(n_cpu_moe=n)
    elif layers := fit.layers:
        slower = "Ollama does that by itself; every answer is then several times slower"
        yield f"{layers} of {most} layers on the card", slower, {}
    else:
        yield "no layer on the card", "the CPU does it all, and main memory must hold it", {}


def uses(now: Situation) -> Iterator[tuple[str, str, dict]]:
    """What the free memory could buy, one at a time."""
    if now.n_cpu_moe and (fewer := replace(now, n_cpu_moe=0).fit().experts or 0) < now.n_cpu_moe:
        brings = f"experts of {fewer} layers in main memory instead of {now.n_cpu_moe}: faster"
        yield f"--n-cpu-moe {fewer}", brings, dict(n_cpu_moe=fewer)
    tokens = longest(now)
    if tokens > now.num_ctx:
        limit = ", all it was trained for" if tokens == now.shape.n_ctx_train else ""
        yield f"{tokens:,} tokens", f"instead of {now.num_ctx:,}{limit}", dict(num_ctx=tokens)
    for larger in reversed(now.types[1]):
        room = replace(now, ftype=larger).room()
        if room >= 0:
            yield f"the weights as {larger}", f"{gib(room)} to spare", dict(ftype=larger)
            break
    more = (n for n in range(16, now.n_parallel, -1) if replace(now, n_parallel=n).room() >= 0)
    if slots := next(more, 0):
        yield f"{slots} conversations at a time", f"each of {now.num_ctx:,} tokens", dict(n_parallel=slots)
    if gpu := _smallest_card(now.estimate().needed, now.card):
        yield f"or a card of {gpu.vram_bytes / GIB:.0f} GiB", f"such as {gpu.name}", dict(card=gpu.vram_bytes)


def _smallest_card(needed: int, below: float = inf) -> Card | None:
    """The smallest card of GPUS with so many bytes, but fewer than `below`."""
    enough = [gpu for gpu in GPUS.values() if gpu.kind == "card" and needed <= gpu.vram_bytes < below]
    return min(enough, key=lambda gpu: gpu.vram_bytes, default=None)


def longest(now: Situation) -> int:
    """The longest context in whole thousands (1,024) that fits, up to what the model was trained for; 0 when
    none does.
    """
    most = max(now.shape.n_ctx_train or CONTEXTS[-1], 1024) // 1024
    return 1024 * last_that_fits(lambda n: replace(now, num_ctx=n * 1024).room() >= 0, 0, most)
