"""The feed-forward part of a layer, as far as memory is concerned (llama-graph.cpp: build_ffn, build_moe_ffn).

Each function starts with the norm of the input and returns the place of the result; every other place has been given back.
"""


def feed_forward(walk) -> tuple[int, int]:
    """Gate and up side by side, their product, and down again."""
    norm = normed(walk)
    return _dense(walk, norm, walk.a.n_ff)


def normed(walk) -> tuple[int, int]:
    """The input, made even: scaled where the norm put it."""
    norm = walk.width(walk.a.n_embd)
    walk.use("ffn_norm.weight", "post_attention_norm.weight" if walk.a.arch == "gpt-oss" else "")
    return norm


def _dense(walk, norm, n_ff: int, suffix: str = "") -> tuple[int, int]:
    space, width = walk.space, walk.width
    gate, up, down = (f"ffn_{part}{suffix}.weight" for part in ("gate", "up", "down"))
    both = (width(2 * n_ff, up),) if walk.a.arch == "phi3" else (width(n_ff, gate), width(n_ff, up))    # Phi's gate and up are one matrix
    space.give(norm)
    product = width(n_ff)
    space.give(*both)
    out = width(walk.a.n_embd, down)
    space.give(product)
    return out


def experts(walk) -> tuple[int, int]:
    """A router picks some experts for each token; their results are kept side by side until they are added up."""
    a, space, width = walk.a, walk.space, walk.width
    used, n_ff = a.n_expert_used, a.n_ff_exp or a.n_ff
    norm = normed(walk)
    chances = width(a.n_expert, "ffn_gate_inp.weight")
    walk.use("ffn_gate_inp.bias")
    order = width(a.n_expert)
    weights = width(used)
    space.give(chances)
    if a.arch != "gpt-oss":
        total = width(1)
        space.give(total)
    gate = _matrices(walk, "gate", used * n_ff)
    up = _matrices(walk, "up", used * n_ff)
    if not a.n_expert_shared:
        space.give(norm)
    product = width(used * n_ff)
    space.give(gate, up)
    down = _matrices(walk, "down", used * a.n_embd)
    space.give(product, order)
    space.give(weights)
    out = width(a.n_embd)
    space.give(down)
    if a.n_expert_shared:
        shared = _dense(walk, norm, n_ff * a.n_expert_shared, "_shexp")
        space.give(shared)
    return out


def _matrices(walk, part: str, columns: int) -> tuple[int, int]:
    """All experts' matrices, of which some are used for each token; where they lie in main memory, all are copied."""
    place = walk.width(columns, f"ffn_{part}_exps.weight")
    walk.use(f"ffn_{part}_exps.bias")
    return place
