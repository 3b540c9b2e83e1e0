"""How many bytes the weights take. The recipe's rules say the type of every tensor, so every figure is exact.

Counted are the tensors. A file is a little larger (its header holds the vocabulary: a few MB), a graphics card pads
some rows; neither is in these numbers.
"""

from collections.abc import Iterable
from functools import cache

from ..models.families import TensorShape
from ..models.recipes import recipe
from ..models.types import tensor_nbytes
from .catalog import MODELS

#: The mixes that the lessons compare, smallest first.
FTYPES = ("Q2_K", "Q3_K_M", "Q4_0", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K", "Q8_0", "F16")


def weight_bytes(tensors) -> int:
    """Bytes of all tensors together.

    tensors: a table of `tensor_list(...)` or of an open model's `.tensors`, or pairs (shape, type) with the shape in
    ggml's order, row length first.  Raises ValueError for a type that is not known or a row of broken blocks.
    """
    return sum(tensor_nbytes(tuple(shape), qtype) for shape, qtype in _pairs(tensors))


def bits_per_weight(tensors) -> float:
    """Bits per weight of the whole list: what a mix costs, its small F32 vectors included."""
    pairs = list(_pairs(tensors))
    n_weights = sum(_count(shape) for shape, _ in pairs)
    if n_weights == 0:
        raise ValueError("no weights in this list: bits per weight are bits divided by 0")
    return 8 * weight_bytes(pairs) / n_weights


def bytes_by_role(table) -> dict[str, int]:
    """Role ("attn_q", "ffn_down", "output", ...) -> bytes, largest first.  table: of `tensor_list` or `.tensors`."""
    sizes: dict[str, int] = {}
    for role, shape, qtype in zip(table["role"], table["shape"], table["type"], strict=True):
        sizes[role] = sizes.get(role, 0) + tensor_nbytes(tuple(shape), qtype)
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


@cache
def model_weight_bytes(model: str, ftype: str) -> int:
    """Bytes of a model of MODELS at an ftype, exactly: the recipe's rules say the type of every tensor."""
    return sum(tensor_nbytes(tensor.shape, qtype) for tensor, qtype in _typed(model, ftype))


@cache
def card_weight_bytes(model: str, ftype: str) -> int:
    """Bytes of what lies on the card when every layer does: all tensors but the table of word vectors.

    llama.cpp looks word vectors up in main memory. Where the table is also the output (tied embeddings), the card gets
    a copy, and nothing is saved.
    """
    tied = MODELS[model].tied_embeddings if model in MODELS else False
    return sum(tensor_nbytes(tensor.shape, qtype) for tensor, qtype in _typed(model, ftype)
               if tied or tensor.role != "token_embd")


def _typed(model: str, ftype: str) -> list[tuple[TensorShape, str]]:
    if model not in MODELS:
        raise ValueError(f"no model {model!r} in the catalog; there are {', '.join(MODELS)}")
    if ftype not in FTYPES:
        raise ValueError(f"no ftype {ftype!r} here; there are {', '.join(FTYPES)}")
    types = recipe(ftype, MODELS[model])
    return [(tensor, types[tensor.name]) for tensor in MODELS[model].tensors()]


def _pairs(tensors) -> Iterable[tuple[tuple[int, ...], str]]:
    if hasattr(tensors, "columns"):
        return zip(tensors["shape"], tensors["type"], strict=True)
    return tensors


def _count(shape: Iterable[int]) -> int:
    count = 1
    for n in shape:
        count *= n
    return count
