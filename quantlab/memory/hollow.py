"""A hollow model: a GGUF file with a true header and no weights in it, for programs that only want to know the sizes.

The file has its full length, but the system stores only the header: a 70B model takes 50 kB of disk. llama.cpp reads the
header, adds up tensors and plans its buffers; asked not to allocate, it never looks at the weights.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter

from ..models.architecture import Architecture
from ..models.families import SWA_PATTERN
from ..models.metadata import KEYS
from ..models.types import tensor_nbytes

ALIGNMENT = 32


def write_hollow(path, architecture: Architecture, types: Mapping[str, str]) -> Path:
    """Write the hollow model of `architecture` to `path`; types: tensor name -> type, as `recipe` gives it.  Returns the path."""
    writer = GGUFWriter(path, architecture.arch)
    for key, value in keys_of(architecture).items():
        (writer.add_float32 if isinstance(value, float) else writer.add_uint32)(key, value)
    writer.add_tokenizer_model("no_vocab")           # the number of words is known; the words are not needed
    total = 0
    for tensor in architecture.tensors():
        nbytes = tensor_nbytes(tensor.shape, types[tensor.name])
        shape = tensor.shape[::-1]                   # gguf's writer wants NumPy's order
        writer.add_tensor_info(tensor.name, shape, np.dtype(np.float16), nbytes, raw_dtype=GGMLQuantizationType[types[tensor.name]])
        total += -(-nbytes // ALIGNMENT) * ALIGNMENT
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.fout[0].flush()
    head = -(-writer.fout[0].tell() // ALIGNMENT) * ALIGNMENT
    writer.close()
    os.truncate(path, head + total)
    return Path(path)


def keys_of(a: Architecture) -> dict[str, int | float]:
    """GGUF's keys of an architecture, the numbers that no size depends on set to something ordinary."""
    found = {key: getattr(a, field) for field, key in KEYS.items() if getattr(a, field)}
    found |= {"attention.value_length": a.head_dim, "attention.layer_norm_rms_epsilon": 1e-5, "rope.freq_base": 1e4}
    found.setdefault("context_length", 4096)
    found.setdefault("rope.dimension_count", a.head_dim)
    if a.kv_lora_rank:                               # as its converter writes it: one key and value head, the true widths apart
        found |= {"attention.head_count_kv": 1, "attention.key_length": a.kv_lora_rank + a.rope_dim,
                  "attention.value_length": a.kv_lora_rank, "attention.key_length_mla": a.qk_nope_dim + a.rope_dim,
                  "attention.value_length_mla": a.v_head_dim, "expert_weights_scale": 1.0, "expert_gating_func": 1}
        found.setdefault("leading_dense_block_count", 0)
    if a.n_expert:
        found["expert_feed_forward_length"] = a.n_ff_exp or a.n_ff
    if a.arch == "gemma2":
        found |= {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}
    if a.swa_pattern is not None and a.arch in SWA_PATTERN:
        found["attention.sliding_window_pattern"] = a.swa_pattern
    return {f"{a.arch}.{key}": value for key, value in found.items()}
