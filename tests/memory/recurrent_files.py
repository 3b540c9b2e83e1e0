"""Files of architectures that the formula does not know: states instead of a cache (Mamba), and both in one
model (Jamba).
"""

import gguf
import numpy as np

N_LAYER, N_EMBD, N_VOCAB = 8, 256, 1024
D_INNER, D_STATE, D_CONV, DT_RANK = 512, 16, 4, 16
HEAD_DIM, N_HEAD, N_HEAD_KV, N_FF = 64, 4, 2, 512
# of one layer and conversation: last inputs, and the state
STATE_BYTES = 4 * ((D_CONV - 1) * D_INNER + D_INNER * D_STATE)


def attends(layer: int, arch: str) -> bool:
    """Of Jamba, every fourth layer looks back at the text as a Llama does."""
    return arch == "jamba" and layer % 4 == 3


def kept_bytes(arch: str, n_ctx: int, n_parallel: int) -> int:
    """Cache and states, counted by hand: a layer has the one or the other, and each conversation its own
    state.
    """
    looking_back = sum(attends(layer, arch) for layer in range(N_LAYER))
    return (
        looking_back * 2 * n_ctx * N_HEAD_KV * HEAD_DIM * 2
        + n_parallel * (N_LAYER - looking_back) * STATE_BYTES
    )


def write(path, arch: str) -> int:
    """Write a file of zeros; returns the bytes of its tensors on a card, each filled up to 128."""
    writer = gguf.GGUFWriter(path, arch)
    writer.add_array(f"{arch}.attention.head_count_kv",
                     [N_HEAD_KV * attends(layer, arch) for layer in range(N_LAYER)])
    numbers = {"context_length": 4096, "embedding_length": N_EMBD, "block_count": N_LAYER,
               "vocab_size": N_VOCAB, "feed_forward_length": N_FF if arch == "jamba" else 0,
               "attention.head_count": N_HEAD if arch == "jamba" else 0, "ssm.conv_kernel": D_CONV,
               "ssm.inner_size": D_INNER, "ssm.state_size": D_STATE, "ssm.time_step_rank": DT_RANK}
    for key, value in numbers.items():
        writer.add_uint32(f"{arch}.{key}", value)
    writer.add_float32(f"{arch}.attention.layer_norm_rms_epsilon", 1e-5)
    writer.add_tokenizer_model("no_vocab")
    shapes = {"token_embd.weight": (N_VOCAB, N_EMBD), "output_norm.weight": (N_EMBD,)}
    for layer in range(N_LAYER):
        parts = _attention() if attends(layer, arch) else _state(arch)
        parts |= _feed_forward() if arch == "jamba" else {}
        shapes |= {f"blk.{layer}.{part}": shape for part, shape in parts.items()}
    for name, shape in shapes.items():
        writer.add_tensor(name, np.zeros(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return sum(-(-4 * int(np.prod(shape)) // 128) * 128 for shape in shapes.values())


def _state(arch: str) -> dict:
    norms = {"ssm_dt_norm.weight": (DT_RANK,), "ssm_b_norm.weight": (D_STATE,),
             "ssm_c_norm.weight": (D_STATE,)} if arch == "jamba" else {}
    return {"attn_norm.weight": (N_EMBD,), "ssm_in.weight": (2 * D_INNER, N_EMBD),
            "ssm_conv1d.weight": (D_INNER, D_CONV), "ssm_conv1d.bias": (D_INNER,),
            "ssm_x.weight": (DT_RANK + 2 * D_STATE, D_INNER), "ssm_dt.weight": (D_INNER, DT_RANK),
            "ssm_dt.bias": (D_INNER,), "ssm_a": (D_INNER, D_STATE), "ssm_d": (D_INNER,),
            "ssm_out.weight": (N_EMBD, D_INNER)} | norms


def _attention() -> dict:
    q, kv = N_HEAD * HEAD_DIM, N_HEAD_KV * HEAD_DIM
    return {"attn_norm.weight": (N_EMBD,), "attn_q.weight": (q, N_EMBD), "attn_k.weight": (kv, N_EMBD),
            "attn_v.weight": (kv, N_EMBD), "attn_output.weight": (N_EMBD, q)}


def _feed_forward() -> dict:
    return {"ffn_norm.weight": (N_EMBD,), "ffn_gate.weight": (N_FF, N_EMBD),
            "ffn_up.weight": (N_FF, N_EMBD), "ffn_down.weight": (N_EMBD, N_FF)}
