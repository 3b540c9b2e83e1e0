"""Which tensors bear few bits badly: quantize one of them, leave all others as they are, and measure.

    sensitivity("tiny", "Q2_K"), sensitivity("tiny", "Q2_K", by="role")

Lessons: 05, 08.
"""

from collections.abc import Callable, Mapping

from ..formats.tensor import get_format, quantize
from ..models.families import role_and_layer
from ..models.progress import Progress
from ..models.resolve import open_weights
from ..models.types import tensor_nbytes
from ..words import one_of
from .chunks import Text
from .variants import ModelOnText, as_table

GROUPS = ("tensor", "role", "layer")
COLUMNS = ("layer", "role", "qtype", "tensors", "n_weights", "saved", "kld", "kld_se", "kld99", "top1", "ppl",
           "ln_ratio", "seconds", "error")


def sensitivity(model, qtype: str, text: Text | None = None, *, by: str = "tensor", n_ctx: int | None = None,
                chunks: int | None = None, progress: Callable[[Progress], object] | str | None = "show",
                cancel=None, cache=True):
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

        def load(row: dict):
            own = measured.reference.lm
            return own.with_weights({name: quantize(own.weights[name], qtype).dequantize()
                                     for name in row["names"]})

        measured.fill(rows, _name, lambda row: {"types": dict.fromkeys(row["names"], qtype)}, load, progress,
                      cancel, recite=False)
    return as_table(rows, COLUMNS, ("layer", "n_weights", "saved"))


def _groups(types: Mapping[str, tuple[str, tuple[int, ...]]], by: str) -> dict[tuple, list[str]]:
    """(layer, role) -> the names of its matrices; the one that is not told apart is None."""
    found: dict[tuple, list[str]] = {}
    for name, (_, shape) in types.items():
        role, layer = role_and_layer(name)
        if len(shape) == 2 and not (by == "layer" and layer is None):
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
    return {"n_weights": sum(shape[0] * shape[1] for _, shape in own),
            "saved": sum(tensor_nbytes(shape, stored) for stored, shape in own) - new}


def _name(row: dict) -> str:
    """What a row is called while it is measured: "ffn_down layer 3"."""
    return " ".join(filter(None, (row["role"], "" if row["layer"] is None else f"layer {row['layer']}")))
