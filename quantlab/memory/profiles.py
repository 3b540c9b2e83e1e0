"""What a program does when nobody tells it anything: the settings of Ollama and of llama-server, ready for `estimate_memory`.

    estimate_memory("qwen3:8b", **memory_profile("ollama", "qwen3:8b", vram_gib=24).as_dict())     # 32,768 tokens of context

Ollama 0.17.4 chooses the context by the memory of all cards (server/routes.go: Serve) and never more than the model was trained for
(llm/server.go: NewLlamaServer). llama-server takes all the model was trained for and four conversations in one pool
(llama.cpp, tools/server/server.cpp); where that does not fit it shrinks the context, which is not in these numbers.
"""

from math import isfinite

from ..models.architecture import Architecture
from ..models.metadata import architecture_name
from ..models.source import Model
from .catalog import model_named
from .settings import PADDING, Settings

#: Ollama: from so many GiB on all cards -> tokens of context for each conversation. 23 and 47, so that a card sold as 24 or 48 counts.
CONTEXT_BY_VRAM = {47: 262144, 23: 32768, 0: 4096}
BATCH = 512                 # Ollama: api.DefaultOptions, NumBatch; llama.cpp: common_params, n_ubatch
SERVER_SLOTS = 4            # llama-server: conversations at a time where --parallel is not given, in one pool of cells
#: Architectures that Ollama 0.17.4 runs with one conversation at a time, whatever OLLAMA_NUM_PARALLEL says (server/sched.go: load).
ONE_AT_A_TIME = {"mllama", "qwen3vl", "qwen3vlmoe", "qwen35", "qwen35moe", "qwen3next", "lfm2", "lfm2moe", "nemotron_h", "nemotron_h_moe"}
PROGRAMS = ("ollama", "llama-server", "llama.cpp")


def memory_profile(program: str, model: Architecture | Model | str | None = None, *, vram_gib: float = 0.0, n_ctx: int | None = None,
                   n_parallel: int | None = None) -> Settings:
    """The settings that `program` would start `model` with.

    program: "ollama" (0.17.4), "llama-server", or "llama.cpp" for its other programs (October 2026).  model: as in `estimate_memory`; its
    trained context limits Ollama's, and is llama.cpp's default.  vram_gib: GiB of all cards together, 0 for none.  n_ctx: tokens, if they
    are set: Ollama's num_ctx (of one conversation) or --ctx-size (of all).  n_parallel: OLLAMA_NUM_PARALLEL or --parallel.
    Flash attention is on, as all three choose where a card can do it; the cache is f16, one row of output for each conversation.
    Raises ValueError for an unknown program and numbers that cannot be.
    """
    if program not in PROGRAMS:
        raise ValueError(f"no profile {program!r}; there are {', '.join(PROGRAMS)}")
    if isinstance(vram_gib, bool) or not isinstance(vram_gib, int | float) or not isfinite(vram_gib) or vram_gib < 0:
        raise ValueError(f"vram_gib={vram_gib!r} is no amount of memory: give GiB of all cards together, 0 for none")
    Settings(n_ctx=PADDING if n_ctx is None else n_ctx, n_parallel=1 if n_parallel is None else n_parallel)      # refuses what cannot be
    arch, trained = _facts(model)
    if program == "ollama":
        return _ollama(arch, trained, vram_gib, n_ctx, n_parallel or 1)
    if not (n_ctx or trained):
        raise ValueError(f"{program} takes the context that the model was trained for: give the model, or n_ctx in tokens")
    alone = program == "llama.cpp" or n_parallel is not None
    return Settings(n_ctx=n_ctx or trained, n_parallel=(n_parallel or 1) if alone else SERVER_SLOTS, n_ubatch=BATCH, unified=not alone)


def ollama_context(vram_gib: float) -> int:
    """Tokens of context that Ollama 0.17.4 gives each conversation where neither num_ctx nor OLLAMA_CONTEXT_LENGTH is set."""
    return next(tokens for least, tokens in CONTEXT_BY_VRAM.items() if vram_gib >= least)


def _ollama(arch: str | None, trained: int, vram_gib: float, n_ctx: int | None, n_parallel: int) -> Settings:
    each = n_ctx or ollama_context(vram_gib)
    each = min(each, trained) if trained else each
    n_parallel = 1 if arch in ONE_AT_A_TIME else n_parallel
    return Settings(n_ctx=each * n_parallel, n_parallel=n_parallel, n_ubatch=min(BATCH, each))


def _facts(model: Architecture | Model | str | None) -> tuple[str | None, int]:
    """(architecture, tokens it was trained for); an open file of any architecture will do."""
    if model is None:
        return None, 0
    if isinstance(model, Model):
        spelled = model.metadata.get("general.architecture")
        trained = model.metadata.get(f"{spelled}.context_length")
        return architecture_name(model.metadata), trained if isinstance(trained, int) else 0
    shape = model_named(model)
    return shape.arch, shape.n_ctx_train
