"""The KV cache: what the model remembers of the text so far, one key and one value per layer, head group and
token.

It grows with the context and knows nothing of the file's quantization. llama.cpp's rules, checked to the byte
against what it allocates on a CUDA device: ordinary and grouped-query attention, sliding windows, DeepSeek's
latent attention.
"""

from functools import cache
from typing import NamedTuple

from ..models.architecture import Architecture
from ..models.resolve import shape_of
from ..models.types import block_of
from .settings import CACHE_TYPES, QUANTIZED, Settings, padded
from .weights import CARD_ALIGNMENT, aligned, row_filling

#: Types the cache may have in Ollama (OLLAMA_KV_CACHE_TYPE): name -> ggml type.  llama.cpp has a few more
#: (settings.py).
KV_TYPES = {name: CACHE_TYPES[name] for name in ("f16", "q8_0", "q4_0")}


class LayerCache(NamedTuple):
    """Bytes of the KV cache in one layer: where everything is kept, and where only a window is; cells of
    each.
    """

    everywhere: int
    window: int
    cells: int
    window_cells: int


def kv_cache_bytes(model, n_ctx: int, *, type_k: str = "f16", type_v: str = "f16",
                   n_ubatch: int = 512) -> int:
    """Bytes of the KV cache of one sequence of `n_ctx` tokens.

    model: as in `estimate_memory`.  type_k, type_v: "f16", "q8_0", "q4_0", or another of llama.cpp's
    CACHE_TYPES.  n_ubatch: tokens per step, which a sliding window must also hold.  llama.cpp:
    llama_kv_cache, llama_kv_cache_iswa.  Lesson: 06_will_it_fit.
    Raises ValueError for a context or a type that cannot be.
    """
    settings = Settings(n_ctx=n_ctx, type_k=type_k, type_v=type_v, n_ubatch=n_ubatch)
    return cache_bytes(shape_of(model).architecture, settings)


def cache_bytes(a: Architecture, settings: Settings, first_layer: int = 0) -> int:
    """Bytes of the KV cache in the layers from `first_layer` on: with all of them on a card, all of it lies
    there.
    """
    one = layer_cache(a, settings)
    everywhere, local = layers_by_sight(a, first_layer)
    return everywhere * one.everywhere + local * one.window


def layer_cache(a: Architecture, settings: Settings) -> LayerCache:
    """What one layer of each kind keeps.  Raises ValueError for a cache type that the heads do not fit."""
    cells, window = settings.n_ctx_seq, window_cells(a, settings)
    rows = _rows(a, settings.type_k, settings.type_v)
    everywhere, local = (sum(_tensor_bytes(width, n * settings.n_streams, kv_type) for width, kv_type in rows)
                         for n in (cells, window))
    return LayerCache(everywhere, local, cells, window)


def window_cells(a: Architecture, settings: Settings) -> int:
    """Cells that a sliding-window layer keeps a stream: windows and one step more, or the whole context where
    that is less.
    """
    windows = a.sliding_window * (settings.n_parallel if settings.unified else 1)
    return padded(min(settings.n_ctx_seq, windows + settings.n_tokens))


def check_cache_types(a: Architecture, settings: Settings) -> None:
    """ValueError where llama.cpp refuses a quantized cache: a head must be a whole number of blocks."""
    key, value = (a.kv_lora_rank + a.rope_dim, a.kv_lora_rank) if a.kv_lora_rank else (a.head_dim, a.head_dim)
    for name, width in (("type_k", key), ("type_v", value)):
        kv_type = getattr(settings, name)
        if kv_type in QUANTIZED and width % block_of(CACHE_TYPES[kv_type])[0]:
            raise ValueError(
                f"{name}={kv_type!r} does not fit heads of {width} numbers, no whole number of blocks of "
                "32: use f16")


@cache
def layers_by_sight(a: Architecture, first_layer: int = 0) -> tuple[int, int]:
    """(layers that keep the whole context, layers that keep a sliding window), from `first_layer` on."""
    local = sum(a.is_sliding(layer) for layer in range(first_layer, a.n_layer))
    return a.n_layer - first_layer - local, local


def _rows(a: Architecture, type_k: str, type_v: str) -> list[tuple[int, str]]:
    """(numbers, type) of each row that one token leaves in one layer."""
    if a.kv_lora_rank:                                  # MLA: one short vector stands for keys and values
        return [(a.kv_lora_rank + a.rope_dim, type_k)]
    width = a.n_head_kv * a.head_dim
    return [(width, type_k), (width, type_v)]


def _tensor_bytes(width: int, cells: int, kv_type: str) -> int:
    """`cells` rows of `width` numbers; CUDA reads quantized rows in steps of 512, so the last one is filled
    up.
    """
    block_size, type_size = block_of(CACHE_TYPES[kv_type])
    if width % block_size:
        raise ValueError(
            f"a row of {width} numbers is no whole number of {kv_type} blocks of {block_size}: use f16")
    return aligned(cells * width // block_size * type_size + row_filling(width, CACHE_TYPES[kv_type]),
                   CARD_ALIGNMENT)
