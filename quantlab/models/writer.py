"""`quantize_model`: from a 16- or 32-bit GGUF file to the quantized file that llama-quantize would write.

    quantize_model("model-F16.gguf", "model-Q4_K_M.gguf", "Q4_K_M")

A few rows are read, encoded and written at a time, so memory does not grow with the model; with an `executor`
they are encoded elsewhere (a process pool, a cluster) and still written in order. Which tensor gets which
type is the recipe's business (recipes.py), what the blocks look like the formats', and how a file becomes
whole that of whole_file.py.  llama.cpp: llama-quant.cpp.  Lesson: 09.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .gguf_file import GGUFFile
from .gguf_write import NewTensor, header, padding
from .imatrix_file import as_imatrix
from .plan import Job, new_metadata, plan
from .progress import Progress, watched
from .resolve import open_weights
from .source import Model
from .types import block_of
from .whole_file import as_place, check_place, check_room, clear_abandoned, whole_file

SLAB = 1 << 20          # weights encoded at a time
IN_FLIGHT = 1 << 25     # weights that an executor may hold at a time: 64 MiB of float16


def quantize_model(src, dst, ftype: str, imatrix=None, executor: Executor | None = None, *,
                   by: str = "llama.cpp", progress: Callable[[Progress], object] | str | None = "show",
                   cancel=None, allow_requantize: bool = False, pure: bool = False,
                   replace: bool = False) -> Path:
    """Write the model `src` (a path, the name of a pulled model, or an open Model) to the file `dst`,
    quantized; returns its path.

    ftype: "Q4_K_M", as llama-quantize names it.  by: "ollama" for the mix that `ollama create --quantize`
    makes.  imatrix: the path of llama.cpp's GGUF file, or {tensor name: one number a column}.  executor: any
    `concurrent.futures.Executor`, such as `ProcessPoolExecutor()` or dask.distributed's
    `client.get_executor()`.  progress: called with a Progress after each piece; the work stops when it
    returns False, or when cancel (such as a threading.Event) is set, and raises Cancelled.  None: nothing is
    shown.  pure: every matrix in the one type, as `llama-quantize --pure`; ftype may then be the name of a
    type, "Q3_K".  allow_requantize: also take a quantized source, whose errors stay; the new file says so in
    `quantlab.requantized_from`.  replace: also overwrite a file that could not be made again from `src`;
    without it only an earlier quantized file of the same model is.

    `dst` appears when it is whole and on the disk. After an error, a stop or Ctrl-C nothing is left. What a
    killed run leaves has a name that ends in `.part`; the next run for `dst` removes it. Raises ValueError,
    in words, for what cannot be done, and OSError when the disk fails.
    """
    dst, imatrix = as_place(dst), as_imatrix(imatrix)
    _check_executor(executor)
    with open_weights(src) as model:
        check_place(dst, model.gguf.paths)
        if dst.exists() and not replace:
            _check_remade(dst, model)
        jobs = plan(model, ftype, imatrix, by, allow_requantize, pure)
        tensors = [NewTensor(job.info.name, job.info.shape, job.qtype) for job in jobs]
        alignment = model.gguf.alignment
        head = header(new_metadata(model, ftype, imatrix, jobs), tensors, alignment)
        left = sum((Counter({job.kind: job.info.n_weights}) for job in jobs), Counter())
        tick = watched(left, "weights", progress, cancel)
        clear_abandoned(dst)
        check_room(dst, len(head) + sum(one.nbytes + padding(one.nbytes, alignment) for one in tensors))
        with whole_file(dst) as write:
            write(head)
            for slab, data in _encoded(model.gguf, jobs, executor):
                write(data)
                if slab.last:
                    write(bytes(padding(slab.job.nbytes, alignment)))
                tick(slab.job.kind, slab.n_weights, slab.job.info.name)
    return dst


def _check_executor(executor: object) -> None:
    if executor is not None and not hasattr(executor, "submit"):
        raise ValueError(f"executor={executor!r} cannot be: a concurrent.futures.Executor is needed")


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
    def last(self) -> bool:
        """Whether the tensor ends here."""
        return self.stop == self.job.info.nbytes


def encode_rows(raw: bytes, source: str, qtype: str, n: int, imatrix: np.ndarray | None) -> bytes:
    """Rows of `n` weights as type `source` stores them -> the same rows as `qtype` stores them. Runs on the
    executor.
    """
    from ..formats.tensor import dequantize, get_format, quantize

    if source in ("F16", "F32"):        # NumPy's own
        x = np.frombuffer(raw, get_format(source).dtype["x"]).reshape(-1, n)
    else:
        x = dequantize(raw, source,
                       (len(raw) // get_format(source).type_size * get_format(source).block_size // n, n))
    blocks = quantize(x, qtype, imatrix).blocks
    for name in blocks.dtype.names or ():
        if blocks.dtype[name].kind == "f" and not np.isfinite(blocks[name]).all():
            raise ValueError(
                f"weights up to {np.abs(x).max():g} are too large for {qtype}: they would decode to infinity")
    return blocks.tobytes()


def _slabs(job: Job) -> Iterator[Slab]:
    """A tensor in pieces of whole rows, matrix by matrix (each expert has its own)."""
    info = job.info
    n, rows = info.shape[0], info.shape[1] if len(info.shape) > 1 else 1
    row_bytes = info.nbytes * n // info.n_weights
    at_once = max(SLAB // n, 1)
    for matrix in range(info.n_weights // (n * rows)):
        for row in range(0, rows, at_once):
            first, count = matrix * rows + row, min(at_once, rows - row)
            yield Slab(job, first * row_bytes, (first + count) * row_bytes, matrix, count * n)


def _encoded(file: GGUFFile, jobs: list[Job], executor: Executor | None) -> Iterator[tuple[Slab, bytes]]:
    """(slab, its new bytes) for all tensors in order, encoded here or on the executor, a bounded number at a
    time.
    """
    waiting: deque[tuple[Slab, Any]] = deque()
    held = 0
    try:
        for job in jobs:
            for slab in _slabs(job):
                waiting.append((slab, _begin(file, slab, executor)))
                held += slab.n_weights
                while held >= (IN_FLIGHT if executor else 1):
                    slab, result = waiting.popleft()
                    held -= slab.n_weights
                    yield slab, _finish(slab, result)
        while waiting:
            slab, result = waiting.popleft()
            yield slab, _finish(slab, result)
    finally:
        for _, result in waiting:
            if executor and not isinstance(result, bytes):
                result.cancel()


def _begin(file: GGUFFile, slab: Slab, executor: Executor | None):
    """The slab's bytes where they stay as they are; else a function, or a future, that gives the new ones."""
    job, raw = slab.job, file.piece(slab.job.info.name, slab.start, slab.stop)
    if job.kept:
        return raw
    weights = None if job.imatrix is None else job.imatrix[slab.matrix]
    arguments = (raw, job.info.qtype, job.qtype, job.info.shape[0], weights)
    return executor.submit(encode_rows, *arguments) if executor else lambda: encode_rows(*arguments)


def _finish(slab: Slab, result) -> bytes:
    if isinstance(result, bytes):
        return result
    try:
        return result() if callable(result) else result.result()
    except ValueError as error:
        raise ValueError(f"tensor {slab.job.info.name}: {error}") from None
