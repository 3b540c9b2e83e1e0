"""`load_lm`: a GGUF file of a Llama becomes a model that can be run, in its own types or quantized on the
way.

    load_lm("tiny"), load_lm("tiny", "Q4_K_M"), load_lm("tiny", "Q3_K", pure=True)

A quantized tensor is encoded and decoded here by the same code that writes files (quantlab.formats), so the
model computes with the very weights that such a file holds.
"""

from contextlib import nullcontext

import numpy as np

from ..formats.tensor import dequantize, quantize
from ..models.architecture import Architecture
from ..models.gguf_cursor import shown
from ..models.imatrix_file import as_imatrix
from ..models.metadata import architecture_name
from ..models.plan import Job, plan
from ..models.source import Model, open_model
from .llama import LanguageModel
from .tokenizer import Tokenizer

SCALINGS = ("none", "linear")          # of RoPE; Llama 3.1's own lies in the tensor rope_freqs


def load_lm(model, ftype: str | None = None, *, imatrix=None, pure: bool = False) -> LanguageModel:
    """Load a language model of the llama architecture, all weights as float32.

    model: "tiny" (comes with quantlab), the path of a GGUF file, the name of a pulled Ollama model, or an
    open Model.
    ftype: None keeps the file's own types; "Q4_K_M" gives each tensor the type of that mix (`recipe`),
    rounding it accordingly.
    pure: every matrix, the embeddings too, in the one type (as `llama-quantize --pure`); ftype may then be
    any type: "Q3_K".
    imatrix: the path of llama.cpp's file, or {tensor name: one number a column}.
    A quantized file can be quantized again: that shows why nobody should.
    Raises ValueError, in words, for another architecture, a missing tensor, a wrong shape, and for types that
    do not fit.
    """
    with nullcontext(model) if isinstance(model, Model) else open_model(model) as opened:
        if opened.file is None:
            raise ValueError(f"the weights of {opened.name} are not at hand: {opened.why}")
        settings = _settings(opened)
        jobs = _jobs(opened, ftype, imatrix, pure)
        tokenizer = Tokenizer.from_metadata(opened.metadata)
        if tokenizer.n_vocab > opened.architecture.n_vocab:
            raise ValueError(
                f"{opened.name} has {tokenizer.n_vocab} tokens, but word vectors for "
                f"{opened.architecture.n_vocab} only")
        weights = {name: _weights(opened, name, jobs.get(name)) for name in opened.file.infos}
        return LanguageModel(opened.name, opened.architecture, tokenizer, weights, **settings)


def _jobs(model: Model, ftype: str | None, imatrix, pure: bool) -> dict[str, Job]:
    if ftype is None:
        if pure or imatrix is not None:
            raise ValueError(
                f"{'pure' if pure else 'an imatrix'} says how to quantize, but no ftype is given; name one, "
                "such as 'Q4_K_M'")
        return {}
    return {job.info.name: job for job in plan(model, ftype, as_imatrix(imatrix), "llama.cpp",
                                               allow_requantize=True, pure=pure)}


def _weights(model: Model, name: str, job: Job | None) -> np.ndarray:
    """One tensor as float32; its part of the mapped file is let go at once."""
    file, info = model.file, model.file.infos[name]
    x = file.tensor(name)
    file.let_go(info.offset, info.offset + info.nbytes)
    if job is None or job.kept:
        return x
    blocks = quantize(x, job.qtype, None if job.imatrix is None else job.imatrix[0])
    return dequantize(blocks.blocks, job.qtype, x.shape)


def _settings(model: Model) -> dict[str, float]:
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
        if type(value) not in (int, float) or not np.isfinite(value):
            raise ValueError(f"llama.{key} of {model.name} is {shown(value)}; a number is needed")
        return float(value)

    scaling = model.metadata.get("llama.rope.scaling.type", "none")
    if scaling not in SCALINGS:
        raise ValueError(
            f"{model.name} stretches its positions by {shown(scaling)} (llama.rope.scaling.type); "
            f"known are {', '.join(SCALINGS)}")
    found = {"eps": number("attention.layer_norm_rms_epsilon", 1e-5),
             "rope_base": number("rope.freq_base", 10000.0), "rope_scale": number("rope.scaling.factor", 1.0)
             if scaling == "linear" else 1.0, "attention_scale": number("attention.scale", 0.0)
             or a.head_dim ** -0.5}
    for name, value in found.items():
        if value < 0 or (value == 0 and name != "eps"):
            raise ValueError(f"{name} of {model.name} is {value:g}; it must be above 0")
    return found


def _check_tensors(model: Model, a: Architecture) -> None:
    """Every tensor of a Llama of this shape is there, in the right shape, and none that would have a say is
    left out.
    """
    wanted = {tensor.name: tensor.shape for tensor in a.tensors()}
    for name, shape in wanted.items():
        info = model.file.infos.get(name)
        if info is None:
            raise ValueError(
                f"{model.name} has no tensor {name}, without which a llama of {a.n_layer} layers cannot run")
        if info.shape != shape:
            raise ValueError(
                f"{name} of {model.name} has the shape {info.shape}; by the file's own numbers it must be "
                f"{shape}")
    biases = {name.removesuffix("weight") + "bias": shape[1:] for name, shape in wanted.items()
              if name.startswith("blk.") and shape[1:]}
    for name, info in model.file.infos.items():
        if name not in wanted and info.shape != biases.get(name):
            raise ValueError(
                f"{model.name} has a tensor {name} of shape {info.shape} that no llama has: it would be "
                "ignored")
    if a.rope_dim not in (0, a.head_dim) or a.head_dim % 2:
        raise ValueError(
            f"RoPE is to turn {a.rope_dim or a.head_dim} of the {a.head_dim} columns of a head; a llama "
            "turns all, in pairs")
    if not a.n_ctx_train:
        raise ValueError(
            f"{model.name} does not say with how many tokens it was trained (llama.context_length)")
