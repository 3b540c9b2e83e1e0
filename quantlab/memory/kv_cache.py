"""The KV cache: what the model remembers of the text so far, one key and one value per layer, head group and token.

It grows with the context and knows nothing of the file's quantization. llama.cpp's rules, checked to the byte against
what it allocates on a CUDA device: ordinary and grouped-query attention, sliding windows, DeepSeek's latent attention.
"""

from functools import cache

from ..models.architecture import Architecture
from ..models.types import block_of

#: Types the cache may have (OLLAMA_KV_CACHE_TYPE): name -> ggml type.
KV_TYPES = {"f16": "F16", "q8_0": "Q8_0", "q4_0": "Q4_0"}
PADDING = 256               # llama.cpp rounds the number of cells up to this
LARGEST_CONTEXT = 2**24     # 16 million tokens: no model comes near, and the arithmetic stays sane


def kv_cache_bytes(architecture: Architecture, n_ctx: int, *, type_k: str = "f16", type_v: str = "f16", n_ubatch: int = 512) -> int:
    """Bytes of the KV cache of one sequence of `n_ctx` tokens.

    type_k, type_v: "f16", "q8_0" or "q4_0" (quantized values need flash attention).  n_ubatch: tokens per step, which
    a sliding window must also hold.  llama.cpp: llama_kv_cache, llama_kv_cache_iswa.  Lesson: 06_will_it_fit.
    Raises ValueError for a context or a type that cannot be.
    """
    if isinstance(n_ctx, bool) or not isinstance(n_ctx, int) or not 1 <= n_ctx <= LARGEST_CONTEXT:
        raise ValueError(f"n_ctx={n_ctx!r} is no context length: give a whole number of tokens from 1 to {LARGEST_CONTEXT:,}")
    everywhere, local = _layers(architecture)
    rows = _rows(architecture, type_k, type_v)
    return sum(everywhere * _tensor_bytes(width, _padded(n_ctx), kv_type)
               + local * _tensor_bytes(width, _window(architecture, n_ctx, n_ubatch), kv_type) for width, kv_type in rows)


def longest_context(architecture: Architecture, nbytes: int, type_kv: str = "f16") -> int:
    """The most tokens (a multiple of 256) whose KV cache fits in `nbytes`; 0 when not even 256 do."""
    low, high = 0, LARGEST_CONTEXT // PADDING
    while low < high:
        middle = (low + high + 1) // 2
        if kv_cache_bytes(architecture, middle * PADDING, type_k=type_kv, type_v=type_kv) <= nbytes:
            low = middle
        else:
            high = middle - 1
    return low * PADDING


def _rows(a: Architecture, type_k: str, type_v: str) -> list[tuple[int, str]]:
    """(numbers, type) of each row that one token leaves in one layer."""
    if a.kv_lora_rank:                                  # MLA: one short vector stands for keys and values
        return [(a.kv_lora_rank + a.rope_dim, type_k)]
    width = a.n_head_kv * a.head_dim
    return [(width, type_k), (width, type_v)]


@cache
def _layers(a: Architecture) -> tuple[int, int]:
    """(layers that keep the whole context, layers that keep a sliding window)."""
    local = sum(a.is_sliding(layer) for layer in range(a.n_layer))
    return a.n_layer - local, local


def _window(a: Architecture, n_ctx: int, n_ubatch: int) -> int:
    """Cells of a sliding-window layer: its window and one step more, or the whole context where that is less."""
    return min(_padded(n_ctx), _padded(a.sliding_window + n_ubatch))


def _tensor_bytes(width: int, cells: int, kv_type: str) -> int:
    """`cells` rows of `width` numbers; CUDA reads quantized rows in steps of 512, so the last one is filled up."""
    if kv_type not in KV_TYPES:
        raise ValueError(f"KV cache type {kv_type!r} is not known; there are {', '.join(KV_TYPES)}")
    block_size, type_size = block_of(KV_TYPES[kv_type])
    if width % block_size:
        raise ValueError(f"a row of {width} numbers is no whole number of {kv_type} blocks of {block_size}: use f16")
    filling = -width % 512 if block_size > 1 else 0
    nbytes = (cells * width + filling) // block_size * type_size if cells else 0
    return -(-nbytes // 128) * 128


def _padded(n: int) -> int:
    return -(-n // PADDING) * PADDING
