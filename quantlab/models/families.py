"""Which tensors each model family has: the wiring diagrams of llama.cpp, as a list of names and shapes.

A language model is one table of word vectors, a stack of equal layers (attention, then feed-forward) and one
output table. The families differ in small things only: biases, extra norms, experts, a fused matrix. Here is
the whole list.  Source: llama.cpp's llama-model.cpp and gguf-py's constants.py; the parameter counts are
tested against published ones.
"""

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from . import per_layer
from .mixers import DELTA_NET, GATED_ATTENTION, MAMBA2, SHORT_CONVOLUTION, state_tensors
from .per_layer import PER_LAYER

FAMILIES = {"llama", "qwen2", "qwen3", "qwen3moe", "gemma2", "gemma3", "phi3", "gpt-oss", "deepseek2", "glm4",
            "glm4moe", "granite", "granitemoe", "llama4", "mistral3", *PER_LAYER, *MAMBA2, *DELTA_NET,
            *SHORT_CONVOLUTION}
#: The word vectors (some models have another table for all layers), and what the last step multiplies with.
EMBEDDINGS, OUTPUT = ("token_embd.weight", "per_layer_token_embd.weight"), "output.weight"
#: Each p-th layer sees the whole context, the others only a window (llama.cpp: set_swa_pattern); 1: no local
#: layers.
SWA_PATTERN = {"gemma2": 2, "gemma3": 6, "gpt-oss": 2, "llama4": 4, "gemma3n": 5, "olmo2": 4}

QKV_BIAS = {"qwen2", "gpt-oss"}
QK_NORM = {"qwen3", "qwen3moe", "gemma3", *PER_LAYER, *DELTA_NET, *SHORT_CONVOLUTION}
POST_ATTENTION_NORM = {"gemma2", "gemma3", "gpt-oss", "glm4", "glm4moe", *DELTA_NET, *PER_LAYER}
POST_FFN_NORM = {"gemma2", "gemma3", "glm4", *PER_LAYER}
#: The norm after attention is the one before the feed-forward part, too.
NO_FFN_NORM = {"gpt-oss", "glm4moe", "nemotron_h", "nemotron_h_moe", *DELTA_NET}
#: Gate and up are one matrix.
FUSED_GATE = {"phi3", "glm4"}
#: Feed-forward parts without a gate.
NO_GATE = {"nemotron_h", "nemotron_h_moe"}


class TensorShape(NamedTuple):
    """One tensor: GGUF's `name`, its `role` ("attn_q", without layer and ".weight"), its `layer` (None:
    outside the stack) and its `shape` in ggml's order: the length of a row first, so NumPy's shape is the
    reverse.
    """

    name: str
    role: str
    layer: int | None
    shape: tuple[int, ...]

    @property
    def n_weights(self) -> int:
        return prod(self.shape)

    @property
    def stays_f32(self) -> bool:
        """llama.cpp never quantizes these: vectors (norms, biases), expert biases, and the experts' router.
        """
        return len(self.shape) == 1 or self.name.endswith(".bias") or self.role == "ffn_gate_inp"


def role_and_layer(name: str) -> tuple[str, int | None]:
    """("attn_q", 3) for "blk.3.attn_q.weight"; a bias keeps its ending: ("attn_q.bias", 3); ("output", None).
    """
    layer, rest = None, name
    if name.startswith("blk."):
        number, _, after = name[4:].partition(".")
        if number.isascii() and number.isdigit() and len(number) < 10:
            layer, rest = int(number), after
    return rest.removesuffix(".weight"), layer


def tensor_shapes(a) -> Iterator[TensorShape]:
    """All tensors of Architecture `a`: outside the stack first, then layer by layer."""
    for name, shape in _outside(a):
        yield TensorShape(name, role_and_layer(name)[0], None, shape)
    for layer in range(a.n_layer):
        ffn = _ffn(a, layer) if a.has_ffn(layer) else ()
        for part, shape in (*_attention(a, layer), *ffn, *per_layer.in_layer(a, layer)):
            name = f"blk.{layer}.{part}"
            yield TensorShape(name, role_and_layer(name)[0], layer, shape)


def _outside(a):
    half = (a.rope_dim or a.head_dim) // 2
    yield "token_embd.weight", (a.n_embd, a.n_vocab)
    yield "token_embd_norm.weight" if a.arch in SHORT_CONVOLUTION else "output_norm.weight", (a.n_embd,)
    if not a.tied_embeddings:       # tied: the word vectors serve as output too
        yield "output.weight", (a.n_embd, a.n_vocab)
    if a.rope_freqs:
        yield "rope_freqs.weight", (half,)
    yield from per_layer.outside(a)
    if a.longrope:
        yield "rope_factors_long.weight", (half,)
        yield "rope_factors_short.weight", (half,)


def _attention(a, layer: int):
    yield "attn_norm.weight", (a.n_embd,)
    if a.has_state(layer):
        yield from state_tensors(a)
    elif not a.has_attention(layer):
        return
    elif a.arch == "deepseek2":
        yield from _latent_attention(a)
    elif a.arch == "phi3":      # q, k and v in one matrix
        yield "attn_qkv.weight", (a.n_embd, (a.n_head + 2 * a.n_head_kv) * a.head_dim)
        yield "attn_output.weight", (a.n_head * a.head_dim, a.n_embd)
    else:
        yield from _grouped_attention(a, layer)
    if a.arch in POST_ATTENTION_NORM:
        yield "post_attention_norm.weight", (a.n_embd,)


def _grouped_attention(a, layer: int):
    heads_kv, dim = a.heads_of(layer)
    for letter, heads in (("q", a.n_head), ("k", heads_kv), ("v", heads_kv)):
        # Gemma 3n has them even where it reads another layer's cache
        if letter != "q" and not a.has_cache(layer) and a.arch == "gemma4":
            continue
        if letter == "v" and a.value_is_key and not a.is_sliding(layer):
            continue
        gate = 2 if letter == "q" and a.arch in GATED_ATTENTION else 1
        yield f"attn_{letter}.weight", (a.n_embd, gate * heads * dim)
        if a.arch in QKV_BIAS or a.qkv_bias:
            yield f"attn_{letter}.bias", (heads * dim,)
    yield "attn_output.weight", (a.n_head * dim, a.n_embd)
    if a.arch == "gpt-oss":
        yield "attn_output.bias", (a.n_embd,)
        yield "attn_sinks.weight", (a.n_head,)
    if a.arch in QK_NORM or a.qk_norm:
        yield "attn_q_norm.weight", (dim,)
        if a.has_cache(layer) or a.arch != "gemma4":
            yield "attn_k_norm.weight", (dim,)


def _latent_attention(a):
    """DeepSeek's MLA: keys and values are rebuilt from one short vector of kv_lora_rank numbers a token."""
    key = a.qk_nope_dim + a.rope_dim
    if a.q_lora_rank:
        yield "attn_q_a.weight", (a.n_embd, a.q_lora_rank)
        yield "attn_q_a_norm.weight", (a.q_lora_rank,)
        yield "attn_q_b.weight", (a.q_lora_rank, a.n_head * key)
    else:
        yield "attn_q.weight", (a.n_embd, a.n_head * key)
    yield "attn_kv_a_mqa.weight", (a.n_embd, a.kv_lora_rank + a.rope_dim)
    yield "attn_kv_a_norm.weight", (a.kv_lora_rank,)
    if a.full_kv:
        yield "attn_kv_b.weight", (a.kv_lora_rank, a.n_head * (a.qk_nope_dim + a.v_head_dim))
    else:
        yield "attn_k_b.weight", (a.qk_nope_dim, a.kv_lora_rank, a.n_head)
        yield "attn_v_b.weight", (a.kv_lora_rank, a.v_head_dim, a.n_head)
    yield "attn_output.weight", (a.n_head * a.v_head_dim, a.n_embd)


def _ffn(a, layer: int):
    if a.arch not in NO_FFN_NORM:
        yield "ffn_norm.weight", (a.n_embd,)
    if a.arch in POST_FFN_NORM:
        yield "post_ffw_norm.weight", (a.n_embd,)
    if a.has_experts(layer):
        yield from _experts(a)
        if a.arch != "gemma4":              # which has the other part, too
            return
    n_ff = a.n_ff_shared if a.n_ff_shared and not a.has_cache(layer) else a.n_ff
    if a.arch in FUSED_GATE:
        yield "ffn_up.weight", (a.n_embd, 2 * a.n_ff)
        yield "ffn_down.weight", (a.n_ff, a.n_embd)
    else:
        if a.arch not in NO_GATE:
            yield "ffn_gate.weight", (a.n_embd, n_ff)
        yield "ffn_up.weight", (a.n_embd, n_ff)
        yield "ffn_down.weight", (n_ff, a.n_embd)


def _experts(a):
    width = a.n_ff_exp or a.n_ff
    yield "ffn_gate_inp.weight", (a.n_embd, a.n_expert)     # the router: which experts get this token
    if a.arch == "gpt-oss":
        yield "ffn_gate_inp.bias", (a.n_expert,)
    if a.router_bias:
        yield "exp_probs_b.bias", (a.n_expert,)
    if a.arch == "gemma4":
        yield "ffn_gate_up_exps.weight", (a.n_embd, 2 * width, a.n_expert)
        yield "ffn_down_exps.weight", (width, a.n_embd, a.n_expert)
        yield "ffn_down_exps.scale", (a.n_expert,)
        return
    for part, columns, rows in (("gate", a.n_embd, width), ("up", a.n_embd, width),
                                ("down", width, a.n_embd)):
        if part == "gate" and a.arch in NO_GATE:
            continue
        yield f"ffn_{part}_exps.weight", (columns, rows, a.n_expert)
        if a.arch == "gpt-oss":
            yield f"ffn_{part}_exps.bias", (rows, a.n_expert)
    if shared := a.n_ff_shexp or width * a.n_expert_shared:
        if a.arch in DELTA_NET:             # what all share is weighed, too
            yield "ffn_gate_inp_shexp.weight", (a.n_embd,)
        if a.arch not in NO_GATE:
            yield "ffn_gate_shexp.weight", (a.n_embd, shared)
        yield "ffn_up_shexp.weight", (a.n_embd, shared)
        yield "ffn_down_shexp.weight", (shared, a.n_embd)
