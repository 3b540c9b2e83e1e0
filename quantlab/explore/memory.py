"""One model on one card: weights, KV cache, what is left, and what to change when nothing is."""

from collections.abc import Iterator

import ipywidgets as widgets

from ..memory.catalog import GPUS, MODELS, PUBLISHED
from ..memory.choice import RESERVE
from ..memory.kv_cache import KV_TYPES, kv_cache_bytes, longest_context
from ..memory.weights import FTYPES, card_weight_bytes
from ..views.bars import Part, draw_memory_bar
from ..views.style import MEANING, Picture
from .base import Explorer
from .fit import GIB, WIDE, card_here, card_slider, clamped

CONTEXTS = tuple(k * 1024 for k in (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128))
SLIDER = [ftype for ftype in FTYPES if ftype != "Q4_0"]     # smallest file first


def explore_memory(model: str = "llama3.1:8b", vram_gb: float | None = None) -> Explorer:
    """A real model against a card: choose type, context and KV cache; when it is too much, ways to make it fit are computed.

    model: a name of MODELS.  vram_gb: None takes this machine's card.  Raises ValueError for an unknown model.
    """
    if model not in MODELS:
        raise ValueError(f"no model {model!r} in the catalog; there are {', '.join(MODELS)}")
    here, name = card_here()
    controls = {
        "model": widgets.Dropdown(options=list(MODELS), value=model, description="model", **WIDE),
        "ftype": widgets.SelectionSlider(options=SLIDER, value="Q4_K_M", description="quantization", **WIDE),
        "n_ctx": widgets.SelectionSlider(options=[(f"{n:,}", n) for n in CONTEXTS], value=8192, description="context, tokens", **WIDE),
        "type_kv": widgets.Dropdown(options=list(KV_TYPES), value="f16", description="KV cache type", **WIDE),
        "vram": card_slider(here if vram_gb is None else clamped(vram_gb)),
    }
    usual = dict(model="llama3.1:8b", ftype="Q4_K_M", n_ctx=8192, type_kv="f16")
    presets = {"A long context on 8 GB": usual | dict(n_ctx=32768, vram=8),
               "Windows keep it small": usual | dict(model="gemma3:4b", n_ctx=131072, vram=8),
               "70 B at home": usual | dict(model="llama3.1:70b", vram=24),
               f"My machine: {name}": dict(vram=here)}
    return Explorer(_draw, controls, presets=presets,
                    note="Ollama: OLLAMA_KV_CACHE_TYPE sets the KV cache type (with OLLAMA_FLASH_ATTENTION=1), num_ctx the context.")


def _draw(model: str, ftype: str, n_ctx: int, type_kv: str, vram: float) -> Picture:
    weights, exact = card_weight_bytes(model, ftype)
    kv = _kv(model, n_ctx, type_kv)
    card = int(vram * GIB)
    about = "" if exact else "about "
    parts = [(Part("weights", weights, MEANING["weights"]), f"{about}{_gib(weights)}"),
             (Part("KV cache", kv, MEANING["kv_cache"]), _gib(kv))]
    left = card - weights - kv
    ways = list(_ways(model, ftype, n_ctx, type_kv, card))[:4] if left < RESERVE else []
    return draw_memory_bar(parts, card, f"card: {vram:g} GiB", finding=_finding(left, weights, kv, about),
                           subtitle=_subtitle(model, ftype, n_ctx, type_kv), not_counted=_not_counted(left),
                           ways=ways, ways_title=f"What would make it fit and keep {RESERVE / GIB:.1f} GiB free",
                           table=_table(weights, kv, card, about))


def _finding(left: int, weights: int, kv: int, about: str) -> str:
    ratio = kv / weights
    if 0.9 <= ratio <= 1.1:
        share = "the KV cache is as large as the model"
    elif ratio > 1.1:
        share = f"the KV cache is {ratio:.1f} times the model"
    else:
        share = f"the KV cache adds {100 * ratio:.0f} % to the model" if ratio >= 0.01 else "the KV cache adds next to nothing"
    if left < 0:
        return f"{about.capitalize()}{_gib(-left)} too much: {share}"
    if left < RESERVE:
        return f"Tight: {about}{_gib(left)} left for buffers; {share}"
    return f"It fits, {about}{_gib(left)} left for buffers; {share}"


def _subtitle(model: str, ftype: str, n_ctx: int, type_kv: str) -> str:
    trained = MODELS[model].n_ctx_train
    beyond = f"; the model was trained for {trained:,}" if n_ctx > trained else ""
    size = f"{PUBLISHED[model].n_params / 1e9:.2f} B"
    return f"{model} ({size}) as {ftype}, {n_ctx:,} tokens{beyond}, KV cache {type_kv}, all layers on the card"


def _not_counted(left: int) -> str:
    words = "Not counted yet: compute buffers and the driver's own share, some tenths of a GiB to more than one."
    return words + (" It may not fit after all." if 0 <= left < RESERVE else "")


def _ways(model: str, ftype: str, n_ctx: int, type_kv: str, card: int) -> Iterator[tuple[str, str]]:
    """Single changes that leave RESERVE free, the gentlest first: a smaller cache, less context, a smaller type, a larger card."""
    weights, kv = card_weight_bytes(model, ftype)[0], _kv(model, n_ctx, type_kv)
    for smaller in list(KV_TYPES)[list(KV_TYPES).index(type_kv) + 1:]:
        if (total := weights + _kv(model, n_ctx, smaller)) <= card - RESERVE:
            yield f"KV cache as {smaller}", _spare(total, card)
            break
    tokens = longest_context(MODELS[model], card - weights - RESERVE, type_kv) // 1024 * 1024
    if tokens:
        yield f"{tokens:,} tokens of context", _spare(weights + _kv(model, tokens, type_kv), card)
    for smaller in reversed(SLIDER[:SLIDER.index(ftype)]):
        if (total := card_weight_bytes(model, smaller)[0] + kv) <= card - RESERVE:
            caution = "; test it first" if SLIDER.index(smaller) < SLIDER.index("Q4_K_S") else ""
            yield f"the weights as {smaller}", _spare(total, card) + caution
            break
    larger = [gpu for gpu in GPUS.values() if gpu.vram_bytes >= weights + kv + RESERVE]
    if larger:
        gpu = min(larger, key=lambda gpu: gpu.vram_bytes)
        yield f"a card of {gpu.vram_bytes / GIB:.0f} GiB", f"such as {gpu.name}: {_spare(weights + kv, gpu.vram_bytes)}"
    yield "some layers on the CPU", "Ollama does this by itself; every answer then takes several times as long"


def _spare(total: int, card: int) -> str:
    return f"total {_gib(total)}, {_gib(card - total)} left for buffers"


def _kv(model: str, n_ctx: int, type_kv: str) -> int:
    return kv_cache_bytes(MODELS[model], n_ctx, type_k=type_kv, type_v=type_kv)


def _gib(nbytes: int) -> str:
    return f"{nbytes / GIB:.2f} GiB" if nbytes < 20 * GIB else f"{nbytes / GIB:.1f} GiB"


def _table(weights: int, kv: int, card: int, about: str) -> tuple[tuple[str, ...], ...]:
    return (("what", "bytes", "GiB"), ("weights on the card", f"{about}{weights:,}", f"{weights / GIB:.2f}"),
            ("KV cache", f"{kv:,}", f"{kv / GIB:.2f}"), ("card", f"{card:,}", f"{card / GIB:.2f}"),
            ("left" if card >= weights + kv else "too much", f"{abs(card - weights - kv):,}", f"{abs(card - weights - kv) / GIB:.2f}"))
