"""Keys and values as a cache of few bits gives them back: what is stored is rounded, what is computed is not.

    as_kept(keys, "Q8_0", "k")

llama.cpp stores a token's keys and values before any token looks at them, its own included, so that a text
read at once and one read token by token see the same numbers. Each head is turned first
(models/cache_types.py) and rounded in blocks of 32 columns, as in a file; llama.cpp turns the queries
likewise, which gives the same as turning the keys back, as is done here. Beyond that, its processor code
rounds the queries themselves to Q8_0 where keys have few bits: `rounded_queries` is for comparisons with it.
Sources: llama-graph.cpp (build_attn), ggml-cpu/ops.cpp (ggml_compute_forward_set_rows,
ggml_compute_forward_flash_attn_ext).  Lesson: 13.
"""

from collections.abc import Sequence

import numpy as np

from ..formats.table import FORMATS
from ..formats.tensor import quantize
from ..methods.rotation import hadamard
from ..models.cache_types import CACHE_TYPES, columns_turned
from ..words import one_of

#: As attention computes them: nothing is rounded.
EXACT = "F32"
PARTS = ("type_k", "type_v")


def pairs_of(type_k: str | Sequence[str] | None, type_v: str | Sequence[str] | None) -> list[dict[str, str]]:
    """The types of keys and values that are wanted, pair by pair: [{"type_k": "q8_0", "type_v": "f32"}].

    One left out is exact, one alone goes with all of the other; none where nothing is said.  ValueError for
    as many as cannot be paired.
    """
    if type_k is None and type_v is None:
        return []
    keys, values = ([EXACT] if given is None else [given] if isinstance(given, str) else list(given)
                    for given in (type_k, type_v))
    n = max(len(keys), len(values))
    if not keys or not values or {len(keys), len(values)} - {1, n}:
        raise ValueError(f"type_k has {len(keys)} types and type_v {len(values)}: give as many of both, or "
                         "one")
    pairs = zip(keys * (n // len(keys)), values * (n // len(values)), strict=True)
    return [dict(zip(PARTS, (str(k).lower(), str(v).lower()), strict=True)) for k, v in pairs]


def cache_type(name: str, qtype: str, head_dim: int) -> str:
    """The ggml type of a cache, in any spelling: "q8_0" -> "Q8_0".  name: "type_k" or "type_v", for the
    words.

    ValueError for what is no type of the cache, and where no whole blocks fill a head.
    """
    known = one_of("type of the KV cache called", qtype, CACHE_TYPES)
    if known == "iq4_nl":
        raise ValueError(f"{name}='iq4_nl': no graphics card has flash attention for such a cache, and it is "
                         "rounded otherwise than in a file; use q4_0")
    found, block = CACHE_TYPES[known], FORMATS[CACHE_TYPES[known]].block_size
    if head_dim % block:
        raise ValueError(f"{name}={known!r}: the {head_dim} columns of a head are no whole number of its "
                         f"blocks of {block}, which llama.cpp refuses too; use f16")
    return found


def as_kept(x: np.ndarray, qtype: str, part: str) -> np.ndarray:
    """Keys (part "k") or values ("v") of (T, heads, head_dim) float32 as the cache gives them back."""
    if qtype == EXACT:
        return x
    return _rounded(x, qtype, columns_turned(qtype.lower(), x.shape[-1], part))


def rounded_queries(q: np.ndarray, type_k: str) -> np.ndarray:
    """Queries as llama.cpp's processor code multiplies them with keys of few bits."""
    n = columns_turned(type_k.lower(), q.shape[-1], "k")
    return _rounded(q, "Q8_0", n) if FORMATS[type_k].block_size > 1 else q


def _rounded(x: np.ndarray, qtype: str, n: int) -> np.ndarray:
    """Turned in groups of n columns, rounded, turned back."""
    rows = x.reshape(-1, n) @ hadamard(n) if n else x.reshape(-1, x.shape[-1])
    rows = quantize(np.ascontiguousarray(rows), qtype).dequantize()
    return (rows @ hadamard(n) if n else rows).reshape(x.shape)
