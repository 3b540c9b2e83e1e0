"""The compute buffer: what lies on the card while tokens go through the layers, and is gone afterwards.

    compute_bytes(MODELS["llama3.1:8b"], Settings(n_ctx=8192))      # 130037888

It is found by walking through the layers as llama.cpp does when it plans a context
(llama_context::graph_reserve): each result takes a place in a Space, and gives it back after its last use.
Operations that write over their input (norms' scaling, RoPE, adding, softmax) need no place of their own and
do not appear. Checked against what llama.cpp allocates; see the tests.
"""

from dataclasses import dataclass, field, replace
from functools import cache, lru_cache

from ..models.architecture import Architecture
from .attention import attention, latent_attention, restored_attention
from .kv_cache import has_flash
from .settings import Settings
from .walk import LENT_FROM, Span, Walk, step
from .weights import Weights

# of each input where several cards work at a time (ggml-backend.cpp: GGML_SCHED_MAX_COPIES)
COPIES = 4


@lru_cache(maxsize=4096)
def compute_bytes(a: Architecture, settings: Settings) -> int:
    """Bytes of the compute buffer on a card that holds every layer.  Settings that do not matter here are
    ignored.
    """
    return _highest_mark(a, settings, (), layers_to_walk(a), True)


def split_compute_bytes(a: Architecture, weights: Weights, settings: Settings) -> tuple[int, bool]:
    """(bytes, exact) of the compute buffer on a card that holds only the last layers, as
    `settings.n_gpu_layers` says.

    Layers in main memory are computed on the card when at least LENT_FROM tokens come at once (walk.py). With
    fewer they stay where they are: then, and where a card without layers gives out that many rows, this is an
    upper bound. So it is where gpt-oss leaves only its first layer in main memory (without flash attention a
    row is added for it), and for DeepSeek's older files with none on the card (room for one more set of
    experts' results is added).
    """
    first = a.n_layer - weights.n_blocks_on_card(settings.n_gpu_layers)
    if not first:
        return compute_bytes(a, settings), True
    if step(settings)[0] < LENT_FROM:
        return compute_bytes(a, settings), False
    lent = weights.layers[:first]
    # attention stays where the cache is
    if settings.flash_attention and not has_flash(a) and first == a.n_layer:
        spare = 4 * step(settings)[0] * a.n_embd * (a.n_expert_used + 2)
        walked = _split_walk(a, lent)
        return spare + _highest_mark(a, settings, lent, walked, settings.n_gpu_layers != 0), False
    if a.arch == "gpt-oss" and first == 1:
        row = 0 if settings.flash_attention else 4 * step(settings)[0] * a.n_embd
        return row + _highest_mark(a, settings, lent, _split_walk(a, lent), True), False
    if settings.n_gpu_layers == 0 and settings.n_rows >= LENT_FROM:        # the output layer is lent, too
        output_weights = weights.output.card + (weights.words.card if weights.tied else 0)
        return _highest_mark(a, settings, lent, _split_walk(a, lent), True, output_weights), False
    return _highest_mark(a, settings, lent, _split_walk(a, lent), settings.n_gpu_layers != 0), True


def _highest_mark(a: Architecture, settings: Settings, lent: tuple, walked: tuple[int, ...], output: bool,
                  output_weights: int = 0) -> int:
    """Bytes, of a walk through the layers `walked`, the first of which are lent.  output: the output layer
    lies on the card.
    """
    first = len(lent)
    layers = tuple((a.is_sliding(i), i < a.n_layer_dense, lent[i] if i < first else None, i == first - 1,
                    i == a.n_layer - 1) for i in walked)
    after = tuple(dict.fromkeys(a.is_sliding(i) for i in range(first, a.n_layer)))
    return _peak(_Way(a, replace(settings, n_gpu_layers=None), layers, after, output, output_weights, lent,
                      walked))


@dataclass(frozen=True)
class _Way:
    """What a walk meets, layer by layer, and the kinds of layers on the card.  Ways that meet the same are
    equal, wherever their border lies (lent, walked): among a model's many layers there are few kinds, so few
    ways are ever walked.
    """

    shape: Architecture
    settings: Settings
    layers: tuple
    after: tuple
    output: bool
    output_weights: int
    lent: tuple = field(compare=False)
    walked: tuple[int, ...] = field(compare=False)


@lru_cache(maxsize=16384)
def _peak(way: _Way) -> int:
    walk = Walk(way.shape, way.settings, tuple(map(dict, way.lent)), way.walked)
    x = _inputs(walk)
    for walk.layer in way.walked:
        x = _layer(walk, x)
    walk.space.take(way.output_weights)
    if way.output:
        walk.space.take(4 * way.shape.n_vocab * walk.n_rows)   # one number for each word of the vocabulary
    return walk.space.peak


@lru_cache(maxsize=4096)
def share_compute_bytes(a: Architecture, settings: Settings, start: int, stop: int) -> int:
    """Bytes of the compute buffer on one of several cards: it holds the layers from `start` to before `stop`,
    a.n_layer being the output.

    Every layer is walked, as the inputs of this card end with its last layers.
    """
    layers = tuple(range(start, min(stop, a.n_layer)))
    walk = Walk(a, settings, (), layers or (a.n_layer,), COPIES)
    # the layer's input, and what the norm made of it on the card before
    if start:
        row = a.n_embd * (walk.row_bytes if layers else 4 * walk.n_rows)
        first, _ = walk.outside(row), walk.outside(row)
        if layers:
            walk.enter(start, stop)
    else:
        first = _inputs(walk, stop)
    x = first
    for walk.layer in layers:
        x = _layer(walk, x, keep=x is first)
    if stop <= a.n_layer:
        walk.width(a.n_embd)                            # the norm for the next card
    else:
        walk.space.take(4 * a.n_vocab * walk.n_rows)
    return walk.space.peak


@cache
def layers_to_walk(a: Architecture) -> tuple[int, ...]:
    """The layers after which nothing new happens, and the end of the model from the last layer of each kind
    on.
    """
    kinds = [(a.is_sliding(layer), layer < a.n_layer_dense) for layer in range(a.n_layer)]
    starts = [kinds.index(kind) for kind in dict.fromkeys(kinds)]
    ends = [a.n_layer - 1 - kinds[::-1].index(kind) for kind in dict.fromkeys(kinds) if not kind[1]
            or a.n_layer_dense == a.n_layer]
    near = {layer for start in starts for layer in range(start, start + 3)} | set(range(min(ends), a.n_layer))
    return tuple(sorted(layer for layer in near if layer < a.n_layer))


@lru_cache(maxsize=4096)
def _split_walk(a: Architecture, lent: tuple) -> tuple[int, ...]:
    """The same where the first layers are lent: besides, three of each kind of them, and those on both sides
    of the border.
    """
    seen: dict = {}
    for layer, mine in enumerate(lent):
        seen.setdefault((a.is_sliding(layer), mine), []).append(layer)
    near = {layer for layers in seen.values() for layer in layers[:3]} | set(layers_to_walk(a))
    near |= set(range(len(lent) - 2, len(lent) + 3))
    # three on the card of each kind, so that all that is new there has happened
    for kind in (False, True):
        near |= set([layer for layer in range(len(lent), a.n_layer) if a.is_sliding(layer) == kind][:3])
    return tuple(sorted(layer for layer in near if 0 <= layer < a.n_layer))


def _inputs(walk: Walk, stop: int | None = None) -> Span:
    """Everything that comes from main memory, and stays while it is needed.  Returns the place of the word
    vectors.
    """
    a, take = walk.shape, walk.outside
    width = a.n_embd * walk.row_bytes
    images, words, slots = take(width), take(width), take(2 * walk.row_bytes)
    x = take(width)                                     # pictures between words are always planned for
    if a.arch == "gemma3":
        scale = take(walk.row_bytes)
    if not walk.first_on_card:
        walk.enter(0, stop)
    walk.space.take(width)                              # words and pictures together
    walk.give_input(images, words, slots)
    if a.arch == "gemma3":
        walk.give_input(scale)
    return x


def _layer(walk: Walk, x: Span, keep: bool = False) -> Span:
    """One layer; x: the place of its input, which stays where it is to be kept.  Returns the place of its
    output.
    """
    a, space = walk.shape, walk.space
    attend = latent_attention if a.is_latent else restored_attention if a.full_kv else attention
    y = attend(walk, walk.kind)
    if walk.layer == walk.last_layer:                 # only the rows whose next word is asked for go on
        walk.need("rows")
        walk.row_bytes, wide = 4 * walk.n_rows, (y, x)
        y = walk.space.take(a.n_embd * walk.row_bytes)
        space.give(wide[0])
        x = walk.space.take(a.n_embd * walk.row_bytes)
        if not keep:
            space.give(wide[1])
        walk.give_input(walk.places.pop("rows"))
        keep = False
        if walk.layer < walk.first_on_card and walk.n_rows < LENT_FROM:         # too few for the card
            walk.host_weights = ({},) * walk.first_on_card
            space.give(x)
            return y
    walk.use("post_attention_norm.weight" if a.arch != "gpt-oss" else "")
    if not keep:
        space.give(x)                           # added to y, in y's place
    part = experts if a.n_expert and walk.layer >= a.n_layer_dense else feed_forward
    out = part(walk)
    walk.use("post_ffw_norm.weight")
    # the output is added in y's place; elsewhere y in the output's
    if a.arch == "phi3":
        y, out = out, y
    space.give(y)
    return out


# ---- the feed-forward part of a layer (llama-graph.cpp: build_ffn, build_moe_ffn): from the norm of the
# input to the place of the result; every other place has been given back

def feed_forward(walk: Walk) -> Span:
    """Gate and up side by side, their product, and down again."""
    return _dense(walk, normed(walk), walk.shape.n_ff)


def normed(walk: Walk) -> Span:
    """The input, made even: scaled where the norm put it."""
    norm = walk.width(walk.shape.n_embd)
    walk.use("ffn_norm.weight", "post_attention_norm.weight" if walk.shape.arch == "gpt-oss" else "")
    return norm


def _dense(walk: Walk, norm, n_ff: int, suffix: str = "") -> Span:
    space, width = walk.space, walk.width
    gate, up, down = (f"ffn_{part}{suffix}.weight" for part in ("gate", "up", "down"))
    # Phi's gate and up are one matrix
    both = (width(2 * n_ff, up),) if walk.shape.arch == "phi3" else (width(n_ff, gate), width(n_ff, up))
    space.give(norm)
    product = width(n_ff)
    space.give(*both)
    out = width(walk.shape.n_embd, down)
    space.give(product)
    return out


def experts(walk: Walk) -> Span:
    """A router picks some experts for each token; their results are kept side by side, weighted, until they
    are added up. CUDA weights and adds in one step, for which it keeps what goes in.
    """
    a, space, width = walk.shape, walk.space, walk.width
    used, n_ff = a.n_expert_used, a.n_ff_exp or a.n_ff
    norm = normed(walk)
    order, weights = _router(walk)
    gate = _matrices(walk, "gate", used * n_ff)
    up = _matrices(walk, "up", used * n_ff)
    if not a.n_expert_shared:
        space.give(norm)
    product = width(used * n_ff)
    space.give(gate, up)
    down = _matrices(walk, "down", used * a.n_embd)
    space.give(product, order)
    weighted = width(used * a.n_embd)
    out = width(a.n_embd)
    space.give(weighted, down, weights)
    if a.n_expert_shared:
        shared = _dense(walk, norm, n_ff * a.n_expert_shared, "_shexp")
        space.give(shared)
    return out


def _router(walk: Walk) -> tuple[Span, Span]:
    """The experts by their chances, and the weights of those that are used. Where CUDA does all of it in one
    step, every result on the way has a place of its own (ggml_backend_cuda_graph_optimize).
    """
    a, space, width = walk.shape, walk.space, walk.width
    chances = [width(a.n_expert, "ffn_gate_inp.weight")]
    walk.use("ffn_gate_inp.bias")
    at_once = a.arch != "gpt-oss" and routed_at_once(a.n_expert)
    if at_once:
        chances.append(width(a.n_expert))       # else in the place of the scores
    order, weights = width(a.n_expert), width(a.n_expert_used)
    if not at_once:
        space.give(*chances)
        if a.arch != "gpt-oss":
            space.give(width(1))                # their sum
    elif a.arch == "deepseek2":                 # its weights need not add up to 1
        space.give(*chances)
    else:
        chances += [width(1), width(1), weights]        # their sum, at least so much, what is divided by it
        weights = width(a.n_expert_used)
        space.give(*chances)
    return order, weights


def routed_at_once(n_expert: int) -> bool:
    """Whether CUDA has a router in one step for so many experts (topk-moe.cu: ggml_cuda_should_use_topk_moe).
    """
    return (n_expert <= 512 and n_expert & (n_expert - 1) == 0) or n_expert in (288, 576)


def _matrices(walk: Walk, part: str, columns: int) -> Span:
    """All experts' matrices, of which some are used for each token; where they lie in main memory, all are
    copied.
    """
    place = walk.width(columns, f"ffn_{part}_exps.weight")
    walk.use(f"ffn_{part}_exps.bias")
    return place
