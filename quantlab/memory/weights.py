"""How many bytes the weights take, and where they lie: which on the card, which in main memory, block by
block.

The recipe's rules say the type of every tensor, so every figure is exact. A file is a little larger than its
tensors: its header holds the vocabulary, a few MB (`weight_bytes` counts tensors only). A card needs a few
bytes more: CUDA fills the last row of a quantized tensor up to 512 numbers and starts each tensor at a
multiple of 128 bytes.  llama.cpp keeps the table of word vectors in main memory, always. From the end of the
model, the output layer goes to the card first, then the last blocks, as many as `n_gpu_layers` says
(llama-model.cpp: load_tensors).
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from ..models.architecture import Architecture
from ..models.families import FAMILIES, TensorShape
from ..models.library import library_mix
from ..models.ollama_blobs import architecture_name, llama_cpp_name
from ..models.per_layer import FIRST_LAYERS, HOST_ONLY
from ..models.recipes import typed_tensors
from ..models.resolve import shape_of
from ..models.source import Model
from ..models.types import block_of, tensor_nbytes
from ..models.wiring import is_unused

ROW_PADDING = 512       # ggml-cuda: MATRIX_ROW_PADDING
CARD_ALIGNMENT = 128    # ggml-cuda
HOST_ALIGNMENT = 32     # ggml.h: TENSOR_ALIGNMENT
#: The mixes that the lessons compare, smallest first.
FTYPES = ("Q2_K", "Q3_K_M", "Q4_0", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K", "Q8_0", "F16")
# every layer reads them: each device has its own
SHARED = ("rope_freqs", "rope_factors_long", "rope_factors_short")
#: Role -> what it is placed with; "output" for the other tensors outside the layers.
GROUPS = {"token_embd": "words", **dict.fromkeys(SHARED, "shared"), **dict.fromkeys(HOST_ONLY, "host only")}
#: Name, shape and type of each tensor.
Types = tuple[tuple[str, tuple[int, ...], str], ...]


class TensorBytes(NamedTuple):
    """Bytes of some tensors: on a card, and in main memory, where nothing is filled up."""

    card: int
    host: int

    def __add__(self, other):
        return TensorBytes(self.card + other.card, self.host + other.host)


class Weights(NamedTuple):
    """A model's tensors by the place they take together.  words: the table of word vectors; tied: it is the
    output, too.

    n_weights: numbers in all tensors.  output: output table and last norm; shared: what every layer reads;
    blocks: one TensorBytes a layer; layers: for each of them (name without "blk.N.", bytes on a card) of
    every tensor.  types: of all tensors.  host_only: what never lies on a card; first_shared: the first layer
    that reads what is shared.
    """

    n_weights: int
    words: TensorBytes
    tied: bool
    output: TensorBytes
    shared: TensorBytes
    blocks: tuple[TensorBytes, ...]
    layers: tuple[tuple[tuple[str, int], ...], ...]
    types: Types
    host_only: TensorBytes = TensorBytes(0, 0)
    first_shared: int = 0

    @property
    def nbytes(self) -> int:
        """All tensors, as a file has them."""
        return sum(part.host for part in (self.words, self.output, self.shared, self.host_only, *self.blocks))

    def n_blocks_on_card(self, n_gpu_layers: int | None) -> int:
        """Blocks on the card: the output layer is counted first."""
        return len(self.blocks) if n_gpu_layers is None else max(min(n_gpu_layers - 1, len(self.blocks)), 0)

    def placed(self, n_gpu_layers: int | None = None) -> TensorBytes:
        """Bytes on the card and bytes in main memory.  n_gpu_layers: None for all."""
        n = self.n_blocks_on_card(n_gpu_layers)
        below, above = self.blocks[: len(self.blocks) - n], self.blocks[len(self.blocks) - n :]
        card, host = sum(part.card for part in above), self.words.host + sum(part.host for part in below)
        host += self.host_only.host
        if n_gpu_layers == 0:
            return TensorBytes(0, host + self.output.host + self.shared.host)
        card += self.output.card + (self.words.card if self.tied else 0)
        host += self.shared.host if len(below) > self.first_shared else 0
        return TensorBytes(card + (self.shared.card if n else 0), host)


def weights_of(model, ftype: str | None = None) -> Weights:
    """The weights of a model at an ftype; without one as a file has them, a shape's usual one.

    model: as in `estimate_memory`.  Raises ValueError for an ftype that is not known, and for a tensor type
    whose size is not.
    """
    shape = shape_of(model)
    if isinstance(shape, Architecture):
        ftype = (ftype or shape.usual_type).upper()
        return _weights_of_shape(shape, ftype, library_mix(shape, ftype))
    spelled, a = shape.metadata.get("general.architecture"), known_architecture(shape)
    tensors = ((tensor._replace(name=llama_cpp_name(tensor.name, spelled)), qtype)
               for tensor, qtype in typed_tensors(shape, ftype) if a is None or not is_unused(tensor.name, a))
    return _weights(tensors, 0 if a is None else _first_shared(a))


def known_architecture(model: Model) -> Architecture | None:
    """None for a file of an architecture that is not known here."""
    return model.architecture if architecture_name(model.metadata) in FAMILIES else None


@lru_cache(maxsize=4096)
def _weights_of_shape(shape: Architecture, ftype: str, _mix: str) -> Weights:
    """Equal shapes may have unequal files: the mix is part of the key."""
    return _weights(typed_tensors(shape, ftype), _first_shared(shape))


def _first_shared(a: Architecture) -> int:
    """The first layer that reads the frequencies of RoPE: in Gemma 4 only those that see all do."""
    return next(i for i in range(a.n_layer) if a.arch != "gemma4" or not a.is_sliding(i))


def _weights(tensors: Iterable[tuple[TensorShape, str]], first_shared: int = 0) -> Weights:
    groups = dict.fromkeys(("words", "output", "shared", "host only"), TensorBytes(0, 0))
    blocks: dict[int, TensorBytes] = {}
    layers: dict[int, list[tuple[str, int]]] = {}
    has_output, n_weights, types = False, 0, []
    for tensor, qtype in tensors:
        types.append((tensor.name, tuple(tensor.shape), qtype))
        part = part_of(tuple(tensor.shape), qtype)
        n_weights += tensor.n_weights
        layer = 0 if tensor.role in FIRST_LAYERS else tensor.layer
        if layer is not None:
            blocks[layer] = blocks.get(layer, TensorBytes(0, 0)) + part
            layers.setdefault(layer, []).append((tensor.name.split(".", 2)[-1], part.card))
            continue
        has_output |= tensor.name == "output.weight"
        groups[GROUPS.get(tensor.role, "output")] += part
    return Weights(n_weights, groups["words"], not has_output, groups["output"], groups["shared"],
                   tuple(blocks[layer] for layer in sorted(blocks)),
                   tuple(tuple(layers[layer]) for layer in sorted(layers)), tuple(types),
                   groups["host only"], first_shared)


@lru_cache(maxsize=1024)
def by_name(types: Types) -> dict[str, tuple[tuple[int, ...], str]]:
    """Name of a tensor -> its shape and type."""
    return {name: (shape, qtype) for name, shape, qtype in types}


@lru_cache(maxsize=4096)
def part_of(shape: tuple[int, ...], qtype: str) -> TensorBytes:
    """One tensor; a model has hundreds of them and a handful of shapes."""
    return TensorBytes(card_nbytes(shape, qtype), aligned(tensor_nbytes(shape, qtype), HOST_ALIGNMENT))


def card_nbytes(shape: tuple[int, ...], qtype: str) -> int:
    """Bytes of a tensor on a CUDA card (ggml_backend_cuda_buffer_type_get_alloc_size)."""
    return aligned(tensor_nbytes(shape, qtype) + row_filling(shape[0], qtype), CARD_ALIGNMENT)


def row_filling(row: int, qtype: str) -> int:
    """Bytes that fill the last quantized row up to 512 numbers; none for plain floats.  row: its length."""
    block_size, type_size = block_of(qtype)
    return -row % ROW_PADDING // block_size * type_size if block_size > 1 else 0


def aligned(nbytes: int, alignment: int) -> int:
    """`nbytes`, rounded up (GGML_PAD)."""
    return -(-nbytes // alignment) * alignment


def weight_bytes(model, ftype: str | None = None) -> int:
    """Bytes of all tensors together, as a file has them behind its header.

    model, ftype: as in `estimate_memory`; or, instead of a model, a table of `tensor_list(...)` or of an open
    model's `.tensors`, or pairs (shape, type) with the shape in ggml's order, row length first. Raises
    ValueError for a type that is not known or a row of broken blocks.
    """
    pairs: Iterable[tuple[tuple[int, ...], str]]
    if hasattr(model, "columns"):
        pairs = zip(model["shape"], model["type"], strict=True)
    elif isinstance(model, Iterable) and not isinstance(model, str):
        pairs = model
    else:
        pairs = ((tensor.shape, qtype) for tensor, qtype in typed_tensors(shape_of(model), ftype))
    return sum(tensor_nbytes(tuple(shape), qtype) for shape, qtype in pairs)
