"""`quantize_model`: from a 16- or 32-bit GGUF file to the quantized file that llama-quantize would write.

    quantize_model("model-F16.gguf", "model-Q4_K_M.gguf", "Q4_K_M")

Every byte is the one that llama.cpp's own `llama_model_quantize` writes: the tensors are sorted by layer and
name as there. (One file is not: where a source's `general.alignment` is not 32, llama.cpp v0.5.0 writes a
file that nobody can open.) A few rows are read, encoded and written at a time, so memory does not grow with
the model; with an `executor` they are encoded elsewhere (a process pool, a cluster) and still written in
order. Which tensor gets which type is the recipe's business (recipes.py), what the blocks look like the
formats', and how a file becomes whole that of whole_file.py.  llama.cpp: llama-quant.cpp.  Lesson: 09.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..formats.reference import REFERENCES
from ..formats.table import FORMATS
from ..formats.tensor import begin, check_executor, dequantize, in_order, quantize
from .calibrated import Rounding, method_for, with_method
from .gguf_file import GGUFFile
from .gguf_header import DEFAULT_ALIGNMENT, TensorInfo, header_bytes, padding
from .gguf_split import part_paths
from .imatrix_file import as_imatrix
from .new_header import as_override, split_pairs
from .plan import FilePlan, Job, plan
from .progress import Progress, watched
from .resolve import open_weights
from .source import Model
from .types import block_of
from .whole_file import as_place, check_place, check_room, clear_abandoned, whole_file
from .wishes import wishes_of

SLAB = 1 << 20          # weights encoded at a time
IN_FLIGHT = 1 << 25     # weights that an executor may hold at a time: 64 MiB of float16


def quantize_model(src, dst, ftype: str | None = None, imatrix=None, executor: Executor | None = None, *,
                   by: str = "llama.cpp", progress: Callable[[Progress], object] | str | None = "show",
                   cancel=None, allow_requantize: bool = False, pure: bool = False, replace: bool = False,
                   keep_split: bool = False, override_kv=None, dry_run: bool = False, calibration=None,
                   method: str | None = None, reference: str = REFERENCES[0], **wishes) -> Path | Any:
    """Write the model `src` (a path, the name of a pulled model, or an open Model) to the file `dst`,
    quantized; returns its path.

    ftype: "Q4_K_M", as llama-quantize names it; "COPY" changes no tensor; None takes that of the file in
    `types`.  by: "ollama" for the mix that `ollama create --quantize` made before 0.30.  imatrix: the path
    of llama.cpp's GGUF file, or {tensor name: one number a column}.  executor: any
    `concurrent.futures.Executor`, such as `ProcessPoolExecutor()` or dask.distributed's
    `client.get_executor()`.  progress: called with a Progress after each piece; the work stops when it
    returns False, or when cancel (such as a threading.Event) is set, and raises Cancelled.  None: nothing is
    shown.  pure: every matrix in the one type, as `llama-quantize --pure`; ftype may then be the name of a
    type, "Q3_K".  allow_requantize: also take a quantized source, whose errors stay; the new file says so in
    `quantlab.requantized_from`.  replace: also overwrite a file that could not be made again from `src`;
    without it only an earlier quantized file of the same model is.  keep_split: a source in parts becomes as
    many parts, and the first one's path is returned.  override_kv: {key: value} of the metadata, or texts
    `KEY=TYPE:VALUE`.  dry_run: a FilePlan, which shows itself as a table, and nothing is written.
    reference: "0.26.0" for the bytes that a newer ggml writes in rare blocks.  calibration: what `calibrate`
    measured, or its folder; method: what is made of it, "feedback" (unless named), "importance" or "scaling"
    (methods/table.py): an ordinary file, whose metadata name the method.  wishes: types, output_type,
    embedding_type, leave_output and prune_layers, as `recipe` takes them.

    `dst` appears when it is whole and on the disk. After an error, a stop or Ctrl-C nothing is left. What a
    killed run leaves has a name that ends in `.part`; the next run for `dst` removes it. What is unusual is
    told as a warning.  Raises ValueError, in words, for what cannot be done, and OSError when the disk fails.
    """
    imatrix, dst = as_imatrix(imatrix), None if dry_run and dst is None else as_place(dst)
    check_executor(executor)
    known, how = method_for(calibration, method, imatrix)
    with open_weights(src) as model:
        planned = plan(model, ftype, known.imatrix(model) if known else imatrix, by, allow_requantize, pure,
                       wishes=wishes_of(**wishes), override=as_override(override_kv), keep_split=keep_split,
                       reference=reference)
        if known:
            planned = with_method(planned, model, known, how, progress, cancel)
        if dry_run:
            return planned
        for note in planned.notes:
            warnings.warn(note, stacklevel=2)
        return _write(model, planned, dst, keep_split, replace, executor, (progress, cancel))


def _write(model: Model, planned: FilePlan, dst: Path, keep_split: bool, replace: bool,
           executor: Executor | None, watch: tuple) -> Path:
    """Write what is planned: one file, or the parts of one, of which the first appears last."""
    heads = _heads(model, planned)
    paths = part_paths(dst, len(heads)) if keep_split else [dst]
    for path in paths:
        check_place(path, model.gguf.paths)
        if path.exists() and not replace:
            _check_remade(path, model)
    left = sum((Counter({job.kind: job.info.n_weights}) for job in planned.jobs), Counter())
    tick = watched(left, "weights", *watch)
    for path in paths:
        clear_abandoned(path)
    check_room(paths[0], sum(map(len, heads))
               + sum(job.nbytes + _padding(model, job) for job in planned.jobs))
    with ExitStack() as files:
        writers = [files.enter_context(whole_file(path)) for path in paths]
        for write, head in zip(writers, heads, strict=True):
            write(head)
        for slab, data in _encoded(model.gguf, planned, executor):
            writers[slab.job.part](data)
            if slab.stop == slab.job.info.nbytes:           # the tensor ends here
                writers[slab.job.part](bytes(_padding(model, slab.job)))
            tick(slab.job.kind, slab.n_weights, slab.job.name)
    return paths[0]


def _heads(model: Model, planned: FilePlan) -> list[bytes]:
    """The header of the file, or of each of its parts: the first has all the metadata."""
    count = 1 + max((job.part for job in planned.jobs), default=0)
    heads = []
    for part in range(count):
        pairs = [] if part else list(planned.pairs.values())
        pairs += split_pairs(part, count, len(planned.jobs)) if count > 1 else ()
        heads.append(header_bytes(pairs, [(job.name, job.info.shape, job.qtype) for job in planned.jobs
                                          if job.part == part], _alignment(model, part)))
    return heads


def _alignment(model: Model, part: int) -> int:
    """In bytes; only the first part of a split file says another than the usual one."""
    return DEFAULT_ALIGNMENT if part else model.gguf.alignment


def _padding(model: Model, job: Job) -> int:
    return padding(job.nbytes, _alignment(model, job.part))


def _check_remade(dst: Path, model: Model) -> None:
    """ValueError unless the file at `dst` is a quantized one of the same model, which `model` can make again.
    """
    try:
        with GGUFFile(dst) as there:
            same = (_identity(there) == _identity(model.gguf)
                    and any(block_of(info.qtype)[0] > 1 for info in there.infos.values()))
            why = "it is not a quantized file of this model"
    except ValueError as error:
        same, why = False, str(error)
    if not same:
        raise ValueError(f"{dst} is there already and would be lost, as it cannot be made again from "
                         f"{model.name}: {why}. Give the new file another name, or replace=True")


def _identity(file: GGUFFile) -> tuple:
    """What all files of one model have in common: its name, its architecture, its tensors and their shapes.
    """
    return (*(file.metadata.get(f"general.{key}") for key in ("architecture", "name")),
            {name: info.shape for name, info in file.infos.items()})


class Slab(NamedTuple):
    """Some rows of a tensor: bytes `start` to `stop` of the source's, all in one matrix, `n_weights` of them.
    """

    job: Job
    start: int
    stop: int
    matrix: int
    n_weights: int

    @property
    def first_row(self) -> int:
        """Which row of the tensor the first is, counted through all its matrices."""
        return self.start * self.n_weights // ((self.stop - self.start) * self.job.info.shape[0])


def encode_rows(raw: bytes, info: TensorInfo, qtype: str, imatrix: np.ndarray | None, first: int,
                reference: str, rounding: Rounding | None = None, matrix: int = 0) -> bytes:
    """Rows of a tensor as they are stored, from its row `first` on -> the same rows as `qtype` stores them.
    Runs on the executor.  matrix: which of the tensor's they are in.
    """
    n, (block_size, type_size) = info.shape[0], block_of(info.qtype)
    try:
        x = (np.frombuffer(raw, FORMATS[info.qtype].dtype["x"]).reshape(-1, n) if info.qtype in ("F16", "F32")
             else dequantize(raw, info.qtype, (len(raw) // type_size * block_size // n, n)))
        blocks = (quantize(x, qtype, imatrix, reference=reference).blocks if rounding is None else
                  rounding.blocks(x, qtype, first, matrix, imatrix))
    except ValueError as error:
        raise ValueError(f"tensor {info.name}: {not_finite(x, info, first) or error}") from None
    for name in blocks.dtype.names or ():
        if blocks.dtype[name].kind == "f" and not np.isfinite(blocks[name]).all():
            raise ValueError(f"tensor {info.name}: weights up to {np.abs(x).max():g} are too large for "
                             f"{qtype}: they would decode to infinity")
    return blocks.tobytes()


def not_finite(x: np.ndarray, info: TensorInfo, first: int) -> str:
    """Where the first weight is that is no finite number, in the tensor's own rows and columns; "" for none.
    """
    wrong = np.argwhere(~np.isfinite(x))
    if not len(wrong):
        return ""
    row, column = wrong[0].tolist()
    rows = info.shape[1] if len(info.shape) > 1 else 1
    matrix = f"matrix {(first + row) // rows}, " if info.n_weights > info.shape[0] * rows else ""
    return (f"{matrix}row {(first + row) % rows}, column {column} (counted from 0) is {x[row, column]}; "
            "weights must be finite numbers")


def _slabs(job: Job) -> Iterator[Slab]:
    """A tensor in pieces of whole rows, matrix by matrix (each expert has its own)."""
    info = job.info
    if not info.n_weights:      # a mark: a name, and nothing to write
        return
    n, rows = info.shape[0], info.shape[1] if len(info.shape) > 1 else 1
    row_bytes = info.nbytes * n // info.n_weights
    at_once = max(SLAB // n, 1)
    for matrix in range(info.n_weights // (n * rows)):
        for row in range(0, rows, at_once):
            first, count = matrix * rows + row, min(at_once, rows - row)
            yield Slab(job, first * row_bytes, (first + count) * row_bytes, matrix, count * n)


def _encoded(file: GGUFFile, planned: FilePlan,
             executor: Executor | None) -> Iterator[tuple[Slab, bytes]]:
    """(slab, its new bytes) for all tensors in order, encoded here or on the executor, a bounded number at a
    time.
    """
    begun = ((slab, _begun(file, slab, executor, planned.reference))
             for job in planned.jobs for slab in _slabs(job))
    return in_order(begun, IN_FLIGHT // SLAB if executor else 1)


def _begun(file: GGUFFile, slab: Slab, executor: Executor | None, reference: str):
    """The slab's bytes: where they stay as they are at once, else by `encode_rows`."""
    job, info = slab.job, slab.job.info
    raw = file.piece(info.name, slab.start, slab.stop)
    if job.kept:
        return raw
    weights = None if job.imatrix is None else job.imatrix[slab.matrix]
    return begin(executor, encode_rows, raw, info, job.qtype, weights, slab.first_row, reference,
                 job.rounding, slab.matrix)
