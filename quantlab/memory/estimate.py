"""`estimate_memory`: what llama.cpp would allocate for a model and its settings, part by part, without
running anything.

    estimate_memory("llama3.1:8b", "Q4_K_M", n_ctx=32768).total / 2**30      # 8.4 GiB on the card

Weights, KV cache and compute buffer are those of llama.cpp on a CUDA card, to the byte, also where layers or
experts lie in main memory; an H200 confirmed it, for layers (`benchmarks/results/cuda_h200.json`). What the
driver takes for itself is not llama.cpp's and cannot be planned: it stands apart, as an assumption.  Lesson:
06_will_it_fit.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..models.architecture import Architecture
from ..models.no_model import NoModel
from ..models.resolve import shape_of
from ..models.source import Model, open_model
from ..words import GIB, Tabled
from .alike import shared_alike
from .compute import compute_bytes, split_compute_bytes
from .kv_cache import cache_bytes, check_cache_types, has_flash, host_cache_bytes
from .overrides import in_main_memory, placed_with
from .pulled import pulled_notes
from .settings import Settings
from .weights import Weights, weights_of

ENGINE = "llama.cpp build 11549 (October 2026), CUDA layout"


class Assumption(NamedTuple):
    """Bytes nobody can compute: what is usual, between `low` and `high`, and where that comes from."""

    low: int
    usual: int
    high: int
    why: str


OVERHEAD = Assumption(3 * 2**30 // 10, 2**29, 3 * 2**30 // 4,
                      "what CUDA takes of each card besides: users report 0.3 to 0.75 GiB; an H200 with "
                      "driver 580 took 0.58 to 0.61 with flash attention, and up to 0.73 with cuBLAS")


FEW_HAVE = "few models have a tensor as {}: with layers in main memory the compute buffer is near, not exact"
SEES = "its picture encoder is counted with its weights only, not with the buffers that a picture needs"


@dataclass(frozen=True, repr=False)
class MemoryEstimate(Tabled):
    """Bytes on the card: weights, kv_cache, compute.  host: weights and cache in main memory.

    engine: the program, version and layout that the figures stand for.  exact: False where something is not
    counted (a projector's buffers); notes, in sentences, say what.
    """

    ftype: str
    settings: Settings
    weights: int
    kv_cache: int
    compute: int
    host: int
    exact: bool
    notes: tuple[str, ...]
    engine: str = ENGINE
    overhead: Assumption = OVERHEAD

    @property
    def total(self) -> int:
        """What llama.cpp allocates on the card."""
        return self.weights + self.kv_cache + self.compute

    @property
    def needed(self) -> int:
        """With what the driver usually takes: compare this with the card's memory."""
        return self.total + self.overhead.usual if self.total else 0

    def rows(self) -> list[tuple]:
        driver = self.needed - self.total
        parts = {"weights": self.weights, "KV cache": self.kv_cache, "compute buffer": self.compute,
                 "driver, assumed": driver, "needed on the card": self.needed, "in main memory": self.host}
        return [(f"{self.ftype}, {self.settings.n_ctx:,} tokens", "bytes", "GiB"),
                *((name, f"{nbytes:,}", f"{nbytes / GIB:.2f}") for name, nbytes in parts.items()),
                ("counted as", self.engine, ""), *(("note", note, "") for note in self.notes)]


def estimate_memory(model, ftype: str | None = None, *, n_ctx: int = 4096, n_ubatch: int = 512,
                    n_parallel: int = 1, flash_attention: bool = True, type_k: str = "f16",
                    type_v: str = "f16", n_outputs: int = 1, n_gpu_layers: int | None = None,
                    unified: bool = False, n_cpu_moe: int = 0, override_tensor: str = "",
                    projector: Model | None = None) -> MemoryEstimate:
    """The bytes that llama.cpp allocates.

    model: a name of MODELS ("llama3.1:8b"), an Architecture; or a pulled name, a path or an open model, whose
    own tensors are then counted.  ftype: a file's own; else Q4_K_M, or the only one that is published.
    projector: the open file of a model that also sees; its weights lie on the card (its buffers are not
    counted). A pulled model's own projector is counted without asking. In tokens: n_ctx (all conversations
    together; llama-server --ctx-size, Ollama num_ctx times OLLAMA_NUM_PARALLEL), n_ubatch (--ubatch-size,
    num_batch).  n_parallel: conversations at a time (--parallel, OLLAMA_NUM_PARALLEL).  flash_attention
    (--flash-attn, OLLAMA_FLASH_ATTENTION).  type_k, type_v: of the cache (--cache-type-k, -v;
    OLLAMA_KV_CACHE_TYPE).  n_outputs: tokens of a step whose next word is computed.  n_gpu_layers: None for
    all (--n-gpu-layers, num_gpu).  unified: one pool of cells (--kv-unified).  n_cpu_moe: first layers whose
    experts stay in main memory (--n-cpu-moe; as many as there are layers: --cpu-moe); override_tensor:
    "PATTERN=CPU" (--override-tensor).  Raises ValueError naming what cannot be; an unknown architecture goes
    to the oracle.
    """
    settings = Settings(n_ctx=n_ctx, n_ubatch=n_ubatch, n_parallel=n_parallel,
                        flash_attention=flash_attention, type_k=type_k, type_v=type_v, n_outputs=n_outputs,
                        n_gpu_layers=n_gpu_layers, unified=unified, n_cpu_moe=n_cpu_moe,
                        override_tensor=override_tensor)
    model = shape_of(model)
    found = planned(planned_shape(model), weights_of(model, ftype), settings, ftype or own_ftype(model))
    found = of_this_file(found, model)
    with projector_of(model, projector) as beside:
        return found if beside is None else _with_projector(found, beside)


def of_this_file(found: MemoryEstimate, model: Architecture | Model) -> MemoryEstimate:
    """The estimate, no longer called exact where the file has tensors besides those that the plan counts."""
    if not isinstance(model, Model):
        return found
    n_gpu_layers = found.settings.n_gpu_layers
    split = n_gpu_layers is not None and n_gpu_layers <= model.architecture.n_layer
    note = SEES if model.sees else FEW_HAVE.format(model.unusual) if split and model.unusual else ""
    return replace(found, exact=False, notes=(*found.notes, note)) if note else found


def own_ftype(model: Architecture | Model) -> str:
    """What an ftype means that is not said: a file's own; for a shape Q4_K_M, or the only one published."""
    return model.ftype if isinstance(model, Model) else model.usual_type


def projector_of(model: Architecture | Model,
                 projector: Model | None) -> AbstractContextManager[Model | None]:
    """The projector that was given, or a pulled model's own, open; None where there is none."""
    if projector is None and isinstance(model, Model) and model.projector is not None:
        return open_model(model.projector)
    return nullcontext(projector)


def planned_shape(model: Architecture | Model) -> Architecture:
    """The architecture, checked for what the walk through its layers needs; of a file, also that its tensors
    are those of its graph.  Raises ValueError.
    """
    try:
        shape = model.wired
    except NoModel:
        raise
    except ValueError as error:
        raise ValueError(f"{error}. quantlab.oracles.measure asks llama.cpp itself") from None
    if (shape.n_expert or shape.arch in ("qwen3moe", "gpt-oss")) and not shape.n_expert_used:
        raise ValueError(f"a mixture of experts ({shape.arch}) needs n_expert and n_expert_used; "
                         f"they are {shape.n_expert} and {shape.n_expert_used}")
    if shape.arch == "deepseek2" and not shape.kv_lora_rank:
        raise ValueError(
            "deepseek2 without kv_lora_rank is another model: its attention needs kv_lora_rank, rope_dim "
            "and v_head_dim")
    return shape


def planned(shape: Architecture, weights: Weights, settings: Settings, ftype: str,
            every: bool = True) -> MemoryEstimate:
    """The estimate from parts already known; `recommend` calls it many times.  every: of a split model all
    layers are walked through; False for a search (`split_compute_bytes`).
    """
    check_cache_types(shape, settings)
    kept = in_main_memory(shape, weights, settings)
    placed = placed_with(weights, settings, kept)
    first = shape.n_layer - weights.n_blocks_on_card(settings.n_gpu_layers)
    kv = cache_bytes(shape, settings, first)
    if not kept and (settings.n_gpu_layers is None or settings.n_gpu_layers > shape.n_layer):
        compute = compute_bytes(shape, replace(settings, n_gpu_layers=None), shared_alike(shape, weights))
    else:
        compute, _ = split_compute_bytes(shape, weights, settings, kept, every)
    notes = pulled_notes(shape, ftype)
    if shape.arch == "deepseek2":
        notes += _deepseek_notes(shape, settings)
    return MemoryEstimate(ftype, settings, placed.card, kv, compute,
                          placed.host + host_cache_bytes(shape, settings, first), True, tuple(notes))


def _deepseek_notes(a: Architecture, settings: Settings) -> list[str]:
    """Which make of file is counted, as both go by the same name, and whether flash attention is to be had.
    """
    times = a.n_head * (a.head_dim + a.value_dim) / (a.kv_lora_rank + a.rope_dim)
    said = ["counted as a file made before April 2025 (attn_kv_b), which keeps every head's keys and values: "
            f"{times:.1f} times the KV cache of a newer one" if a.full_kv else
            "counted as a file made since April 2025 (attn_k_b and attn_v_b): an older one (attn_kv_b), as "
            f"the Ollama library holds, needs {times:.1f} times this KV cache"]
    if settings.flash_attention and not has_flash(a):
        said.append(f"no card has flash attention for keys of {a.head_dim} and values of {a.value_dim} "
                    "numbers: llama.cpp leaves it off")
    return said


def _with_projector(found: MemoryEstimate, projector: Model) -> MemoryEstimate:
    note = f"{projector.name} is counted with its weights only, not with the buffers it needs for a picture"
    return replace(found, weights=found.weights + projector.nbytes, exact=False, notes=(*found.notes, note))
