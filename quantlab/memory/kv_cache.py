"""The KV cache: what the model remembers of the text so far, one key and one value per layer, head group and
token.

It grows with the context and knows nothing of the file's quantization. llama.cpp's rules, checked to the byte
against what it allocates on a CUDA device: ordinary and grouped-query attention, sliding windows, DeepSeek's
latent attention and its older files, which keep every head's keys and values.
"""

from functools import cache, lru_cache

from ..models.architecture import Architecture
from ..models.cache_types import CACHE_TYPES, FEW_BITS
from ..models.mixers import state_numbers
from ..models.resolve import shape_of
from ..models.types import block_of, tensor_nbytes
from .cuda import has_flash_heads
from .settings import Settings, padded
from .weights import card_nbytes

#: Types of the cache that Ollama's own manual offers (OLLAMA_KV_CACHE_TYPE), largest first.  There are a few
#: more (models/cache_types.py).
KV_TYPES = ("f16", "q8_0", "q4_0")


def kv_cache_bytes(model, n_ctx: int, *, type_k: str = "f16", type_v: str = "f16") -> int:
    """Bytes of the KV cache of one sequence of `n_ctx` tokens.

    model: as in `estimate_memory`.  type_k, type_v: "f16", "q8_0", "q4_0", or another of llama.cpp's
    CACHE_TYPES.  llama.cpp: llama_kv_cache, llama_kv_cache_iswa.  Lesson: 06_will_it_fit.
    Raises ValueError for a context or a type that cannot be.
    """
    return cache_bytes(shape_of(model).wired, Settings(n_ctx=n_ctx, type_k=type_k, type_v=type_v))


@lru_cache(maxsize=8192)
def host_cache_bytes(a: Architecture, settings: Settings, stop: int) -> int:
    """Bytes of the KV cache in main memory, of the layers before `stop`: there nothing is filled up."""
    kinds = zip(layers_by_sight(a, 0), layers_by_sight(a, stop), cells(a, settings),
                kinds_of_rows(a, settings), strict=True)
    states = sum(a.has_state(layer) for layer in range(stop))
    kept = sum(4 * n * settings.n_parallel for n in state_numbers(a)) if states else 0
    return states * kept + sum(
        (every - later) * tensor_nbytes((width, n * settings.n_streams), CACHE_TYPES[kv_type])
        for every, later, n, rows in kinds for width, kv_type in rows)


@lru_cache(maxsize=8192)
def cache_bytes(a: Architecture, settings: Settings, first_layer: int = 0) -> int:
    """Bytes of the KV cache in the layers from `first_layer` on: with all of them on a card, all of it lies
    there.
    """
    kinds = zip(layers_by_sight(a, first_layer), cells(a, settings), kinds_of_rows(a, settings), strict=True)
    states = sum(a.has_state(layer) for layer in range(first_layer, a.n_layer))
    kept = sum(card_nbytes((n * settings.n_parallel,), "F32") for n in state_numbers(a)) if states else 0
    return states * kept + sum(
        layers * card_nbytes((width, n * settings.n_streams), CACHE_TYPES[kv_type])
        for layers, n, rows in kinds for width, kv_type in rows)


def plain_bytes(a: Architecture, n_ctx: int, type_k: str = "f16", type_v: str = "f16") -> int:
    """Bytes if each head kept a key and a value for each of `n_ctx` tokens in each layer (multi-head
    attention, as in 2017): in those that look at earlier tokens, and in those that keep a state instead.
    """
    dims = [a.heads_of(layer)[1] for layer in mixing_layers(a)]
    keys, values = sum(dims), sum(a.value_dim if dim == a.head_dim else dim for dim in dims)
    return sum(tensor_nbytes((a.n_head * width, n_ctx), CACHE_TYPES[kv_type])
               for width, kv_type in ((keys, type_k), (values, type_v)))


def mixing_layers(a: Architecture) -> list[int]:
    """The layers that look at earlier tokens or keep a state of them; some models have others."""
    return [layer for layer in range(a.n_layer) if a.has_attention(layer) or a.has_state(layer)]


def cells(a: Architecture, settings: Settings) -> tuple[int, int]:
    """Cells of a stream in a layer that keeps the whole context, and in one that keeps a sliding window:
    windows and one step more, or the whole context where that is less.
    """
    windows = a.sliding_window * (settings.n_parallel if settings.unified else 1)
    return settings.n_ctx_seq, padded(min(settings.n_ctx_seq, windows + settings.n_tokens))


def check_cache_types(a: Architecture, settings: Settings) -> None:
    """ValueError where llama.cpp refuses a quantized cache: a head must be a whole number of blocks."""
    key, value = (a.kv_lora_rank + a.rope_dim, a.kv_lora_rank) if a.is_latent else (a.head_dim, a.value_dim)
    if a.is_latent and settings.type_k != settings.type_v:
        raise ValueError(f"type_k={settings.type_k!r} and type_v={settings.type_v!r} cannot be: keys and "
                         "values are one vector here, which needs one type")
    if not has_flash(a) and settings.type_v in FEW_BITS:
        raise ValueError(f"type_v={settings.type_v!r} needs flash attention, which a card cannot do for keys "
                         f"of {key} and values of {value} numbers: use f16")
    for name, width in (("type_k", key), ("type_v", value)):
        kv_type = getattr(settings, name)
        if kv_type in FEW_BITS and width % block_of(CACHE_TYPES[kv_type])[0]:
            raise ValueError(
                f"{name}={kv_type!r} does not fit heads of {width} numbers, no whole number of blocks of "
                "32: use f16")


@cache
def layers_by_sight(a: Architecture, first_layer: int = 0) -> tuple[int, int]:
    """(layers that keep the whole context, layers that keep a sliding window), from `first_layer` on."""
    layers = [layer for layer in range(first_layer, a.n_layer) if a.has_cache(layer)]
    local = sum(a.is_sliding(layer) for layer in layers)
    return len(layers) - local, local


def kinds_of_rows(a: Architecture, settings: Settings) -> list[list[tuple[int, str]]]:
    """(numbers, type) of each row that one token leaves in a layer that keeps the whole context, and in one
    that keeps a window.
    """
    if a.is_latent:                                     # MLA: one short vector stands for keys and values
        return [[(a.kv_lora_rank + a.rope_dim, settings.type_k)]] * 2
    widths = [(a.n_head_kv * a.head_dim, a.n_head_kv * a.value_dim)] * 2
    if a.head_dim_swa:
        widths[1] = ((a.n_head_kv_swa or a.n_head_kv) * a.head_dim_swa,) * 2
    if not settings.flash_attention:                    # kept transposed, and filled up to the widest
        widest = max(value for _, value in widths)
        widths = [(key, widest) for key, _ in widths]
    return [[(key, settings.type_k), (value, settings.type_v)] for key, value in widths]


@cache
def has_flash(a: Architecture) -> bool:
    """False where CUDA has no flash attention for the heads, so that llama.cpp leaves it off, even if asked:
    keys longer than values, unless several heads share them, and some rare widths.
    """
    if a.is_latent:
        return has_flash_heads(a.kv_lora_rank + a.rope_dim, a.kv_lora_rank, a.n_head)
    heads = {a.heads_of(layer) for layer in range(a.n_layer) if a.has_cache(layer)}
    return all(has_flash_heads(dim, a.value_dim if dim == a.head_dim else dim, a.n_head // n_head_kv)
               for n_head_kv, dim in heads)
