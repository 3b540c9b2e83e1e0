"""One model, one text, and many variants of the model measured on it; what was measured before is remembered
(cache.py).

The reference is always the file's own weights. It is loaded only when something has to be measured.

`compare_quality`: a model at many types, each measured against the file's own weights.

    ql.compare_quality("tiny", ["Q8_0", "Q4_K_M", "Q2_K"])

Which digits repeat on every processor: the last bits of a float32 sum depend on it. With OpenBLAS's kernels
for four generations of processors perplexities agreed in seven digits, kld in four, kld99 in three (Q8_0;
more for fewer bits), top1 and recitals in all. So show five digits of a perplexity at most, three of kld and
kld99, and top1 in per cent with one decimal; top1 and a recital can change only where two tokens are as good
as equally likely.
Lessons: 04, 07, 08.

Tables measured once and shipped, so that a lesson shows them at once and says that they are recorded.

Made by tools/record_tiny_quality.py and tools/record_requantized.py, each with its text, date and machine. A
table belongs to one file of weights, which it names by SHA-256: for any other file there is no recorded
table.  Lessons: 04, 05, 08, 09.
"""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path

from ..models.imatrix_file import Imatrix, as_imatrix
from ..models.plan import plan
from ..models.progress import Cancelled, Progress, watched
from ..models.source import DATA, Model, open_model
from .cache import Measured, code_digest, digest, files_digest, sha256
from .load import load_lm
from .quality import Reference, Tick
from .recital import count_recited, knows_passages, read_passages
from .scores import Divergence, checked_text

HELD_OUT = DATA / "tiny" / "held_out.txt"
USUAL_CHUNKS = 16       # of the held-out text: 4,096 tokens of the tiny model


def held_out_text() -> str:
    """26 scenes of Shakespeare that the bundled tiny Llama never saw: about 128,000 characters, 54,000 of its
    tokens.
    """
    return HELD_OUT.read_text(encoding="utf-8")


class Workbench:
    """Measures variants of a model on a text. Use it in a `with` block.

    model: as `load_lm` takes it.  text: a str or token numbers; without one the first `chunks` (16) chunks of
    Shakespeare's scenes that the tiny model never saw.  n_ctx, chunks: see `perplexity`.  cache: True for the
    user's own folder, a path, or None to remember nothing.
    """

    def __init__(self, model, text: str | Sequence[int] | None = None, *, n_ctx: int | None = None,
                 chunks: int | None = None, cache=True):
        self.text = checked_text(held_out_text() if text is None else text)
        self._opening = nullcontext(model) if isinstance(model, Model) else open_model(model)
        self.model, self.n_ctx = self._opening.__enter__(), n_ctx
        if self.model.file is None:
            raise ValueError(f"the weights of {self.model.name} are not at hand: {self.model.why}")
        self.chunks = USUAL_CHUNKS if text is None and chunks is None else chunks
        self.recites = knows_passages(self.model.metadata)
        self.measured = Measured(cache)

    def __enter__(self) -> "Workbench":
        return self

    def __exit__(self, *error) -> None:
        self._opening.__exit__(*error)

    @cached_property
    def reference(self) -> Reference:
        """The file's own weights on the text. Raises ValueError for a model or a text that will not do."""
        return Reference(load_lm(self.model), self.text, n_ctx=self.n_ctx, chunks=self.chunks)

    @cached_property
    def _common(self) -> dict:
        """What every number here depends on."""
        text = self.text if isinstance(self.text, str) else [int(token) for token in self.text]
        return {"files": files_digest(self.model.file.paths), "text": digest(text), "n_ctx": self.n_ctx,
                "chunks": self.chunks, "passages": digest(read_passages()) if self.recites else None,
                "code": code_digest()}

    def known(self, variant: dict) -> dict | None:
        """The numbers of a variant that was measured before, or None."""
        return self.measured.get(self._common | variant)

    def measure(self, variant: dict, load: Callable[[], object], *, recite: bool = True,
                tick: Tick | None = None) -> dict:
        """The numbers of a variant, and remember them.  variant: what tells it from others, in JSON's types.
        load: gives its model.
        """
        if (before := self.known(variant)) is not None:
            return before
        reference = self.reference
        reference.prepare()
        start = time.perf_counter()
        lm = load()
        row = numbers(reference.divergence(lm, tick))
        if recite and self.recites:
            found = count_recited(lm)
            row |= {"recited": found[True][0], "passages": found[True][1], "controls": found[False][0]}
        row["seconds"] = time.perf_counter() - start
        self.measured.put(self._common | variant, row)
        return row

    def unknown_tokens(self, variants: Iterable[dict]) -> list[int]:
        """For each variant how many tokens have to be read to measure it; 0 for one that is known."""
        return [0 if self.known(variant) is not None else self.reference.n_tokens for variant in variants]


def numbers(found: Divergence) -> dict[str, float]:
    """The statistics of a Divergence by the names of the table's columns; shares are shares of 1."""
    return {"ppl": found.ppl, "ppl_se": found.ppl_se, "ppl_base": found.base.ppl, "ln_ratio": found.ln_ratio,
            "ln_ratio_se": found.ln_ratio_se, "kld": found.mean_kld, "kld_se": found.kld_se,
            "kld99": found.kld_percentile(99), "top1": found.top1, "mean_p_diff": found.mean_p_diff,
            "rms_p_diff": found.rms_p_diff, "predicted": found.n}


COLUMNS = ("ftype", "nbytes", "bpw", "ppl", "ppl_se", "kld", "kld_se", "kld99", "top1", "mean_p_diff",
           "rms_p_diff", "ln_ratio", "ln_ratio_se", "recited", "passages", "controls", "seconds", "error")
STOPPED = "stopped before it was measured"


def compare_quality(model, ftypes: Sequence[str], text: str | Sequence[int] | None = None, *,
                    pure: bool = False, imatrix=None, n_ctx: int | None = None, chunks: int | None = None,
                    progress: Callable[[Progress], object] | str | None = "show", cancel=None, cache=True):
    """A pandas table, a row per ftype in the order given: what the file would take, and how far it is from
    the model's own weights.

    model: "tiny", the path of a GGUF file, the name of a pulled Ollama model, or an open Model; the higher
    its own precision, the better.
    ftypes: "Q4_K_M"; with `pure`, every matrix in one type, such as "Q4_K".  imatrix: a path, an Imatrix, or
    {tensor: one number a column}.
    text: what to predict; without it scenes of Shakespeare that the tiny model never saw.  n_ctx, chunks: see
    `perplexity`.
    progress: called with a Progress after each chunk, and stops the run by returning False; None: nothing is
    shown.
    cancel: anything with `is_set()`.  cache: True remembers rows in the user's cache folder, a path in that
    folder, None nowhere.

    Columns: ftype; nbytes and bpw (of all tensors); ppl +/- ppl_se; kld +/- kld_se (mean, in nats) and kld99
    (99 % are below); top1, mean_p_diff, rms_p_diff (shares of 1); ln_ratio +/- ln_ratio_se, ln(ppl / ppl of
    the own weights); recited of passages, and controls (missing unless the model is "tiny"); seconds (to
    quantize and measure); error (why a row has no numbers, else ""). A type that cannot be made has a row
    that says why. When the run is stopped, by `cancel`, by `progress` or by Ctrl-C, the rows that are
    finished stay, the others say so, and the next run goes on from there. Raises ValueError for a model or a
    text that will not do.
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


def _measure(bench: Workbench, rows: list[dict], variants: list[dict], imatrix: Imatrix | None, progress,
             cancel) -> None:
    """Fill the rows in, one after the other; those that have an error already are left."""
    todo = [(row, variant) for row, variant in zip(rows, variants, strict=True) if "error" not in row]
    left = bench.unknown_tokens(variant for _, variant in todo)
    tick = watched({row["ftype"]: n for (row, _), n in zip(todo, left, strict=True)}, "tokens", progress,
                   cancel)
    for row, variant in todo:
        name = row["ftype"]
        try:
            row |= bench.measure(variant, lambda name=name,
                                 pure=variant["pure"]: load_lm(bench.model, name, imatrix=imatrix, pure=pure),
                                 tick=lambda n, name=name: tick(name, n, name))
        except ValueError as error:
            row["error"] = str(error)


def _table(rows: list[dict], bench: Workbench):
    import pandas as pd

    table = pd.DataFrame([{"error": ""} | row for row in rows]).reindex(columns=COLUMNS)
    table = table.astype(dict.fromkeys(("nbytes", "recited", "passages", "controls"), "Int64"))
    table.attrs |= {"model": bench.model.name, "own": bench.model.ftype}
    return table


FOLDER = DATA / "tiny"
NAMES = ("quality", "sensitivity", "budget")
#: Model -> its recorded table of quality.
QUALITY = {"tiny": FOLDER / "quality.json", "smollm2_q4_1": DATA / "smollm2_q4_1" / "quality.json"}


def recorded_table(name: str, path: str | Path = FOLDER / "tiny.gguf") -> dict | None:
    """The recorded table `name` of the model file at `path`: {"about", "sha256", "date", "machine", ...,
    "rows"}; None when there is none.

    Raises ValueError for a name that is none of "quality", "sensitivity" and "budget".
    """
    if name not in NAMES:
        raise ValueError(f"no recorded table is called {name!r}; there are {', '.join(NAMES)}")
    file = FOLDER / f"{name}.json"
    if not file.exists():
        return None
    table = json.loads(file.read_text(encoding="utf-8"))
    return table if table["sha256"] == sha256(path) else None


def recorded_quality(model: str = "tiny"):
    """A pandas table as `compare_quality` gives it, measured earlier: a row per ftype, numbers against the
    model's own weights.

    model: "tiny", or "smollm2_q4_1": SmolLM2-135M of which only a Q4_1 file was at hand, so that everything
    was quantized twice. `.attrs["provenance"]` says when, on what and with which text. Raises ValueError for
    another name.
    """
    import pandas as pd

    if model not in QUALITY:
        raise ValueError(f"no table of quality was recorded for {model!r}; there are {', '.join(QUALITY)}")
    recorded = json.loads(QUALITY[model].read_text(encoding="utf-8"))
    rows = [{"error": ""} | row for row in recorded["rows"] if not row.get("pure")]
    table = pd.DataFrame(rows).reindex(columns=COLUMNS).astype(
        dict.fromkeys(("nbytes", "recited", "passages", "controls"), "Int64"))
    table.attrs |= {"model": recorded.get("model", "the tiny Llama"), "own": rows[0]["ftype"],
                    "provenance": provenance(recorded)}
    return table


def provenance(table: dict) -> str:
    """When and on what a table was measured."""
    return f"Recorded on {table['date']} on {table['machine']}, {table['predicted']:,} predicted tokens of {table['text']}."
