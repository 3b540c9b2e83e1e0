"""Which tensors bear few bits badly: quantize one of them, leave all others as they are, and measure.

    sensitivity("tiny", "Q2_K"), sensitivity("tiny", "Q2_K", by="role"), mix_quality("tiny", {"ffn_down":
    "Q3_K"})

Lessons: 05, 08.
"""

from collections.abc import Callable, Mapping, Sequence

from ..formats.tensor import get_format, quantize
from ..models.families import role_and_layer
from ..models.progress import Cancelled, Progress, watched
from ..models.types import tensor_nbytes
from .compare import STOPPED, Workbench

GROUPS = ("tensor", "role", "layer")
COLUMNS = ("layer", "role", "qtype", "tensors", "n_weights", "saved", "kld", "kld_se", "kld99", "top1", "ppl",
           "ln_ratio", "seconds", "error")


def sensitivity(model, qtype: str, text: str | Sequence[int] | None = None, *, by: str = "tensor",
                n_ctx: int | None = None, chunks: int | None = None, progress: Callable[[Progress], object]
                | str | None = "show", cancel=None, cache=True):
    """A pandas table: what it costs to store one matrix, one role or one layer in `qtype` and all else as it
    is.

    by: "tensor" (a row per matrix), "role" (the same matrix in all layers) or "layer" (all matrices of one).
    The other arguments are those of `compare_quality`, and so is what happens when the run is stopped.
    Columns: layer (missing for a role, and outside the layers) and role (missing for a layer); qtype;
    tensors, n_weights; saved (bytes less than in the file); kld, kld_se, kld99, top1, ppl, ln_ratio, seconds;
    error (why a row has no numbers, else "").
    """
    if by not in GROUPS:
        raise ValueError(f"by={by!r}: the table has a row for each {', '.join(GROUPS[:-1])} or {GROUPS[-1]}")
    qtype = get_format(qtype).name
    with Workbench(model, text, n_ctx=n_ctx, chunks=chunks, cache=cache) as bench:
        rows = []
        for (layer, role), names in _groups(bench.model.types, by).items():
            rows.append({"layer": layer, "role": role, "qtype": qtype, "tensors": len(names),
                         "types": dict.fromkeys(names, qtype)})
        for row in rows:
            row |= _size(bench, row["types"])
        try:
            _measure(bench, rows, progress, cancel)
        except (Cancelled, KeyboardInterrupt):
            for row in rows:
                row.setdefault("error", "" if "kld" in row else STOPPED)
        return _table(rows)


def mix_quality(model, roles: Mapping[str, str], text: str | Sequence[int] | None = None, *,
                n_ctx: int | None = None, chunks: int | None = None, cache=True) -> dict:
    """What the model is worth with a type of its own for each role; roles that are not named stay as they are
    in the file.

    roles: {"ffn_down": "Q3_K", "token_embd": "Q6_K", ...}.  Returns nbytes, bpw and the numbers of
    `compare_quality`.
    Raises ValueError for a role that the model does not have, and for a type that its rows do not fit.
    """
    with Workbench(model, text, n_ctx=n_ctx, chunks=chunks, cache=cache) as bench:
        groups = _groups(bench.model.types, "role")
        known = {role for _, role in groups}
        if unknown := [role for role in roles if role not in known]:
            raise ValueError(
                f"{bench.model.name} has no matrices called {unknown[0]!r}; there are "
                f"{', '.join(sorted(known))}")
        types = {name: get_format(roles[role]).name for (_, role), names in groups.items() if role in roles
                 for name in names}
        size = _size(bench, types)
        if "error" in size:
            raise ValueError(size["error"])
        nbytes = bench.model.nbytes - size["saved"]
        return {"nbytes": nbytes, "bpw": 8 * nbytes / bench.model.n_weights} | measure_types(bench, types,
                                                                                             recite=True)


def measure_types(bench: Workbench, types: Mapping[str, str], *, recite: bool, tick=None) -> dict:
    """The numbers of the model with these tensors in these types, and all others as they are."""
    def load():
        own = bench.reference.lm
        return own.with_weights({name: quantize(own.weights[name], qtype).dequantize() for name,
                                 qtype in types.items()})
    return bench.measure({"types": dict(types), "recite": recite}, load, recite=recite, tick=tick)


def _groups(types: Mapping[str, tuple[str, tuple[int, ...]]], by: str) -> dict[tuple, list[str]]:
    """(layer, role) -> the names of its matrices; the one that is not told apart is None."""
    found: dict[tuple, list[str]] = {}
    for name, (_, shape) in types.items():
        role, layer = role_and_layer(name)
        if len(shape) == 2 and not (by == "layer" and layer is None):
            found.setdefault((None if by == "role" else layer, None if by == "layer" else role),
                             []).append(name)
    return found


def _size(bench: Workbench, types: Mapping[str, str]) -> dict:
    """Weights, and bytes saved; or why there is no such tensor."""
    own = bench.model.types
    try:
        new = sum(tensor_nbytes(own[name][1], qtype) for name, qtype in types.items())
        for name, qtype in types.items():
            get_format(qtype).check_imatrix(None, own[name][1][0])
    except ValueError as error:
        return {"error": str(error)}
    return {"n_weights": sum(own[name][1][0] * own[name][1][1] for name in types),
            "saved": sum(tensor_nbytes(own[name][1], own[name][0]) for name in types) - new}


def _measure(bench: Workbench, rows: list[dict], progress, cancel) -> None:
    todo = [row for row in rows if "error" not in row]
    left = bench.unknown_tokens({"types": row["types"], "recite": False} for row in todo)
    tick = watched({"": sum(left)}, "tokens", progress, cancel)
    for row in todo:
        words = " ".join(str(part) for part in (row["role"], "" if row["layer"] is None
                                                else f"layer {row['layer']}") if part)
        try:
            row |= measure_types(bench, row["types"], recite=False, tick=lambda n,
                                 words=words: tick("", n, words))
        except ValueError as error:
            row["error"] = str(error)


def _table(rows: list[dict]):
    import pandas as pd

    table = pd.DataFrame([{"error": ""} | row for row in rows]).reindex(columns=COLUMNS)
    return table.astype(dict.fromkeys(("layer", "n_weights", "saved"), "Int64"))
