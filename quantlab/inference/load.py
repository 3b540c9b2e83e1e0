"""A GGUF file becomes a model that can be run: in its own types, or quantized on the way.

    load_lm("tiny"), load_lm("tiny", "Q4_K_M"), load_lm("tiny", "Q3_K", pure=True)

A quantized tensor is encoded and decoded here by the same code that writes files (quantlab.formats), so the
model computes with the very weights that such a file holds. What is too large to be kept as float32 stays in
the file (stored.py), and a mix of it is first written to a file that nobody else sees.
"""

import secrets
import tempfile
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path

import numpy as np

from ..formats.tensor import quantize
from ..models.gguf_file import GGUFFile, Mapped
from ..models.gguf_split import open_gguf
from ..models.imatrix_file import Imatrix, as_imatrix
from ..models.ollama_blobs import in_encoder, llama_cpp_metadata, llama_cpp_name
from ..models.plan import Job, plan
from ..models.progress import Progress, watched
from ..models.resolve import open_weights
from ..models.source import Model
from ..models.whole_file import clear_abandoned
from ..models.wishes import Wishes, wishes_of
from ..models.writer import not_finite, quantize_model
from .gates import REFERENCES
from .graph import Graph, read_graph
from .llama import LanguageModel
from .remembered import cache_folder
from .sent import LoadedWeights
from .stored import Matrix, can_be_kept, of_file
from .tensors import demand_graph
from .tokenizer import Tokenizer


def load_lm(model, ftype: str | None = None, *, imatrix=None, pure: bool = False, reference: str = "exact",
            keep: bool | None = None, progress: Callable[[Progress], object] | str | None = "show",
            cancel=None, **wishes) -> LanguageModel:
    """Load a language model of one of the families in `quantlab.inference.families`; it computes in float32.

    model: "tiny" (comes with quantlab), the path of a GGUF file, the name of a pulled Ollama model, or an
    open Model.
    ftype: None keeps the file's own types; "Q4_K_M" gives each tensor the type of that mix (`recipe`),
    rounding it accordingly.
    pure: every matrix, the embeddings too, in the one type (as `llama-quantize --pure`); ftype may then be
    any type: "Q3_K".
    imatrix: the path of llama.cpp's file, or {tensor name: one number a column}.
    keep: True decodes all weights now and keeps them as float32, 4 bytes each; False leaves them in the file
    and decodes a few rows at a time, whenever they are needed; None keeps what takes half of the free memory
    at most.  With False an ftype is written to a file in the user's cache folder, which is gone with the
    model.
    wishes: types, output_type, embedding_type, leave_output and prune_layers, as `recipe` takes them; ftype
    None then means the mix of the file in `types`.
    reference: "exact" computes as the models were trained; "llama.cpp" rounds GELU (Gemma's) to float16 and
    RoPE's angles to float32, as llama.cpp's processor code does: for comparisons with it.
    progress, cancel: while it is quantized, as in `quantize_model`; a stopped run leaves no file and raises
    Cancelled.
    A quantized file can be quantized again: that shows why nobody should. What is unusual about the wishes or
    the imatrix is told as a warning.
    Raises ValueError, in words, for an architecture that cannot be run here, for a key or a tensor that its
    graph does not have, a missing one, a wrong shape, and for types that do not fit.
    """
    if reference not in REFERENCES:
        raise ValueError(f"reference={reference!r}: it is one of {', '.join(REFERENCES)}")
    wished, importances = wishes_of(**wishes), as_imatrix(imatrix)
    with open_weights(model) as source:
        names, graph, tokenizer = _described(source, wished)
        jobs = _jobs(source, ftype, importances, pure, wished)
        weights: dict[str, Matrix]
        if can_be_kept(source.n_weights) if keep is None else keep:
            weights = _all_weights(source.gguf, names, jobs, (progress, cancel))
        else:
            file = (_written(source, ftype, imatrix=importances, pure=pure, progress=progress, cancel=cancel,
                             **wishes) if jobs else open_gguf(source.gguf.paths[0]))
            weights = {known: of_file(file, new) if _is_matrix(known, file.infos[new].shape)
                       else file.tensor(new) for _, new, known in names}
        how = {"ftype": ftype, "imatrix": importances, "pure": pure, "keep": keep, **wishes}
        weights = LoadedWeights(weights, source.gguf.paths, how)
        return LanguageModel(source.name, graph, tokenizer, weights, reference)


def _described(source: Model, wished: Wishes) -> tuple[list[tuple[str, str, str]], Graph, Tokenizer]:
    """(each tensor's name in the file, in a file that is as wished, and in llama.cpp; graph; tokenizer) of a
    model that can be run.
    """
    spelled = source.metadata.get("general.architecture")
    every = {name: shape for name, (_, shape) in source.types.items() if prod(shape)}
    stored = {name: shape for name, shape in every.items() if not in_encoder(name, spelled)}
    names = [(name, new, llama_cpp_name(new, spelled))          # without the layers that are left out
             for name, new in wished.renamed(stored).items()]
    shapes = {known: stored[name] for name, _, known in names}
    metadata = _shortened(llama_cpp_metadata(source.metadata, every), len(wished.pruned))
    graph = read_graph(source.name, metadata, shapes)
    demand_graph(source.name, graph, shapes)
    tokenizer = Tokenizer.from_metadata(metadata)
    if tokenizer.n_vocab > graph.n_vocab:
        raise ValueError(f"{source.name} has {tokenizer.n_vocab} tokens, but word vectors for "
                         f"{graph.n_vocab} only")
    return names, graph, tokenizer


def _shortened(metadata: Mapping[str, object], layers: int) -> Mapping[str, object]:
    """The metadata of a model from which so many layers were taken."""
    key = f"{metadata.get('general.architecture')}.block_count"
    count = metadata.get(key)
    return {**metadata, key: count - layers} if layers and isinstance(count, int) else metadata


def _jobs(model: Model, ftype: str | None, imatrix: Imatrix | None, pure: bool,
          wished: Wishes) -> dict[str, Job]:
    """Name of a tensor -> what is to be done with it; nothing without an ftype."""
    if ftype is None and wished.like is None:
        if pure or imatrix is not None or wished:
            what = "pure" if pure else "an imatrix" if imatrix is not None else "a wish"
            raise ValueError(f"{what} says how to quantize, but no ftype is given; name one, such as "
                             "'Q4_K_M'")
        return {}
    planned = plan(model, ftype, imatrix, "llama.cpp", allow_requantize=True, pure=pure, wishes=wished)
    for note in planned.notes:
        warnings.warn(note, stacklevel=3)
    return {job.name: job for job in planned.jobs}


def _all_weights(file: GGUFFile, names: list[tuple[str, str, str]], jobs: Mapping[str, Job],
                 watch: tuple) -> dict[str, Matrix]:
    """Every tensor as float32, by its name in llama.cpp.  watch: progress and cancel, of what is quantized.
    """
    weights: dict[str, Matrix] = {}
    mine = {name: jobs[new] for name, new, _ in names if new in jobs}
    tick = watched(sum((Counter({job.kind: job.info.n_weights}) for job in mine.values()), Counter()),
                   "weights", *watch)
    for name, _, known in names:
        weights[known] = _weights(file, name, job := mine.get(name))
        if job is not None:
            tick(job.kind, job.info.n_weights, name)
    return weights


def _weights(file: GGUFFile, name: str, job: Job | None) -> np.ndarray:
    """One tensor as float32; its part of the mapped file is let go at once."""
    info = file.infos[name]
    x = file.tensor(name)
    file.let_go(info.offset, info.offset + info.nbytes)
    if job is None or job.kept:
        return x
    matrices = x if x.ndim == 3 else x[None]            # of experts: each has importances of its own
    importances = [None] * len(matrices) if job.imatrix is None else job.imatrix
    try:
        made = [quantize(matrix, job.qtype, importance).dequantize()
                for matrix, importance in zip(matrices, importances, strict=True)]
    except ValueError as error:
        rows = x.reshape(-1, info.shape[0])
        raise ValueError(f"tensor {name}: {not_finite(rows, info, 0) or error}") from None
    return np.stack(made) if x.ndim == 3 else made[0]


# ---- what stays in the file

def _is_matrix(name: str, shape: tuple[int, ...]) -> bool:
    """Whether it takes enough room to be decoded only when it is needed: not a norm, nor a bias."""
    return len(shape) > 1 and name.endswith(".weight")


class OwnFile(GGUFFile):
    """A file that nobody else needs: it is removed at once where the system takes it from the folder and
    keeps its bytes until it is let go, else (Windows) when it is let go.
    """

    def __init__(self, path: Path):
        super().__init__(path)
        try:
            path.unlink()
        except PermissionError:
            weakref.finalize(self, _removed, self._map, path)


def _removed(mapped: Mapped, path: Path) -> None:
    mapped.close()
    path.unlink(missing_ok=True)


def _written(source: Model, ftype: str | None, **how) -> OwnFile:
    """The model quantized to a file of its own."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.gettempdir())
    for part in folder.glob("*.gguf.*.part"):           # of runs that were killed
        clear_abandoned(part.with_name(part.name.partition(".gguf.")[0] + ".gguf"))
    path = folder / f"{secrets.token_hex(8)}.gguf"
    return OwnFile(quantize_model(source, path, ftype, allow_requantize=True, **how))
