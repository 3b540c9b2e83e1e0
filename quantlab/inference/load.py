"""A GGUF file becomes a model that can be run: in its own types, or quantized on the way.

    load_lm("tiny"), load_lm("tiny", "Q4_K_M"), load_lm("tiny", "Q3_K", pure=True)

A quantized tensor is encoded and decoded here by the same code that writes files (quantlab.formats), so the
model computes with the very weights that such a file holds.
"""

from collections.abc import Mapping
from math import prod

import numpy as np

from ..formats.tensor import quantize
from ..models.gguf_file import GGUFFile
from ..models.imatrix_file import as_imatrix
from ..models.ollama_blobs import in_encoder, llama_cpp_metadata, llama_cpp_name
from ..models.plan import Job, plan
from ..models.resolve import open_weights
from ..models.source import Model
from ..models.wishes import Wishes, wishes_of
from .gates import REFERENCES
from .graph import read_graph
from .llama import LanguageModel
from .tensors import demand_graph
from .tokenizer import Tokenizer


def load_lm(model, ftype: str | None = None, *, imatrix=None, pure: bool = False, reference: str = "exact",
            **wishes) -> LanguageModel:
    """Load a language model of one of the families in `quantlab.inference.families`, all weights as float32.

    model: "tiny" (comes with quantlab), the path of a GGUF file, the name of a pulled Ollama model, or an
    open Model.
    ftype: None keeps the file's own types; "Q4_K_M" gives each tensor the type of that mix (`recipe`),
    rounding it accordingly.
    pure: every matrix, the embeddings too, in the one type (as `llama-quantize --pure`); ftype may then be
    any type: "Q3_K".
    imatrix: the path of llama.cpp's file, or {tensor name: one number a column}.
    wishes: types, output_type, embedding_type, leave_output and prune_layers, as `recipe` takes them; ftype
    None then means the mix of the file in `types`.
    reference: "exact" computes as the models were trained; "llama.cpp" rounds GELU (Gemma's) to float16 and
    RoPE's angles to float32, as llama.cpp's processor code does: for comparisons with it.
    A quantized file can be quantized again: that shows why nobody should.
    Raises ValueError, in words, for an architecture that cannot be run here, for a key or a tensor that its
    graph does not have, a missing one, a wrong shape, and for types that do not fit.
    """
    if reference not in REFERENCES:
        raise ValueError(f"reference={reference!r}: it is one of {', '.join(REFERENCES)}")
    wished = wishes_of(**wishes)
    with open_weights(model) as source:
        spelled = source.metadata.get("general.architecture")
        every = {name: shape for name, (_, shape) in source.types.items() if prod(shape)}
        stored = {name: shape for name, shape in every.items() if not in_encoder(name, spelled)}
        renamed = wished.renamed(stored)        # without the layers that are left out
        known = {new: llama_cpp_name(new, spelled) for new in renamed.values()}
        shapes = {known[new]: stored[name] for name, new in renamed.items()}
        metadata = _shortened(llama_cpp_metadata(source.metadata, every), len(wished.pruned))
        graph = read_graph(source.name, metadata, shapes)
        demand_graph(source.name, graph, shapes)
        jobs = _jobs(source, ftype, imatrix, pure, wished)
        tokenizer = Tokenizer.from_metadata(metadata)
        if tokenizer.n_vocab > graph.n_vocab:
            raise ValueError(f"{source.name} has {tokenizer.n_vocab} tokens, but word vectors for "
                             f"{graph.n_vocab} only")
        weights = {known[new]: _weights(source.gguf, name, jobs.get(new)) for name, new in renamed.items()}
        return LanguageModel(source.name, graph, tokenizer, weights, reference)


def _shortened(metadata: Mapping[str, object], layers: int) -> Mapping[str, object]:
    """The metadata of a model from which so many layers were taken."""
    key = f"{metadata.get('general.architecture')}.block_count"
    count = metadata.get(key)
    return {**metadata, key: count - layers} if layers and isinstance(count, int) else metadata


def _jobs(model: Model, ftype: str | None, imatrix, pure: bool, wished: Wishes) -> dict[str, Job]:
    """Name of a tensor -> what is to be done with it; nothing without an ftype."""
    if ftype is None and wished.like is None:
        if pure or imatrix is not None or wished:
            what = "pure" if pure else "an imatrix" if imatrix is not None else "a wish"
            raise ValueError(f"{what} says how to quantize, but no ftype is given; name one, such as "
                             "'Q4_K_M'")
        return {}
    planned = plan(model, ftype, as_imatrix(imatrix), "llama.cpp", allow_requantize=True, pure=pure,
                   wishes=wished)
    return {job.name: job for job in planned.jobs}


def _weights(file: GGUFFile, name: str, job: Job | None) -> np.ndarray:
    """One tensor as float32; its part of the mapped file is let go at once."""
    info = file.infos[name]
    x = file.tensor(name)
    file.let_go(info.offset, info.offset + info.nbytes)
    if job is None or job.kept:
        return x
    matrices = x if x.ndim == 3 else x[None]            # of experts: each has importances of its own
    importances = [None] * len(matrices) if job.imatrix is None else job.imatrix
    made = [quantize(matrix, job.qtype, importance).dequantize()
            for matrix, importance in zip(matrices, importances, strict=True)]
    return np.stack(made) if x.ndim == 3 else made[0]
