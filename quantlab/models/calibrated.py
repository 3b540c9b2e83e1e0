"""How each tensor of a new file is rounded when a calibration is at hand.

    planned = with_method(planned, model, known, METHODS["feedback"])

A file written by a method (methods/table.py) has the same tensors, types and bytes as any other; what it was
made with stands in its metadata. A `Rounding` is small, since the moments stay on the disk: it goes to an
executor with each piece of a tensor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ..formats.tensor import quantize
from ..methods.grids import format_with_codes
from ..methods.scaling import column_scales
from ..methods.table import METHODS, MOMENTS, NOTHING, Encoder, Method
from ..words import one_of
from .calibration import Calibration, as_calibration
from .folds import folds_of
from .gguf_header import pair
from .new_header import CALIBRATION, METHOD
from .plan import FilePlan, Job
from .progress import watched
from .source import Model
from .types import block_of

NEAREST = "nearest"


@dataclass(frozen=True, eq=False)
class Rounding:
    """How one tensor is rounded.

    method: its name; the moments are those of `name` in `known`.  columns: (n,), by what its columns are
    multiplied first.  rows: (rows,), by what its rows are divided.
    """

    method: str
    name: str
    known: Calibration
    columns: np.ndarray | None = None
    rows: np.ndarray | None = None

    def blocks(self, x: np.ndarray, qtype: str, first: int, matrix: int,
               importance: np.ndarray | None) -> np.ndarray:
        """(rows, n) weights from row `first` on, as blocks. importance: what is used where nothing was
        measured, or a plain type is written.
        """
        if self.columns is not None:
            x = x * self.columns
        if self.rows is not None:
            x = x / self.rows[first:first + len(x), None]
        x = np.ascontiguousarray(x, np.float32)
        if block_of(qtype)[0] == 1 or self.name not in self.known.inputs:
            return quantize(x, qtype, importance).blocks
        method = self.method if self.known.has_rank(self.name, matrix) else "importance"
        columns = None if self.columns is None else self.columns.tobytes()
        return _encoder(method, self.known, self.name, matrix, qtype, columns)(x)


@lru_cache(maxsize=1)
def _encoder(method: str, known: Calibration, name: str, matrix: int, qtype: str,
             columns: bytes | None) -> Encoder:
    """The encoder of one matrix, for all pieces of it."""
    moments = known.moments(name, matrix)
    if columns is not None:
        by = np.frombuffer(columns, np.float32).astype(np.float64)
        moments = moments / by / by[:, None]
    return METHODS[method].encoder(qtype, moments)


def method_for(calibration, method: str | None, imatrix) -> tuple[Calibration | None, Method]:
    """The calibration (None where the method has no use for one), and the method that was named; error
    feedback where only a calibration is given.

    ValueError for a method that is none, or that is for pictures, for one that needs a calibration and gets
    none, and for an imatrix beside a calibration.
    """
    known = None if calibration is None else as_calibration(calibration)
    name = method or (NEAREST if known is None else "feedback")
    found = METHODS[one_of("method", name, [each.name for each in METHODS.values() if each.in_files])]
    if known is None and found.name != NEAREST and not (found.name == "importance" and imatrix is not None):
        raise ValueError(f"method={name!r} needs to know what the matrices are multiplied with: give "
                         "calibration=, which calibrate() measures")
    if known is not None and imatrix is not None:
        raise ValueError("an imatrix and a calibration are given; a calibration has all that an imatrix has: "
                         "leave the imatrix out")
    return None if found.needs == NOTHING else known, found


def with_method(planned: FilePlan, model: Model, known: Calibration, method: Method, progress=None,
                cancel=None) -> FilePlan:
    """The same file, rounded by a method.  progress, cancel: as in `quantize_model`, where columns are
    scaled.

    ValueError for a calibration of another model, and for a type that the method cannot write.
    """
    jobs = planned.jobs
    if method.needs == MOMENTS:
        _check_types(jobs, known, method)
        columns, rows = _scales(model, jobs, known, (progress, cancel)) if method.scales else ({}, {})
        name = "importance" if method.scales else method.name
        jobs = [replace(job, rounding=Rounding(name, job.info.name, known, columns.get(job.info.name),
                                               rows.get(job.info.name)))
                if not job.kept or job.info.name in columns or job.info.name in rows else job for job in jobs]
    notes = [*planned.notes, *_unseen(jobs, known)]
    said = {METHOD: f"{method.title}: {method.paper}", CALIBRATION: known.text}
    return replace(planned, jobs=jobs, notes=notes,
                   pairs={**planned.pairs, **{key: pair(key, value) for key, value in said.items()}})


def _check_types(jobs: list[Job], known: Calibration, method: Method) -> None:
    if method.scales:
        return
    for job in jobs:
        if not job.kept and block_of(job.qtype)[0] > 1 and job.info.name in known.inputs:
            try:
                format_with_codes(job.qtype, method.title)
            except ValueError as error:
                raise ValueError(f"{job.name} would be {job.qtype}: {error}") from None


def _unseen(jobs: list[Job], known: Calibration) -> list[str]:
    """A note on matrices that too few tokens reached, such as those of a rare expert."""
    few = [(job.name, matrix) for job in jobs if job.rounding for matrix in range(_matrices(job, known))
           if not known.has_rank(job.info.name, matrix)]
    if not few:
        return []
    return [f"{len(few)} matrices of experts got fewer tokens than they have columns, and are rounded by "
            f"importance; the first is {few[0][1]} of {few[0][0]}"]


def _matrices(job: Job, known: Calibration) -> int:
    kept = known.inputs.get(job.info.name)
    return len(known.counts[kept]) if kept else 0


# ---- scaling

def _scales(model: Model, jobs: list[Job], known: Calibration,
            watch: tuple) -> tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]:
    """Tensor -> by what its columns are multiplied, and by what its rows are divided."""
    types = {job.info.name: job.qtype for job in jobs}
    columns: dict[str, np.ndarray] = {}
    rows: dict[str, np.ndarray] = {}
    folds = [fold for fold in folds_of(model) if all(name in known.inputs for name in fold.matrices)]
    n_weights = {fold: sum(model.gguf.infos[name].n_weights for name in fold.matrices) for fold in folds}
    tick = watched({"": sum(n_weights.values())}, "weights", *watch)
    for fold in folds:
        if fold.before in types:
            found = column_scales([model.tensor(name) for name in fold.matrices],
                                  known.moments(fold.matrices[0]), [types[name] for name in fold.matrices],
                                  repeats=fold.repeats)
            columns |= dict.fromkeys(fold.matrices, found)
            copies, width = fold.repeats
            divided = found.reshape(-1, copies, width)[:, 0].reshape(-1)
            if len(model.types[fold.before][1]) > 1:
                rows[fold.before] = divided
            else:
                columns[fold.before] = 1 / divided          # a norm: a weight for each column
        tick("", n_weights[fold], f"scales behind {fold.before}")
    return columns, rows
