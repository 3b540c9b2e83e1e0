"""Small files of any family with random weights in float32, which llama.cpp loads too: it refuses one
that has a tensor too many or too few, so the list of tensors is tested with it.
"""

import gguf
import numpy as np

from quantlab.inference.graph import read_graph
from quantlab.inference.tensors import _needed, _optional
from quantlab.inference.tokenizer import BYTES
from tests.inference.files import _finish

N_VOCAB = 257            # the bytes, and one merge of two
USUAL = {"block_count": 7, "context_length": 512, "embedding_length": 64, "feed_forward_length": 96,
         "attention.head_count": 4, "attention.head_count_kv": 2, "attention.key_length": 16,
         "attention.value_length": 16, "attention.layer_norm_rms_epsilon": 1e-6, "rope.freq_base": 50000.0}
#: What a family's files say beyond that.
ALSO = {"granite": {"logit_scale": 8.0, "residual_scale": 0.22, "embedding_scale": 12.0,
                    "attention.scale": 0.3},
        "qwen3moe": {"expert_count": 8, "expert_used_count": 3, "expert_feed_forward_length": 32},
        "gpt-oss": {"expert_count": 8, "expert_used_count": 3, "expert_feed_forward_length": 32,
                    "attention.sliding_window": 8},
        "gemma2": {"attention.sliding_window": 8}, "gemma3": {"attention.sliding_window": 8}}
ALSO["granitemoe"] = {**ALSO["granite"], "expert_count": 6, "expert_used_count": 2}


def write(path, arch: str, *, seed: int = 0, tied: bool = False, fused: bool = False, optional: bool = False,
          **more):
    """A file of `arch`; returns its path.

    more: keys behind "<arch>.", None to leave one out.  tied: no output matrix, where there may be none.
    fused: queries, keys and values in one matrix.  optional: also the tensors that the family may have.
    """
    said = {key: value for key, value in {**USUAL, **ALSO.get(arch, {}), **more}.items() if value is not None}
    metadata = {"general.architecture": arch} | {f"{arch}.{key}": value for key, value in said.items()}
    shapes = {"token_embd.weight": (said["embedding_length"], N_VOCAB)}
    if not tied:
        shapes["output.weight"] = ()
    if fused:
        shapes |= {f"blk.{layer}.attn_qkv.weight": () for layer in range(said["block_count"])}
    graph = read_graph(str(path), metadata, shapes)
    tensors = dict(_needed(graph, shapes))
    if optional:
        tensors |= dict(_optional(graph, tensors))
    writer = gguf.GGUFWriter(path, arch)
    for key, value in metadata.items():
        if key != "general.architecture":
            kind = (gguf.GGUFValueType.UINT32 if type(value) is int
                    else gguf.GGUFValueType.get_type(value))
            writer.add_key_value(key, value, kind)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([*BYTES, "ab"])
    writer.add_token_types([1] * N_VOCAB)
    writer.add_token_merges(["a b"])
    rng = np.random.default_rng(seed)
    for name, shape in tensors.items():
        writer.add_tensor(name, _random(rng, name, shape[::-1]))
    return _finish(writer, path)


def _random(rng, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Weights with which no signal fades and none explodes."""
    if "norm" in name:
        values = 1 + 0.2 * rng.standard_normal(shape)
    elif name.startswith("rope_f"):
        values = rng.uniform(1, 4, shape)
    elif name.endswith("bias") or "sinks" in name:
        values = 0.3 * rng.standard_normal(shape)
    else:
        values = 1.2 * shape[-1] ** -0.5 * rng.standard_normal(shape)
    return values.astype(np.float32)
