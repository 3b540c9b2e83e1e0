"""Which tensors a graph needs, and which it may have: a file that lacks one, has one in another shape, or has
one that would be ignored, is refused.

Source: llama.cpp's src/models/*.cpp (load_arch_tensors, create_tensor_qkv).
"""

from collections.abc import Iterator, Mapping

from ..models.wiring import may_be_biased, plain_shape
from .graph import Graph, Shapes

Named = tuple[str, tuple[int, ...]]         # a tensor's name and shape, in ggml's order: row length first


def demand_graph(name: str, g: Graph, found: Shapes) -> None:
    """ValueError unless the tensors are those of the graph.  name: the model's, for the words."""
    needed = dict(_needed(g, found))
    allowed = needed | dict(_optional(g, needed))
    for tensor in needed:
        if tensor not in found:
            raise ValueError(f"{name} has no tensor {tensor}, without which a {g.arch} of {g.n_layer} layers "
                             "cannot run")
    for tensor, shape in found.items():
        if tensor not in allowed:
            raise ValueError(f"{name} has a tensor {tensor} of shape {shape} that no {g.arch} has: it would "
                             "be ignored")
        if plain_shape(shape) != plain_shape(allowed[tensor]):
            raise ValueError(f"{tensor} of {name} has the shape {shape}; by the file's own numbers it must "
                             f"be {allowed[tensor]}")


def _needed(g: Graph, found: Shapes) -> Iterator[Named]:
    """All tensors without which the graph cannot run."""
    yield "token_embd.weight", (g.n_embd, g.n_vocab)
    yield "output_norm.weight", (g.n_embd,)
    if g.family.output == "own" or (g.family.output == "either" and not g.tied_embeddings):
        yield "output.weight", (g.n_embd, g.n_vocab)
    for layer in range(g.n_layer):
        block = f"blk.{layer}."
        for norm in filter(None, g.family.norms):
            yield f"{block}{norm}.weight", (g.n_embd,)
        for role, shape in (*_attention(g, f"{block}attn_qkv.weight" in found), *_feed_forward(g)):
            yield f"{block}{role}.weight", shape
            if g.family.all_biased and len(shape) > 1:
                yield f"{block}{role}.bias", shape[1:]


def _attention(g: Graph, fused: bool) -> Iterator[Named]:
    q, kv = g.n_head * g.head_dim, g.n_head_kv * g.head_dim
    if fused:
        yield "attn_qkv", (g.n_embd, q + 2 * kv)
    else:
        yield from (("attn_q", (g.n_embd, q)), ("attn_k", (g.n_embd, kv)), ("attn_v", (g.n_embd, kv)))
    yield "attn_output", (q, g.n_embd)
    if g.family.qk_norm:
        whole = g.family.qk_norm == "all"
        yield "attn_q_norm", (q if whole else g.head_dim,)
        yield "attn_k_norm", (kv if whole else g.head_dim,)
    if g.family.sinks:
        yield "attn_sinks", (g.n_head,)


def _feed_forward(g: Graph) -> Iterator[Named]:
    kind, stacked = ("_exps", (g.n_expert,)) if g.n_expert else ("", ())
    if g.n_expert:
        yield "ffn_gate_inp", (g.n_embd, g.n_expert)
    if not g.family.fused_gate:
        yield f"ffn_gate{kind}", (g.n_embd, g.n_ff, *stacked)
    yield f"ffn_up{kind}", (g.n_embd, g.n_ff * (2 if g.family.fused_gate else 1), *stacked)
    yield f"ffn_down{kind}", (g.n_ff, g.n_embd, *stacked)
    if g.n_ff_shared:
        yield "ffn_gate_shexp", (g.n_embd, g.n_ff_shared)
        yield "ffn_up_shexp", (g.n_embd, g.n_ff_shared)
        yield "ffn_down_shexp", (g.n_ff_shared, g.n_embd)


def _optional(g: Graph, needed: Mapping[str, tuple[int, ...]]) -> Iterator[Named]:
    """Biases of the matrices that may have one, and what slows RoPE down."""
    for name, shape in needed.items():
        stem, _, end = name.rpartition(".")
        if end == "weight" and stem.rpartition(".")[2] in may_be_biased(g.arch):
            yield f"{stem}.bias", shape[1:]
    if g.family.rope_tensors and g.global_rope is not None:
        names = ("rope_factors_long", "rope_factors_short") if g.longrope else ("rope_freqs",)
        yield from ((f"{name}.weight", g.global_rope.speeds.shape) for name in names)
