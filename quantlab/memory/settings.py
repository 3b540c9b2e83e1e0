"""How a model is run: the settings that cost memory (`Settings`), checked, with what llama.cpp makes of them;
and what Ollama, llama-server and LM Studio take when nobody tells them anything (`memory_profile`).

    Settings(n_ctx=8192, n_parallel=2).n_ctx_seq        # 4096: each of two conversations gets half
    memory_profile("ollama", "qwen3:8b", vram_gib=24).n_ctx                # 32,768

Which llama.cpp option and which Ollama setting each one mirrors says `estimate_memory`.  llama.cpp:
llama_context's constructor.  Ollama 0.34.2 chooses the context by the memory of all cards (server/routes.go:
Serve) and never more than the model was trained for, and by the context how many tokens are computed at a
time (server/sched.go: automaticGenerationBatch). llama-server takes all the model was trained for and four
conversations in one pool (llama.cpp, tools/server/server.cpp); where that does not fit it shrinks the
context, which is not in these numbers.

LM Studio 0.4 is closed, so its figures are those of its documentation (github:lmstudio-ai/docs, commit
c6854fb of April 2026): four conversations (0_app/5_advanced/parallel-requests.md), and a loaded model of
4,096 tokens, 512 at a time, with flash attention and the cache on the card (1_developer/2_rest/list.md).
"""

from dataclasses import asdict, dataclass

from ..models.architecture import Architecture
from ..models.cache_types import CACHE_TYPES, FEW_BITS
from ..models.ollama_blobs import architecture_name
from ..models.resolve import shape_of
from ..models.source import Model
from ..words import GIB, nearest, whole

PADDING = 256               # llama.cpp rounds a number of cells up to this
LARGEST_CONTEXT = 2**24     # 16 million tokens: no model comes near, and the arithmetic stays sane
MOST_SEQUENCES = 256        # llama.cpp: LLAMA_MAX_SEQ
LARGEST_BATCH = 2**16


def padded(n: int) -> int:
    """`n` cells, rounded up as llama.cpp does (GGML_PAD 256)."""
    return -(-n // PADDING) * PADDING


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a server is started with.

    n_ctx: tokens of all conversations together.  n_ubatch: tokens computed at a time.  n_parallel:
    conversations at a time.  flash_attention: attention in small pieces, without the table of all
    scores.  type_k, type_v: names of CACHE_TYPES. n_outputs: tokens of a step whose next word is computed (1
    for an answer; n_ubatch to score a whole text). n_gpu_layers: None for all, else blocks from the end, the
    output layer counted as one. unified: one pool of cells for all conversations.  n_cpu_moe: first layers
    whose experts stay in main memory; override_tensor: "PATTERN=CPU", several with commas between.  Raises
    ValueError naming the number and what would be right.
    """

    n_ctx: int = 4096
    n_ubatch: int = 512
    n_parallel: int = 1
    flash_attention: bool = True
    type_k: str = "f16"
    type_v: str = "f16"
    n_outputs: int = 1
    n_gpu_layers: int | None = None
    unified: bool = False
    n_cpu_moe: int = 0
    override_tensor: str = ""

    def __post_init__(self):
        whole("n_ctx", self.n_ctx, 1, LARGEST_CONTEXT, "tokens of context")
        whole("n_ubatch", self.n_ubatch, 1, LARGEST_BATCH, "tokens computed at a time")
        whole("n_parallel", self.n_parallel, 1, MOST_SEQUENCES, "conversations at a time")
        whole("n_outputs", self.n_outputs, 1, LARGEST_BATCH, "tokens whose next word is computed")
        if self.n_gpu_layers is not None:
            whole("n_gpu_layers", self.n_gpu_layers, 0, 2**16, "layers on the graphics card")
        whole("n_cpu_moe", self.n_cpu_moe, 0, 2**16, "layers whose experts stay in main memory")
        if not isinstance(self.override_tensor, str):
            raise ValueError(f"override_tensor={self.override_tensor!r} is no text such as 'PATTERN=CPU'")
        for name in ("flash_attention", "unified"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name}={getattr(self, name)!r} is neither True nor False")
        for name in ("type_k", "type_v"):
            if getattr(self, name) not in CACHE_TYPES:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is no type of the KV cache; there are "
                    f"{', '.join(CACHE_TYPES)}")
        if self.flash_attention and "iq4_nl" in (self.type_k, self.type_v):
            raise ValueError("no CUDA card has flash attention for a cache of type 'iq4_nl': llama.cpp would "
                             "compute attention on the processor; use q4_0")
        if not self.flash_attention and self.type_v in FEW_BITS:
            raise ValueError(
                f"type_v={self.type_v!r} needs flash attention: llama.cpp loads no model with values in few "
                "bits without it; use f16, or leave flash attention on (keys alone may be in few bits)")

    @property
    def n_ctx_seq(self) -> int:
        """Tokens that one conversation may have."""
        return padded(self.n_ctx) if self.unified else padded(max(padded(self.n_ctx) // self.n_parallel, 1))

    @property
    def n_streams(self) -> int:
        """Separate parts of the cache: one a conversation, or one for all."""
        return 1 if self.unified else self.n_parallel

    @property
    def n_tokens(self) -> int:
        """Tokens that are computed at a time: never more than the context has."""
        return min(self.n_ubatch, padded(self.n_ctx))

    @property
    def n_rows(self) -> int:
        """Rows of the output layer: one a conversation at least, and no more than there are tokens."""
        return min(max(self.n_outputs, self.n_parallel), self.n_tokens)

    def as_dict(self) -> dict:
        """Name -> value, for a process that cannot take the object."""
        return asdict(self)


def is_amount(value: object, least: float, most: float) -> bool:
    """Whether `value` is a number from `least` to `most`; NaN and truth values are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


#: Ollama: from so many GiB on all cards -> tokens of context for each conversation. 23 and 47, so that a card
#: sold as 24 or 48 counts.
CONTEXT_BY_VRAM = {47: 262144, 23: 32768, 0: 4096}
BATCH = 512                 # llama.cpp: common_params, n_ubatch; and Ollama's smallest
#: Ollama: from more than so many tokens of context, of all conversations together -> tokens computed at a
#: time, the percentage of the memory that may be predicted to be full then, and the bytes set aside for them.
BATCHES = ((32768, 2048, 60, 2 * GIB), (4096, 1024, 75, 768 * 2**20))
MOST_FULL = 80              # percent, predicted and set aside together
# llama-server, LM Studio 0.4: conversations at a time where nobody says, in one pool of cells
SERVER_SLOTS = 4
LM_STUDIO_CONTEXT = 4096    # tokens of that pool, or what the model was trained for
#: Architectures that Ollama 0.34.2 runs with one conversation at a time, whatever OLLAMA_NUM_PARALLEL says
#: (server/sched.go: load).
ONE_AT_A_TIME = {"mllama", "qwen3vl", "qwen3vlmoe", "qwen35", "qwen35moe", "qwen3next", "lfm2", "lfm2moe",
                 "nemotron_h", "nemotron_h_moe", "nemotron_h_omni"}
PROGRAMS = ("ollama", "llama-server", "llama.cpp", "lm-studio")


def memory_profile(program: str, model=None, *, vram_gib: float = 0.0,
                   n_ctx: int | None = None, n_parallel: int | None = None) -> Settings:
    """The settings that `program` would start `model` with.

    program: "ollama" (0.34.2), "llama-server", "llama.cpp" for its other programs (October 2026), or
    "lm-studio" (0.4, as its documentation of April 2026 says; that its conversations share one pool is
    assumed, as in llama-server).  model: as in `estimate_memory`; its trained context limits Ollama's and LM
    Studio's, and is llama.cpp's default.  vram_gib: GiB of all cards together, 0 for none.  n_ctx: tokens, if
    they are set: Ollama's num_ctx (of one conversation), --ctx-size or LM Studio's Context Length (of all).
    n_parallel: OLLAMA_NUM_PARALLEL, --parallel or Max Concurrent Predictions. Flash attention is on, as all
    choose where a card can do it; the cache is f16, one row of output for each conversation.
    Raises ValueError for an unknown program and numbers that cannot be.
    """
    if program not in PROGRAMS:
        raise ValueError(f"no profile {program!r}: what it takes unasked is not known here; there are "
                         f"{', '.join(PROGRAMS)}{nearest(program, PROGRAMS)}")
    if not is_amount(vram_gib, 0, 1e6):
        raise ValueError(
            f"vram_gib={vram_gib!r} is no amount of memory: give GiB of all cards together, 0 for none")
    # refuses what cannot be
    Settings(n_ctx=PADDING if n_ctx is None else n_ctx, n_parallel=1 if n_parallel is None else n_parallel)
    arch, trained = _facts(model)
    if program == "ollama":
        return _ollama(arch, trained, vram_gib, n_ctx, n_parallel or 1)
    if program == "lm-studio":
        n_ctx = min(n_ctx or LM_STUDIO_CONTEXT, trained or LARGEST_CONTEXT)
        return Settings(n_ctx=n_ctx, n_parallel=n_parallel or SERVER_SLOTS, n_ubatch=BATCH, unified=True)
    if not (n_ctx or trained):
        raise ValueError(
            f"{program} takes the context that the model was trained for: give the model, or n_ctx in tokens")
    alone = program == "llama.cpp" or n_parallel is not None
    return Settings(n_ctx=n_ctx or trained, n_parallel=(n_parallel or 1) if alone else SERVER_SLOTS,
                    n_ubatch=BATCH, unified=not alone)


def ollama_context(vram_gib: float) -> int:
    """Tokens of context that Ollama 0.34.2 gives each conversation where neither num_ctx nor
    OLLAMA_CONTEXT_LENGTH is set.
    """
    return next(tokens for least, tokens in CONTEXT_BY_VRAM.items() if vram_gib >= least)


def ollama_batch(n_ctx: int, predicted: int = 0, available: int = 0, *, flash_attention: bool = True,
                 cuda_card: int = 0) -> int:
    """Tokens that Ollama 0.34.2 computes at a time where nobody sets num_batch; the compute buffer's size.

    n_ctx: tokens of all conversations together.  predicted, available: bytes that it thinks the model takes,
    and that are free; 0 for unknown, and then the context alone decides.  cuda_card: free bytes of the
    smallest CUDA card, 0 for none: without flash attention such a card gets few.
    """
    if not flash_attention and cuda_card:
        return BATCH // 2 if n_ctx > 4096 and cuda_card <= 8 * GIB else BATCH
    for above, batch, percent, aside in BATCHES:
        room = available * MOST_FULL // 100 - predicted
        fits = predicted <= available * percent // 100 and aside <= room
        if n_ctx > above and (fits or not predicted or not available):
            return batch
    return BATCH


def ollama_predicts(a: Architecture, nbytes: int, n_ctx: int) -> int:
    """Bytes that Ollama 0.34.2 thinks a model takes before it is loaded (llm/llama_server.go:
    PredictServerVRAM): the file, and a cache in 16 bits as if every layer kept the whole context with the
    fewest heads that one has.  nbytes: of the file; n_ctx: tokens of all conversations together.
    """
    heads = [a.heads_of(layer)[0] if a.has_attention(layer) else 0 for layer in range(a.n_layer)]
    return nbytes + 2 * 2 * a.n_layer * (min(heads) or 1) * (a.n_embd // a.n_head) * n_ctx


def _ollama(arch: str | None, trained: int, vram_gib: float, n_ctx: int | None, n_parallel: int) -> Settings:
    each = n_ctx or ollama_context(vram_gib)
    each = min(each, trained or each)
    n_parallel = 1 if arch in ONE_AT_A_TIME else n_parallel
    return Settings(n_ctx=each * n_parallel, n_parallel=n_parallel,
                    n_ubatch=min(ollama_batch(each * n_parallel), each))


def _facts(model) -> tuple[str | None, int]:
    """(architecture, tokens it was trained for); an open file of any architecture will do."""
    if model is None:
        return None, 0
    shape = shape_of(model)
    if not isinstance(shape, Model):
        return shape.arch, shape.n_ctx_train
    spelled = shape.metadata.get("general.architecture")
    trained = shape.metadata.get(f"{spelled}.context_length")
    return architecture_name(shape.metadata), trained if isinstance(trained, int) else 0
