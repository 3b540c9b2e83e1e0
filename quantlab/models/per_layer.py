"""The tensors of Gemma 3n and Gemma 4, which give each layer a vector of its own for every word, let their
last layers read the caches of earlier ones, and have heads of two widths (llama.cpp: gemma3n.cpp,
gemma4.cpp).
"""

#: Gemma 3n keeps so many streams side by side (n_altup), in layers of so low a rank (laurel_rank).
N_ALTUP, LAUREL_RANK = 4, 64
#: Its first layers leave out what is not among the largest (n_layer_sparsity).
N_LAYER_SPARSE = 10
PER_LAYER = {"gemma3n", "gemma4"}
#: Outside the layers, but placed like the first of them.
FIRST_LAYERS = ("per_layer_model_proj", "per_layer_proj_norm")
#: Outside the layers, and never on a card.
HOST_ONLY = ("per_layer_token_embd",)


def outside(a):
    """(name, shape) of what stands before and behind the layers."""
    if a.n_embd_per_layer:
        width = a.n_embd_per_layer * a.n_layer
        yield "per_layer_token_embd.weight", (width, a.n_vocab)
        yield "per_layer_model_proj.weight", (a.n_embd, width)
        yield "per_layer_proj_norm.weight", (a.n_embd_per_layer,)
    if a.arch == "gemma3n":
        yield "altup_proj.weight", (a.n_embd, a.n_embd, N_ALTUP - 1)
        yield "altup_unembd_proj.weight", (a.n_embd, a.n_embd, N_ALTUP - 1)


def in_layer(a, layer: int):
    """(name, shape) of what each layer has besides attention and feed-forward."""
    if a.arch == "gemma4":
        yield "layer_output_scale.weight", (1,)
        if a.n_expert:
            yield "ffn_gate_inp.scale", (a.n_embd,)
            for name in ("pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2"):
                yield f"{name}.weight", (a.n_embd,)
    if a.n_embd_per_layer:
        yield "inp_gate.weight", (a.n_embd, a.n_embd_per_layer)
        yield "proj.weight", (a.n_embd_per_layer, a.n_embd)
        yield "post_norm.weight", (a.n_embd,)
    if a.arch == "gemma3n":
        yield "altup_correct_coef.weight", (N_ALTUP, N_ALTUP)
        yield "altup_correct_scale.weight", (a.n_embd,)
        yield "altup_predict_coef.weight", (N_ALTUP, N_ALTUP**2)
        yield "altup_router.weight", (a.n_embd, N_ALTUP)
        yield "altup_router_norm.weight", (a.n_embd,)
        yield "laurel_l.weight", (a.n_embd, LAUREL_RANK)
        yield "laurel_r.weight", (LAUREL_RANK, a.n_embd)
        yield "laurel_post_norm.weight", (a.n_embd,)
