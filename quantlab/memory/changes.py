"""What to change: single changes after which a model fits a card, and what its free memory could buy.

    list(ways(Situation(MODELS["llama3.1:8b"], "Q8_0", 32768, "f16", 1, True, 8 * 2**30)))
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..models.architecture import Architecture
from ..models.source import Model
from ..words import GIB, gib
from .cards import GPUS
from .estimate import MemoryEstimate
from .fit import CardFit, fits
from .kv_cache import KV_TYPES
from .settings import Settings
from .weights import FTYPES

#: The types of a slider, smallest file first.
SLIDER = [ftype for ftype in FTYPES if ftype != "Q4_0"]
#: The contexts of a slider, in tokens.
CONTEXTS = tuple(k * 1024 for k in (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256))
LOW = SLIDER[:SLIDER.index("Q4_K_S")]                       # few bits: only after a test


@dataclass(frozen=True)
class Situation:
    """A model and its settings on a card.  num_ctx: tokens of each of n_parallel conversations.  card: bytes.
    """

    model: Architecture | Model
    ftype: str
    num_ctx: int
    type_kv: str
    n_parallel: int
    flash: bool
    card: int

    @property
    def shape(self) -> Architecture:
        return self.model.architecture

    @property
    def cache_type(self) -> str:
        """Ollama falls back to f16 when a quantized cache is asked for without flash attention."""
        return self.type_kv if self.flash else "f16"

    def fit(self) -> CardFit:
        """Whether it fits.  Raises ValueError where llama.cpp refuses these settings."""
        settings = Settings(n_ctx=self.num_ctx * self.n_parallel, n_parallel=self.n_parallel,
                            flash_attention=self.flash, type_k=self.cache_type, type_v=self.cache_type)
        return fits(self.model, self.card, self.ftype, settings)

    def estimate(self) -> MemoryEstimate:
        return self.fit().estimate

    def room(self) -> int | None:
        """Bytes to spare on the card; None where llama.cpp refuses these settings."""
        try:
            return self.fit().room
        except ValueError:
            return None


def ways(now: Situation) -> Iterator[tuple[str, str, dict]]:
    """Single changes after which everything fits, the gentlest first: (what, what it brings, the changed
    fields).
    """
    changes: list[dict[str, Any]] = [] if now.flash else [dict(flash=True)]
    if now.flash:
        smaller_types = list(KV_TYPES)[list(KV_TYPES).index(now.cache_type) + 1:]
        changes += [dict(type_kv=smaller) for smaller in smaller_types]
    changes += [dict(n_parallel=n) for n in range(now.n_parallel - 1, 0, -1)]
    changes += [dict(num_ctx=tokens)] if (tokens := longest(now)) else []
    changes += [dict(ftype=smaller) for smaller in reversed(SLIDER[:SLIDER.index(now.ftype)])]
    done = set()
    for change in changes:
        (field, value), = change.items()
        room = replace(now, **change).room()
        if field not in done and room is not None and room >= 0:
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
    larger = [gpu for gpu in GPUS.values() if gpu.kind == "card" and gpu.vram_bytes >= needed]
    if larger:
        gpu = min(larger, key=lambda gpu: gpu.vram_bytes)
        words = f"such as {gpu.name}: {gib(gpu.vram_bytes - needed)} to spare"
        yield f"a card of {gpu.vram_bytes / GIB:.0f} GiB", words, dict(card=gpu.vram_bytes)


def _split(now: Situation) -> Iterator[tuple[str, str, dict]]:
    """How many layers would go to the card; Ollama does that by itself."""
    most = now.shape.n_layer + 1
    if layers := now.fit().layers:
        slower = "Ollama does that by itself; every answer is then several times slower"
        yield f"{layers} of {most} layers on the card", slower, {}
    else:
        yield "no layer on the card", "the CPU does it all, and main memory must hold it", {}


def uses(now: Situation) -> Iterator[tuple[str, str, dict]]:
    """What the free memory could buy, one at a time."""
    tokens = longest(now)
    if tokens > now.num_ctx:
        limit = ", all it was trained for" if tokens == now.shape.n_ctx_train else ""
        yield f"{tokens:,} tokens", f"instead of {now.num_ctx:,}{limit}", dict(num_ctx=tokens)
    for larger in reversed(SLIDER[SLIDER.index(now.ftype) + 1:]):
        room = replace(now, ftype=larger).room()
        if room is not None and room >= 0:
            yield f"the weights as {larger}", f"{gib(room)} to spare", dict(ftype=larger)
            break
    slots = next((n for n in range(16, now.n_parallel, -1) if _fits(replace(now, n_parallel=n))), 0)
    if slots:
        yield f"{slots} conversations at a time", f"each of {now.num_ctx:,} tokens", dict(n_parallel=slots)
    smaller = [gpu for gpu in GPUS.values() if gpu.kind == "card"
               and now.estimate().needed <= gpu.vram_bytes < now.card]
    if smaller:
        gpu = min(smaller, key=lambda gpu: gpu.vram_bytes)
        yield f"or a card of {gpu.vram_bytes / GIB:.0f} GiB", f"such as {gpu.name}", dict(card=gpu.vram_bytes)


def longest(now: Situation) -> int:
    """The longest context in whole thousands (1,024) that fits, up to what the model was trained for; 0 when
    none does.
    """
    low, high = 0, max(now.shape.n_ctx_train or CONTEXTS[-1], 1024) // 1024
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _fits(replace(now, num_ctx=middle * 1024)) else (low, middle - 1)
    return low * 1024


def _fits(situation: Situation) -> bool:
    room = situation.room()
    return room is not None and room >= 0
