"""The feed-forward part of a layer, as far as memory is concerned (llama-graph.cpp: build_ffn, build_moe_ffn).

Each function starts with the norm of the input and returns the place of the result; every other place has been given back.
"""


def feed_forward(walk) -> tuple[int, int]:
    """Gate and up side by side, their product, and down again."""
    norm = walk.width(walk.a.n_embd)
    return _dense(walk, norm, walk.a.n_ff)


def _dense(walk, norm, n_ff: int) -> tuple[int, int]:
    space, width = walk.space, walk.width
    both = (width(2 * n_ff),) if walk.a.arch == "phi3" else (width(n_ff), width(n_ff))      # Phi's gate and up are one matrix
    space.give(norm)
    product = width(n_ff)
    space.give(*both)
    out = width(walk.a.n_embd)
    space.give(product)
    return out


def experts(walk) -> tuple[int, int]:
    """A router picks some experts for each token; their results are kept side by side until they are added up."""
    a, space, width = walk.a, walk.space, walk.width
    used, n_ff = a.n_expert_used, a.n_ff_exp or a.n_ff
    norm = width(a.n_embd)
    chances, order = width(a.n_expert), width(a.n_expert)
    weights = width(used)
    space.give(chances)
    if a.arch != "gpt-oss":
        total = width(1)
        space.give(total)
    gate, up = width(used * n_ff), width(used * n_ff)
    if not a.n_expert_shared:
        space.give(norm)
    product = width(used * n_ff)
    space.give(gate, up)
    down = width(used * a.n_embd)
    space.give(product, order)
    space.give(weights)
    out = width(a.n_embd)
    space.give(down)
    if a.n_expert_shared:
        shared = _dense(walk, norm, n_ff * a.n_expert_shared)
        space.give(shared)
    return out
