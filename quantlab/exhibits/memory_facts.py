"""What the memory bar says: a situation, its bytes by owner, the finding, and single changes that make it fit
or use what is free.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..memory.cards import GPUS
from ..memory.estimate import MemoryEstimate, estimate_memory
from ..memory.fit import layers_that_fit
from ..memory.kv_cache import KV_TYPES, layers_by_sight
from ..memory.rule import nearest_step, typical_shape
from ..memory.weights import FTYPES, weights_of
from ..models.architecture import Architecture
from ..models.resolve import shape_of
from .cards import BY_SIZE, GIB, billions

SLIDER = [ftype for ftype in FTYPES if ftype != "Q4_0"]     # smallest file first
CONTEXTS = tuple(k * 1024 for k in (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256))
LOW = SLIDER[:SLIDER.index("Q4_K_S")]                       # few bits: only after a test


@dataclass(frozen=True)
class Situation:
    """What the handles say.  num_ctx: tokens of each of n_parallel conversations.  card: bytes."""

    model: str
    params: float
    ftype: str
    num_ctx: int
    type_kv: str
    n_parallel: int
    flash: bool
    card: int

    @property
    def shape(self) -> Architecture:
        return typical_shape(self.params) if self.model == BY_SIZE else shape_of(self.model).architecture

    @property
    def params_b(self) -> float:
        return self.params if self.model == BY_SIZE else billions(self.model)

    @property
    def cache_type(self) -> str:
        """Ollama falls back to f16 when a quantized cache is asked for without flash attention."""
        return self.type_kv if self.flash else "f16"

    def estimate(self) -> MemoryEstimate:
        return estimate_memory(self.shape, self.ftype, n_ctx=self.num_ctx * self.n_parallel,
                               n_parallel=self.n_parallel, flash_attention=self.flash, type_k=self.cache_type,
                               type_v=self.cache_type)

    def room(self) -> int | None:
        """Bytes left on the card, its driver's usual share taken off; None where llama.cpp refuses these
        settings.
        """
        try:
            return self.card - self.estimate().needed
        except ValueError:
            return None


def finding(now: Situation, found: MemoryEstimate) -> str:
    """Whether it fits, and whose fault it is."""
    left, share = now.card - found.needed, _share(found)
    if now.card < found.weights:
        return f"{gib(-left)} too much: the weights alone take {gib(found.weights)}"
    if now.card < found.total + found.overhead.low:
        return f"{gib(-left)} too much: {share}"
    if now.card < found.total + found.overhead.high:
        return f"Touch and go, the driver decides: {share}"
    return f"It fits, {gib(left)} to spare: {share}"


def _share(found: MemoryEstimate) -> str:
    if found.compute > max(found.kv_cache, found.weights / 4):
        return f"the compute buffer alone takes {gib(found.compute)}"
    ratio = found.kv_cache / found.weights
    if 0.9 <= ratio <= 1.1:
        return "the KV cache is about as large as the model"
    if ratio > 1.1:
        return f"the KV cache is {ratio:.1f} times the model"
    return f"the KV cache adds {100 * ratio:.0f} % to the model" if ratio >= 0.01 else "the KV cache adds next to nothing"


def subtitle(now: Situation) -> str:
    """The situation in words."""
    trained = now.shape.n_ctx_train
    beyond = f" (trained for {trained:,})" if trained and now.num_ctx > trained else ""
    slots = f"{now.n_parallel} × " if now.n_parallel > 1 else ""
    like = f"shaped like {nearest_step(now.params).like}" if now.model == BY_SIZE else f"{now.params_b:.2f} B"
    name = f"{now.params:g} B, {like}," if now.model == BY_SIZE else f"{now.model}, {like},"
    ignored = f": {now.type_kv} needs flash attention" if now.cache_type != now.type_kv else ""
    return f"{name} as {now.ftype}, {slots}{now.num_ctx:,} tokens{beyond}, KV cache {now.cache_type}{ignored}"


def reasons(now: Situation, found: MemoryEstimate) -> tuple[str, str, str, str]:
    """Where each owner's bytes come from: weights, KV cache, compute buffer, driver."""
    shape, weights = now.shape, weights_of(now.shape, now.ftype)
    tokens = now.num_ctx * now.n_parallel
    bits = f"{8 * weights.nbytes / shape.n_params:.2f} bits a parameter"
    kept = "" if weights.tied else f"; {gib(found.host)} of word vectors stay in main memory"
    scores = "" if now.flash else ", with a table of all scores"
    low, high = found.overhead.low / GIB, found.overhead.high / GIB
    return (bits + kept, _cache_words(shape, tokens),
            f"what {min(512, tokens)} tokens need on their way through the layers{scores}",
            f"an assumption: users report {low:.2g} to {high:.2g} GiB")


def _cache_words(shape: Architecture, tokens: int) -> str:
    everywhere, local = layers_by_sight(shape)
    if shape.kv_lora_rank:
        return f"{shape.n_layer} layers × {shape.kv_lora_rank + shape.rope_dim} numbers × {tokens:,} tokens"
    row = f"2 × {shape.n_head_kv} heads × {shape.head_dim}"
    if local:
        return f"{everywhere} layers × {row} × {tokens:,} tokens; {local} keep {shape.sliding_window:,}"
    return f"{everywhere} layers × {row} numbers × {tokens:,} tokens"


def ways(now: Situation) -> Iterator[tuple[str, str, dict]]:
    """Single changes after which everything fits, the gentlest first: (what, what it brings, the changed
    fields).
    """
    changes = [dict(flash=True)] if not now.flash else []
    changes += [dict(type_kv=smaller)
                for smaller in list(KV_TYPES)[list(KV_TYPES).index(now.cache_type) + 1:]] if now.flash else []
    changes += [dict(n_parallel=n) for n in range(now.n_parallel - 1, 0, -1)]
    changes += [dict(num_ctx=tokens)] if (tokens := longest(now)) else []
    changes += [dict(ftype=smaller) for smaller in reversed(SLIDER[:SLIDER.index(now.ftype)])]
    done = set()
    for change in changes:
        (field, value), = change.items()
        room = replace(now, **change).room()
        if field not in done and room is not None and room >= 0:
            done.add(field)
            yield _in_words(field, value), f"{gib(room)} to spare" + ("; test its answers first"
                                                                      if value in LOW else ""), change
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
    found = now.estimate()
    most = now.shape.n_layer + 1
    layers = layers_that_fit(now.shape, weights_of(now.shape, now.ftype), found.settings,
                             now.card - found.overhead.usual)
    if layers:
        yield f"{layers} of {most} layers on the card", "Ollama does that by itself; every answer is then several times slower", {}
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


def gib(nbytes: int) -> str:
    return f"{nbytes / GIB:.2f} GiB" if abs(nbytes) < 20 * GIB else f"{nbytes / GIB:,.1f} GiB"
