"""Small files of every known architecture, written with `gguf`: the keys and tensors that llama.cpp's
converter writes.
"""

import gguf
import numpy as np

from quantlab.models.architecture import Architecture

#: Architecture's field -> gguf's method, where it is not the same for all of them.
METHODS = {"n_layer": "block_count", "n_embd": "embedding_length", "n_head": "head_count",
           "n_head_kv": "head_count_kv", "head_dim": "key_length", "n_ff": "feed_forward_length",
           "n_vocab": "vocab_size", "n_expert": "expert_count", "n_expert_used": "expert_used_count",
           "n_ff_exp": "expert_feed_forward_length", "n_expert_shared": "expert_shared_count",
           "n_layer_dense": "leading_dense_block_count", "kv_lora_rank": "kv_lora_rank",
           "q_lora_rank": "q_lora_rank", "rope_dim": "rope_dimension_count",
           "sliding_window": "sliding_window", "swa_pattern": "sliding_window_pattern",
           "n_ctx_train": "context_length"}

_COMMON = dict(n_layer=2, n_embd=64, n_head=4, n_head_kv=2, head_dim=16, n_ff=96, n_vocab=40,
               n_ctx_train=2048)
_EXPERTS = dict(n_expert=4, n_expert_used=2, n_ff_exp=32)
SMALL = {
    "llama": Architecture(arch="llama", **_COMMON, rope_dim=16, rope_freqs=True),
    "qwen2": Architecture(arch="qwen2", **_COMMON, tied_embeddings=True),
    "qwen3": Architecture(arch="qwen3", **{**_COMMON, "head_dim": 32}),
    "qwen3moe": Architecture(arch="qwen3moe", **_COMMON, **_EXPERTS),
    "gemma2": Architecture(arch="gemma2", **{**_COMMON, "head_dim": 32}, tied_embeddings=True,
                           sliding_window=512),
    "gemma3": Architecture(arch="gemma3", **{**_COMMON, "head_dim": 32}, tied_embeddings=True,
                           sliding_window=512, swa_pattern=4),
    "phi3": Architecture(arch="phi3", **_COMMON, rope_dim=16, longrope=True, sliding_window=512),
    "gpt-oss": Architecture(arch="gpt-oss", **{**_COMMON, "n_ff": 0}, **_EXPERTS, sliding_window=128),
    "deepseek2": Architecture(arch="deepseek2", **{**_COMMON, "n_layer": 3, "n_head_kv": 4, "head_dim": 48},
                              **_EXPERTS,
                              n_expert_shared=1, n_layer_dense=1, kv_lora_rank=32, q_lora_rank=32,
                              rope_dim=16, qk_nope_dim=32,
                              v_head_dim=32),
}


def write(path, a: Architecture, qtype: str = "Q8_0", *, order=None, alignment: int = 0, change=None,
          **options) -> None:
    """A whole GGUF file of architecture `a` with a vocabulary and random weights: `qtype` where llama.cpp
    quantizes.

    order: puts the list of tensors into another order.  alignment: in bytes, where it is not the usual one.
    change: called with each tensor's name and its weights, which it may change.
    options: for gguf's writer, `split_max_tensors=7` for example.
    """
    writer = gguf.GGUFWriter(path, a.arch, **options)
    if alignment:
        writer.add_custom_alignment(alignment)
    writer.add_file_type(gguf.LlamaFileType["ALL_F32" if qtype == "F32" else f"MOSTLY_{qtype}"])
    for field, method in METHODS.items():
        if (number := getattr(a, field)) not in (0, None) and not (
            a.is_latent and field in ("head_dim", "n_head_kv")
        ):
            getattr(writer, f"add_{method}")(number)
    writer.add_layer_norm_rms_eps(1e-5)         # llama.cpp loads no model without it
    # DeepSeek as converted since 2025: one compressed head, the true widths in ..._mla
    if a.full_kv:
        writer.add_value_length(a.v_head_dim)
    if a.is_latent:
        writer.add_head_count_kv(1)
        writer.add_key_length(a.kv_lora_rank + a.rope_dim)
        writer.add_value_length(a.kv_lora_rank)
        writer.add_key_length_mla(a.head_dim)
        writer.add_value_length_mla(a.v_head_dim)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([f"tök{i}" for i in range(a.n_vocab)])
    writer.add_token_types([1] * a.n_vocab)
    writer.add_token_merges([f"a {i}" for i in range(a.n_vocab // 2)])
    rng = np.random.default_rng(17)
    for tensor in (order or list)(list(a.tensors())):
        x = rng.standard_normal(tensor.shape[::-1], dtype=np.float32)
        if change:
            change(tensor.name, x)
        if tensor.stays_f32:
            writer.add_tensor(tensor.name, x)
        else:
            number = gguf.GGMLQuantizationType[qtype]
            writer.add_tensor(tensor.name, gguf.quantize(x, number), raw_dtype=number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
