"""A GGUF file of a Llama becomes a model that can be run: in its own types, or quantized on the way.

    load_lm("tiny"), load_lm("tiny", "Q4_K_M"), load_lm("tiny", "Q3_K", pure=True)

A quantized tensor is encoded and decoded here by the same code that writes files (quantlab.formats), so the
model computes with the very weights that such a file holds.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from ..formats.tensor import quantize
from ..models.architecture import Architecture
from ..models.gguf_cursor import shown
from ..models.gguf_file import GGUFFile
from ..models.imatrix_file import as_imatrix
from ..models.ollama_blobs import architecture_name
from ..models.plan import Job, plan
from ..models.resolve import open_weights
from ..models.source import Model
from ..models.wiring import demand_tensors
from ..models.wishes import Wishes, wishes_of
from .llama import LanguageModel
from .tokenizer import Tokenizer

SCALINGS = ("none", "linear")          # of RoPE; Llama 3.1's own lies in the tensor rope_freqs


def load_lm(model, ftype: str | None = None, *, imatrix=None, pure: bool = False, **wishes) -> LanguageModel:
    """Load a language model of the llama architecture, all weights as float32.

    model: "tiny" (comes with quantlab), the path of a GGUF file, the name of a pulled Ollama model, or an
    open Model.
    ftype: None keeps the file's own types; "Q4_K_M" gives each tensor the type of that mix (`recipe`),
    rounding it accordingly.
    pure: every matrix, the embeddings too, in the one type (as `llama-quantize --pure`); ftype may then be
    any
    type: "Q3_K".
    imatrix: the path of llama.cpp's file, or {tensor name: one number a column}.
    wishes: types, output_type, embedding_type, leave_output and prune_layers, as `recipe` takes them; ftype
    None then means the mix of the file in `types`.
    A quantized file can be quantized again: that shows why nobody should.
    Raises ValueError, in words, for another architecture, a missing tensor, a wrong shape, and for types that
    do not fit.
    """
    wished = wishes_of(**wishes)
    with open_weights(model) as source:
        settings = _settings(source)
        jobs = _jobs(source, ftype, imatrix, pure, wished)
        tokenizer = Tokenizer.from_metadata(source.metadata)
        if tokenizer.n_vocab > source.architecture.n_vocab:
            raise ValueError(f"{source.name} has {tokenizer.n_vocab} tokens, but word vectors for "
                             f"{source.architecture.n_vocab} only")
        file = source.gguf
        weights = {new: _weights(file, name, jobs.get(new))
                   for name, new in wished.renamed(file.infos).items()}
        shape = replace(source.architecture, n_layer=source.architecture.n_layer - len(wished.pruned))
        return LanguageModel(source.name, shape, tokenizer, weights, **settings)


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
    return quantize(x, job.qtype, None if job.imatrix is None else job.imatrix[0]).dequantize()


def _settings(model: Model) -> dict[str, Any]:
    """The numbers of LanguageModel that are no shapes. ValueError for a file that the forward pass cannot
    run.
    """
    if (arch := architecture_name(model.metadata)) != "llama":
        raise ValueError(
            f"{model.name} is a model of the architecture {shown(arch)}; only llama can be run here")
    a = model.architecture
    if a.n_expert:
        raise ValueError(
            f"{model.name} has {a.n_expert} experts in each layer; only dense models can be run here")
    _check_tensors(model, a)

    def number(key: str, default: float) -> float:
        value = model.metadata.get(f"llama.{key}", default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not np.isfinite(value):
            raise ValueError(f"llama.{key} of {model.name} is {shown(value)}; a number is needed")
        return float(value)

    scaling = model.metadata.get("llama.rope.scaling.type", "none")
    if scaling not in SCALINGS:
        raise ValueError(f"{model.name} stretches its positions by {shown(scaling)} "
                         f"(llama.rope.scaling.type); known are {', '.join(SCALINGS)}")
    found = {"eps": number("attention.layer_norm_rms_epsilon", 1e-5),
             "rope_base": number("rope.freq_base", 10000.0),
             "rope_scale": number("rope.scaling.factor", 1.0) if scaling == "linear" else 1.0,
             "attention_scale": number("attention.scale", 0.0) or a.head_dim ** -0.5}
    for name, value in found.items():
        if value < 0 or (value == 0 and name != "eps"):
            raise ValueError(f"{name} of {model.name} is {value:g}; it must be above 0")
    return found


def _check_tensors(model: Model, a: Architecture) -> None:
    """Every tensor of a Llama of this shape is there, in the right shape, and none that would have a say is
    left out.
    """
    infos = model.gguf.infos
    wanted = {tensor.name: tensor.shape for tensor in a.tensors()}
    demand_tensors(model.name, a, {name: info.shape for name, info in infos.items()})
    biases = {name.removesuffix("weight") + "bias": shape[1:] for name, shape in wanted.items()
              if name.startswith("blk.") and shape[1:]}
    for name, info in infos.items():
        if name not in wanted and info.shape != biases.get(name):
            raise ValueError(f"{model.name} has a tensor {name} of shape {info.shape} that no llama has: it "
                             "would be ignored")
    if a.rope_dim not in (0, a.head_dim) or a.head_dim % 2:
        raise ValueError(f"RoPE is to turn {a.rope_dim or a.head_dim} of the {a.head_dim} columns of a head; "
                         "a llama turns all, in pairs")
    if not a.n_ctx_train:
        raise ValueError(
            f"{model.name} does not say with how many tokens it was trained (llama.context_length)")
