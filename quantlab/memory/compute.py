"""The compute buffer: what lies on the card while tokens go through the layers, and is gone afterwards.

    compute_bytes(MODELS["llama3.1:8b"], Settings(n_ctx=8192))      # 130037888

It is found by walking through the layers as llama.cpp does when it plans a context (llama_context::graph_reserve): each result
takes a place in a Space, and gives it back after its last use. Operations that write over their input (norms' scaling, RoPE,
adding, softmax) need no place of their own and do not appear. Checked against what llama.cpp allocates; see the tests.
"""

from functools import cache, lru_cache
from typing import NamedTuple

from ..models.architecture import Architecture
from .attention import attention, latent_attention
from .feed_forward import experts, feed_forward
from .kv_cache import layer_cache
from .settings import QUANTIZED, Settings
from .space import Space


class Inputs(NamedTuple):
    """Places of what one kind of attention reads besides the cache: matrices that rotate keys and values on their way into a
    quantized cache, where to put keys and values, and who may see whom."""

    rotate_k: tuple[int, int] | None
    rotate_v: tuple[int, int] | None
    keys: tuple[int, int]
    values: tuple[int, int] | None
    mask: tuple[int, int]


class Walk:
    """What the parts of a layer need to know.  n: tokens at a time; row: bytes of one number for each token."""

    def __init__(self, a: Architecture, settings: Settings):
        self.a, self.settings, self.space = a, settings, Space()
        self.n, self.n_rows = step(settings)
        self.row = 4 * self.n
        self.cells = layer_cache(a, settings)[2:]
        self.inputs: dict[int, Inputs] = {}
        self.positions = self.rows_asked = None
        self.ends = {int(a.is_sliding(layer)): layer for layer in layers_to_walk(a)}       # kind -> the last layer of it
        self.last = a.n_layer - 1
        self.layer = 0

    def width(self, columns: int) -> tuple[int, int]:
        """A place for one row of `columns` 32-bit numbers a token."""
        return self.space.take(columns * self.row)

    def done(self, kind: int, part: str) -> None:
        """Give an input back after the last layer that reads it."""
        if part == "positions":
            if self.layer == self.last:
                self.space.give(self.positions)
        elif self.layer == self.ends[kind] and getattr(self.inputs[kind], part):
            self.space.give(getattr(self.inputs[kind], part))


def step(settings: Settings) -> tuple[int, int]:
    """(tokens, output rows) of the largest step: as many tokens for each conversation (llama_context::graph_reserve)."""
    return -(-settings.n_tokens // settings.n_parallel) * settings.n_parallel, settings.n_rows


@lru_cache(maxsize=4096)
def compute_bytes(a: Architecture, settings: Settings) -> int:
    """Bytes of the compute buffer on a card that holds every layer.  Settings that do not matter here are ignored."""
    walk = Walk(a, settings)
    x = _inputs(walk)
    for walk.layer in layers_to_walk(a):
        x = _layer(walk, x)
    walk.space.take(4 * a.n_vocab * walk.n_rows)        # one number for each word of the vocabulary
    return walk.space.peak


@cache
def layers_to_walk(a: Architecture) -> tuple[int, ...]:
    """The layers after which nothing new happens, and the end of the model from the last layer of each kind on."""
    kinds = [(a.is_sliding(layer), layer < a.n_layer_dense) for layer in range(a.n_layer)]
    starts = [kinds.index(kind) for kind in dict.fromkeys(kinds)]
    ends = [a.n_layer - 1 - kinds[::-1].index(kind) for kind in dict.fromkeys(kinds) if not kind[1] or a.n_layer_dense == a.n_layer]
    near = {layer for start in starts for layer in range(start, start + 3)} | set(range(min(ends), a.n_layer))
    return tuple(sorted(layer for layer in near if layer < a.n_layer))


def _inputs(walk: Walk) -> tuple[int, int]:
    """Everything that comes from main memory, and stays while it is needed.  Returns the place of the word vectors."""
    a, settings, take = walk.a, walk.settings, walk.space.take
    images, words, slots = walk.width(a.n_embd), walk.width(a.n_embd), take(2 * walk.row)    # pictures between words: always planned for
    x = walk.width(a.n_embd)
    if a.arch == "gemma3":
        scale = walk.width(1)
    walk.positions = walk.width(1)
    for kind in dict.fromkeys(int(a.is_sliding(layer)) for layer in range(a.n_layer)):
        rotations = [take(4 * size * size) if size else None for size in rotation_sizes(a, settings)]
        keys = take(2 * walk.row)
        values = None if a.kv_lora_rank else take(2 * walk.row * (1 if settings.flash_attention else a.n_head_kv * a.head_dim))
        walk.inputs[kind] = Inputs(*rotations, keys, values, take(walk.cells[kind] * walk.n * (2 if settings.flash_attention else 4)))
    walk.rows_asked = take(4 * walk.n_rows)
    walk.width(a.n_embd)                                                                     # words and pictures together
    walk.space.give(images, words, slots)
    if a.arch == "gemma3":
        walk.space.give(scale)
    return x


def rotation_sizes(a: Architecture, settings: Settings) -> tuple[int, int]:
    """Rows of the matrices that rotate keys and values, so that no column stands out; 0 where nothing is (llama_kv_cache: attn_rot_k)."""
    if a.kv_lora_rank or a.head_dim % 64:
        return 0, 0
    power = a.head_dim & -a.head_dim
    return (power if settings.type_k in QUANTIZED else 0), (64 if settings.type_v in QUANTIZED else 0)


def _layer(walk: Walk, x: tuple[int, int]) -> tuple[int, int]:
    """One layer; x: the place of its input.  Returns the place of its output."""
    a, space = walk.a, walk.space
    kind = int(a.is_sliding(walk.layer))
    y = latent_attention(walk, kind) if a.kv_lora_rank else attention(walk, kind, rotation_sizes(a, walk.settings))
    if walk.layer == walk.last:                 # only the rows whose next word is asked for go on
        walk.row, wide = 4 * walk.n_rows, (y, x)
        y = walk.width(a.n_embd)
        space.give(wide[0])
        x = walk.width(a.n_embd)
        space.give(wide[1], walk.rows_asked)
    space.give(x)                               # added to y, in y's place
    part = experts if a.n_expert and walk.layer >= a.n_layer_dense else feed_forward
    out = part(walk)
    space.give(y)                               # added to the output
    return out
