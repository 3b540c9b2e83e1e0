"""Hollow files of eight more architectures that the formula refuses: states, short convolutions, delta nets
and borrowed caches.

Small numbers, true lists of tensors (llama.cpp, src/models/*.cpp, load_arch_tensors), all 32-bit, so that
every byte can be counted here.
"""

import math
import os

import gguf
import numpy as np

N_LAYER, N_EMBD, N_VOCAB, N_FF = 8, 256, 1024, 512
HEAD_DIM, N_HEAD, N_HEAD_KV = 64, 4, 2
D_INNER, D_STATE, D_CONV, N_GROUP, N_SSM_HEAD = 512, 64, 4, 4, 8
N_EXPERT, N_FF_EXP, WKV_HEAD, EXTRA, ALTUP, LAUREL = 8, 128, 64, 32, 256, 64
# Gemma 3n: the last five layers look at the caches of earlier ones
N_LAYER_3N, N_LAYER_3N_CACHED, WINDOW = 25, 20, 512
E, Q, KV, CONV = N_EMBD, N_HEAD * HEAD_DIM, N_HEAD_KV * HEAD_DIM, D_INNER + 2 * N_GROUP * D_STATE

ATTENTION = {"attn_q.weight": (Q, E), "attn_k.weight": (KV, E), "attn_v.weight": (KV, E),
             "attn_output.weight": (E, Q)}
HEAD_NORMS = {"attn_q_norm.weight": (HEAD_DIM,), "attn_k_norm.weight": (HEAD_DIM,)}
MAMBA2 = {"ssm_in.weight": (D_INNER + CONV + N_SSM_HEAD, E), "ssm_conv1d.weight": (CONV, D_CONV),
          "ssm_conv1d.bias": (CONV,), "ssm_dt.bias": (N_SSM_HEAD,), "ssm_a": (N_SSM_HEAD, 1),
          "ssm_d": (N_SSM_HEAD, 1), "ssm_norm.weight": (N_GROUP, D_INNER // N_GROUP),
          "ssm_out.weight": (E, D_INNER)}
DELTA_NET = {"attn_qkv.weight": (CONV, E), "attn_gate.weight": (D_INNER, E),
             "ssm_conv1d.weight": (CONV, D_CONV), "ssm_dt.bias": (N_SSM_HEAD,), "ssm_a": (N_SSM_HEAD,),
             "ssm_ba.weight": (2 * N_SSM_HEAD, E), "ssm_norm.weight": (D_STATE,),
             "ssm_out.weight": (E, D_INNER)}
SHORT = {"shortconv.conv.weight": (E, D_CONV), "shortconv.in_proj.weight": (3 * E, E),
         "shortconv.out_proj.weight": (E, E)}
TWO = {"ffn_up.weight": (N_FF, E), "ffn_down.weight": (E, N_FF)}
FEED_FORWARD = {"ffn_norm.weight": (E,), "ffn_gate.weight": (N_FF, E), **TWO}
EXPERTS = {"post_attention_norm.weight": (E,), "ffn_gate_inp.weight": (N_EXPERT, E),
           "ffn_gate_exps.weight": (N_EXPERT, N_FF_EXP, E), "ffn_up_exps.weight": (N_EXPERT, N_FF_EXP, E),
           "ffn_down_exps.weight": (N_EXPERT, E, N_FF_EXP), "ffn_gate_inp_shexp.weight": (E,),
           "ffn_gate_shexp.weight": (N_FF_EXP, E), "ffn_up_shexp.weight": (N_FF_EXP, E),
           "ffn_down_shexp.weight": (E, N_FF_EXP)}
RWKV = {**{f"{name}.{kind}": (E,) for name in ("attn_norm", "attn_norm_2", "time_mix_ln")
           for kind in ("weight", "bias")}, "time_mix_w1.weight": (5 * EXTRA, E),
        "time_mix_w2.weight": (5, E, EXTRA), "time_mix_lerp_x.weight": (1, 1, E),
        "time_mix_lerp_fused.weight": (5, 1, 1, E), "time_mix_first.weight": (E // WKV_HEAD, WKV_HEAD),
        "time_mix_decay.weight": (E,), "time_mix_decay_w1.weight": (EXTRA, E),
        "time_mix_decay_w2.weight": (E, EXTRA),
        **{f"time_mix_{name}.weight": (E, E) for name in ("key", "value", "receptance", "gate", "output")},
        "channel_mix_lerp_k.weight": (1, 1, E), "channel_mix_lerp_r.weight": (1, 1, E),
        "channel_mix_key.weight": (N_FF, E), "channel_mix_value.weight": (E, N_FF),
        "channel_mix_receptance.weight": (E, E)}
GEMMA3N = {**ATTENTION, **HEAD_NORMS, **FEED_FORWARD, "inp_gate.weight": (ALTUP, E),
           "proj.weight": (E, ALTUP),
           **{f"{name}.weight": (E,) for name in ("post_attention_norm", "post_ffw_norm", "post_norm",
                                                  "altup_correct_scale", "altup_router_norm",
                                                  "laurel_post_norm")}, "altup_correct_coef.weight": (4, 4),
           "altup_predict_coef.weight": (16, 4), "altup_router.weight": (4, E),
           "laurel_l.weight": (LAUREL, E), "laurel_r.weight": (E, LAUREL)}

# 32 bits: the last inputs of the convolution, and the state
MAMBA_STATE = 4 * ((D_CONV - 1) * CONV + D_INNER * D_STATE)
STATES = {"mamba2": MAMBA_STATE, "falcon-h1": MAMBA_STATE, "granitehybrid": MAMBA_STATE,
          "nemotron_h": MAMBA_STATE, "qwen3next": MAMBA_STATE, "lfm2": 4 * (D_CONV - 1) * E,
          "rwkv6": 4 * (2 * E + E * WKV_HEAD), "gemma3n": 0}


def kinds(arch: str) -> list[str]:
    """What each layer keeps: "state", "cache", "both", or "nothing"."""
    if arch == "gemma3n":
        return ["cache"] * N_LAYER_3N_CACHED + ["nothing"] * (N_LAYER_3N - N_LAYER_3N_CACHED)
    of_four = {
        "mamba2": ("state",) * 4,
        "rwkv6": ("state",) * 4,
        "falcon-h1": ("both",) * 4,
        "nemotron_h": ("state", "nothing", "state", "cache"),
    }.get(arch, ("state", "state", "state", "cache"))
    return [of_four[layer % 4] for layer in range(N_LAYER)]


def kept_bytes(arch: str, n_ctx: int, n_parallel: int) -> int:
    """Cache and states, counted by hand; each conversation has its own state, and its share of the cells."""
    cells = [n_ctx] * sum(kind in ("cache", "both") for kind in kinds(arch))
    # four of five layers keep a window and one batch (of 512) of cells
    if arch == "gemma3n":
        cells = [n_ctx if layer % 5 == 4 else min(n_ctx, n_parallel * (WINDOW + 512))
                 for layer in range(N_LAYER_3N_CACHED)]
    return sum(cells) * 2 * KV * 2 + n_parallel * STATES[arch] * sum(
        kind in ("state", "both") for kind in kinds(arch)
    )


def tensors(arch: str) -> dict[str, tuple[int, ...]]:
    """Name -> shape in NumPy's order."""
    found = {"token_embd.weight": (N_VOCAB, E), ("token_embd_norm.weight" if arch == "lfm2"
                                                 else "output_norm.weight"): (E,)}
    if arch == "rwkv6":
        found |= {"token_embd_norm.weight": (E,), "token_embd_norm.bias": (E,), "output_norm.bias": (E,),
                  "output.weight": (N_VOCAB, E)}
    if arch == "gemma3n":
        found |= {"altup_proj.weight": (3, E, E), "altup_unembd_proj.weight": (3, E, E),
                  "per_layer_proj_norm.weight": (ALTUP,),
                  "per_layer_token_embd.weight": (N_VOCAB, ALTUP * N_LAYER_3N),
                  "per_layer_model_proj.weight": (ALTUP * N_LAYER_3N, E)}
    return found | {f"blk.{i}.{part}": shape for i, kind in enumerate(kinds(arch))
                    for part, shape in _layer(arch, kind).items()}


def _layer(arch: str, kind: str) -> dict:
    norm = {"attn_norm.weight": (E,)}
    if arch == "nemotron_h":
        return norm | {"state": MAMBA2, "nothing": TWO, "cache": ATTENTION}[kind]
    if arch == "granitehybrid":
        return norm | FEED_FORWARD | (MAMBA2 if kind == "state" else ATTENTION)
    if arch == "lfm2":
        return norm | FEED_FORWARD | (SHORT if kind == "state" else ATTENTION | HEAD_NORMS)
    if arch == "qwen3next":                                     # its queries carry a gate of their own width
        return norm | EXPERTS | (DELTA_NET if kind == "state" else ATTENTION | HEAD_NORMS
                                 | {"attn_q.weight": (2 * Q, E)})
    # both side by side, and a name without its ending
    if arch == "falcon-h1":
        return norm | MAMBA2 | ATTENTION | {part.replace("ffn_norm.weight", "ffn_norm"): shape
                                            for part, shape in FEED_FORWARD.items()}
    return norm | {"mamba2": MAMBA2, "rwkv6": RWKV, "gemma3n": GEMMA3N}[arch]


def write(path, arch: str) -> int:
    """Write the hollow file; returns the bytes on a card: all tensors, each filled up to 128, but those that
    only look words up.
    """
    writer = gguf.GGUFWriter(path, arch)
    _write_keys(writer, arch)
    for name, shape in tensors(arch).items():
        writer.add_tensor_info(name, shape, np.dtype(np.float32), 4 * math.prod(shape))
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_ti_data_to_file,
                 writer.close):
        step()
    nbytes = {name: -(-4 * math.prod(shape) // 128) * 128 for name, shape in tensors(arch).items()}
    os.truncate(path, os.path.getsize(path) + 32 + sum(nbytes.values()))
    # else the words are the output, too
    lookup = {"rwkv6": "token_embd.weight", "gemma3n": "per_layer_token_embd.weight"}.get(arch)
    return sum(nbytes.values()) - nbytes.get(lookup, 0)


def _write_keys(writer: gguf.GGUFWriter, arch: str) -> None:
    attends = [kind in ("cache", "both") or arch == "gemma3n" for kind in kinds(arch)]
    writer.add_head_count_kv(N_HEAD_KV if arch == "qwen3next" else [N_HEAD_KV * one for one in attends])
    writer.add_feed_forward_length([N_FF * (arch != "mamba2" and (arch != "nemotron_h" or kind == "nothing"))
                                    for kind in kinds(arch)])
    numbers = {"block_count": len(attends), "context_length": 4096, "embedding_length": E,
               "vocab_size": N_VOCAB, "attention.head_count": N_HEAD * any(attends),
               "attention.key_length": HEAD_DIM, "attention.value_length": HEAD_DIM,
               "rope.dimension_count": HEAD_DIM}
    numbers |= {"ssm.conv_kernel": D_CONV, "ssm.inner_size": D_INNER, "ssm.state_size": D_STATE,
                "ssm.time_step_rank": N_SSM_HEAD,
                "ssm.group_count": N_GROUP} if STATES[arch] == MAMBA_STATE else {}
    numbers |= {"qwen3next": {"expert_count": N_EXPERT, "expert_used_count": 2,
                              "expert_feed_forward_length": N_FF_EXP,
                              "expert_shared_feed_forward_length": N_FF_EXP},
                "lfm2": {"shortconv.l_cache": D_CONV},
                "gemma3n": {"attention.sliding_window": WINDOW, "embedding_length_per_layer_input": ALTUP},
                "rwkv6": {"wkv.head_size": WKV_HEAD, "time_mix_extra_dim": EXTRA,
                          "time_decay_extra_dim": EXTRA, "token_shift_count": 2},}.get(arch, {})
    for key, value in numbers.items():
        writer.add_uint32(f"{arch}.{key}", value)
    for key in ("attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon"):
        writer.add_float32(f"{arch}.{key}", 1e-5)
    writer.add_tokenizer_model("no_vocab")
