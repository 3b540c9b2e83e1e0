"""How llama.cpp plans its compute buffer: `Space`, where intermediate results take a place and give it back,
and `Walk`, which goes through the layers and takes what each part of them needs.

    space = Space()
    a = space.take(1000)
    space.give(a)
    space.peak          # 1024: every place starts at a multiple of 128 bytes

A result goes into the smallest gap that is large enough; only when there is none does the buffer grow. So
gaps that nothing fits into cost memory, too: the peak is more than what lives at one time.  ggml:
ggml_dyn_tallocr_alloc and _free_bytes in ggml-alloc.c.

Layers whose weights lie in main memory are computed on the card all the same when many tokens come at once:
llama.cpp copies each matrix there just before it is used, and the layer's cache before attention. ggml cuts
its plan into splits at these points; a split begins with the copies of all that it reads (ggml-backend.cpp:
ggml_backend_sched_split_graph), which is what `lend` does.
"""

from collections.abc import Sequence

from ..models.architecture import Architecture
from ..models.types import tensor_nbytes
from .kv_cache import cells, has_flash
from .settings import CACHE_TYPES, QUANTIZED, Settings
from .weights import aligned, card_nbytes, row_filling

Span = tuple[int, int]             # offset and bytes in the buffer
Input = str | tuple[str, int]       # an input's name, or its name and the kind of layer that reads it
ALIGNMENT = 128         # of a CUDA buffer
ENDLESS = 2**62


class Space:
    """A buffer that is only planned. `peak`: the bytes it must have."""

    def __init__(self):
        self.gaps = [[0, ENDLESS]]      # [offset, bytes], by offset; the last one is the end of the buffer
        self.peak = 0

    def take(self, nbytes: int) -> Span:
        """A place (offset, bytes) for a result of `nbytes`: the smallest gap that holds it, of equal ones the
        last.
        """
        nbytes = -(-nbytes // ALIGNMENT) * ALIGNMENT
        best, gaps = -1, self.gaps
        for i in range(len(gaps) - 1):
            if gaps[i][1] >= nbytes and (best < 0 or gaps[i][1] <= gaps[best][1]):
                best = i
        gap = gaps[best]                # none found: the end of the buffer
        offset = gap[0]
        gap[0] += nbytes
        gap[1] -= nbytes
        if not gap[1]:
            del gaps[best]
        self.peak = max(self.peak, offset + nbytes)
        return offset, nbytes

    def give(self, *places: Span) -> None:
        """Give places back, one after the other; neighbouring gaps become one."""
        for place in places:
            self._give(*place)

    def _give(self, offset: int, nbytes: int) -> None:
        gaps = self.gaps
        i = 0
        while gaps[i][0] < offset:
            i += 1
        if gaps[i][0] == offset + nbytes:
            gaps[i][0], gaps[i][1] = offset, gaps[i][1] + nbytes
        else:
            gaps.insert(i, [offset, nbytes])
        if i and gaps[i - 1][0] + gaps[i - 1][1] == offset:
            gaps[i - 1][1] += gaps[i][1]
            del gaps[i]


#: Tokens at a time from which the card computes what lies in main memory (ggml-cuda:
#: GGML_OP_OFFLOAD_MIN_BATCH).
LENT_FROM = 32
#: The last matrix or vector of a layer, whichever of them it has: with its copy come the inputs of the layers
#: that follow on the card.
LAST = ("post_ffw_norm.weight", "ffn_down_shexp.weight", "ffn_down_exps.bias", "ffn_down_exps.weight",
        "ffn_down.weight")


class Walk:
    """A walk through the layers of `shape`, which plans a compute buffer (`space`) on its way.

    layer: where the walk is; walked: the layers it goes through.  row_bytes: of one 32-bit number for each of
    n_tokens tokens; n_rows: rows of the output.  host_weights: for each layer in main memory, its tensors'
    bytes on the card, by name without "blk.N."; first_on_card: the first layer that is not among them.
    last_of_kind: the last walked layer of each kind.  copies: of each input; more than one are kept for good.
    Inputs (`sizes`, `places`) are known by a name, or by a name and a kind of layer: 0 sees everything, 1 a
    window.
    """

    def __init__(self, shape: Architecture, settings: Settings, host_weights: tuple[dict[str, int], ...],
                 walked: tuple[int, ...], copies: int = 1):
        self.shape, self.settings, self.space, self.copies = shape, settings, Space(), copies
        self.host_weights, self.first_on_card = host_weights, len(host_weights)
        self.n_tokens, self.n_rows = step(settings)
        # llama.cpp sees that a card cannot do it only where layers lie on one
        self.flash = settings.flash_attention and (has_flash(shape) or self.first_on_card == shape.n_layer)
        self.row_bytes = 4 * self.n_tokens
        self.cells = cells(shape, settings)
        self.sizes = self._input_sizes()
        self.places: dict[Input, Span] = {}
        self.walked, self.last_layer, self.layer = walked, shape.n_layer - 1, 0
        self.last_of_kind = {int(shape.is_sliding(layer)): layer for layer in walked}

    @property
    def kind(self) -> int:
        return int(self.shape.is_sliding(self.layer))

    def width(self, columns: int, *weights: str) -> Span:
        """A place for one row of `columns` 32-bit numbers a token, computed with these weights."""
        lent = self.lend(*weights)
        place = self.space.take(columns * self.row_bytes)
        self.space.give(*lent)
        return place

    def lend(self, *weights: str, inputs: Sequence[Input] = ()) -> list[Span]:
        """Copies of weights, then inputs that are not there yet; nothing where the layer lies on the card.
        Returns the copies' places.
        """
        if self.layer >= self.first_on_card:
            return []
        mine = self.host_weights[self.layer]
        lent = [self.space.take(mine[name]) for name in weights if name in mine]
        self.need(*inputs)
        if self.layer == self.first_on_card - 1 and next(name for name in LAST if name in mine) in weights:
            self.enter(self.first_on_card)
        return lent

    def use(self, *weights: str, inputs: Sequence[Input] = ()) -> None:
        """Weights that are worked in where their input lies."""
        self.space.give(*self.lend(*weights, inputs=inputs))

    def has(self, weight: str) -> bool:
        return self.layer < self.first_on_card and weight in self.host_weights[self.layer]

    def enter(self, layer: int, stop: int | None = None) -> None:
        """All inputs of the layers from `layer` on (to before `stop`), which the card holds, that are not
        there yet: one split has them.
        """
        layers = range(layer, self.shape.n_layer if stop is None else min(stop, self.shape.n_layer))
        if layers:
            self.need("positions")
        for kind in dict.fromkeys(int(self.shape.is_sliding(one)) for one in layers):
            self.need(*((part, kind) for part in ("rotate_k", "rotate_v", "keys", "values", "mask")))
        if self.last_layer in layers or not layers:
            self.need("rows")

    def need(self, *inputs: Input) -> None:
        for key in inputs:
            if self.sizes.get(key) and key not in self.places:
                self.places[key] = self.outside(self.sizes[key])

    def outside(self, nbytes: int) -> Span:
        """A place for something that is read from outside; several copies of it lie side by side."""
        return self.space.take(self.copies * aligned(nbytes, ALIGNMENT))

    def give_input(self, *places: Span) -> None:
        if self.copies == 1:
            self.space.give(*places)

    def done(self, kind: int, part: str) -> None:
        """Give an input back after the last layer that reads it."""
        if part == "positions":
            if self.layer == self.last_layer:
                self._give("positions")
            if self.layer == self.first_on_card - 1:
                self._give("freqs")
        elif self.layer == self.last_of_kind[kind]:
            self._give((part, kind))

    def _give(self, key: Input) -> None:
        if key in self.places:
            self.give_input(self.places.pop(key))

    def cache_copy(self) -> tuple[int, int]:
        """Bytes of the copies of keys and values of a layer whose cache lies in main memory."""
        a, n = self.shape, self.cells[self.kind] * self.settings.n_streams
        types = [CACHE_TYPES[name] for name in (self.settings.type_k, self.settings.type_v)]
        if a.is_latent:
            # values are the first part of each key: their last row ends earlier
            width = a.kv_lora_rank + a.rope_dim
            unread = tensor_nbytes((a.rope_dim,), types[0])
            values = tensor_nbytes((width, n), types[0]) - unread + row_filling(a.kv_lora_rank, types[0])
            return card_nbytes((width, n), types[0]), values
        keys, values = (card_nbytes((columns, a.n_head_kv * n), qtype)
                        for columns, qtype in zip((a.head_dim, a.value_dim), types, strict=True))
        return keys, values

    def _input_sizes(self) -> dict[Input, int]:
        a = self.shape
        sizes: dict[Input, int] = {"positions": self.row_bytes, "rows": 4 * self.n_rows,
                                   "freqs": 2 * a.head_dim if a.rope_freqs or a.longrope else 0}
        rows_k, rows_v = rotation_sizes(a, self.settings)
        # values that are kept transposed
        scattered = 1 if self.settings.flash_attention else a.n_head_kv * a.value_dim
        for kind in (0, 1):
            sizes["rotate_k", kind], sizes["rotate_v", kind] = 4 * rows_k * rows_k, 4 * rows_v * rows_v
            sizes["keys", kind] = 2 * self.row_bytes
            sizes["values", kind] = 0 if a.is_latent else 2 * self.row_bytes * scattered
            sizes["mask", kind] = self.cells[kind] * self.n_tokens * (2 if self.flash else 4)
        return sizes


def step(settings: Settings) -> tuple[int, int]:
    """(tokens, output rows) of the largest step: as many tokens for each conversation
    (llama_context::graph_reserve).
    """
    return -(-settings.n_tokens // settings.n_parallel) * settings.n_parallel, settings.n_rows


def rotation_sizes(a: Architecture, settings: Settings) -> tuple[int, int]:
    """Rows of the matrices that rotate keys and values, so that no column stands out; 0 where nothing is
    (llama_kv_cache: attn_rot_k).
    """
    if a.is_latent or a.head_dim % 64:
        return 0, 0
    power = a.head_dim & -a.head_dim
    return (power if settings.type_k in QUANTIZED else 0), (64 if settings.type_v in QUANTIZED else 0)
