"""Lesson 13: what the KV cache of one model takes beside that of another, at any context, in other types, for
several conversations; and what it would take without the trick that keeps it small.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from math import inf
from typing import NamedTuple

from ..canvas.bars import Bar, BarPiece, Row, draw_bars
from ..canvas.style import MEANING, Picture
from ..memory.advice import CONTEXTS
from ..memory.kv_cache import (
    KV_TYPES,
    cache_bytes,
    check_cache_types,
    layers_by_sight,
    mixing_layers,
    plain_bytes,
)
from ..memory.settings import Settings
from ..models.architecture import Architecture
from ..stage.exhibit import Exhibit, show
from ..stage.handles import menu, slider, stops
from ..stage.share import recalled
from ..words import GIB, gib, one_of
from .cards import SIZES, Shapes, first_card, near, off_the_slider, with_own

MODELS_SHOWN = ("llama2:7b", "llama3.1:8b", "gemma3:4b", "deepseek-v2:16b-mla")
ALONE = "no second model"
WITHOUT = "as if every head in every layer kept its own notes on every token"
MOST_SLOTS = 8
LONG = dict(n_ctx=131072, type_k="f16", type_v="f16", n_parallel=1)
PRESETS = {"A long book": LONG, "The same in q8_0": LONG | dict(type_k="q8_0", type_v="q8_0"),
           "Five conversations": LONG | dict(n_ctx=16384, n_parallel=5),
           "Windows": LONG | dict(model="llama3.1:8b", beside="gemma3:4b"),
           "One vector for all heads": LONG | dict(model="llama3.1:8b", beside="deepseek-v2:16b-mla",
                                                   n_ctx=32768)}


class CacheRow(NamedTuple):
    """Of one model: its name, the bytes of its KV cache, those without its trick, and the trick in words.

    trained: the tokens it was trained for, 0 where that is not known.
    """

    name: str
    nbytes: int
    plain: int
    trick: str
    trained: int


def cache_of(name: str, shape: Architecture, settings: Settings) -> CacheRow:
    """What a model keeps.  ValueError that names it where llama.cpp refuses the types."""
    try:
        check_cache_types(shape, settings)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    plain = plain_bytes(shape, settings.n_ctx, settings.type_k, settings.type_v)
    return CacheRow(name, cache_bytes(shape, settings), plain, trick(shape), shape.n_ctx_train)


def trick(a: Architecture) -> str:
    """How a model keeps its cache small, in a few words."""
    if a.is_latent:
        return f"{a.kv_lora_rank + a.rope_dim} numbers for all heads"
    everywhere, layers = layers_by_sight(a)[0], len(mixing_layers(a))
    heads = f"{a.n_head_kv} of {a.n_head} heads" if a.n_head_kv < a.n_head else f"all {a.n_head} heads"
    return heads if everywhere == layers else f"{heads}, {everywhere} of {layers} layers"


def _finding(caches: Sequence[CacheRow], tokens: str) -> str:
    """The largest and the smallest, in a sentence."""
    *_, least = most, *_ = sorted(caches, key=lambda cache: cache.nbytes, reverse=True)
    if most.nbytes == least.nbytes:
        names = " and in ".join(dict.fromkeys((most.name, least.name)))
        return f"{tokens} take {gib(most.nbytes)} in {names}"
    return f"{tokens} take {gib(most.nbytes)} in {most.name}, {gib(least.nbytes)} in {least.name}"


def draw_caches(shapes: Mapping[str, Architecture], settings: Settings, card: float = 0) -> Picture:
    """A bar for each model; hollow: as if every layer and every head kept everything.

    shapes: by name.  card: GiB of a line to compare with, 0 for none.  Raises ValueError where llama.cpp
    refuses the types.
    """
    caches = [cache_of(name, shape, settings) for name, shape in shapes.items()]
    each, slots = settings.n_ctx // settings.n_parallel, settings.n_parallel
    tokens = f"{slots} × {each:,} tokens" if slots > 1 else f"{each:,} tokens"
    of_card = ["of the card"] * bool(card)
    rows, table = [], [("model", "its trick", "GiB", "without it, GiB", "bytes a token", *of_card)]
    for name, nbytes, plain, words, _ in caches:
        bars = [Bar([BarPiece("KV cache", nbytes / GIB, MEANING["kv_cache"])], f"{gib(nbytes)}: {words}")]
        if plain > nbytes * 1.01:
            bars.append(Bar([BarPiece("without it", plain / GIB, MEANING["original"])],
                            f"{gib(plain)} without", claimed=True))
        rows.append(Row(name, bars))
        share = [f"{100 * nbytes / GIB / card:.0f} %"] if card else []
        table.append((name, words, f"{nbytes / GIB:.2f}", f"{plain / GIB:.2f}",
                      f"{nbytes / settings.n_ctx:,.0f}", *share))
    types = settings.type_k if settings.type_k == settings.type_v else (
        f"{settings.type_k} for keys, {settings.type_v} for values")
    beyond = [f"{cache.name} was trained for {cache.trained:,} tokens" for cache in caches
              if 0 < cache.trained < each]
    if beyond:
        table.append(("note", "; ".join(beyond), *[""] * (len(table[0]) - 2)))
    hollow = any(bar.claimed for row in rows for bar in row.bars)
    return draw_bars(rows, finding=_finding(caches, tokens),
                     subtitle="; ".join([f"KV cache in {types}", *beyond]), most=inf, limit=card,
                     limit_words=f"card: {card:g} GiB", left=180, right=470, table=tuple(table),
                     legend=[(MEANING["kv_cache"], "KV cache"), *[("", WITHOUT)] * hollow])


def _draw(shapes: Shapes, model: str, beside: str, n_ctx: int, type_k: str, type_v: str, n_parallel: int,
          vram: float) -> Picture:
    names = [model, *[beside] * (beside not in (ALONE, model))]
    settings = Settings(n_ctx=n_ctx * n_parallel, n_parallel=n_parallel, type_k=type_k, type_v=type_v)
    architectures = {name: shapes[name].wired for name in names}
    own, *other = [cache_bytes(shape, settings) for shape in architectures.values()]
    return draw_caches(architectures, settings, vram).telling(
        {"kv_cache": own / GIB, **({"ratio": other[0] / own} if other else {})})


@recalled
def explore_kv_cache(model="llama3.1:8b", beside=None, n_ctx: int = 32768, *, type_k: str = "f16",
                     type_v: str = "f16", n_parallel: int = 1, vram_gb: float | None = None) -> Exhibit:
    """Drag the context: what the KV cache of a model takes, beside a second model's, without their tricks,
    and against a card.

    model, beside: whatever `explore_memory` takes; beside: None for no second model.  n_ctx: tokens of each
    conversation.  type_k, type_v: of KV_TYPES.  vram_gb: None takes this machine's card.  What is beyond a
    slider is clamped, and said so.  Raises ValueError for unknown names, with the nearest ones, and for
    numbers that cannot be.  Lesson: 13_kv_cache_and_context.
    """
    Settings(n_ctx=n_ctx, n_parallel=n_parallel)                # refuses what cannot be
    (shown, shapes), second = with_own(model), ALONE
    if beside is not None:
        second, others = with_own(beside)
        shapes = dict(shapes) | {second: others[second]}
    tokens, slots = int(near(CONTEXTS, n_ctx)), min(n_parallel, MOST_SLOTS)
    vram, machine, said = first_card(vram_gb)
    handles = [stops("n_ctx", "context, tokens", tokens, [(f"{n:,}", n) for n in CONTEXTS]),
               menu("model", "model", shown, shapes), menu("beside", "beside it", second, [ALONE, *shapes]),
               menu("type_k", "type of keys", one_of("type of keys", type_k, KV_TYPES), KV_TYPES),
               menu("type_v", "type of values", one_of("type of values", type_v, KV_TYPES), KV_TYPES),
               slider("n_parallel", "conversations", slots, 1, MOST_SLOTS),
               stops("vram", "card, to compare", vram, [(f"{size:g} GB", size) for size in SIZES])]
    said += off_the_slider("A context of", n_ctx, tokens, "tokens")
    said += off_the_slider("A number of", n_parallel, slots, "conversations")
    return Exhibit(handles, partial(_draw, shapes), presets=PRESETS | machine, label_width=120,
                   note=said + "The line is all the memory of the card. The weights lie there, too: "
                               "`explore_memory` counts both.")


@recalled
def plot_kv_cache(models: tuple[str, ...] = MODELS_SHOWN, n_ctx: int = 32768) -> Exhibit:
    """The KV cache of several models, f16, as `explore_kv_cache` draws it, without handles.

    models: whatever `explore_memory` takes, each.  Raises ValueError for an unknown model, with the nearest
    names, and for a context that cannot be.
    """
    if not models:
        raise ValueError(f"no models to draw: give names such as {MODELS_SHOWN[0]!r}")
    shapes = {name: found[name].wired for name, found in map(with_own, models)}
    return show(draw_caches(shapes, Settings(n_ctx=n_ctx)))
