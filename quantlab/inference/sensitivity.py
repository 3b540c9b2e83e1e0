"""What matters in a model: which tensors bear few bits badly (`sensitivity`: quantize one of them, leave all
others as they are, and measure), and which columns of a matrix (`collect_imatrix`, as llama.cpp's `imatrix`).

    sensitivity("tiny", "Q2_K"), sensitivity("tiny", "Q2_K", by="role")
    collect_imatrix(load_lm("tiny"), text)

A column of a matrix is multiplied with one entry of its input x. An error in a weight of that column counts
in the output as often and as much as that entry is large, so the importance of column j is the mean of x_j²
over all tokens read (imatrix.cpp: collect_imatrix, with the mean taken when the file is used). As there, the
matrices inside the layers are measured; the word vectors and the output are not.
Lessons: 05, 08, 11, 12.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from math import prod

import numpy as np

from ..formats.tensor import begin, get_format
from ..models.families import TensorShape, role_and_layer
from ..models.imatrix_file import Imatrix
from ..models.progress import Progress
from ..models.resolve import open_weights
from ..models.types import tensor_nbytes
from ..words import one_of
from .chunks import Text, as_read, chunks_of, ticking
from .llama import LanguageModel
from .stored import all_rounded
from .variants import ModelOnText, as_table

GROUPS = ("tensor", "role", "layer")
COLUMNS = ("layer", "role", "qtype", "tensors", "n_weights", "saved", "kld", "kld_se", "kld99", "top1", "ppl",
           "ln_ratio", "seconds", "error")


def sensitivity(model, qtype: str, text: Text | None = None, *, by: str = "tensor", n_ctx: int | None = None,
                chunks: int | None = None, executor: Executor | None = None,
                progress: Callable[[Progress], object] | str | None = "show", cancel=None, cache=True):
    """A pandas table: what it costs to store one matrix, one role or one layer in `qtype` and all else as it
    is.

    by: "tensor" (a row per matrix), "role" (the same matrix in all layers) or "layer" (all matrices of one).
    The other arguments are those of `compare_quality`, and so is what happens when the run is stopped.
    Columns: layer (missing for a role, and outside the layers) and role (missing for a layer); qtype;
    tensors, n_weights; saved (bytes less than in the file); kld, kld_se, kld99, top1, ppl, ln_ratio, seconds;
    error (why a row has no numbers, else "").
    """
    by, qtype = one_of("grouping", by, GROUPS), get_format(qtype).name
    with open_weights(model) as source:
        measured, types = ModelOnText(source, text, n_ctx=n_ctx, chunks=chunks, cache=cache), source.types
        rows = [{"layer": layer, "role": role, "qtype": qtype, "tensors": len(names), "names": names}
                | _size([types[name] for name in names], qtype)
                for (layer, role), names in _groups(types, by).items()]
        measured.fill(rows, _name, lambda row: {"types": dict.fromkeys(row["names"], qtype)}, _with_rounded,
                      progress, cancel, recite=False, executor=executor)
    return as_table(rows, COLUMNS, ("layer", "n_weights", "saved"))


def _with_rounded(measured: ModelOnText, row: dict,
                  progress: Callable[[Progress], object] | None = None) -> LanguageModel:
    own = measured.reference.lm
    return own.with_weights(all_rounded(own.weights, dict.fromkeys(row["names"], row["qtype"]), progress))


def _groups(types: Mapping[str, tuple[str, tuple[int, ...]]], by: str) -> dict[tuple, list[str]]:
    """(layer, role) -> the names of its matrices, those of experts included; the one that is not told apart
    is None.
    """
    found: dict[tuple, list[str]] = {}
    for name, (_, shape) in types.items():
        role, layer = role_and_layer(name)
        if not TensorShape(name, role, layer, shape).stays_f32 and not (by == "layer" and layer is None):
            place = None if by == "role" else layer, None if by == "layer" else role
            found.setdefault(place, []).append(name)
    return found


def _size(own: list[tuple[str, tuple[int, ...]]], qtype: str) -> dict:
    """How many weights, and bytes saved; or why there is no such tensor.  own: type and shape of each
    matrix.
    """
    try:
        new = sum(tensor_nbytes(shape, qtype) for _, shape in own)
        for _, shape in own:
            get_format(qtype).check_imatrix(None, shape[0])
    except ValueError as error:
        return {"error": str(error)}
    return {"n_weights": sum(prod(shape) for _, shape in own),
            "saved": sum(tensor_nbytes(shape, stored) for stored, shape in own) - new}


def _name(row: dict) -> str:
    """What a row is called while it is measured: "ffn_down layer 3"."""
    return " ".join(filter(None, (row["role"], "" if row["layer"] is None else f"layer {row['layer']}")))


def collect_imatrix(lm, text: Text, *, n_ctx: int | None = None, chunks: int | None = None,
                    dataset: str = "", executor: Executor | None = None,
                    progress: Callable[[Progress], object] | str | None = "show", cancel=None) -> Imatrix:
    """Read the text in chunks and return an Imatrix: `.values` is {tensor name: (1, columns) float32, the
    mean of the squared inputs}; experts have a row each, 1 where no token came.

    Goes into `quantize_model`, `load_lm`, `compare_quality`, and into a file for llama-quantize by
    `write_imatrix`.
    text, n_ctx, chunks: see `perplexity`; every token of a chunk counts.  dataset: the text's name, for the
    file.
    executor, progress, cancel: see `perplexity`.
    ValueError in words for a text too short, and where an input is no finite number.
    """
    cut = chunks_of(lm, text, n_ctx, chunks)
    sums: dict[str, np.ndarray] = {}            # (experts, columns); one row where there are no experts
    counts: dict[str, np.ndarray] = {}          # (experts,)
    begun = ((chunk, begin(executor, _squares, lm, chunk)) for chunk in cut)
    for found in as_read(begun, executor, ticking(cut, progress, cancel)):
        for name, (total, count) in found.items():
            sums[name], counts[name] = sums.get(name, 0) + total, counts.get(name, np.float32(0)) + count
    for name, total in sums.items():
        if not np.isfinite(total).all():
            raise ValueError(f"column {int(np.argwhere(~np.isfinite(total))[0, -1])} of {name} gets inputs "
                             "that are no finite numbers")
    values = {name: np.divide(total, counts[name][:, None], out=np.ones_like(total),
                              where=counts[name][:, None] > 0).astype(np.float32)
              for name, total in sums.items()}
    return Imatrix(values, datasets=(dataset,) if dataset else (), chunks=len(cut), chunk_size=cut.shape[1],
                   counts=counts)


def _squares(lm, chunk: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Name of a matrix -> what a chunk adds to `sums` and `counts` of `collect_imatrix`."""
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def add(name: str, x: np.ndarray, expert: int) -> None:
        if name.startswith("blk."):
            shape = lm.weights[name].shape
            experts = shape[0] if len(shape) == 3 else 1
            total, count = found.setdefault(name, (np.zeros((experts, x.shape[1])),
                                                   np.zeros(experts, np.float32)))
            total[expert] += np.einsum("tj,tj->j", x, x, dtype=np.float64)
            count[expert] += len(x)

    replace(lm, watch=add).states(chunk, lm.new_cache(len(chunk)))
    return found
