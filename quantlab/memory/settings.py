"""How a model is run: the settings that cost memory, checked, with what llama.cpp makes of them.

    Settings(n_ctx=8192, n_parallel=2).n_ctx_seq        # 4096: each of two conversations gets half

Which llama.cpp option and which Ollama setting each one mirrors stands in OPTIONS.  llama.cpp: llama_context's constructor.
"""

from dataclasses import dataclass, fields

PADDING = 256               # llama.cpp rounds a number of cells up to this
LARGEST_CONTEXT = 2**24     # 16 million tokens: no model comes near, and the arithmetic stays sane
MOST_SEQUENCES = 256        # llama.cpp: LLAMA_MAX_SEQ
LARGEST_BATCH = 2**16
#: Types the cache may have: llama.cpp's name -> ggml type. Ollama offers f16, q8_0 and q4_0.
CACHE_TYPES = {"f32": "F32", "f16": "F16", "bf16": "BF16", "q8_0": "Q8_0", "q5_1": "Q5_1", "q5_0": "Q5_0", "q4_1": "Q4_1",
               "q4_0": "Q4_0", "iq4_nl": "IQ4_NL"}
QUANTIZED = {"q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"}
#: Setting -> (llama-server's option, Ollama's setting).
OPTIONS = {
    "n_ctx": ("--ctx-size", "num_ctx, times OLLAMA_NUM_PARALLEL"),
    "n_ubatch": ("--ubatch-size", "num_batch"),
    "n_parallel": ("--parallel", "OLLAMA_NUM_PARALLEL"),
    "flash_attention": ("--flash-attn", "OLLAMA_FLASH_ATTENTION"),
    "type_k": ("--cache-type-k", "OLLAMA_KV_CACHE_TYPE"),
    "type_v": ("--cache-type-v", "OLLAMA_KV_CACHE_TYPE"),
    "n_outputs": ("(one row for each answer)", "(one row for each answer)"),
    "n_gpu_layers": ("--n-gpu-layers", "num_gpu"),
    "unified": ("--kv-unified", "(never)"),
}


def padded(n: int) -> int:
    """`n` cells, rounded up as llama.cpp does (GGML_PAD 256)."""
    return -(-n // PADDING) * PADDING


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a server is started with.

    n_ctx: tokens of all conversations together.  n_ubatch: tokens computed at a time.  n_parallel: conversations at a time.
    flash_attention: attention in small pieces, without the table of all scores.  type_k, type_v: names of CACHE_TYPES.
    n_outputs: tokens of a step whose next word is computed (1 for an answer; n_ubatch to score a whole text).
    n_gpu_layers: None for all, else blocks from the end, the output layer counted as one.
    unified: one pool of cells for all conversations.  Raises ValueError naming the number and what would be right.
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

    def __post_init__(self):
        _whole("n_ctx", self.n_ctx, 1, LARGEST_CONTEXT, "tokens of context")
        _whole("n_ubatch", self.n_ubatch, 1, LARGEST_BATCH, "tokens computed at a time")
        _whole("n_parallel", self.n_parallel, 1, MOST_SEQUENCES, "conversations at a time")
        _whole("n_outputs", self.n_outputs, 1, LARGEST_BATCH, "tokens whose next word is computed")
        if self.n_gpu_layers is not None:
            _whole("n_gpu_layers", self.n_gpu_layers, 0, 2**16, "layers on the graphics card")
        for name in ("flash_attention", "unified"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name}={getattr(self, name)!r} is neither True nor False")
        for name in ("type_k", "type_v"):
            if getattr(self, name) not in CACHE_TYPES:
                raise ValueError(f"{name}={getattr(self, name)!r} is no type of the KV cache; there are {', '.join(CACHE_TYPES)}")
        if not self.flash_attention and self.type_v in QUANTIZED:
            raise ValueError(f"type_v={self.type_v!r} needs flash attention: llama.cpp refuses a quantized V cache without it")

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
        return {field.name: getattr(self, field.name) for field in fields(self)}


def _whole(name: str, value: object, least: int, most: int, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name}={value!r} cannot be: give a whole number of {what}, from {least} to {most:,}")
