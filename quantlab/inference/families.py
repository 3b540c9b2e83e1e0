"""What each model family does otherwise than Llama: one row an architecture, each choice by its name.

A language model is a stack of equal layers, and the families differ in few things: which columns RoPE turns,
where norms stand, what lets a signal pass, how far a layer looks back. The forward pass (llama.py) asks for
these choices and never for the name of an architecture.  Source: llama.cpp's src/models/*.cpp (November
2026); each row is compared with it on random weights.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple


class Norms(NamedTuple):
    """The names of the four RMSNorms that a layer may have; "" where there is none.

    The later two of each pair work on what is about to be added to the stream.
    """

    before_attention: str = "attn_norm"
    after_attention: str = ""
    before_ffn: str = "ffn_norm"
    after_ffn: str = ""


LIKE_LLAMA = Norms()
AROUND = Norms("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
AFTER = Norms("", "post_attention_norm", "", "post_ffw_norm")


@dataclass(frozen=True, kw_only=True)
class Family:
    """The choices of one family; every default is what Llama does.

    halves: RoPE turns the pairs (i, i + n_rot / 2), not the neighbours (2i, 2i + 1).  no_rope_every p: each
    p-th layer does not turn at all.
    rope_tensors: the file may slow each pair by a number of its own: "freqs" (`rope_freqs`; with longrope
    `rope_factors_long` and `_short`), "long" (always these two), or "".
    yarn_keys: YaRN's constants may stand in the file.  rope_switch: a key of the file can turn RoPE off.
    norms: see Norms.  qk_norm: "head" (each head's queries and keys by themselves), "all" (over all heads),
    or "".
    gate: what lets a signal pass: "silu", "gelu", or "clamped" (gpt-oss).  fused_gate: `ffn_up` holds the
    gate's rows and then its own.
    scales: key -> value where the file does not say; None: it must.  embed_by_width: word vectors times
    sqrt(n_embd).  wide_scale_at: with that many layers, attention is scaled by n_embd / n_head.
    local_rope: RoPE of local layers: "same" but for a base of their own, "plain" (base 10,000 and no
    stretching, but for a base of their own), or "unscaled" (the same base, no stretching).
    experts: "" (never), "may", or "must".  shared_experts: some may work on every token.  sinks: each head
    may also look at nothing.
    all_biased: every matrix has a bias.  output: "own" (a matrix of its own), "tied" (the word vectors), or
    "either".
    unread: keys that llama.cpp does not read either, though they would change something.
    """

    halves: bool = False
    no_rope_every: int = 0
    rope_tensors: str = ""
    yarn_keys: bool = False
    rope_switch: bool = False
    norms: Norms = LIKE_LLAMA
    qk_norm: str = ""
    gate: str = "silu"
    fused_gate: bool = False
    scales: dict[str, float | None] = field(default_factory=dict)
    embed_by_width: bool = False
    wide_scale_at: int = 0
    local_rope: str = "same"
    experts: str = ""
    shared_experts: bool = False
    sinks: bool = False
    all_biased: bool = False
    output: str = "either"
    unread: tuple[str, ...] = ()


_GRANITE = Family(rope_tensors="freqs", experts="may", shared_experts=True,
                  scales={"logit_scale": None, "residual_scale": 0.0, "embedding_scale": 0.0,
                          "attention.scale": 0.0})

#: `general.architecture` -> its row.
FAMILIES = {
    "llama": Family(rope_tensors="freqs", experts="may"),
    "mistral3": Family(rope_tensors="freqs", yarn_keys=True, scales={"attention.temperature_scale": 0.0}),
    "qwen2": Family(halves=True),
    "qwen3": Family(halves=True, qk_norm="head"),
    "qwen3moe": Family(halves=True, qk_norm="head", experts="must"),
    "gemma2": Family(halves=True, norms=AROUND, gate="gelu", embed_by_width=True, wide_scale_at=46,
                     output="tied", scales={"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}),
    "gemma3": Family(halves=True, norms=AROUND, qk_norm="head", gate="gelu", embed_by_width=True,
                     wide_scale_at=62, local_rope="plain", scales={"final_logit_softcapping": 0.0}),
    "phi3": Family(halves=True, rope_tensors="long", fused_gate=True, unread=("attention.sliding_window",)),
    "olmo2": Family(halves=True, norms=AFTER, qk_norm="all", local_rope="unscaled", output="own"),
    "smollm3": Family(no_rope_every=4),
    "granite": replace(_GRANITE, rope_switch=True),
    "granitemoe": _GRANITE,
    "gpt-oss": Family(halves=True, norms=Norms(before_ffn="post_attention_norm"), gate="clamped",
                      experts="must", sinks=True, all_biased=True, output="own"),
}
