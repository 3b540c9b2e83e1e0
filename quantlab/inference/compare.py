"""`compare_quality`: a model at many types, each measured against the file's own weights.

    ql.compare_quality("tiny", ["Q8_0", "Q4_K_M", "Q2_K"])

Which digits repeat on every processor: the last bits of a float32 sum depend on it. With OpenBLAS's kernels for four generations of
processors perplexities agreed in seven digits, kld in four, kld99 in three (Q8_0; more for fewer bits), top1 and recitals in all. So show
five digits of a perplexity at most, three of kld and kld99, and top1 in per cent with one decimal; top1 and a recital can change only where
two tokens are as good as equally likely.
Lessons: 04, 07, 08.
"""

from collections.abc import Callable, Sequence

from ..models.imatrix_file import Imatrix, as_imatrix
from ..models.plan import plan
from ..models.progress import Cancelled, Progress, watched
from .cache import digest
from .load import load_lm
from .workbench import Workbench

COLUMNS = ("ftype", "nbytes", "bpw", "ppl", "ppl_se", "kld", "kld_se", "kld99", "top1", "mean_p_diff", "rms_p_diff", "ln_ratio",
           "ln_ratio_se", "recited", "passages", "controls", "seconds", "error")
STOPPED = "stopped before it was measured"


def compare_quality(model, ftypes: Sequence[str], text: str | Sequence[int] | None = None, *, pure: bool = False, imatrix=None,
                    n_ctx: int | None = None, chunks: int | None = None,
                    progress: Callable[[Progress], object] | str | None = "show", cancel=None, cache=True):
    """A pandas table, a row per ftype in the order given: what the file would take, and how far it is from the model's own weights.

    model: "tiny", the path of a GGUF file, the name of a pulled Ollama model, or an open Model; the higher its own precision, the better.
    ftypes: "Q4_K_M"; with `pure`, every matrix in one type, such as "Q4_K".  imatrix: a path, an Imatrix, or {tensor: one number a column}.
    text: what to predict; without it scenes of Shakespeare that the tiny model never saw.  n_ctx, chunks: see `perplexity`.
    progress: called with a Progress after each chunk, and stops the run by returning False; None: nothing is shown.
    cancel: anything with `is_set()`.  cache: True remembers rows in the user's cache folder, a path in that folder, None nowhere.

    Columns: ftype; nbytes and bpw (of all tensors); ppl +/- ppl_se; kld +/- kld_se (mean, in nats) and kld99 (99 % are below); top1,
    mean_p_diff, rms_p_diff (shares of 1); ln_ratio +/- ln_ratio_se, ln(ppl / ppl of the own weights); recited of passages, and controls
    (missing unless the model is "tiny"); seconds (to quantize and measure); error (why a row has no numbers, else "").
    A type that cannot be made has a row that says why. When the run is stopped, by `cancel`, by `progress` or by Ctrl-C, the rows that are
    finished stay, the others say so, and the next run goes on from there. Raises ValueError for a model or a text that will not do.
    """
    given = [ftypes] if isinstance(ftypes, str) else () if ftypes is None else ftypes
    names = list(dict.fromkeys(str(name).upper() for name in given))
    if not names:
        raise ValueError("no ftypes are given: name some, such as ['Q8_0', 'Q4_K_M', 'Q2_K']")
    imatrix = as_imatrix(imatrix)
    with Workbench(model, text, n_ctx=n_ctx, chunks=chunks, cache=cache) as bench:
        rows = [_size(bench, name, pure, imatrix) for name in names]
        variants = [_variant(name, pure, imatrix) for name in names]
        try:
            _measure(bench, rows, variants, imatrix, progress, cancel)
        except (Cancelled, KeyboardInterrupt):
            for row in rows:
                row.setdefault("error", "" if "kld" in row else STOPPED)
        return _table(rows, bench)


def _variant(ftype: str, pure: bool, imatrix: Imatrix | None) -> dict:
    measured = imatrix and digest({name: digest(values) for name, values in imatrix.values.items()})
    return {"ftype": ftype, "pure": bool(pure), "imatrix": measured}


def _size(bench: Workbench, ftype: str, pure: bool, imatrix: Imatrix | None) -> dict:
    """The start of a row: its name and size, or its name and why there is no such file."""
    try:
        nbytes = sum(job.nbytes for job in plan(bench.model, ftype, imatrix, "llama.cpp", True, pure=pure))
    except ValueError as error:
        return {"ftype": ftype, "error": str(error)}
    return {"ftype": ftype, "nbytes": nbytes, "bpw": 8 * nbytes / bench.model.n_weights}


def _measure(bench: Workbench, rows: list[dict], variants: list[dict], imatrix: Imatrix | None, progress, cancel) -> None:
    """Fill the rows in, one after the other; those that have an error already are left."""
    todo = [(row, variant) for row, variant in zip(rows, variants, strict=True) if "error" not in row]
    left = bench.unknown_tokens(variant for _, variant in todo)
    tick = watched({row["ftype"]: n for (row, _), n in zip(todo, left, strict=True)}, "tokens", progress, cancel)
    for row, variant in todo:
        name = row["ftype"]
        try:
            row |= bench.measure(variant, lambda name=name, pure=variant["pure"]: load_lm(bench.model, name, imatrix=imatrix, pure=pure),
                                 tick=lambda n, name=name: tick(name, n, name))
        except ValueError as error:
            row["error"] = str(error)


def _table(rows: list[dict], bench: Workbench):
    import pandas as pd

    table = pd.DataFrame([{"error": ""} | row for row in rows]).reindex(columns=COLUMNS)
    table = table.astype(dict.fromkeys(("nbytes", "recited", "passages", "controls"), "Int64"))
    table.attrs |= {"model": bench.model.name, "own": bench.model.ftype}
    return table
