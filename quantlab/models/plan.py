"""What is to be done with each tensor of a model: decided before a byte is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from ..formats.reference import REFERENCES
from ..formats.table import FORMATS
from ..words import Tabled, one_of, size
from .families import EMBEDDINGS, OUTPUT
from .gguf_header import TensorInfo
from .imatrix_file import Imatrix
from .new_header import new_metadata
from .recipe_rules import COPY
from .recipe_walk import NONE, by_layer, choices, ftype_named, program_named, pure_type
from .source import Model
from .types import bits_per_weight, block_of, tensor_nbytes
from .wishes import Wishes

if TYPE_CHECKING:
    from .calibrated import Rounding

#: llama-quantize refuses to write these without an importance matrix, and Q2_K in a Q2_K_S file
#: (tensor_requires_imatrix).
NEED_IMATRIX = {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS"}
NEED_NONE = {*EMBEDDINGS, OUTPUT}       # never measured


@dataclass(frozen=True, eq=False)
class Job:
    """A tensor of the source (`info`), the type it gets, its importances, (matrices, columns) or None, its
    name in the new file, the part of a split file that it belongs to, from 0, and how it is rounded by a
    method of its own (calibrated.py), or None.
    """

    info: TensorInfo
    qtype: str
    name: str
    imatrix: np.ndarray | None = None
    part: int = 0
    rounding: "Rounding | None" = None

    @property
    def kept(self) -> bool:
        """Whether the bytes stay as they are."""
        return self.qtype == self.info.qtype and self.rounding is None

    @property
    def kind(self) -> str:
        """What makes it slow or fast."""
        return "copy" if self.kept else self.qtype

    @property
    def nbytes(self) -> int:
        return tensor_nbytes(self.info.shape, self.qtype)


@dataclass(frozen=True, repr=False)
class FilePlan(Tabled):
    """A file that is to be written: its mix, a Job for each tensor in the order of the new file, the pairs of
    its header (key -> bytes), notes, sentences about what is unusual, and the ggml whose bytes it has.  Shown
    as a table: what `quantize_model(..., dry_run=True)` gives.
    """

    ftype: str
    jobs: list[Job]
    pairs: Mapping[str, bytes]
    notes: list[str] = field(default_factory=list)
    reference: str = REFERENCES[0]

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors; the file is larger by its header."""
        return sum(job.nbytes for job in self.jobs)

    @property
    def bpw(self) -> float:
        """Bits per weight over all tensors."""
        return bits_per_weight(self.nbytes, sum(job.info.n_weights for job in self.jobs))

    @property
    def types(self) -> dict[str, str]:
        """Tensor name -> type, as in the new file."""
        return {job.name: job.qtype for job in self.jobs}

    def rows(self) -> list[tuple]:
        lines = [(job.name, " × ".join(map(str, job.info.shape)), job.info.qtype, job.qtype,
                  size(job.nbytes)) for job in self.jobs]
        total = (f"{len(self.jobs)} tensors", f"{self.bpw:.2f} bits a weight", "", self.ftype,
                 size(self.nbytes))
        return [("tensor", "shape", "from", "to", "bytes"), *lines, total,
                *(("note", note, "", "", "") for note in self.notes)]


def plan(model: Model, ftype: str | None, imatrix: Imatrix | None = None, by: str = "llama.cpp",
         allow_requantize: bool = False, pure: bool = False, *, wishes: Wishes = NONE,
         override: Mapping[str, object] | None = None, keep_split: bool = False,
         reference: str = REFERENCES[0]) -> FilePlan:
    """What is to be done, tensor by tensor. llama-quantize sorts them by layer and name, or, where the parts
    of a split file are kept, by their place; Ollama keeps the source's order.

    ftype: None takes that of the file whose types are wanted.  Raises ValueError when something cannot be
    done.
    """
    if override:
        model = Model(model.name, {**model.metadata, **override}, model.types, model.file)
    name = _mix(ftype, by, pure, wishes)
    found = choices(name, model, by, imatrix is not None, pure, wishes)
    types, infos, notes = {one.tensor.name: one.qtype for one in found}, model.gguf.infos, list(found.notes)
    new = wishes.renamed(infos)
    if name != COPY:
        _check_source(model, {old: types[called] for old, called in new.items()}, allow_requantize)
    jobs = [_job(infos[old], types[called], called, name, imatrix, notes) for old, called in new.items()]
    if keep_split:
        jobs = _in_parts(model, jobs)
    elif by != "ollama":
        jobs = sorted(jobs, key=lambda job: by_layer(job.name))
    again = any(not job.kept and _is_quantized(job.info.qtype) for job in jobs)
    return FilePlan(name, jobs, new_metadata(model, name, imatrix, again, wishes, override or {}), notes,
                    one_of("ggml reference", reference, REFERENCES))


def _mix(ftype: str | None, by: str, pure: bool, wishes: Wishes) -> str:
    """The name by which the new file is known: an ftype, COPY, or with `pure` the name of a type."""
    if ftype is None:
        if wishes.like is None:
            raise ValueError("no ftype is given; name one, such as 'Q4_K_M'")
        ftype = wishes.like.ftype
    if str(ftype).upper() == COPY and by == "llama.cpp":
        return COPY
    program = program_named(by)
    return pure_type(program, ftype) and str(ftype).upper() if pure else ftype_named(program, ftype)


def _in_parts(model: Model, jobs: list[Job]) -> list[Job]:
    """The jobs by their place in the parts of a split model. ValueError for a model in one file."""
    if len(model.gguf.paths) == 1:
        raise ValueError(f"keep_split: {model.name} is one file, and there is nothing to keep")
    placed = [replace(job, part=model.gguf.part_of(job.info)) for job in jobs]
    if empty := set(range(len(model.gguf.paths))) - {job.part for job in placed}:
        raise ValueError(f"keep_split: nothing would be left of part {min(empty) + 1}")
    return sorted(placed, key=lambda job: job.info.offset)


def _job(info: TensorInfo, qtype: str, name: str, ftype: str, imatrix: Imatrix | None,
         notes: list[str]) -> Job:
    job = Job(info, qtype, name)
    _check_name(name)
    if info.ollama_order:
        raise ValueError(f"{info.name} is stored in the order of Ollama's first gpt-oss files, which "
                         "llama.cpp cannot read")
    if job.kept:
        return job
    weights = imatrix.of(info.name, info.shape) if imatrix else None
    needed = qtype in NEED_IMATRIX or (qtype == "Q2_K" and ftype == "Q2_K_S")
    if weights is None and needed and name not in NEED_NONE:
        raise ValueError(
            f"{ftype} needs an imatrix: {info.name} would be {qtype}, which is of no use without knowing "
            "which columns matter" + ("; the imatrix given has no numbers for it" if imatrix else ""))
    try:
        FORMATS[qtype].check_imatrix(None if weights is None else weights[0], info.shape[0])
    except ValueError as error:
        raise ValueError(f"{ftype} cannot be written, because of {info.name}: {error}") from None
    if weights is not None and FORMATS[qtype].imatrix != "ignored":
        notes += _zeros(info.name, weights)
    return Job(info, qtype, name, weights)


def _check_name(name: str) -> None:
    if "\\x" in name:
        raise ValueError(f"a tensor is called {name} (bytes that are no UTF-8, escaped), a name that "
                         "cannot be written again")


def _zeros(name: str, weights: np.ndarray) -> list[str]:
    """A note on matrices of which no column matters: ggml lets an error cost nothing there."""
    empty = int((~weights.any(axis=1)).sum())
    if not empty:
        return []
    which = f"of {empty} of its {len(weights)} matrices" if len(weights) > 1 else "of its columns"
    return [f"the importances {which} in {name} are all 0: no error counts there, and in most "
            "types ggml, whose bytes these are, writes zeros for every weight"]


def _check_source(model: Model, types: dict[str, str], allow_requantize: bool) -> None:
    """ValueError for a source that is quantized already, unless that is wanted."""
    now = {info.name: info.qtype for info in model.gguf.infos.values()}
    quantized = [name for name, qtype in now.items() if _is_quantized(qtype)]
    changing = [name for name in quantized if types[name] != now[name]]
    if allow_requantize or not quantized or (not changing and types != now):
        return
    first = (changing or quantized)[0]
    raise ValueError(
        f"{model.name} is quantized already ({model.ftype}; {first} is {now[first]}). Never re-quantize: the "
        "rounding errors of the first time stay, and new ones come on top. Start from the F16 file; "
        "allow_requantize=True does it all the same, and marks the new file")


def _is_quantized(qtype: str) -> bool:
    return block_of(qtype)[0] > 1
