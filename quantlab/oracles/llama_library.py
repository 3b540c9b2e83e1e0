"""llama.cpp inside `xllamacpp`, as far as the oracle needs it: load a model without its weights, plan a
context, read the plan. As a program it reads one question as JSON and answers in JSON; it may crash without
taking anybody along.

    echo '{"path": "model.gguf", "vram": [8589934592],
           "places": [{"n_gpu_layers": null, "kept": [], "settings": [{...}]}]}' |
        python -m quantlab.oracles.llama_library

One pinned version, whose structures are written out below (llama.h). Before anything is asked, the defaults
that the library itself fills in are compared with the ones that this version is known to have: a field more
or less would move them all.
"""

import json
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path

from .virtual_card import LayoutError, VirtualGPUs, ffi, open_library

PINNED = "2026.10.11549"
TYPE_NUMBERS = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "iq4_nl": 20,
                "bf16": 30}
ALL_LAYERS = 2**16
#: common_fit_params of common/fit.h, as the compiler spells it.
FIT_PARAMS = ("_Z17common_fit_paramsPKcP18llama_model_paramsP20llama_context_paramsPf"
              "P32llama_model_tensor_buft_overridePmjPK22common_fit_extra_model14ggml_log_level")
ERRORS_ONLY = 4     # ggml.h: GGML_LOG_LEVEL_ERROR
ffi.cdef("""
typedef struct { const char *pattern; void *kind; } tensor_override;
typedef struct { void *devices; void *overrides; int32_t n_gpu_layers; int split_mode; int load_mode;
  int lazy_mode; int32_t main_gpu;
  const float *tensor_split; void *progress; void *progress_data; void *kv_overrides;
  bool vocab_only, check_tensors, use_extra_bufts, no_host, no_alloc, load_mtp; } llama_model_params;
typedef struct { uint32_t n_ctx, n_batch, n_ubatch, n_seq_max, n_rs_seq, n_outputs_max, n_outputs_max_per_seq;
  int32_t n_threads, n_threads_batch;
  int ctx_type, rope_scaling_type, pooling_type, attention_type, flash_attn_type;
  float rope_freq_base, rope_freq_scale, yarn_ext_factor, yarn_attn_factor, yarn_beta_fast, yarn_beta_slow;
  uint32_t yarn_orig_ctx; float defrag_thold; void *cb_eval; void *cb_eval_data; int type_k, type_v;
  size_t moe_cache_size;
  void *abort; void *abort_data; bool embeddings, offload_kqv, no_perf, op_offload, swa_full, kv_unified;
  void *samplers; size_t n_samplers; void *ctx_other; } llama_context_params;
void llama_backend_init(void); void llama_log_set(void (*)(int, const char *, void *), void *);
llama_model_params llama_model_default_params(void); llama_context_params llama_context_default_params(void);
void *llama_model_load_from_file(const char *, llama_model_params); void llama_model_free(void *);
void *llama_init_from_model(void *, llama_context_params); void llama_free(void *);
const char *ggml_backend_buft_name(void *);
void _Z16common_fit_printPKcP18llama_model_paramsP20llama_context_params(const char *, llama_model_params *,
  llama_context_params *);
size_t llama_max_devices(void); size_t llama_max_tensor_buft_overrides(void);
void _Z26llama_get_memory_breakdownPK13llama_context(void *result, void *context);
""")
ffi.cdef(f"""int {FIT_PARAMS}(const char *, llama_model_params *, llama_context_params *, float *,
  tensor_override *, size_t *, uint32_t, void *, int);""")
#: What the pinned version fills in.
DEFAULTS = {"n_ctx": 512, "n_batch": 2048, "n_ubatch": 512, "n_seq_max": 1, "n_threads": 4,
            "flash_attn_type": -1, "rope_scaling_type": -1, "pooling_type": -1, "attention_type": -1,
            "yarn_ext_factor": -1.0, "defrag_thold": -1.0, "type_k": 1, "type_v": 1, "offload_kqv": True,
            "no_perf": True, "op_offload": True, "swa_full": True, "kv_unified": False, "n_samplers": 0}
MODEL_DEFAULTS = {"n_gpu_layers": -1, "split_mode": 1, "use_extra_bufts": True, "no_alloc": False,
                  "vocab_only": False}


class Refused(RuntimeError):
    """llama.cpp would not load the model or make the context; the words are its own."""


class Library:
    """The pinned llama.cpp with virtual cards of `vram` bytes each; or, at `path`, a build of the same
    version with the cards it finds.  Raises LayoutError for any other version.
    """

    def __init__(self, vram: list[int], path: Path | None = None):
        self._lib = open_library(str(path or _library_path()))
        self._said: list[str] = []
        self._listen = ffi.callback("void(int, const char *, void *)", self._hear)
        self._lib.llama_log_set(self._listen, ffi.NULL)
        self._lib.llama_backend_init()
        self._check_defaults()
        self._gpus = VirtualGPUs(self._lib, vram) if vram else None

    def load(self, path: str, n_gpu_layers: int | None, kept: tuple[str, ...] = (), no_alloc: bool = True):
        """The model of a file, none of its weights read unless memory is allocated for them.  kept: patterns
        of tensors that stay in main memory.  Raises Refused with llama.cpp's words.
        """
        params = self._lib.llama_model_default_params()
        params.n_gpu_layers = ALL_LAYERS if n_gpu_layers is None else n_gpu_layers
        params.no_alloc, params.load_mode = no_alloc, 0
        words = [ffi.new("char[]", pattern.encode()) for pattern in kept]
        main_memory = self._lib.ggml_backend_cpu_buffer_type()
        ends = [*((pattern, main_memory) for pattern in words), (ffi.NULL, ffi.NULL)]
        overrides = ffi.new("tensor_override[]", ends)
        params.overrides = ffi.cast("void *", overrides) if kept else ffi.NULL
        self._said.clear()
        model = self._lib.llama_model_load_from_file(path.encode(), params)
        if model == ffi.NULL:
            raise Refused(self._last_words())
        return model

    def free(self, model) -> None:
        self._lib.llama_model_free(model)

    def measure(self, model, settings: dict) -> dict[str, dict[str, int]]:
        """Buffer type ("CUDA0", "CUDA_Host", ...) -> bytes of weights, KV cache and compute buffer.  Raises
        Refused.
        """
        context = self.make_context(model, settings)
        found = self.breakdown(context)
        self._lib.llama_free(context)
        if self._gpus and self._gpus.faults:
            raise self._gpus.faults[0]
        return found

    def make_context(self, model, settings: dict):
        """A context of the model, to be freed with llama_free.  Raises Refused."""
        params = self.context_params(settings)
        self._said.clear()
        context = self._lib.llama_init_from_model(model, params)
        if context == ffi.NULL:
            raise Refused(self._last_words())
        return context

    def fit(self, path: str, margin: int, settings: dict) -> dict:
        """{"n_gpu_layers": ..., "kept": [patterns]} that `--fit` chooses for a file on one card, of which
        `margin` bytes stay free; n_gpu_layers is -1 where it changes nothing.  Raises Refused.
        """
        params = ffi.new("llama_model_params *", self._lib.llama_model_default_params())
        context = ffi.new("llama_context_params *", self.context_params(settings))
        split = ffi.new("float[]", self._lib.llama_max_devices())
        kept = ffi.new("tensor_override[]", self._lib.llama_max_tensor_buft_overrides())
        margins = ffi.new("size_t[]", [margin] * self._lib.llama_max_devices())
        self._said.clear()
        status = getattr(self._lib, FIT_PARAMS)(path.encode(), params, context, split, kept, margins, 4096,
                                                ffi.NULL, ERRORS_ONLY)
        if status:
            raise Refused(self._last_words())
        patterns: list[str] = []
        while kept[len(patterns)].pattern:
            patterns.append(ffi.string(kept[len(patterns)].pattern).decode())
        return {"n_gpu_layers": params.n_gpu_layers, "kept": patterns}

    def context_params(self, settings: dict):
        """The settings as llama.cpp takes them."""
        params = self._lib.llama_context_default_params()
        params.n_ctx, params.n_ubatch, params.n_seq_max = settings["n_ctx"], settings["n_ubatch"], settings[
            "n_parallel"]
        params.n_batch = max(2048, settings["n_ubatch"])
        params.type_k, params.type_v = TYPE_NUMBERS[settings["type_k"]], TYPE_NUMBERS[settings["type_v"]]
        # left to llama.cpp, as by default: on, unless a card cannot do it
        params.flash_attn_type, params.kv_unified = -int(settings["flash_attention"]), settings["unified"]
        # 0, the default: as many as there are tokens
        if settings["n_outputs"] < settings["n_ubatch"]:
            params.n_outputs_max = max(settings["n_outputs"], settings["n_parallel"])
            params.n_outputs_max_per_seq = -(-params.n_outputs_max // settings["n_parallel"])
        params.swa_full = False
        return params

    def print_fit(self, path: str, settings: dict) -> None:
        """What `llama-fit-params --fit-print on` prints: for each device its name and whole MiB of weights,
        cache and compute buffer (llama.cpp, common/fit.cpp).
        """
        model, context = (ffi.new(f"llama_{kind}_params *") for kind in ("model", "context"))
        model[0], context[0] = self._lib.llama_model_default_params(), self.context_params(settings)
        self._lib._Z16common_fit_printPKcP18llama_model_paramsP20llama_context_params(
            path.encode(), model, context)

    def breakdown(self, context) -> dict[str, dict[str, int]]:
        """Bytes by buffer type, as `measure` gives them. Walks the std::map that llama_get_memory_breakdown
        fills in: a tree of nodes, left and right child at bytes 16 and 24.
        """
        tree, found = ffi.new("uint64_t[6]"), {}
        self._lib._Z26llama_get_memory_breakdownPK13llama_context(tree, context)
        waiting = [tree[2]]
        while waiting:
            address = waiting.pop()
            if not address:
                continue
            node = ffi.cast("uint64_t *", address)
            name = ffi.string(self._lib.ggml_backend_buft_name(ffi.cast("void *", node[4]))).decode()
            found[name] = {"weights": node[5], "kv_cache": node[6], "compute": node[7]}
            waiting += [node[2], node[3]]
        if len(found) != tree[5]:
            raise LayoutError(
                f"the memory breakdown has {tree[5]} entries and {len(found)} were found: its layout is "
                "another")
        return found

    def _check_defaults(self) -> None:
        for params, expected in ((self._lib.llama_context_default_params(), DEFAULTS),
                                 (self._lib.llama_model_default_params(), MODEL_DEFAULTS)):
            found = {name: getattr(params, name) for name in expected}
            wrong = [f"{name}={found[name]} instead of {value}" for name, value in expected.items()
                     if found[name] != value]
            if wrong:
                raise LayoutError(
                    f"this llama.cpp fills in {', '.join(wrong)}: its structures are not those of xllamacpp "
                    f"{PINNED}")

    def _hear(self, _level, text, _data) -> None:
        self._said.append(ffi.string(text).decode("utf-8", "replace"))

    def _last_words(self) -> str:
        return " ".join("".join(self._said[-6:]).split()) or "it gave no reason"


def _library_path() -> Path:
    try:
        found = version("xllamacpp")
    except PackageNotFoundError:
        raise LayoutError(f"xllamacpp {PINNED} is not installed: pip install 'quantlab[oracles]'") from None
    if found != PINNED:
        raise LayoutError(f"xllamacpp {found} is installed; the structures known here are those of {PINNED}")
    return Path(str(files("xllamacpp"))) / "xllamacpp.abi3.so"


def answer(question: dict) -> dict:
    """{"measured": [for each place one list, and in it for each setting a breakdown or {"refused": words}]},
    {"fitted": [...]} where it has a "margin", or {"refused": words} for the whole question.
    """
    measured: list[list[dict]] = []
    try:
        library = Library(question["vram"])
        if "margin" in question:
            return {"fitted": [library.fit(question["path"], question["margin"], settings)
                               for settings in question["settings"]]}
        for place in question["places"]:
            model = library.load(question["path"], place["n_gpu_layers"], tuple(place["kept"]))
            measured.append([_measured(library, model, settings) for settings in place["settings"]])
            library.free(model)
    except (LayoutError, Refused) as error:
        return {"refused": str(error)}
    return {"measured": measured}


def _measured(library: Library, model, settings: dict) -> dict:
    try:
        return library.measure(model, settings)
    except Refused as error:
        return {"refused": str(error)}


if __name__ == "__main__":
    json.dump(answer(json.load(sys.stdin)), sys.stdout)
