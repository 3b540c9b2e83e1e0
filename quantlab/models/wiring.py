"""Whether a file has what the graph of its architecture needs: every tensor, in the shape that follows from
the file's own numbers. llama.cpp refuses a file that has not, so no figure of it would be true.

Sources: llama.cpp's src/models/*.cpp (load_arch_tensors), llama-model-loader.cpp (check_tensor_dims,
done_getting_tensors).
"""

import re
from collections.abc import Mapping
from math import prod

from .architecture import Architecture
from .families import FAMILIES, role_and_layer
from .gguf_cursor import GGUFArray, shown
from .metadata import KEYS
from .mixers import MAMBA2, SHORT_CONVOLUTION
from .ollama_blobs import in_encoder, llama_cpp_metadata, llama_cpp_name, looks_ahead

Shapes = Mapping[str, tuple[int, ...]]

_SPLIT_EXPERT = re.compile(r"blk\.\d+\.ffn_(?:gate|up|down)\.\d+\.weight")
_FUSED = ".attn_qkv.weight"
#: Tensors outside the layers that only some architectures may have -> which.
ONLY = {"rope_freqs.weight": "llama llama4 granite granitemoe granitehybrid mistral3 gemma4",
        "rope_factors_long.weight": "llama phi3",
        "rope_factors_short.weight": "llama phi3",
        "output.weight": " ".join(FAMILIES - {"gemma2"})}
#: Architectures whose layers are of several shapes, as their tensors show.
SEVERAL_SHAPES = MAMBA2 | SHORT_CONVOLUTION | {"gemma4"}


def is_unused(name: str, a: Architecture) -> bool:
    """Whether the tensor is of a layer behind the last: a head that guesses the words after the next one,
    which llama.cpp leaves in the file unless it is asked for.
    """
    _, layer = role_and_layer(name)
    return (layer is not None and layer >= a.n_layer) or looks_ahead(name, a.arch)


def demand_tensors(model: str, a: Architecture, found: Shapes) -> None:
    """ValueError unless all tensors of `a` are there, in the right shape.  model: its name, for the words."""
    for tensor in a.tensors():
        if tensor.name not in found:
            raise ValueError(f"{model} has no tensor {tensor.name}, without which a {a.arch} of {a.n_layer} "
                             "layers cannot run")
        if plain_shape(found[tensor.name]) != plain_shape(tensor.shape):
            raise ValueError(f"{tensor.name} of {model} has the shape {found[tensor.name]}; by the file's "
                             f"own numbers it must be {tensor.shape}")


def demand_wiring(model: str, metadata: Mapping[str, object], a: Architecture, shapes: Shapes) -> None:
    """ValueError that says what is missing, or contradicts, in a file that llama.cpp would not load, or would
    run in another way than the one that is counted.

    model: its name, for the words.  shapes: tensor name -> shape, in ggml's order.
    """
    spelled = metadata.get("general.architecture")
    said = llama_cpp_metadata(metadata, shapes)
    ahead = said.get(f"{a.arch}.nextn_predict_layers", 0)
    end = a.n_layer + (ahead if isinstance(ahead, int) else 0)
    found: dict[str, tuple[int, ...]] = {}
    for own, shape in shapes.items():
        behind = (role_and_layer(own)[1] or 0) >= end
        if prod(shape) and not in_encoder(own, spelled) and (behind or not is_unused(own, a)):
            if (name := llama_cpp_name(own, spelled)) in found:
                raise ValueError(f"{model} has two tensors that would both be {shown(name)} (one is "
                                 f"{shown(own)}): llama.cpp does not load it")
            found[name] = shape
    if a.arch not in SEVERAL_SHAPES:
        _demand_one_number(model, said, a.arch)
    if odd := next((name for name in found if _SPLIT_EXPERT.fullmatch(name)), None):
        raise ValueError(f"{model} keeps each expert in a tensor of its own ({odd}), as files of 2023 did; "
                         "llama.cpp does not load them any more: fetch a newer file of this model")
    wanted = {tensor.name: tensor.shape for tensor in a.tensors()}
    if fused := next((name for name in found if name.endswith(_FUSED) and name not in wanted), None):
        raise ValueError(f"{model} has queries, keys and values in one matrix ({fused}), which is planned in "
                         f"another way than the {a.arch} that is counted here")
    demand_tensors(model, a, found)
    if a.arch == "gpt-oss" and a.tied_embeddings:
        raise ValueError(f"{model} has no tensor output.weight, without which a gpt-oss cannot run")
    for name, shape in found.items():
        expected = wanted.get(name) or _optional(name, a, wanted)
        if a.arch not in ONLY.get(name, a.arch).split() or plain_shape(shape) != plain_shape(expected):
            raise ValueError(f"{model} has a tensor {shown(name)} of shape {shape}, which is no part of the "
                             f"{a.arch} that is counted here")


def _demand_one_number(model: str, metadata: Mapping[str, object], arch: str) -> None:
    """ValueError where a number is given for each layer, and they are not the same."""
    for key in (f"{arch}.{key}" for key in KEYS.values()):
        value = metadata.get(key)
        numbers = {int(n) for n in value} if isinstance(value, GGUFArray | list) else set()
        if len(numbers) > 1:
            raise ValueError(f"{key} of {model} is not the same in all layers (from {min(numbers)} to "
                             f"{max(numbers)}), and a {arch} has layers of one shape only")


def _optional(name: str, a: Architecture, wanted: Shapes) -> tuple[int, ...]:
    """The shape that a tensor would have that llama.cpp takes but does not need; () for one it does not
    know.
    """
    stem, _, end = name.rpartition(".")
    role, matrix = stem.rpartition(".")[2], wanted.get(f"{stem}.weight", ())
    if end == "bias" and matrix and len(matrix) == 2:
        return matrix[1:] if role in may_be_biased(a.arch) else ()
    if end in ("scale", "input_scale") and matrix:                      # NVFP4's
        return (a.n_expert,) if role.endswith("_exps") else (1,)
    return ()


def may_be_biased(arch: str) -> tuple[str, ...]:
    """The roles of matrices that may have a bias: queries, keys and values, and in few families others."""
    return () if arch == "deepseek2" else (*QKV, *MORE_BIASES.get(arch, "").split())


QKV = ("attn_q", "attn_k", "attn_v", "attn_qkv")
MORE_BIASES = {"qwen2": "output"} | dict.fromkeys(("llama", "mistral3", "granite", "granitemoe"),
                                                  "attn_output ffn_gate ffn_up ffn_down")


def plain_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without the ones at its end, which ggml does not tell apart."""
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    return shape
