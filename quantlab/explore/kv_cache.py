"""What the KV cache of real models takes, and what it would take without the trick that each of them uses."""

from ..memory.catalog import model_named
from ..memory.kv_cache import kv_cache_bytes, layers_by_sight
from ..models.architecture import Architecture
from ..views.bars import Bar, Part, Row, draw_bars
from ..views.style import MEANING
from .base import Explorer, show
from .cards import GIB

MODELS_SHOWN = ("llama2:7b", "llama3.1:8b", "gemma3:4b", "deepseek-v2:16b")


def plot_kv_cache(models: tuple[str, ...] = MODELS_SHOWN, n_ctx: int = 32768) -> Explorer:
    """A bar for each model (names of MODELS), f16; hollow: as if every layer and every head kept everything.

    Raises ValueError for an unknown model, with the nearest names, and for a context that cannot be.
    """
    rows, table = [], [("model", "its trick", "GiB", "without it, GiB", "bytes a token")]
    for name in models:
        shape = model_named(name)
        real, plain = kv_cache_bytes(shape, n_ctx) / GIB, plain_bytes(shape, n_ctx) / GIB
        words = f"{real:.2f} GiB: {trick(shape)}"
        bars = [Bar([Part("KV cache", real, MEANING["kv_cache"])], words)]
        if plain > real * 1.01:
            bars.append(Bar([Part("without it", plain, MEANING["original"])], f"{plain:.2f} GiB without", claimed=True))
        rows.append(Row(name, bars))
        table.append((name, trick(shape), f"{real:.2f}", f"{plain:.2f}", f"{real * GIB / n_ctx:,.0f}"))
    sizes = sorted((float(row[2]), row[0]) for row in table[1:])
    (least, small), (most, large) = sizes[0], sizes[-1]
    return show(draw_bars(rows, finding=f"{n_ctx:,} tokens take {most:.1f} GiB in {large}, {least:.2f} in {small}",
                          subtitle="KV cache in f16; hollow: as if every head in every layer kept its own notes on every token.",
                          legend=[(MEANING["kv_cache"], "KV cache"), ("", "without the trick")], left=166, table=tuple(table)))


def plain_bytes(a: Architecture, n_ctx: int) -> int:
    """Bytes in f16 if each head kept a key and a value for each token in each layer (multi-head attention, as in 2017)."""
    key, value = (a.qk_nope_dim + a.rope_dim, a.v_head_dim) if a.kv_lora_rank else (a.head_dim, a.head_dim)
    return 2 * a.n_layer * a.n_head * (key + value) * n_ctx


def trick(a: Architecture) -> str:
    """How a model keeps its cache small, in a few words."""
    everywhere, local = layers_by_sight(a)
    if a.kv_lora_rank:
        return f"{a.kv_lora_rank + a.rope_dim} numbers for all heads"
    heads = f"{a.n_head_kv} of {a.n_head} heads" if a.n_head_kv < a.n_head else f"all {a.n_head} heads"
    return f"{heads}, {everywhere} of {a.n_layer} layers" if local else heads
