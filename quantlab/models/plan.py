"""What is to be done with each tensor of a model, and what the new file says about itself: decided before a
byte is written.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..formats.table import FORMATS
from .gguf_header import TensorInfo, pair
from .imatrix_file import Imatrix
from .recipe_rules import PROGRAMS
from .recipe_walk import by_layer, rules_of
from .recipes import recipe
from .source import Model
from .types import block_of, ftype_number, tensor_nbytes

QUANTIZATION_VERSION = 2        # ggml.h: GGML_QNT_VERSION
#: llama-quantize refuses to write these without an importance matrix, and Q2_K in a Q2_K_S file
#: (tensor_requires_imatrix).
NEED_IMATRIX = {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS"}
NEED_NONE = {"token_embd.weight", "output.weight"}      # never measured
REQUANTIZED = "quantlab.requantized_from"
#: Keys that are true of the source only.
REPLACED = {"general.quantization_version", "general.file_type", "split.no", "split.count",
            "split.tensors.count", REQUANTIZED,
            *(f"quantize.imatrix.{key}" for key in ("file", "dataset", "entries_count", "chunks_count"))}


@dataclass(frozen=True, eq=False)
class Job:
    """A tensor of the source (`info`), the type it gets, and its importances: (matrices, columns), or None.
    """

    info: TensorInfo
    qtype: str
    imatrix: np.ndarray | None = None

    @property
    def kept(self) -> bool:
        """Whether the bytes stay as they are."""
        return self.qtype == self.info.qtype

    @property
    def kind(self) -> str:
        """What makes it slow or fast."""
        return "copy" if self.kept else self.qtype

    @property
    def nbytes(self) -> int:
        return tensor_nbytes(self.info.shape, self.qtype)


def written_ftypes() -> list[str]:
    """The ftypes that can be written of every model: all types in their rules have an encoder here.

    IQ3_* and most of IQ2_* have types that can only be read; a model whose rows all fall back may do without
    them.
    """
    program = PROGRAMS["llama.cpp"]
    types = {ftype: {usual, *(rule.qtype for rule in rules_of(program, ftype))}
             for ftype, usual in program.usual.items()}
    return [ftype for ftype, needed in types.items() if all(FORMATS[qtype].encoder for qtype in needed)]


def plan(model: Model, ftype: str, imatrix: Imatrix | None, by: str, allow_requantize: bool,
         pure: bool = False) -> list[Job]:
    """One Job for each tensor, in the order of the new file: llama-quantize sorts them by layer and name,
    Ollama keeps the source's order. Raises ValueError when one of them cannot be done.
    """
    types = recipe(ftype, model, by=by, imatrix=imatrix is not None, pure=pure)
    infos = model.gguf.infos
    _check_source(model, types, allow_requantize)
    names = list(types) if by == "ollama" else sorted(types, key=by_layer)
    return [_job(infos[name], types[name], ftype.upper(), imatrix) for name in names]


def new_metadata(model: Model, ftype: str, imatrix: Imatrix | None, jobs: list[Job]) -> Iterator[bytes]:
    """The key-value pairs of the new file: those of the source as they stand, then the few that
    llama-quantize sets, in its order.
    """
    yield from (model.gguf.bytes_at(*place) for key, place in model.gguf.pairs.items() if key not in REPLACED)
    new: dict[str, int | str] = {"general.quantization_version": QUANTIZATION_VERSION,
                                 "general.file_type": ftype_number(ftype)}
    if imatrix is not None:
        new |= imatrix.metadata()
    before = model.metadata.get(REQUANTIZED)
    if any(not job.kept and _is_quantized(job.info.qtype) for job in jobs):
        new[REQUANTIZED] = f"{before}, {model.ftype}" if isinstance(before, str) else model.ftype
    elif isinstance(before, str):
        new[REQUANTIZED] = before
    yield from (pair(key, value) for key, value in new.items())


def _job(info: TensorInfo, qtype: str, ftype: str, imatrix: Imatrix | None) -> Job:
    job = Job(info, qtype)
    if "\\x" in info.name:
        raise ValueError(f"a tensor is called {info.name} (bytes that are no UTF-8, escaped), a name that "
                         "cannot be written again")
    if info.ollama_order:
        raise ValueError(f"{info.name} is stored in the order of Ollama's first gpt-oss files, which "
                         "llama.cpp cannot read")
    if job.kept:
        return job
    weights = imatrix.of(info.name, info.shape) if imatrix else None
    needed = qtype in NEED_IMATRIX or (qtype == "Q2_K" and ftype == "Q2_K_S")
    if weights is None and needed and info.name not in NEED_NONE:
        raise ValueError(
            f"{ftype} needs an imatrix: {info.name} would be {qtype}, which is of no use without knowing "
            "which columns matter" + ("; the imatrix given has no numbers for it" if imatrix else ""))
    try:
        FORMATS[qtype].check_imatrix(None if weights is None else weights[0], info.shape[0])
    except ValueError as error:
        raise ValueError(f"{ftype} cannot be written, because of {info.name}: {error}") from None
    return Job(info, qtype, weights)


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
