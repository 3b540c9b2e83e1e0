"""From what a file says about itself to an `Architecture`: the keys of GGUF, with their defaults
(llama-model.cpp).
"""

from collections.abc import Mapping
from typing import NamedTuple

from .architecture import MOST_LAYERS, Architecture
from .families import FAMILIES, SWA_PATTERN
from .gguf_cursor import GGUFArray, shown
from .metadata_layers import of_layers
from .mixers import DELTA_NET, MAMBA2
from .ollama_blobs import architecture_name, llama_cpp_metadata

#: Architecture's field -> GGUF's key, behind "<arch>.".
KEYS = {"n_layer": "block_count", "n_embd": "embedding_length", "n_head": "attention.head_count",
        "n_head_kv": "attention.head_count_kv", "head_dim": "attention.key_length",
        "n_ff": "feed_forward_length", "n_vocab": "vocab_size", "n_expert": "expert_count",
        "n_expert_used": "expert_used_count", "n_ff_exp": "expert_feed_forward_length",
        "n_expert_shared": "expert_shared_count", "head_dim_swa": "attention.key_length_swa",
        "n_embd_per_layer": "embedding_length_per_layer_input",
        "n_layer_kv_shared": "attention.shared_kv_layers",
        "ssm_d_conv": "ssm.conv_kernel", "ssm_d_inner": "ssm.inner_size",
        "ssm_d_state": "ssm.state_size", "ssm_dt_rank": "ssm.time_step_rank",
        "ssm_n_group": "ssm.group_count",
        "n_ff_shexp": "expert_shared_feed_forward_length", "n_moe_layer_step": "interleave_moe_layer_step",
        "n_expert_groups": "expert_group_count",
        "n_group_used": "expert_group_used_count", "n_layer_dense": "leading_dense_block_count",
        "kv_lora_rank": "attention.kv_lora_rank", "q_lora_rank": "attention.q_lora_rank",
        "rope_dim": "rope.dimension_count", "sliding_window": "attention.sliding_window",
        "n_ctx_train": "context_length"}
#: Keys that the loader reads for these architectures only; "": for none of those that are known here.
READ_BY = {
    "attention.sliding_window": "gemma2 gemma3 gemma3n gemma4 phi3 gpt-oss",
    "attention.key_length_swa": "gemma4", "attention.shared_kv_layers": "gemma4",
    "embedding_length_per_layer_input": "gemma3n gemma4",
    "attention.kv_lora_rank": "deepseek2", "attention.q_lora_rank": "deepseek2",
    "expert_shared_count": "deepseek2 glm4moe nemotron_h_moe",
    "leading_dense_block_count": "deepseek2 glm4moe lfm2moe",
    "expert_feed_forward_length": "qwen3moe gpt-oss deepseek2 llama4 glm4moe gemma4 nemotron_h_moe qwen3next "
                                  "qwen35moe lfm2moe",
    "expert_shared_feed_forward_length": "granite granitemoe granitehybrid nemotron_h_moe qwen3next "
                                         "qwen35moe",
    "interleave_moe_layer_step": "llama4",
    "attn_logit_softcapping": "gemma2", "final_logit_softcapping": "gemma2 gemma3",
    "attention.temperature_scale": "deepseek2 mistral3",
    "expert_weights_norm": "deepseek2", "expert_weights_scale": "deepseek2",
    "rope.scaling.yarn_log_multiplier": "deepseek2 mistral3",
    "rope.scaling.yarn_beta_fast": "mistral3", "rope.scaling.yarn_beta_slow": "mistral3",
    **dict.fromkeys(("attention.scale", "logit_scale", "residual_scale", "embedding_scale"),
                    "granite granitemoe"),
    **dict.fromkeys(("attention.clamp_kqv", "attention.max_alibi_bias", "use_parallel_residual", "num_loops",
                     "rope.scaling.yarn_ext_factor", "rope.scaling.yarn_attn_factor"), ""),
    **dict.fromkeys(("ssm.conv_kernel", "ssm.inner_size", "ssm.state_size", "ssm.time_step_rank",
                     "ssm.group_count"), " ".join(MAMBA2 | DELTA_NET)),
}
NEEDED = ("n_layer", "n_embd", "n_head")
#: Architectures whose files can be quantized and run here, though nobody counts their memory.
RECIPES_ONLY = ("olmo2", "smollm3")
#: What llama.cpp takes for the window where the file does not say one.
USUAL_WINDOW = {"gemma2": 4096}


def architecture_of(metadata: Mapping[str, object], shapes: Mapping[str, tuple[int, ...]]) -> Architecture:
    """The architecture that `metadata` (a file's or /api/show's) describes.  shapes: tensor name -> shape,
    ggml's order.

    Files of Ollama's own converters are read as llama.cpp is shown them (ollama_blobs.py).
    Raises ValueError naming the missing key, or the architecture that is not known here.
    """
    arch = architecture_name(metadata)
    metadata = llama_cpp_metadata(metadata, shapes)
    if arch is None:
        raise ValueError("unknown architecture: the metadata does not say general.architecture")
    if arch not in FAMILIES:
        raise ValueError(
            f"unknown architecture {shown(arch)}: its numbers would be a guess; known are "
            f"{', '.join(sorted(FAMILIES))}")
    numbers = {field: _number(metadata.get(f"{arch}.{key}"), f"{arch}.{key}")
               for field, key in KEYS.items() if arch in READ_BY.get(key, arch).split()}
    for field in NEEDED:
        if numbers[field] is None:
            raise ValueError(
                f"the metadata of this {shown(arch)} model does not say {arch}.{KEYS[field]}")
    found = {field: number for field, number in numbers.items() if number is not None}
    found |= _defaults(arch, found, shapes)
    # heads that guess further words are no layers (llama.cpp: n_layer_nextn)
    ahead = _number(metadata.get(f"{arch}.nextn_predict_layers"), "nextn_predict_layers") or 0
    found["n_layer"] -= ahead if 0 < ahead < found["n_layer"] else 0
    more = of_layers(metadata, arch, found, shapes)
    if arch == "deepseek2":
        found |= _latent(metadata, arch, found)
    key = f"{arch}.attention.sliding_window_pattern"
    if key in metadata and arch in SWA_PATTERN:
        pattern = _pattern(metadata[key], key, found["n_layer"])
        found |= {"swa_pattern": pattern} if pattern != SWA_PATTERN[arch] else {}
    return Architecture(
        arch=arch, only_type="", called="",
        router_bias=any(name.endswith("exp_probs_b.bias") for name in shapes),
        expert_norm=metadata.get(f"{arch}.expert_weights_norm") is True,
        expert_scaled=metadata.get(f"{arch}.expert_weights_scale", 0) not in (0, 1),
        full_kv=arch == "deepseek2" and _keeps_all(metadata, arch, shapes),
        tied_embeddings="output.weight" not in shapes,
        rope_freqs="rope_freqs.weight" in shapes, longrope="rope_factors_long.weight" in shapes,
        **(found | more))


class Counts(NamedTuple):
    """What the recipes ask of an architecture; as in `Architecture`."""

    arch: str
    n_layer: int
    n_head: int
    n_head_kv: int
    n_expert: int = 0


def counts_of(metadata: Mapping[str, object]) -> Counts | None:
    """The counts of an architecture of RECIPES_ONLY; None for any other.  ValueError as `architecture_of`."""
    arch = architecture_name(metadata)
    if arch not in RECIPES_ONLY:
        return None
    n_layer, n_head, n_head_kv = (_number(metadata.get(f"{arch}.{KEYS[field]}"), f"{arch}.{KEYS[field]}")
                                  for field in ("n_layer", "n_head", "n_head_kv"))
    if not n_layer or not n_head:
        raise ValueError(f"the metadata of this {arch} model does not say how many layers and heads it has")
    return Counts(arch, n_layer, n_head, n_head_kv or n_head)


def is_lite(n_layer: int, n_vocab: int) -> bool:
    """Whether llama.cpp takes a deepseek2 for a lite one, whose queries are not compressed."""
    return n_layer in (26, 27) or (n_layer == 48 and n_vocab == 128256)


def _number(value: object, key: str) -> int | None:
    """One whole number: some files give one per layer, then the largest stands for all."""
    if isinstance(value, GGUFArray):
        if len(value) > MOST_LAYERS:
            raise ValueError(f"{key} has {len(value)} numbers; {MOST_LAYERS} layers are the most")
        value = list(value.decode())
    if isinstance(value, list):             # /api/show has lists, the file arrays
        numbers = [number.item() if hasattr(number, "item") else number for number in value]     # NumPy's
        odd = [number for number in numbers if type(number) is not int]
        value = odd[0] if odd else max(numbers, default=None)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{key} is {shown(value)}; a whole number is needed")
    return value


def _pattern(value: object, key: str, n_layer: int) -> int:
    """Architecture's swa_pattern: the number itself, or the one that gives the list of which layers see a
    window only.
    """
    if not isinstance(value, GGUFArray | list):
        return _number(value, key) or 0
    listed = [bool(one) for one in value]
    for pattern in range(n_layer + 1):
        if listed == [pattern == 0 or i % pattern < pattern - 1 for i in range(n_layer)]:
            return pattern
    raise ValueError(f"{key} is no pattern that comes again, and is not counted here")


def _defaults(arch: str, found: dict[str, int], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """What llama.cpp assumes when a key is absent; the vocabulary is as large as its table of vectors."""
    missing = {"n_head_kv": found["n_head"], "head_dim": found["n_embd"] // max(found["n_head"], 1),
               "n_ff": 0, "n_vocab": 0, "sliding_window": USUAL_WINDOW.get(arch, 0)}
    if arch == "qwen3moe":
        missing["n_ff_exp"] = found.get("n_ff", 0) // max(found.get("n_expert_used", 1), 1)
    embeddings = shapes.get("token_embd.weight", ())
    # whatever the file claims, these are there
    rows = {"n_vocab": embeddings[1]} if len(embeddings) == 2 else {}
    return {field: number for field, number in missing.items() if field not in found} | rows


def _keeps_all(metadata: Mapping[str, object], arch: str, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether a DeepSeek file is of the make before April 2025: its tensors say so; where they do not, the
    key by which llama.cpp decides.
    """
    whole, parts = (any(name.endswith(f".{part}.weight") for name in shapes)
                    for part in ("attn_kv_b", "attn_k_b"))
    return whole if whole != parts else not metadata.get(f"{arch}.attention.key_length_mla")


def _latent(metadata: Mapping[str, object], arch: str, found: dict[str, int]) -> dict[str, int]:
    """DeepSeek's heads: files made since April 2025 give the widths before compression in `..._mla` keys and
    claim one KV head.
    """
    key = _number(metadata.get(f"{arch}.attention.key_length_mla"), "key_length_mla") or found["head_dim"]
    value = (_number(metadata.get(f"{arch}.attention.value_length_mla"), "value_length_mla")
             or _number(metadata.get(f"{arch}.attention.value_length"), "value_length")
             or found["n_embd"] // max(found["n_head"], 1))
    return {"n_head_kv": found["n_head"], "head_dim": key, "v_head_dim": value,
            "qk_nope_dim": max(key - found.get("rope_dim", 0), 0)}
