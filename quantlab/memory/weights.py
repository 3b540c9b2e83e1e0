"""How many bytes the weights take: exactly, where the type of every tensor is known; about, where only the shape is.

Counted are the tensors. A file is a little larger (its header holds the vocabulary: a few MB), a graphics card pads
some rows; neither is in these numbers.
"""

from collections.abc import Iterable
from functools import cache

from ..models.architecture import Architecture
from ..models.recipe_rules import FALLBACKS
from ..models.tensor_lists import ARCHITECTURES, tensor_rows
from ..models.types import block_of, tensor_nbytes
from .catalog import MODELS, PUBLISHED

REFERENCE = "llama-3.1-8b"          # whose recorded types stand in where a model has none of its own
#: ftypes from which "about" is allowed: the mixes that the lessons compare.
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
def model_weight_bytes(model: str, ftype: str) -> tuple[int, bool]:
    """(bytes, exact) of a model of MODELS at an ftype.

    Exact for the recorded models, for Q4_K_M of every model in the catalog, and for F16. Else about: every role takes
    the types that Llama-3.1-8B's tensors of this role have; tests say how near that is.
    """
    if model not in MODELS:
        raise ValueError(f"no model {model!r} in the catalog; there are {', '.join(MODELS)}")
    if ftype not in FTYPES:
        raise ValueError(f"no ftype {ftype!r} here; there are {', '.join(FTYPES)}")
    architecture = MODELS[model]
    recorded = next((name for name, known in ARCHITECTURES.items() if _same_tensors(known, architecture)), None)
    if recorded:
        return sum(row[6] for row in tensor_rows(recorded, ftype)), True
    if ftype == "Q4_K_M":
        return PUBLISHED[model].q4_k_m_bytes, True
    return about_weight_bytes(architecture, ftype), ftype == "F16"


@cache
def card_weight_bytes(model: str, ftype: str) -> tuple[int, bool]:
    """(bytes, exact) of what lies on the card when every layer does: all tensors but the table of word vectors.

    llama.cpp looks word vectors up in main memory. Where the table is also the output (tied embeddings), the card gets
    a copy, and nothing is saved.
    """
    total, exact = model_weight_bytes(model, ftype)
    architecture = MODELS[model]
    if architecture.tied_embeddings:
        return total, exact
    table = next(tensor for tensor in architecture.tensors() if tensor.role == "token_embd")
    usual = _types_by_role(ftype)["token_embd"][0]
    return total - round(table.n_weights * _bpw(usual, table.shape[0]) / 8), exact


def about_weight_bytes(architecture: Architecture, ftype: str) -> int:
    """Bytes of an architecture's tensors if each role got the types it has in Llama-3.1-8B at this ftype."""
    types = _types_by_role(ftype)
    total = 0.0
    for tensor in architecture.tensors():
        if tensor.stays_f32:
            total += 4 * tensor.n_weights
            continue
        role = tensor.role.replace("_exps", "").replace("_shexp", "")
        if role == "token_embd" and architecture.tied_embeddings:
            role = "output"                         # one table serves both ends, and gets the better type
        usual = types.get(role, types["attn_q"])
        total += tensor.n_weights * sum(_bpw(qtype, tensor.shape[0]) for qtype in usual) / len(usual) / 8
    return round(total)


@cache
def _types_by_role(ftype: str) -> dict[str, list[str]]:
    types: dict[str, list[str]] = {}
    for row in tensor_rows(REFERENCE, ftype):
        types.setdefault(row[1], []).append(row[4])
    return types


@cache
def _bpw(qtype: str, row: int) -> float:
    block_size, type_size = block_of(qtype if row % block_of(qtype)[0] == 0 else FALLBACKS.get(qtype, "F16"))
    return 8 * type_size / block_size


def _same_tensors(a: Architecture, b: Architecture) -> bool:
    return a.arch == b.arch and list(a.tensors()) == list(b.tensors())


def _pairs(tensors) -> Iterable[tuple[tuple[int, ...], str]]:
    if hasattr(tensors, "columns"):
        return zip(tensors["shape"], tensors["type"], strict=True)
    return tensors


def _count(shape: Iterable[int]) -> int:
    count = 1
    for n in shape:
        count *= n
    return count
