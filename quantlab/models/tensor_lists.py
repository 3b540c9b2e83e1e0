"""The tensors of three real models at every ftype, and how many bytes each takes: no download, headers only.

The types are llama.cpp's own choices: `llama-quantize` was run on files that had these models' true headers and empty
data, and its decisions were written down (data/tensor_types.csv). Sizes follow from shape and format.
"""

import csv
from collections import Counter
from functools import cache
from pathlib import Path

from .architecture import Architecture
from .families import TensorShape
from .types import tensor_nbytes

DATA = Path(__file__).parent.parent / "data" / "tensor_types.csv"

#: The shapes, as the models' published configurations give them.
ARCHITECTURES = {
    "llama-2-7b": Architecture(arch="llama", n_layer=32, n_embd=4096, n_head=32, n_head_kv=32, head_dim=128, n_ff=11008,
                               n_vocab=32000, n_ctx_train=4096),
    "llama-3.1-8b": Architecture(arch="llama", n_layer=32, n_embd=4096, n_head=32, n_head_kv=8, head_dim=128,
                                 n_ff=14336, n_vocab=128256, rope_freqs=True, n_ctx_train=131072),
    "smollm2-135m": Architecture(arch="llama", n_layer=30, n_embd=576, n_head=9, n_head_kv=3, head_dim=64, n_ff=1536,
                                 n_vocab=49152, tied_embeddings=True, n_ctx_train=8192),
}
COLUMNS = ("name", "role", "layer", "shape", "type", "n_weights", "nbytes", "bpw")
ALIASES = {"llama2:7b": "llama-2-7b", "llama3.1:8b": "llama-3.1-8b", "smollm2:135m": "smollm2-135m"}


def tensor_list(model: str, ftype: str):
    """A pandas table, one row per tensor in file order: name, role, layer, shape, type, n_weights, nbytes, bpw.

    model: "llama-2-7b", "llama-3.1-8b" or "smollm2-135m" (or Ollama's name, "llama3.1:8b").  ftype: as llama.cpp
    writes it, "Q4_K_M"; Ollama's "q4_K_M" is the same.  shape is in ggml's order (row length first), nbytes in bytes.
    Raises ValueError for a model or ftype that was not recorded.
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
    types = _recorded().get((name, ftype.upper()))
    if types is None:
        raise ValueError(f"no recorded ftype {ftype!r}; there are {', '.join(recorded_ftypes(name))}")
    return tuple(_row(tensor, types) for tensor in ARCHITECTURES[name].tensors())


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
    """The ftypes that `tensor_list` knows for a model, smallest file first."""
    names = [ftype for name, ftype in _recorded() if name == ALIASES.get(model, model)]
    if not names:
        raise ValueError(f"no tensor list of {model!r} here; there are {', '.join(ARCHITECTURES)}")
    return sorted(names, key=lambda ftype: sum(row[6] for row in tensor_rows(model, ftype)))


def _row(tensor: TensorShape, types: dict[str, list[str]]) -> tuple:
    qtype = "F32" if tensor.stays_f32 else types[tensor.role][tensor.layer or 0]
    nbytes = tensor_nbytes(tensor.shape, qtype)
    return (*tensor, qtype, tensor.n_weights, nbytes, 8 * nbytes / tensor.n_weights)


@cache
def _recorded() -> dict[tuple[str, str], dict[str, list[str]]]:
    """(model, ftype) -> role -> one type per layer."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    with DATA.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            if line["role"] != "total_MiB":     # the recorded sum: the tests compare ours with it
                types = found.setdefault((line["model"], line["ftype"]), {})
                types[line["role"]] = _unpacked(line["types_in_layer_order"])
    return found


def _unpacked(text: str) -> list[str]:
    """"Q6_K*4 Q4_K*2" is ["Q6_K", "Q6_K", "Q6_K", "Q6_K", "Q4_K", "Q4_K"]."""
    pairs = (part.split("*") for part in text.split())
    return [qtype for qtype, count in pairs for _ in range(int(count))]
