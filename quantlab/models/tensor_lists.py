"""The tensors of three real models at every ftype, and how many bytes each takes: no download, headers only.

The types follow from llama.cpp's rules (recipes.py), which the tests compare with what `llama-quantize` itself chose for
files that had these models' true headers and empty data. Sizes follow from shape and format.
"""

from collections import Counter
from functools import cache

from .architecture import ALIASES, ARCHITECTURES
from .families import TensorShape
from .recipe_rules import USUAL
from .recipes import recipe
from .types import tensor_nbytes

COLUMNS = ("name", "role", "layer", "shape", "type", "n_weights", "nbytes", "bpw")


def tensor_list(model: str, ftype: str):
    """A pandas table, one row per tensor in file order: name, role, layer, shape, type, n_weights, nbytes, bpw.

    model: "llama-2-7b", "llama-3.1-8b" or "smollm2-135m" (or Ollama's name, "llama3.1:8b").  ftype: as llama.cpp
    writes it, "Q4_K_M"; Ollama's "q4_K_M" is the same.  shape is in ggml's order (row length first), nbytes in bytes.
    Raises ValueError for another model or ftype.
    """
    import pandas as pd

    table = pd.DataFrame(tensor_rows(model, ftype), columns=list(COLUMNS))
    return table.astype({"layer": "Int64"})


@cache
def tensor_rows(model: str, ftype: str) -> tuple[tuple, ...]:
    """The rows of `tensor_list` as plain tuples, for callers that redraw often."""
    name = ALIASES.get(model, model)
    if name not in ARCHITECTURES:
        raise ValueError(f"no tensor list of {model!r} here; there are {', '.join(ARCHITECTURES)}")
    if str(ftype).upper() not in USUAL:
        raise ValueError(f"no recorded ftype {ftype!r}; there are {', '.join(recorded_ftypes(name))}")
    types = recipe(ftype, ARCHITECTURES[name])
    return tuple(_row(tensor, types[tensor.name]) for tensor in ARCHITECTURES[name].tensors())


def types_by_role(model: str, *ftypes: str):
    """A pandas table: one row per role of matrix, one column per ftype, "16 × Q4_K, 16 × Q6_K" in the cells."""
    import pandas as pd

    columns = {}
    for ftype in ftypes:
        counts: dict[str, Counter] = {}
        for row in tensor_rows(model, ftype):
            if len(row[3]) > 1:
                counts.setdefault(row[1], Counter())[row[4]] += 1
        columns[ftype] = {role: ", ".join(f"{n} × {qtype}" for qtype, n in types.most_common()) for role, types in counts.items()}
    return pd.DataFrame(columns).rename_axis("role")


def recorded_ftypes(model: str = "llama-3.1-8b") -> list[str]:
    """The ftypes that `tensor_list` knows, the smallest file of this model first."""
    if ALIASES.get(model, model) not in ARCHITECTURES:
        raise ValueError(f"no tensor list of {model!r} here; there are {', '.join(ARCHITECTURES)}")
    return sorted(USUAL, key=lambda ftype: sum(row[6] for row in tensor_rows(model, ftype)))


def _row(tensor: TensorShape, qtype: str) -> tuple:
    nbytes = tensor_nbytes(tensor.shape, qtype)
    return (*tensor, qtype, tensor.n_weights, nbytes, 8 * nbytes / tensor.n_weights)
