"""Attention, as far as memory is concerned: the places its results take, in llama.cpp's order (llama-graph.cpp: build_attn).

Each function walks through one layer's attention: the norm of the input first, the output projection last. It returns the place of
the result; every other place has been given back.
"""

from .placement import aligned
from .space import ALIGNMENT


def attention(walk, kind: int, rotated: tuple[int, int]) -> tuple[int, int]:
    """Queries, keys and values in heads.  kind: 0 sees everything, 1 a window.  rotated: see compute.rotation_sizes."""
    a, space = walk.a, walk.space
    q_width, kv_width = a.n_head * a.head_dim, a.n_head_kv * a.head_dim
    norm = walk.width(a.n_embd)
    q = (_fused if a.arch == "phi3" else _apart)(walk, kind, norm, q_width, kv_width, rotated)
    out = _flash(walk, kind, q, q_width, kv_width) if walk.settings.flash_attention else _scores(walk, kind, q, q_width)
    if rotated[1]:                                          # back from the rotated values
        out = _copy(walk, out, q_width, kind, "rotate_v")
    result = walk.width(a.n_embd)
    space.give(out)
    return result


def _apart(walk, kind: int, norm, q_width: int, kv_width: int, rotated: tuple[int, int]) -> tuple[int, int]:
    """A matrix each for queries, keys and values; keys and values go into the cache.  Returns the place of the queries."""
    space = walk.space
    q = _position(walk, walk.width(q_width), q_width, rotated[0])
    if walk.a.sliding_window:                               # keys first
        k = _position(walk, walk.width(kv_width), kv_width, rotated[0], kind)
        v = walk.width(kv_width)
        space.give(norm)
        v = _copy(walk, v, kv_width) if rotated[1] else v
    else:
        v = walk.width(kv_width)
        v = _copy(walk, v, kv_width) if rotated[1] else v
        k = walk.width(kv_width)
        space.give(norm)
        k = _position(walk, k, kv_width, rotated[0], kind)
    _into_cache(walk, kind, k, v)
    return q


def _fused(walk, kind: int, norm, q_width: int, kv_width: int, rotated: tuple[int, int]) -> tuple[int, int]:
    """Phi: one matrix for all three, from which queries and keys are cut out; values are read where they are."""
    space = walk.space
    qkv = walk.width(q_width + 2 * kv_width)
    space.give(norm)
    q = walk.width(q_width)
    q = _copy(walk, q, q_width) if rotated[0] else q
    v = walk.width(kv_width) if rotated[1] else None
    k = walk.width(kv_width)
    if v:
        space.give(qkv)
    walk.done(kind, "positions")
    k = _copy(walk, k, kv_width, kind, "rotate_k") if rotated[0] else k
    _into_cache(walk, kind, k, v or qkv)
    return q


def _into_cache(walk, kind: int, k, v) -> None:
    walk.space.give(k)
    walk.done(kind, "keys")
    if v:
        walk.space.give(v)
    walk.done(kind, "values")


def _position(walk, place, columns: int, rotated: int, kind: int | None = None):
    """The first operation on heads (a norm, or RoPE) makes a copy, rotating for a quantized cache another.

    kind: given for the keys, after which nobody else in this layer needs the positions and the rotation.
    """
    place = _copy(walk, place, columns)
    if kind is not None:
        walk.done(kind, "positions")
    return _copy(walk, place, columns, kind, "rotate_k") if rotated else place


def _copy(walk, place, columns: int, kind: int | None = None, with_: str = "") -> tuple[int, int]:
    """A result of the same width, after which the original is not needed, nor the input `with_` of this kind of attention."""
    copy = walk.width(columns)
    if kind is not None:
        walk.done(kind, with_)
    walk.space.give(place)
    return copy


def _flash(walk, kind: int, q, q_width: int, kv_width: int) -> tuple[int, int]:
    """Flash attention: never a table of all scores, but a 16-bit copy of one layer's cache where that is not 16-bit itself.

    A 32-bit cache is copied by an operation of its own; for all other types CUDA wants the room behind the result.
    """
    space, count = walk.space, kv_width * walk.cells[kind] * walk.settings.n_streams
    types = walk.settings.type_k, walk.settings.type_v
    casts = [space.take(2 * count) for kv_type in types if kv_type == "f32"]
    nbytes = q_width * walk.row
    for kv_type in types:
        if kv_type not in ("f16", "f32"):
            nbytes = aligned(nbytes, ALIGNMENT) + 2 * count
    out = space.take(nbytes)
    space.give(q, *casts)
    walk.done(kind, "mask")
    return out


def _scores(walk, kind: int, q, q_width: int) -> tuple[int, int]:
    """Without it: a number for each head, token and cell; then the weighted values, brought into order."""
    a, space = walk.a, walk.space
    kq = walk.width(a.n_head * walk.cells[kind])
    space.give(q)
    walk.done(kind, "mask")
    kqv = walk.width(q_width)
    space.give(kq)
    out = walk.width(q_width)
    space.give(kqv)
    return out


def latent_attention(walk, kind: int) -> tuple[int, int]:
    """DeepSeek's MLA: all heads look at one short vector a token (llama.cpp: deepseek2.cpp)."""
    a, space, width = walk.a, walk.space, walk.width
    latent, values = a.kv_lora_rank + a.rope_dim, a.n_head * a.v_head_dim
    norm = width(a.n_embd)
    if a.q_lora_rank:
        short = width(a.q_lora_rank)
        q = width(a.n_head * (a.qk_nope_dim + a.rope_dim))
        space.give(short)
    else:
        q = width(a.n_head * (a.qk_nope_dim + a.rope_dim))
    absorbed, turned = width(a.n_head * a.kv_lora_rank), width(a.n_head * a.rope_dim)
    space.give(q)
    q = width(a.n_head * latent)
    space.give(absorbed, turned)
    kv = width(latent)
    space.give(norm)
    short, turned = width(a.kv_lora_rank), width(a.rope_dim)
    space.give(kv)
    walk.done(kind, "positions")
    k = width(latent)
    space.give(short, turned)
    _into_cache(walk, kind, k, None)
    out = _latent_result(walk, kind, q, latent)
    unpacked = width(values)
    space.give(out)
    ordered = width(values)
    space.give(unpacked)
    result = width(a.n_embd)
    space.give(ordered)
    return result


def _latent_result(walk, kind: int, q, latent: int) -> tuple[int, int]:
    a, space, settings = walk.a, walk.space, walk.settings
    columns, cells = a.n_head * a.kv_lora_rank, walk.cells[kind] * settings.n_streams
    if settings.flash_attention:
        nbytes = columns * walk.row
        if settings.type_k != "f16":                        # the values are a part of the keys: one copy serves both
            nbytes = aligned(nbytes, ALIGNMENT) + 2 * latent * cells
        out = space.take(nbytes)
        space.give(q)
        walk.done(kind, "mask")
        return out
    turned = space.take(2 * a.kv_lora_rank * cells)         # the values, transposed
    kq = walk.width(a.n_head * walk.cells[kind])
    space.give(q)
    walk.done(kind, "mask")
    out = walk.width(columns)
    space.give(turned, kq)
    return out
