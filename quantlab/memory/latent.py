"""DeepSeek's latent attention, as far as memory is concerned: all heads look at one short vector a token (llama.cpp: deepseek2.cpp)."""

from .attention import cached, into_cache, output
from .placement import aligned
from .space import ALIGNMENT


def latent_attention(walk, kind: int) -> tuple[int, int]:
    """From the norm of the input to the output projection.  Returns the place of the result."""
    a, space, width = walk.a, walk.space, walk.width
    latent, values = a.kv_lora_rank + a.rope_dim, a.n_head * a.v_head_dim
    norm = width(a.n_embd)
    walk.use("attn_norm.weight")
    if a.q_lora_rank:
        short = width(a.q_lora_rank, "attn_q_a.weight")
        walk.use("attn_q_a_norm.weight")
        q = width(a.n_head * (a.qk_nope_dim + a.rope_dim), "attn_q_b.weight")
        space.give(short)
    else:
        q = width(a.n_head * (a.qk_nope_dim + a.rope_dim), "attn_q.weight")
    lent = walk.lend("attn_k_b.weight", inputs=("positions",))
    absorbed = width(a.n_head * a.kv_lora_rank)
    space.give(*lent)
    turned = width(a.n_head * a.rope_dim)
    space.give(q)
    q = width(a.n_head * latent)
    space.give(absorbed, turned)
    kv = width(latent, "attn_kv_a_mqa.weight")
    space.give(norm)
    short = width(a.kv_lora_rank)
    walk.use("attn_kv_a_norm.weight")
    turned = width(a.rope_dim)
    space.give(kv)
    walk.done(kind, "positions")
    k = width(latent)
    space.give(short, turned)
    into_cache(walk, kind, k, None)
    out = _latent_result(walk, kind, q, latent)
    unpacked = width(values, "attn_v_b.weight")
    space.give(out)
    ordered = width(values)
    space.give(unpacked)
    result = output(walk)
    space.give(ordered)
    return result


def _latent_result(walk, kind: int, q, latent: int) -> tuple[int, int]:
    a, space, settings = walk.a, walk.space, walk.settings
    columns, cells = a.n_head * a.kv_lora_rank, walk.cells[kind] * settings.n_streams
    cache = cached(walk, kind)
    if settings.flash_attention:
        nbytes = columns * walk.row
        if settings.type_k != "f16":                        # the values are a part of the keys: one copy serves both
            nbytes = aligned(nbytes, ALIGNMENT) + 2 * latent * cells
            if cache:                                       # but not once keys and values have been copied apart
                nbytes = aligned(nbytes, ALIGNMENT) + 2 * a.kv_lora_rank * cells
        out = space.take(nbytes)
        space.give(q, *cache)
        walk.done(kind, "mask")
        return out
    turned = space.take(2 * a.kv_lora_rank * cells)         # the values, transposed
    space.give(*cache[:1])
    kq = walk.width(a.n_head * walk.cells[kind])
    space.give(q, *cache[1:])
    walk.done(kind, "mask")
    out = walk.width(columns)
    space.give(turned, kq)
    return out
