"""Tables of quality: a model in many types, each held against the file's own weights; measured now, or
recorded earlier and shipped.

    ql.compare_quality("tiny", ["Q8_0", "Q4_K_M", "Q2_K"])
    ql.recorded_quality()

The recorded tables are made by tools/record_tiny_quality.py, record_real.py, record_requantized.py,
record_cache.py and record_importance.py, each with its text, date and machine. A table names its files of
weights by SHA-256.

Which digits repeat on every processor: the last bits of a float32 sum depend on it. With OpenBLAS's kernels
for four generations of processors perplexities agreed in seven digits, kld in four, kld99 in three (Q8_0;
more for fewer bits), top1 and recitals in all. So show five digits of a perplexity at most, three of kld and
kld99, and top1 in per cent with one decimal; top1 and a recital can change only where two tokens are as good
as equally likely.  Lessons: 04, 05, 07, 08, 09.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from math import prod

from ..models.digests import digest, sha256
from ..models.imatrix_file import Imatrix, as_imatrix
from ..models.plan import plan
from ..models.progress import Progress
from ..models.resolve import open_weights
from ..models.source import DATA, Model
from ..models.types import block_of
from ..words import one_of
from .chunks import Text
from .kept import PARTS, pairs_of
from .llama import LanguageModel
from .load import load_lm
from .variants import ModelOnText, as_table

COLUMNS = ("ftype", "nbytes", "bpw", "ppl", "ppl_se", "kld", "kld_se", "kld99", "top1", "mean_p_diff",
           "rms_p_diff", "ln_ratio", "ln_ratio_se", "recited", "passages", "controls", "seconds", "error")
WHOLE = ("nbytes", "recited", "passages", "controls")
FOLDER = DATA / "tiny"
RECORDED = ("quality", "sensitivity", "budget")
#: Model -> its recorded table of quality.
QUALITY = {"tiny": FOLDER / "quality.json"} | {
    name: DATA / name / "quality.json"
    for name in ("gemma3_270m", "smollm2_135m", "smollm2_q4_1", "kv_cache")}
#: What an importance matrix is worth to SmolLM2.
IMPORTANCE = DATA / "smollm2_135m" / "importance.json"


def compare_quality(model, ftypes: str | Sequence[str] | None = None, text: Text | None = None, *,
                    pure: bool = False, imatrix=None, n_ctx: int | None = None, chunks: int | None = None,
                    type_k: str | Sequence[str] | None = None, type_v: str | Sequence[str] | None = None,
                    executor: Executor | None = None,
                    progress: Callable[[Progress], object] | str | None = "show", cancel=None, cache=True):
    """A pandas table, a row per ftype in the order given: what the file would take, and how far it is from
    the model's own weights.

    model: "tiny", the path of a GGUF file, the name of a pulled Ollama model, or an open Model; best in 16
    bits. What a quantized one lost itself is not in its table, and `.attrs["against"]` says so.
    ftypes: "Q4_K_M"; with `pure`, every matrix in one type: "Q4_K".  imatrix: as `quantize_model` takes it.
    type_k, type_v: of keys and values in the KV cache, such as "q8_0", rounded as llama.cpp does it; several
    give a row each, in pairs; one left out is exact. Without ftypes the weights stay the model's own.
    text: what to predict; without it scenes that the tiny model never saw.  n_ctx, chunks: see `perplexity`.
    executor: any `concurrent.futures.Executor`, such as `ProcessPoolExecutor()` or dask.distributed's
    `client.get_executor()`, which measures a type a task; each process opens the model by its path.
    progress: called with a Progress while a type is quantized and after each chunk (on an executor after each
    type), and stops the run by returning False; None: nothing is shown.
    cancel: anything with `is_set()`.  cache: True remembers rows in the user's cache folder, a path in that
    folder, None nowhere.

    Columns: ftype, and type_k and type_v where they are given; nbytes and bpw (of all tensors); ppl +/-
    ppl_se; kld +/- kld_se (mean, in nats) and kld99 (99 % are below); top1, mean_p_diff, rms_p_diff (shares
    of 1); ln_ratio +/- ln_ratio_se, ln(ppl / ppl of the own weights); recited of passages, and controls
    (missing unless the model is "tiny"); seconds (to quantize and measure); error (why a row has no numbers,
    else ""). A type that cannot be made has a row that says why. When the run is stopped, by `cancel`, by
    `progress` or by Ctrl-C, the rows that are finished stay, the others say so, and the next run goes on from
    there. Raises ValueError for a model or a text that will not do.
    """
    names, caches = _names(ftypes), pairs_of(type_k, type_v)
    if not names and not caches:
        raise ValueError("no ftypes are given: name some, such as ['Q8_0', 'Q4_K_M', 'Q2_K']")
    imatrix = as_imatrix(imatrix)
    how = {"pure": bool(pure), "imatrix": _digest(imatrix)}
    with open_weights(model) as source:
        measured = ModelOnText(source, text, n_ctx=n_ctx, chunks=chunks, cache=cache)
        sizes = [_size(source, name, pure, imatrix) for name in names] or [_own(source)]
        rows = [size | kept for size in sizes for kept in caches or [{}]]
        measured.fill(rows, _called,
                      lambda row: {"ftype": row["ftype"] if names else None, **how, **_cache_of(row)},
                      partial(_of_row, quantized=bool(names), imatrix=imatrix, pure=pure), progress, cancel,
                      executor=executor)
        table = as_table(rows, (COLUMNS[0], *(PARTS if caches else ()), *COLUMNS[1:]), WHOLE)
        table.attrs |= {"model": source.name, "own": source.ftype, "against": measured_against(source)}
    return table


def _names(ftypes: str | Sequence[str] | None) -> list[str]:
    """Each once, in capitals."""
    given = [ftypes] if isinstance(ftypes, str) else ftypes or ()
    return list(dict.fromkeys(str(name).upper() for name in given))


def _digest(imatrix: Imatrix | None) -> str | None:
    if imatrix is None:
        return None
    return digest({name: digest(values) for name, values in imatrix.values.items()})


def measured_against(model: Model) -> str:
    """What must be said where a model's own weights, which others are held against, are quantized themselves;
    "" for 16 or 32 bits.
    """
    weights: Counter[str] = Counter()
    for qtype, shape in model.types.values():
        weights[qtype] += prod(shape) if block_of(qtype)[0] > 1 else 0
    (most, n), = weights.most_common(1)
    own = most if model.ftype == "unknown" else model.ftype
    return f"measured against {own}: what {own} lost itself is not in it" if n else ""


def _cache_of(row: dict) -> dict:
    """The types of a row's cache; none where it is exact."""
    return {name: row[name] for name in PARTS if name in row}


def _called(row: dict) -> str:
    """A row's name in the progress."""
    kept = _cache_of(row)
    return f"{row['ftype']}, cache {kept['type_k']} and {kept['type_v']}" if kept else row["ftype"]


def _of_row(measured: ModelOnText, row: dict, quantized: bool, imatrix: Imatrix | None, pure: bool,
            progress: Callable[[Progress], object] | None = None) -> LanguageModel:
    """The model of a row: quantized, where types were named, and with the row's cache."""
    lm = (load_lm(measured.model, row["ftype"], imatrix=imatrix, pure=pure, progress=progress) if quantized
          else measured.reference.lm)
    return lm.with_cache(**_cache_of(row))


def _own(model: Model) -> dict:
    """The start of a row of the model's own weights."""
    return {"ftype": model.ftype, "nbytes": model.nbytes, "bpw": 8 * model.nbytes / model.n_weights}


def _size(model: Model, ftype: str, pure: bool, imatrix: Imatrix | None) -> dict:
    """The start of a row: its name and size, or its name and why there is no such file."""
    try:
        nbytes = plan(model, ftype, imatrix, "llama.cpp", True, pure=pure).nbytes
    except ValueError as error:
        return {"ftype": ftype, "error": str(error)}
    return {"ftype": ftype, "nbytes": nbytes, "bpw": 8 * nbytes / model.n_weights}


def recorded_quality(model: str = "tiny"):
    """A pandas table as `compare_quality` gives it, measured earlier: a row per ftype, numbers against the
    model's own weights.

    model: "tiny"; "gemma3_270m" or "smollm2_135m", which people use: only files of few bits were at hand,
    whose loss is not in the numbers, and their weights were moved off the grid of those types at random
    (tools/off_the_grid.py); "smollm2_q4_1", where they were not, so that grids meet; or "kv_cache", caches of
    few bits of both models, with the columns model and n_ctx.
    `.attrs["provenance"]` says when, on what and with which text. Raises ValueError for another name.
    """
    model = one_of("recorded table of quality", model, QUALITY)
    recorded = json.loads(QUALITY[model].read_text(encoding="utf-8"))
    rows = [row for row in recorded["rows"] if not row.get("pure")]
    more = [column for column in ("model", "n_ctx", *PARTS) if column in rows[0]]
    table = as_table(rows, (*more, *COLUMNS), WHOLE)
    table.attrs |= {"model": recorded.get("model", "the tiny Llama"), "against": recorded.get("against", ""),
                    "own": recorded.get("own", rows[0]["ftype"]), "provenance": when_and_where(recorded)}
    return table


def recorded_table(name: str) -> dict | None:
    """What was recorded of the tiny model: {"about", "sha256", "date", "machine", ..., "rows"}; None when it
    was measured on another tiny.gguf than the one that is here.

    Raises ValueError for a name that is none of "quality", "sensitivity" and "budget".
    """
    file = FOLDER / f"{one_of('recorded table', name, RECORDED)}.json"
    table = json.loads(file.read_text(encoding="utf-8"))
    return table if table["sha256"] == sha256(FOLDER / "tiny.gguf") else None


def when_and_where(table: dict) -> str:
    """When and on what a table was measured."""
    weighted = (f" IQ1, IQ2, IQ3 and Q2_K_S with an importance matrix {table['imatrix']}."
                if "imatrix" in table else "")
    return (f"Recorded on {table['date']} on {table['machine']}, {table['predicted']:,} predicted tokens of "
            f"{table['text']}.{weighted}")
