"""What shape a model has: `Architecture`, with the names GGUF and llama.cpp use for its numbers.

From these numbers follow the name and the shape of every tensor (`tensors`, see families.py); from those,
every byte.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache

from ..words import whole
from .families import FAMILIES, SWA_PATTERN, TensorShape, tensor_shapes

LARGEST = 2**40         # no count of a real model comes near
MOST_LAYERS = 4096      # keeps the list of tensors finite, whatever a file claims


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The numbers that fix a language model's tensors. All counts are whole numbers; 0 means "has none".

    arch: GGUF's `general.architecture` ("llama", "qwen3", ...).  n_embd: width of the residual stream.
    head_dim: columns of one attention head; n_head_kv: heads that keep keys and values (fewer than n_head:
    GQA).  n_ff: width of the feed-forward part; n_ff_exp: of one expert.  n_layer_dense: first layers without
    experts; n_moe_layer_step: each so-manieth layer has experts; n_ff_shexp: width of what all tokens share,
    where it is not n_expert_shared experts.  qkv_bias, qk_norm: biases and norms of queries and keys that
    only some of an architecture have; query_scale: queries are scaled by their position; no_rope: nothing
    is.  pattern, ssm_d_conv, ssm_d_inner, ssm_d_state, ssm_dt_rank, ssm_n_group: layers with a state
    (mixers.py).  head_dim_swa, n_head_kv_swa: of layers that see a window, where they differ;
    n_embd_per_layer: width of each layer's own word vectors; n_layer_kv_shared: last layers that read earlier
    ones' caches, and n_ff_shared their width; value_is_key: layers that see all have one matrix for keys and
    values.  expert_norm, expert_scaled, router_bias, n_expert_groups, n_group_used: how DeepSeek V3 and its
    kin choose experts (their weights add up to 1; times a number; a bias; only among the best
    groups).  kv_lora_rank, q_lora_rank, rope_dim, qk_nope_dim, v_head_dim: DeepSeek's latent attention;
    full_kv: a file of the make before April 2025, where every head keeps its keys and values (one matrix,
    attn_kv_b, instead of attn_k_b and attn_v_b). sliding_window: tokens a local layer sees; swa_pattern p:
    each p-th layer sees all (None: the architecture's own).  rope_freqs, longrope: the small frequency
    tensors of Llama 3.1 and of long-context Phi.  n_ctx_train: in tokens.  only_type: the mix of the only
    file there is, where its maker published one only; called: its name in MODELS (neither is part of the
    shape).  Raises ValueError for an unknown `arch` and for numbers that no model can have.
    """

    arch: str
    n_layer: int
    n_embd: int
    n_head: int
    n_head_kv: int
    head_dim: int
    n_ff: int
    n_vocab: int
    tied_embeddings: bool = False
    n_expert: int = 0
    n_expert_used: int = 0
    n_ff_exp: int = 0
    n_expert_shared: int = 0
    n_layer_dense: int = 0
    kv_lora_rank: int = 0
    q_lora_rank: int = 0
    rope_dim: int = 0
    qk_nope_dim: int = 0
    v_head_dim: int = 0
    full_kv: bool = False
    sliding_window: int = 0
    swa_pattern: int | None = None
    rope_freqs: bool = False
    longrope: bool = False
    n_ctx_train: int = 0
    n_ff_shexp: int = 0
    n_moe_layer_step: int = 0
    pattern: str = ""
    ssm_d_conv: int = 0
    ssm_d_inner: int = 0
    ssm_d_state: int = 0
    ssm_dt_rank: int = 0
    ssm_n_group: int = 0
    no_rope: bool = False
    head_dim_swa: int = 0
    n_head_kv_swa: int = 0
    n_embd_per_layer: int = 0
    n_layer_kv_shared: int = 0
    n_ff_shared: int = 0
    value_is_key: bool = False
    qkv_bias: bool = False
    qk_norm: bool = False
    query_scale: bool = False
    expert_norm: bool = False
    expert_scaled: bool = False
    router_bias: bool = False
    n_expert_groups: int = 0
    n_group_used: int = 0
    only_type: str = field(default="", compare=False)
    called: str = field(default="", compare=False)

    def __post_init__(self):
        if not isinstance(self.arch, str) or self.arch not in FAMILIES:
            raise ValueError(
                f"architecture {self.arch!r} is not known here; known are {', '.join(sorted(FAMILIES))}")
        for one in fields(self):
            value = getattr(self, one.name)
            if one.type is bool and not isinstance(value, bool):
                raise ValueError(f"{one.name}={value!r} cannot be: True or False is needed")
            if "int" in str(one.type) and value is not None:
                most = MOST_LAYERS if one.name == "n_layer" else LARGEST
                whole(one.name, value, int(one.name in _NEVER_ZERO), most)
        if not isinstance(self.pattern, str) or set(self.pattern) - set("arARF"):
            raise ValueError(f"pattern={self.pattern!r} has other letters than a, r, A, R and F")
        if self.n_head % self.n_head_kv:
            raise ValueError(
                f"n_head_kv={self.n_head_kv} does not divide n_head={self.n_head} into equal groups")
        if self.full_kv and self.arch != "deepseek2":
            raise ValueError(f"full_kv is a make of deepseek2 files; {self.arch} has one make only")
        if self.n_expert_used > self.n_expert:
            raise ValueError(
                f"n_expert_used={self.n_expert_used} is more than the n_expert={self.n_expert} there are")
        if self.n_layer_dense > self.n_layer:
            raise ValueError(
                f"n_layer_dense={self.n_layer_dense} is more than the n_layer={self.n_layer} there are")

    def tensors(self) -> Iterator[TensorShape]:
        """Every tensor as (name, role, layer, shape), in GGUF's names; shape in ggml's order, row length
        first.
        """
        return iter(_tensors(self))

    @property
    def architecture(self) -> "Architecture":
        """Itself, so that a shape can stand where an open model may."""
        return self

    wired = counts = architecture       # and where a file's tensors are compared with it, or a recipe asks

    @property
    def unnamed(self) -> "Architecture":
        """The shape alone, whose files are those that llama-quantize writes, whatever a library has."""
        return replace(self, called="")

    @property
    def n_params(self) -> int:
        """Number of weights in all tensors, the small ones (norms, biases, rope_freqs) included."""
        return sum(tensor.n_weights for tensor in self.tensors())

    @property
    def usual_type(self) -> str:
        """The mix that is meant where none is said."""
        return self.only_type or "Q4_K_M"

    @property
    def is_latent(self) -> bool:
        """True where one short vector a token is cached for all heads (llama.cpp: hparams.is_mla)."""
        return self.arch == "deepseek2" and not self.full_kv

    @property
    def value_dim(self) -> int:
        """Columns of one head's values; those of its keys are head_dim."""
        return self.v_head_dim if self.arch == "deepseek2" else self.head_dim

    def _letter(self, layer: int) -> str:
        return self.pattern[layer % len(self.pattern)] if self.pattern else "a"

    def has_state(self, layer: int) -> bool:
        """True when `layer` keeps a state of fixed size instead of a cache (llama.cpp: is_recr)."""
        return self._letter(layer) in "rR"

    def has_cache(self, layer: int) -> bool:
        """True when `layer` keeps keys and values of its own."""
        return self.has_attention(layer) and layer < self.n_layer - self.n_layer_kv_shared

    def has_attention(self, layer: int) -> bool:
        """True when `layer` looks at earlier tokens."""
        return self._letter(layer) in "aA"

    def cache_of(self, layer: int) -> int:
        """The layer whose cache `layer` reads: the last of its kind that keeps one, where it keeps none."""
        if self.has_cache(layer):
            return layer
        return self.n_layer - self.n_layer_kv_shared - (2 if self.is_sliding(layer) else 1)

    def heads_of(self, layer: int) -> tuple[int, int]:
        """(heads with keys and values, columns of each) of `layer`: those that see a window may have others.
        """
        if self.is_sliding(layer):
            return self.n_head_kv_swa or self.n_head_kv, self.head_dim_swa or self.head_dim
        return self.n_head_kv, self.head_dim

    def has_ffn(self, layer: int) -> bool:
        """False for a layer that is attention or a state alone."""
        return self._letter(layer) in "arF"

    def has_experts(self, layer: int) -> bool:
        """True when `layer` has a router and experts instead of one feed-forward part."""
        step = self.n_moe_layer_step
        return bool(self.n_expert) and layer >= self.n_layer_dense and not (step and (layer + 1) % step)

    def is_sliding(self, layer: int) -> bool:
        """True when `layer` sees only the last `sliding_window` tokens (llama.cpp: set_swa_pattern)."""
        pattern = SWA_PATTERN.get(self.arch, 1) if self.swa_pattern is None else self.swa_pattern
        return bool(self.sliding_window) and (pattern == 0 or layer % pattern < pattern - 1)


@lru_cache(maxsize=64)
def _tensors(architecture: Architecture) -> tuple[TensorShape, ...]:
    """The list, made once: `recommend` goes through it for every ftype."""
    return tuple(tensor_shapes(architecture))


_NEVER_ZERO = {"n_layer", "n_embd", "n_head", "n_head_kv", "head_dim", "n_vocab"}
