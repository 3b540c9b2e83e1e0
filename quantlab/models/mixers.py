"""The tensors of layers that keep a state of fixed size instead of a cache: Mamba 2, the gated delta net,
short convolutions; and which layers of a model they are.

A model's `pattern` has a letter for each layer, and begins anew where it ends: "a" attention, "r" a state,
each followed by feed-forward or experts. Where a layer has one of the three only (Nemotron), the letters are
capitals: "A", "R", and "F" for feed-forward alone.  Source: llama.cpp's src/models/*.cpp
(load_arch_tensors).
"""

#: Architecture -> what its layers with a state are.
MAMBA2 = {"granitehybrid", "nemotron_h", "nemotron_h_moe"}
DELTA_NET = {"qwen35", "qwen35moe", "qwen3next"}
SHORT_CONVOLUTION = {"lfm2", "lfm2moe"}
#: Architectures whose attention has a gate beside the queries, in the same matrix.
GATED_ATTENTION = DELTA_NET


def state_tensors(a):
    """(name, shape) of what takes the place of attention."""
    if a.arch in MAMBA2:
        yield from _mamba2(a)
    elif a.arch in DELTA_NET:
        yield from _delta_net(a)
    else:
        yield "shortconv.conv.weight", (a.ssm_d_conv, a.n_embd)
        yield "shortconv.in_proj.weight", (a.n_embd, 3 * a.n_embd)
        yield "shortconv.out_proj.weight", (a.n_embd, a.n_embd)


def _mamba2(a):
    inner, heads, channels = a.ssm_d_inner, a.ssm_dt_rank, conv_channels(a)
    yield "ssm_in.weight", (a.n_embd, inner + channels + heads)
    yield "ssm_conv1d.weight", (a.ssm_d_conv, channels)
    yield "ssm_conv1d.bias", (channels,)
    yield "ssm_dt.bias", (heads,)
    yield "ssm_a", (1, heads)
    yield "ssm_d", (1, heads)
    yield "ssm_norm.weight", (inner // a.ssm_n_group, a.ssm_n_group)
    yield "ssm_out.weight", (inner, a.n_embd)


def _delta_net(a):
    heads, channels = a.ssm_dt_rank, conv_channels(a)
    yield "attn_qkv.weight", (a.n_embd, channels)
    yield "attn_gate.weight", (a.n_embd, a.ssm_d_inner)
    yield "ssm_conv1d.weight", (a.ssm_d_conv, channels)
    yield "ssm_dt.bias", (heads,)
    yield "ssm_a", (heads,)
    if a.arch == "qwen3next":
        yield "ssm_ba.weight", (a.n_embd, 2 * heads)
    else:
        yield "ssm_beta.weight", (a.n_embd, heads)
        yield "ssm_alpha.weight", (a.n_embd, heads)
    yield "ssm_norm.weight", (a.ssm_d_state,)
    yield "ssm_out.weight", (a.ssm_d_inner, a.n_embd)


def conv_channels(a) -> int:
    """Columns that go through the convolution."""
    if a.arch in SHORT_CONVOLUTION:
        return a.n_embd
    return a.ssm_d_inner + 2 * a.ssm_n_group * a.ssm_d_state


def state_numbers(a) -> tuple[int, int]:
    """32-bit numbers that a layer with a state keeps of each conversation: the last inputs of its
    convolution, and the state (llama_hparams::n_embd_r, n_embd_s).
    """
    return (a.ssm_d_conv - 1) * conv_channels(a), a.ssm_d_state * a.ssm_d_inner
