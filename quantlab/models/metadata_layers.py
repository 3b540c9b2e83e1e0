"""What a file says of single layers: which keep a state, which heads are how wide, and what shows only in its
tensors. The counterpart of mixers.py and per_layer.py.
"""

from collections.abc import Mapping

from .gguf_cursor import GGUFArray
from .mixers import DELTA_NET, SHORT_CONVOLUTION
from .per_layer import PER_LAYER

#: Architectures of which some models have biases or norms that others lack.
WITH_BIASES, WITH_NORMS = ("glm4", "glm4moe"), ("glm4moe",)
#: Llama 4 sees pieces of so many tokens; Gemma 3n's layers from this one on read earlier caches (llama.cpp).
LLAMA4_PIECE, GEMMA3N_CACHED = 8192, 20
FULL_ATTENTION_INTERVAL = 4  # Qwen's, where the file does not say it


def of_layers(
    metadata: Mapping[str, object],
    arch: str,
    found: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
) -> dict:
    """Architecture's fields that follow from lists of one number a layer, from tensors, or from the
    architecture.

    found: the fields that are known by now.
    """

    def said(key: str):
        return metadata.get(f"{arch}.{key}")

    more: dict = {}
    if arch in WITH_BIASES:
        more["qkv_bias"] = "blk.0.attn_q.bias" in shapes
    if arch in WITH_NORMS:
        more["qk_norm"] = "blk.0.attn_q_norm.weight" in shapes
    if arch in SHORT_CONVOLUTION:
        more["ssm_d_conv"] = said("shortconv.l_cache") or 0
    if arch == "llama4":
        more |= {"n_expert_shared": 1, "query_scale": True}
        if said("attention.sliding_window") != 0:
            more["sliding_window"] = LLAMA4_PIECE
    if arch == "mistral3" and said("attention.temperature_scale"):
        more["query_scale"] = True
    if said("rope.scaling.finetuned") is False or arch in ("nemotron_h", "nemotron_h_moe"):
        more["no_rope"] = True
    if pattern := _pattern(arch, said, found["n_layer"]):
        more["pattern"] = pattern
    return more | (_two_widths(arch, said, found, shapes) if arch in PER_LAYER else {})


def numbers_of(value: object) -> list[int]:
    """A list of one number a layer; empty where there is one for all."""
    values = list(value.decode()) if isinstance(value, GGUFArray) else value
    return [int(number) for number in values] if isinstance(values, list) else []


def _pattern(arch: str, said, n_layer: int) -> str:
    """The letters of mixers.py."""
    if arch in DELTA_NET:
        every = said("full_attention_interval") or FULL_ATTENTION_INTERVAL
        return "r" * (every - 1) + "a" if isinstance(every, int) else ""
    heads, widths = (
        numbers_of(said(key))[:n_layer] for key in ("attention.head_count_kv", "feed_forward_length")
    )
    if len(heads) != n_layer or all(heads):
        return ""
    if arch in ("nemotron_h", "nemotron_h_moe"):
        widths = widths if len(widths) == n_layer else [0] * n_layer
        return "".join(
            "F" if width else "A" if count else "R" for count, width in zip(heads, widths, strict=True)
        )
    return "".join("a" if count else "r" for count in heads)


def _two_widths(arch: str, said, found: Mapping[str, int], shapes: Mapping[str, tuple[int, ...]]) -> dict:
    """Gemma 3n and 4: which layers see a window, and what differs in them."""
    n_layer = found["n_layer"]
    if arch == "gemma3n":
        return {
            "n_layer_kv_shared": max(n_layer - GEMMA3N_CACHED, 0),
            "n_embd_per_layer": shapes.get("per_layer_proj_norm.weight", (0,))[0],
        }
    more: dict = {}
    sliding = numbers_of(said("attention.sliding_window_pattern"))
    if 0 in sliding:
        more["swa_pattern"] = sliding.index(0) + 1
    heads, widths = numbers_of(said("attention.head_count_kv")), numbers_of(said("feed_forward_length"))
    if len(heads) == len(sliding) == n_layer and 0 in sliding and 1 in sliding:
        full, local = heads[sliding.index(0)], heads[sliding.index(1)]
        more |= {"n_head_kv": full} | ({"n_head_kv_swa": local} if local != full else {})
    if widths and widths[0] != widths[-1]:
        more |= {"n_ff": widths[0], "n_ff_shared": widths[-1]}
    full = sliding.index(0) if 0 in sliding else 0
    more["value_is_key"] = f"blk.{full}.attn_k.weight" in shapes and f"blk.{full}.attn_v.weight" not in shapes
    return more
