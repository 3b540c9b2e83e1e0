"""Attention, as far as memory is concerned: the places that its results take, in llama.cpp's order
(llama-graph.cpp: build_attn; DeepSeek's latent attention, where all heads look at one short vector a token:
deepseek2.cpp).

`attention` and `latent_attention` walk through one layer's attention: the norm of the input first, the output
projection last. They return the place of the result; every other place has been given back.
"""

from ..models.types import tensor_nbytes
from .settings import CACHE_TYPES
from .walk import ALIGNMENT, Input, Span, Walk, rotation_sizes
from .weights import aligned


def attention(walk: Walk, kind: int) -> Span:
    """Queries, keys and values in heads.  kind: 0 sees everything, 1 a window."""
    a, space = walk.shape, walk.space
    rotated = rotation_sizes(a, walk.settings)
    q_width, kv_width = a.n_head * a.head_dim, a.n_head_kv * a.head_dim
    norm = walk.width(a.n_embd)
    walk.use("attn_norm.weight")
    q = (_fused if a.arch == "phi3" else _apart)(walk, kind, norm, q_width, kv_width, rotated)
    out = (_flash(walk, kind, q, q_width, kv_width) if walk.flash
           else _scores(walk, kind, q, q_width))
    if rotated[1]:                                          # back from the rotated values
        out = _copy(walk, out, q_width, kind, "rotate_v")
    result = output(walk)
    space.give(out)
    return result


def output(walk: Walk) -> Span:
    """The matrix after attention; in the last layer, the list of the rows that go on is read with it."""
    rows, bias = ("rows",) if walk.layer == walk.last_layer else (), "attn_output.bias"
    lent = walk.lend("attn_output.weight", inputs=() if walk.has(bias) else rows)
    result = walk.width(walk.shape.n_embd)
    walk.space.give(*lent)
    if walk.has(bias):
        walk.use(bias, inputs=rows)
    return result


def _apart(walk: Walk, kind: int, norm, q_width: int, kv_width: int, rotated: tuple[int, int]) -> Span:
    """A matrix each for queries, keys and values; keys and values go into the cache.  Returns the place of
    the queries.
    """
    space, values_first = walk.space, not walk.shape.sliding_window
    together = walk.shape.rope_freqs and "freqs" in walk.places and values_first
    early = "attn_v.weight" if together and walk.has("attn_v.weight") else ""
    q, lent = _heads(walk, "attn_q", q_width, rotated[0], kind, early=early)
    if not values_first:
        k, _ = _heads(walk, "attn_k", kv_width, rotated[0], kind, last=True)
        v = _values(walk, kind, kv_width, rotated[1])
        space.give(norm)
        v = _copy(walk, v, kv_width) if rotated[1] else v
    else:
        v = _values(walk, kind, kv_width, rotated[1], lent)
        v = _copy(walk, v, kv_width) if rotated[1] else v
        k, _ = _heads(walk, "attn_k", kv_width, rotated[0], kind, last=True, norm=norm)
    into_cache(walk, kind, k, v)
    return q


def _values(walk: Walk, kind: int, columns: int, rotated: int, lent=()) -> Span:
    """lent: the copy of the matrix, where an earlier split brought it."""
    biased, inputs = walk.has("attn_v.bias"), (("rotate_v", kind),) if rotated else ()
    lent = lent or walk.lend("attn_v.weight", inputs=() if biased else inputs)
    place = walk.width(columns)
    walk.space.give(*lent)
    if biased:
        walk.use("attn_v.bias", inputs=inputs)
    return place


def _heads(walk: Walk, name: str, columns: int, rotated: int, kind: int, last: bool = False, norm=None,
           early: str = ""):
    """Queries or keys: matrix, bias, norm, RoPE, rotation; the last two read inputs, which come with the
    weight before them.

    last: these are the keys, after which nobody else in this layer needs the inputs.  norm: the layer's
    input, if it ends here.  early: a matrix that comes in the split of this RoPE.  Returns the place and the
    copy of `early`.
    """
    space, freqs = walk.space, walk.shape.rope_freqs
    inputs: list[Input] = ["positions", "freqs"] if freqs else ["positions"]
    if rotated:
        inputs.append(("rotate_k", kind))
    readers = [part for part in (f"{name}.bias", f"{name}_norm.weight") if walk.has(part)]
    lent = walk.lend(f"{name}.weight", inputs=() if readers or freqs else inputs)
    place = walk.width(columns)
    space.give(*lent, *([norm] if norm else []))
    if f"{name}.bias" in readers:
        walk.use(f"{name}.bias", inputs=inputs if len(readers) == 1 and not freqs else ())
    copied = f"{name}_norm.weight" in readers
    if copied:
        place = _copy(walk, place, columns)
        walk.use(f"{name}_norm.weight", inputs=inputs if not freqs else ())
    if early and rotated:
        inputs.append(("rotate_v", kind))
    lent = walk.lend(early, inputs=inputs) if freqs else []
    if not copied:
        place = _copy(walk, place, columns)
    if last:
        walk.done(kind, "positions")
    return (_copy(walk, place, columns, *((kind, "rotate_k") if last else ())) if rotated else place), lent


def _fused(walk: Walk, kind: int, norm, q_width: int, kv_width: int, rotated: tuple[int, int]) -> Span:
    """Phi: one matrix for all three, from which queries and keys are cut out; values are read where they are.
    """
    space = walk.space
    inputs: list[Input] = ["positions", "freqs", ("rotate_k", kind), ("rotate_v", kind)]
    lent = walk.lend("attn_qkv.weight", inputs=() if walk.shape.longrope else inputs)
    qkv = walk.width(q_width + 2 * kv_width)
    space.give(norm, *lent)
    walk.lend(inputs=inputs)
    q = walk.width(q_width)
    q = _copy(walk, q, q_width) if rotated[0] else q
    v = walk.width(kv_width) if rotated[1] else None
    k = walk.width(kv_width)
    if v:
        space.give(qkv)
    walk.done(kind, "positions")
    k = _copy(walk, k, kv_width, kind, "rotate_k") if rotated[0] else k
    into_cache(walk, kind, k, v or qkv)
    return q


def into_cache(walk: Walk, kind: int, k, v) -> None:
    """Keys and values are copied into the cache, and with them where they go."""
    walk.space.give(k)
    walk.done(kind, "keys")
    if v:
        walk.space.give(v)
    walk.done(kind, "values")


def _copy(walk: Walk, place, columns: int, kind: int | None = None, with_: str = "") -> Span:
    """A result of the same width, after which the original is not needed, nor the input `with_` of this kind
    of attention.
    """
    copy = walk.width(columns)
    if kind is not None:
        walk.done(kind, with_)
    walk.space.give(place)
    return copy


def _flash(walk: Walk, kind: int, q, q_width: int, kv_width: int) -> Span:
    """Flash attention: never a table of all scores, but a 16-bit copy of one layer's cache where that is not
    16-bit itself.

    A 32-bit cache is copied by an operation of its own; for all other types CUDA wants the room behind the
    result, unless it reads them as they are.
    """
    space, count = walk.space, kv_width * walk.cells[kind] * walk.settings.n_streams
    types = walk.settings.type_k, walk.settings.type_v
    cache = cached(walk, kind)
    casts = []
    for i, kv_type in enumerate(types):
        if kv_type == "f32":
            casts.append(space.take(2 * count))
            if cache:
                space.give(cache[i])
    cache = [place for i, place in enumerate(cache) if i > 1 or types[i] != "f32"]
    nbytes = q_width * walk.row_bytes
    for kv_type in () if _read_as_it_is(walk) else types:
        if kv_type not in ("f16", "f32"):
            nbytes = aligned(nbytes, ALIGNMENT) + 2 * count
    out = space.take(nbytes)
    space.give(q, *casts, *cache)
    walk.done(kind, "mask")
    return out


def _read_as_it_is(walk: Walk) -> bool:
    """Whether CUDA needs no copy of a quantized cache: for one or two tokens of a conversation at a time,
    keys and values of one type, and these sizes of heads (ggml_cuda_get_best_fattn_kernel, since Ada).
    """
    type_k, type_v = walk.settings.type_k, walk.settings.type_v
    few = walk.n_tokens // walk.settings.n_streams <= 2
    return few and type_k == type_v and type_k in ("q8_0", "q4_0") and walk.shape.head_dim in (64, 128, 256)


def cached(walk: Walk, kind: int) -> list[Span]:
    """Copies of keys and values of a layer in main memory, and who may see whom, at the beginning of a split.
    Returns places.
    """
    if walk.layer >= walk.first_on_card:
        return []
    k, v = walk.cache_copy()
    together = walk.settings.flash_attention or walk.shape.is_latent
    first, second = (v, k) if together and not walk.flash else (k, v)
    places = [walk.space.take(first)]
    if together:
        places.append(walk.space.take(second))
        walk.need(("mask", kind))
        return places + walk.lend("attn_sinks.weight")
    if not walk.has("attn_sinks.weight"):                   # else these come with it, see _sinks
        walk.need(("mask", kind))
        places.append(walk.space.take(v))
    return places


def _sinks(walk: Walk, kind: int) -> list[Span]:
    """Without flash attention the softmax reads the sinks, which begins a split of its own: the mask, the
    sinks, the values.
    """
    if not walk.has("attn_sinks.weight"):
        return []
    walk.need(("mask", kind))
    return [*walk.lend("attn_sinks.weight"), walk.space.take(walk.cache_copy()[1])]


def _scores(walk: Walk, kind: int, q, q_width: int) -> Span:
    """Without it: a number for each head, token and cell; then the weighted values, brought into order."""
    a, space = walk.shape, walk.space
    cache = cached(walk, kind)
    turned = []
    if walk.settings.flash_attention:       # asked for in vain: the values were kept in the order for it
        turned = [space.take(walk.cache_copy()[1])]
        space.give(*cache[:1])
        cache = cache[1:]
    kq = walk.width(a.n_head * walk.cells[kind])
    space.give(q, *cache[:1])
    cache = cache[1:] or ([] if turned else _sinks(walk, kind))
    walk.done(kind, "mask")
    kqv = walk.width(q_width)
    space.give(kq, *turned, *cache)
    out = walk.width(q_width)
    space.give(kqv)
    return out


def _deepseek_queries(walk: Walk, *inputs: Input) -> tuple[Span, Span]:
    """The norm of the input, and the queries before they are turned; `inputs` are read behind them."""
    a, width = walk.shape, walk.width
    norm, short = width(a.n_embd), []
    walk.use("attn_norm.weight")
    if a.q_lora_rank:
        short = [width(a.q_lora_rank, "attn_q_a.weight")]
        walk.use("attn_q_a_norm.weight")
    lent = walk.lend("attn_q_b.weight" if short else "attn_q.weight", inputs=inputs)
    q = width(a.n_head * (a.qk_nope_dim + a.rope_dim))
    walk.space.give(*lent, *short)
    return norm, q


def restored_attention(walk: Walk, kind: int) -> Span:
    """DeepSeek's files made before April 2025: every head's keys and values are restored from the short
    vector (attn_kv_b), then kept.  Returns the place of the result.
    """
    a, space, width = walk.shape, walk.space, walk.width
    keys, values = a.n_head * a.head_dim, a.n_head * a.v_head_dim
    rotated_k, rotated_v = rotation_sizes(a, walk.settings)
    norm, q = _deepseek_queries(walk, "positions", *[("rotate_k", kind)] * bool(rotated_k))
    q = _copy(walk, q, keys)
    q = _copy(walk, q, keys) if rotated_k else q
    kv = width(a.kv_lora_rank + a.rope_dim, "attn_kv_a_mqa.weight")
    space.give(norm)
    short = width(a.kv_lora_rank)
    walk.use("attn_kv_a_norm.weight")
    lent = walk.lend("attn_kv_b.weight", inputs=[("rotate_v", kind)] * bool(rotated_v))
    restored = width(a.n_head * (a.qk_nope_dim + a.v_head_dim))
    space.give(short, *lent)
    v = width(values)
    v = _copy(walk, v, values) if rotated_v else v
    turned = width(a.rope_dim)
    space.give(kv)
    walk.done(kind, "positions")
    repeated = width(a.n_head * a.rope_dim)
    space.give(turned)
    k = width(keys)
    space.give(restored, repeated)
    k = _copy(walk, k, keys, kind, "rotate_k") if rotated_k else k
    into_cache(walk, kind, k, v)
    out = _flash(walk, kind, q, values, keys) if walk.flash else _scores(walk, kind, q, values)
    out = _copy(walk, out, values, kind, "rotate_v") if rotated_v else out
    result = output(walk)
    space.give(out)
    return result


def latent_attention(walk: Walk, kind: int) -> Span:
    """From the norm of the input to the output projection.  Returns the place of the result."""
    a, space, width = walk.shape, walk.space, walk.width
    latent, values = a.kv_lora_rank + a.rope_dim, a.n_head * a.v_head_dim
    norm, q = _deepseek_queries(walk)
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


def _latent_result(walk: Walk, kind: int, q, latent: int) -> Span:
    a, space, settings = walk.shape, walk.space, walk.settings
    columns, cells = a.n_head * a.kv_lora_rank, walk.cells[kind] * settings.n_streams
    cache = cached(walk, kind)
    if walk.flash:
        nbytes = columns * walk.row_bytes
        casts = []
        if settings.type_k == "f32":                        # copied to 16 bits by operations of their own
            casts = [space.take(2 * latent * cells)]
            space.give(*cache[:1])
            casts.append(space.take(2 * a.kv_lora_rank * cells))
            space.give(*cache[1:])
            cache = []
        # the values are a part of the keys: one copy serves both
        if settings.type_k not in ("f16", "f32"):
            nbytes = aligned(nbytes, ALIGNMENT) + 2 * latent * cells
            # but not once keys and values have been copied apart
            if cache:
                nbytes = aligned(nbytes, ALIGNMENT) + 2 * a.kv_lora_rank * cells
        out = space.take(nbytes)
        space.give(q, *casts, *cache)
        walk.done(kind, "mask")
        return out
    turned = space.take(tensor_nbytes((a.kv_lora_rank, cells), CACHE_TYPES[settings.type_k]))   # the values
    space.give(*cache[:1])
    kq = walk.width(a.n_head * walk.cells[kind])
    space.give(q, *cache[1:])
    walk.done(kind, "mask")
    out = walk.width(columns)
    space.give(turned, kq)
    return out
