"""What llama.cpp itself plans to allocate, for any model and setting, without weights, a card or a compiler.

    measure("llama3.1:8b", "Q4_K_M", n_ctx=32768).card       # bytes, as llama.cpp adds them up

A hollow file (`write_hollow`: a true header and no weights) is loaded by the pinned `xllamacpp` in a process
of its own (llama_library.py), with a virtual CUDA card (virtual_card.py). llama.cpp reads the header, adds up
tensors and plans its buffers; asked not to allocate, it never looks at the weights. A crash there becomes a
sentence here. For a file or a pulled model its own header is enough, and every architecture that llama.cpp
knows will do, hybrid and recurrent ones too. Needs the `oracles` extra.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter

from ..memory.overrides import patterns_of
from ..memory.settings import Settings
from ..memory.weights import aligned
from ..models.architecture import Architecture
from ..models.families import NO_GATE, SWA_PATTERN
from ..models.metadata import KEYS
from ..models.mixers import DELTA_NET, SHORT_CONVOLUTION
from ..models.recipes import typed_tensors
from ..models.resolve import shape_of
from ..models.types import tensor_nbytes

ALIGNMENT = 32              # of a tensor in a file
PLENTY = (2**42,)           # bytes of a card on which everything fits
SECONDS = 120, 30           # for an answer: at least, and more for each setting
Keys = dict[str, int | float | list[int]]
ROOT = Path(__file__).resolve().parents[2]      # from here the child finds the same quantlab


class OracleError(RuntimeError):
    """The oracle could not answer; the message says why, in llama.cpp's words where it had any."""


class Planned(NamedTuple):
    """Bytes on the cards together (weights, kv_cache, compute), bytes in main memory, and everything by
    buffer type.
    """

    weights: int
    kv_cache: int
    compute: int
    host: int
    buffers: dict[str, dict[str, int]]

    @property
    def card(self) -> int:
        return self.weights + self.kv_cache + self.compute


def measure(model, ftype: str | None = None, *, vram: Iterable[int] = PLENTY, **settings) -> Planned:
    """One setting (model and arguments as in `estimate_memory`); vram: bytes of each card.  Raises
    OracleError.
    """
    return measure_all(model, ftype, [Settings(**settings)], vram=vram)[0]


def measure_all(model, ftype: str | None, settings: list[Settings], *,
                vram: Iterable[int] = PLENTY) -> list[Planned]:
    """Many settings of one model, which is loaded once for each number of layers on the card, in one process.

    model: as in `estimate_memory`; a file must be at hand.  Raises OracleError, ValueError for a file at
    another ftype than its own.
    """
    found: dict[int, Planned] = {}
    places: dict[tuple, list[int]] = {}
    for i, one in enumerate(settings):
        places.setdefault((one.n_gpu_layers, patterns_of(one)), []).append(i)
    with tempfile.TemporaryDirectory(prefix="quantlab-") as folder:
        path = _path_of(model, ftype, Path(folder))
        answers = _ask({"path": str(path.resolve()), "vram": list(vram), "places": [
            {"n_gpu_layers": n, "kept": kept, "settings": [settings[i].as_dict() for i in mine]}
            for (n, kept), mine in places.items()]})
    for mine, answer in zip(places.values(), answers, strict=True):
        found |= dict(zip(mine, map(_measured, answer), strict=True))
    return [found[i] for i in range(len(settings))]


def fitted(model, ftype: str | None, settings: list[Settings], *, vram: int, margin: int) -> list[Settings]:
    """What llama.cpp's own `--fit` makes of settings on a card of `vram` bytes, all of them free, of which
    `margin` shall stay so.  model: as in `measure_all`.  Raises OracleError.
    """
    with tempfile.TemporaryDirectory(prefix="quantlab-") as folder:
        path = _path_of(model, ftype, Path(folder))
        answer = _ask({"path": str(path.resolve()), "vram": [vram], "margin": margin,
                       "settings": [one.as_dict() for one in settings]}, "fitted")
    return [replace(one, n_gpu_layers=None if found["n_gpu_layers"] < 0 else found["n_gpu_layers"],
                    override_tensor=",".join(f"{pattern}=CPU" for pattern in found["kept"]))
            for one, found in zip(settings, answer, strict=True)]


def _path_of(model, ftype: str | None, folder: Path) -> Path:
    shape = shape_of(model)
    if isinstance(shape, Architecture):
        types = {tensor.name: qtype for tensor, qtype in typed_tensors(shape, ftype)}
        shape = replace(shape, tied_embeddings="output.weight" not in types)
        return write_hollow(folder / "hollow.gguf", shape, types)
    if shape.file is None:
        raise OracleError(f"the header of {shape.name} is not at hand: {shape.why}")
    if ftype not in (None, shape.ftype):
        raise ValueError(f"{shape.name} is {shape.ftype}; the oracle reads files as they are, so leave "
                         f"ftype={ftype!r} out")
    return shape.file.paths[0]


def _ask(question: dict, wanted: str = "measured") -> list[dict]:
    command = [sys.executable, "-m", f"{__package__}.llama_library"]
    asked = sum(len(one["settings"]) for one in question.get("places", [question]))
    seconds = SECONDS[0] + SECONDS[1] * asked
    try:
        done = subprocess.run(command, input=json.dumps(question), capture_output=True, text=True,
                              errors="replace", timeout=seconds, cwd=ROOT,
                              env=os.environ | {"GGML_NO_BACKTRACE": "1"})
    except subprocess.TimeoutExpired:
        raise OracleError(f"llama.cpp gave no answer in {seconds} seconds") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        last = (lines[0] if done.returncode < 0 else lines[-1]) if lines else ""
        words = next((line for line in lines if "ASSERT" in line), last)
        said = words.rpartition("/")[2]
        raise OracleError(f"llama.cpp stopped with code {done.returncode} over this question. {said}".strip())
    answer = json.loads(done.stdout)
    if "refused" in answer:
        raise OracleError(answer["refused"])
    return answer[wanted]


def _measured(buffers: dict) -> Planned:
    if "refused" in buffers:
        raise OracleError(buffers["refused"])
    cards = [sizes for name, sizes in buffers.items() if name.startswith("CUDA") and name != "CUDA_Host"]
    weights, kv_cache, compute = (sum(card[part] for card in cards)
                                  for part in ("weights", "kv_cache", "compute"))
    everything = sum(sum(sizes.values()) for sizes in buffers.values())
    return Planned(weights, kv_cache, compute, everything - weights - kv_cache - compute, buffers)


def write_hollow(path, architecture: Architecture, types: Mapping[str, str]) -> Path:
    """Write a GGUF file with the true header of `architecture` and no weights: it has its full length, but
    the system stores only the header (a 70B model takes 50 kB of disk).  types: tensor name -> type, as
    `recipe` gives it.  Returns the path.
    """
    writer = GGUFWriter(path, architecture.arch)
    for key, value in keys_of(architecture).items():
        if isinstance(value, list):
            writer.add_array(key, value)
        elif isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        else:
            writer.add_uint32(key, value)
    writer.add_tokenizer_model("no_vocab")           # the number of words is known; the words are not needed
    total = 0
    for tensor in architecture.tensors():
        nbytes = tensor_nbytes(tensor.shape, types[tensor.name])
        shape = tensor.shape[::-1]                   # gguf's writer wants NumPy's order
        writer.add_tensor_info(tensor.name, shape, np.dtype(np.float16), nbytes,
                               raw_dtype=GGMLQuantizationType[types[tensor.name]])
        total += aligned(nbytes, ALIGNMENT)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    os.truncate(path, aligned(os.path.getsize(path), ALIGNMENT) + total)
    return Path(path)


def keys_of(a: Architecture) -> Keys:
    """GGUF's keys of an architecture, the numbers that no size depends on set to something ordinary."""
    found: Keys = {key: getattr(a, field) for field, key in KEYS.items() if getattr(a, field)}
    found |= {"attention.value_length": a.value_dim, "attention.layer_norm_rms_epsilon": 1e-5,
              "rope.freq_base": 1e4}
    found.setdefault("context_length", 4096)
    found.setdefault("rope.dimension_count", a.head_dim)
    if a.arch == "deepseek2":
        found |= {"expert_weights_scale": 2.5 if a.expert_scaled else 1.0,
                  "expert_gating_func": 2 if a.router_bias else 1,
                  "expert_weights_norm": a.expert_norm}
        found.setdefault("leading_dense_block_count", 0)
    if a.arch.startswith("granite"):
        found |= {"logit_scale": 8.0, "residual_scale": 0.22, "embedding_scale": 12.0}
    if a.arch == "glm4moe":
        found |= {"expert_weights_norm": a.expert_norm, "expert_gating_func": 2,
                  "expert_weights_scale": 2.5 if a.expert_scaled else 1.0}
    found |= _keys_of_layers(a)
    # as its converter writes it since April 2025: one key and value head, the true widths apart
    if a.is_latent:
        found |= {"attention.head_count_kv": 1, "attention.key_length": a.kv_lora_rank + a.rope_dim,
                  "attention.value_length": a.kv_lora_rank, "attention.key_length_mla": a.head_dim,
                  "attention.value_length_mla": a.v_head_dim}
    if a.n_expert:
        found["expert_feed_forward_length"] = a.n_ff_exp or a.n_ff
    if a.arch == "gemma2":
        found |= {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}
    if a.swa_pattern is not None and a.arch in SWA_PATTERN:
        found["attention.sliding_window_pattern"] = a.swa_pattern
    return {f"{a.arch}.{key}": value for key, value in found.items()}


def _keys_of_layers(a: Architecture) -> Keys:
    """What says which layers are of which kind (models/metadata_layers.py reads it), and what newer families
    want besides.
    """
    found: Keys = {}
    if a.arch in SHORT_CONVOLUTION:
        found["shortconv.l_cache"] = a.ssm_d_conv
        found |= {"expert_gating_func": 2} if a.n_expert else {}
    if a.arch in DELTA_NET:
        found |= {"full_attention_interval": len(a.pattern)}
        found |= {"rope.dimension_sections": [11, 11, 10, 0]} if a.arch != "qwen3next" else {}
    if a.arch in NO_GATE:
        found |= {"attention.layer_norm_epsilon": 1e-5}
        scale = 2.5 if a.expert_scaled else 1.0
        found |= {"expert_weights_norm": a.expert_norm, "expert_weights_scale": scale} if a.n_expert else {}
        found["feed_forward_length"] = [a.n_ff * a.has_ffn(layer) for layer in range(a.n_layer)]
    if a.no_rope:
        found["rope.scaling.finetuned"] = False
    if a.pattern and a.arch not in DELTA_NET:
        found["attention.head_count_kv"] = [a.n_head_kv * a.has_cache(layer) for layer in range(a.n_layer)]
    if a.arch == "gemma4":
        found |= {"embedding_length_per_layer_input": a.n_embd_per_layer, "final_logit_softcapping": 30.0,
                  "attention.value_length_swa": a.head_dim_swa,
                  "attention.sliding_window_pattern": [a.is_sliding(i) for i in range(a.n_layer)],
                  "feed_forward_length": [a.n_ff if a.has_cache(i) or not a.n_ff_shared else a.n_ff_shared
                                          for i in range(a.n_layer)],
                  "attention.head_count_kv": [a.heads_of(i)[0] for i in range(a.n_layer)]}
    if a.query_scale:
        found |= {"attention.temperature_scale": 0.1, "rope.scaling.original_context_length": 16384}
    return found
