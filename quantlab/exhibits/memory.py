"""Lessons 06 and 13: one model on one card. Drag model, type, context, cache and card, see each byte's owner,
and what to change when it is too much.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from html import escape
from itertools import islice
from typing import Any

from ..canvas.memory_bar import WAYS, Term, draw_memory_bar
from ..canvas.style import MEANING, Picture, Table
from ..lab.settings_script import PLACES, SERVER, as_script, check_cache
from ..lab.versions import says
from ..memory.advice import CONTEXTS, Situation, types_of, uses, ways
from ..memory.backends import layout_notes
from ..memory.cards import GPUS
from ..memory.estimate import MemoryEstimate, own_ftype
from ..memory.kv_cache import KV_TYPES, layers_by_sight
from ..memory.llama_fit import llama_cpp_fit
from ..memory.rule import nearest_step, rule_of_thumb_gb, typical_shape
from ..memory.speed import HOST_BANDWIDTH
from ..memory.weights import weights_of
from ..models.architecture import Architecture
from ..models.catalog import MODELS
from ..models.library import pulled_type
from ..stage.exhibit import Exhibit
from ..stage.handles import Panel, menu, slider, stops, tick_box
from ..stage.share import recalled
from ..words import GB, GIB, aloud, gib, html_table, one_of, prose
from .cards import (
    BY_SIZE,
    PARAMS,
    Shapes,
    billions,
    card_bytes,
    card_handles,
    card_label,
    first_card,
    model_handles,
    near,
    off_the_slider,
    type_handle,
    with_own,
)

MOST_SLOTS = 8
#: Of the slider of layers whose experts stay in main memory.
MOST_LAYERS = max(shape.n_layer for shape in MODELS.values() if shape.n_expert)
OWNERS = {"weights": "weights", "KV cache": "kv_cache", "compute": "compute", "driver": "overhead"}
NOTE = ("Context: tokens of each conversation, Ollama's num_ctx. The compute buffer is for as many tokens at "
        "a time as Ollama takes.")
SPLITS = (f"Expected with main memory that reads {HOST_BANDWIDTH / 1e9:g} GB/s; llama.cpp leaves 1 GiB of "
          "the card free, the other ways leave what the driver needs.")
USUAL: dict[str, Any] = dict(model="llama3.1:8b", ftype="Q4_K_M", n_ctx=8192, type_kv="f16", n_parallel=1,
                             flash=True, n_cpu_moe=0)
PRESETS = {"Why does my 8 GB card not run this?": USUAL | dict(n_ctx=32768, vram=8),
           "Sliding-window model": USUAL | dict(model="gemma3:4b", n_ctx=131072, vram=8),
           "Without flash attention": USUAL | dict(n_ctx=32768, vram=12, flash=False),
           "7 B, no model named": USUAL | dict(model=BY_SIZE, params=7, vram=8),
           "70 B on 24 GB": USUAL | dict(model="llama3.1:70b", vram=24),
           "Experts in main memory": USUAL | dict(model="qwen3:30b", vram=12, n_cpu_moe=24)}


def _finding(now: Situation, found: MemoryEstimate) -> str:
    """Whether it fits, and whose fault it is."""
    left, share = now.card - found.needed, _share(found)
    if now.card < found.weights:
        return f"{gib(-left)} too much: the weights alone take {gib(found.weights)}"
    if now.card < found.total + found.overhead.low:
        return f"{gib(-left)} too much: {share}"
    if now.card < found.total + found.overhead.high:
        return f"It may or may not fit, the driver decides: {share}"
    return f"It fits, {gib(left)} to spare: {share}"


def _share(found: MemoryEstimate) -> str:
    if found.compute > max(found.kv_cache, found.weights / 4):
        return f"the compute buffer alone takes {gib(found.compute)}"
    ratio = found.kv_cache / found.weights
    if 0.9 <= ratio <= 1.1:
        return "the KV cache is about as large as the model"
    if ratio > 1.1:
        return f"the KV cache is {ratio:.1f} times the model"
    return (f"the KV cache adds {100 * ratio:.0f} % to the model" if ratio >= 0.01
            else "the KV cache adds next to nothing")


def _subtitle(now: Situation, name: str, params: float) -> str:
    """The situation in words."""
    trained = now.shape.n_ctx_train
    beyond = f" (trained for {trained:,})" if trained and now.num_ctx > trained else ""
    slots = f"{now.n_parallel} × " if now.n_parallel > 1 else ""
    whose = (f"{params:g} B, shaped like {nearest_step(params).like}" if name == BY_SIZE
             else f"{name}, {params:.2f} B")
    only = " (the only one published)" if now.shape.only_type else ""
    experts = f", experts of {now.n_cpu_moe} layers in main memory" if now.n_cpu_moe else ""
    return (f"{whose}, as {now.ftype}{only}, {slots}{now.num_ctx:,} tokens{beyond}, "
            f"KV cache {now.type_kv}{experts}")


def _reasons(now: Situation, found: MemoryEstimate) -> tuple[str, str, str, str]:
    """Where each owner's bytes come from: weights, KV cache, compute buffer, driver."""
    shape, weights = now.shape, weights_of(now.model, now.ftype)
    tokens = now.num_ctx * now.n_parallel
    bits = f"{8 * weights.nbytes / weights.n_weights:.2f} bits a parameter"
    what = " and ".join([*["experts"] * bool(now.n_cpu_moe), *["word vectors"] * (not weights.tied)])
    kept = f"; {gib(found.host)} of {what} stay in main memory" if what else ""
    scores = "" if now.flash else ", with a table of all scores"
    low, high = found.overhead.low / GIB, found.overhead.high / GIB
    return (bits + kept, _cache_words(shape, tokens),
            f"what {min(found.settings.n_ubatch, tokens):,} tokens at a time need on their way through the "
            f"layers{scores}",
            f"an assumption: users report {low:.2g} to {high:.2g} GiB")


def _cache_words(shape: Architecture, tokens: int) -> str:
    everywhere, local = layers_by_sight(shape)
    if shape.is_latent:
        return f"{shape.n_layer} layers × {shape.kv_lora_rank + shape.rope_dim} numbers × {tokens:,} tokens"
    row = f"2 × {shape.n_head_kv} heads × {shape.head_dim}"
    if shape.full_kv:
        row = f"{shape.n_head_kv} heads × {shape.head_dim} + {shape.value_dim}"
    if local:
        return f"{everywhere} layers × {row} × {tokens:,} tokens; {local} keep {shape.sliding_window:,}"
    return f"{everywhere} layers × {row} numbers × {tokens:,} tokens"


def _rule(ftype: str, params_b: float) -> tuple[float, str] | None:
    """The rule of thumb for this type in GiB and in words, where it has a figure."""
    rule = {quant.upper(): needed for quant, needed in rule_of_thumb_gb(params_b).items()}
    if ftype not in rule:
        return None
    return rule[ftype] * GB / GIB, f"the rule of thumb: {rule[ftype]:.1f} GB"


def _table(now: Situation, found: MemoryEstimate, sizes: tuple[int, ...], notes: Sequence[str]) -> Table:
    left = now.card - found.needed
    named = [*zip((*list(OWNERS)[:3], "driver, assumed"), sizes, strict=True), ("together", found.needed),
             ("card", now.card), ("left" if left >= 0 else "too much", abs(left)),
             ("in main memory", found.host)]
    return (("what", "bytes", "GiB"), *((name, f"{size:,}", f"{size / GIB:.2f}") for name, size in named),
            ("counted as", found.engine, ""), *(("note", aloud(note), "") for note in (*found.notes, *notes)))


def situation(model: str, params: float, ftype: str, n_ctx: int, type_kv: str, n_parallel: int, flash: bool,
              card: str, vram: float, n_cpu_moe: int = 0, shapes: Shapes = MODELS) -> Situation:
    """What the handles say.  ValueError for what no server would load."""
    check_cache(type_kv, flash)
    shown = typical_shape(params) if model == BY_SIZE else shapes[model]
    own = own_ftype(shown)              # where the slider stands at a type that this model does not have
    return Situation(shown, ftype if ftype in types_of(shown) else own, n_ctx, type_kv, n_parallel, flash,
                     card_bytes(card, vram), n_cpu_moe)


def script(model: str, ftype: str, where: str = "bash", **values) -> str:
    """The commands for a terminal that give Ollama what the picture shows; `where` is one of PLACES.
    ValueError for settings with which llama.cpp loads no model.
    """
    now = situation(model, ftype=ftype, **values)
    now.fit()
    base = "my-model" if model == BY_SIZE else model
    usual_type = pulled_type(model) if model in MODELS else now.shape.usual_type
    usual = "put your model's name here" if model == BY_SIZE else (
        f"this name is usually a {now.ftype}" if now.ftype == usual_type
        else f"choose the tag that is a {now.ftype} (lesson 03)")
    return as_script(base, now.num_ctx, now.type_kv, now.flash, now.n_parallel, usual, where, now.n_cpu_moe)


def _draw(shapes: Shapes, **values) -> Picture:
    now, model = situation(**values, shapes=shapes), values["model"]
    params_b = values["params"] if model == BY_SIZE else billions(model, shapes)
    fit = now.fit()
    found = fit.estimate
    over, fits = found.overhead, found.needed <= now.card
    sizes = (found.weights, found.kv_cache, found.compute, over.usual)
    between = (None, None, None, (over.low / GIB, over.high / GIB))
    terms = [Term(name, size / GIB, gib(size), why, MEANING[tone], limits) for (name, tone), size, why,
             limits in zip(OWNERS.items(), sizes, _reasons(now, found), between, strict=True)]
    card, notes = f"{now.card / GIB:.3g} GiB", layout_notes(values["card"]) if values["card"] in GPUS else ()
    card += ", counted as for CUDA" if notes else ""
    changes = [(what, brings) for what, brings, _ in islice(uses(now) if fits else ways(now), WAYS)]
    title = ("Any one of these changes is enough" if not fits else
             "What you could do with the free memory" if changes else
             "Nothing more goes into the free memory")
    return draw_memory_bar(terms, now.card / GIB, f"{card_label(values['card'])}: {card}"
                           if values["card"] in GPUS else f"card: {card}", finding=_finding(now, found),
                           subtitle=_subtitle(now, model, params_b), rule=_rule(now.ftype, params_b),
                           ways=changes, ways_title=title, table=_table(now, found, sizes, notes)
                           ).telling({"spare": (now.card - found.needed) / GIB, "bpw": fit.bpw,
                                      "kv_cache": found.kv_cache / GIB})


@recalled
def explore_memory(model="llama3.1:8b", vram_gb: float | None = None, *,
                   params_b: float | None = None, ftype: str | None = None, n_ctx: int = 8192,
                   type_kv: str = "f16", n_parallel: int = 1, flash_attention: bool = True,
                   n_cpu_moe: int = 0) -> Exhibit:
    """Whose bytes are whose on a card; where it is too much, ways to make it fit are computed.

    model: a name of MODELS, a pulled model, the path of a GGUF file, an open model or a shape; None for a
    typical shape of params_b billion parameters (7 unless said).  vram_gb: None takes this machine's card.
    ftype: to begin with; None takes a file's own, and Q4_K_M where only a shape is known.
    n_ctx: tokens of each conversation.  n_cpu_moe: first layers whose experts stay in main memory.  What is
    beyond a slider is clamped, and said so; unknown names are
    answered with the nearest.  Raises ValueError for those and for NaN.  Lessons: 06_will_it_fit,
    13_kv_cache_and_context.
    """
    by_size = model is None or params_b is not None
    shown, shapes = (BY_SIZE, MODELS) if model is None else with_own(model)
    for name, value in (("params_b", params_b), ("n_ctx", n_ctx), ("n_parallel", n_parallel),
                        ("n_cpu_moe", n_cpu_moe)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)
                                  or value != value):
            raise ValueError(f"{name}={value!r} is not a number")
    shown = BY_SIZE if by_size else shown
    size = billions(shown, shapes) if not by_size else 7 if params_b is None else params_b
    vram, machine, said = first_card(vram_gb)
    tokens, slots = near(CONTEXTS, n_ctx), int(near(range(1, MOST_SLOTS + 1), n_parallel))
    experts = int(near(range(MOST_LAYERS + 1), n_cpu_moe))
    models, by_model = model_handles(shown, size, shapes)
    cards, by_card = card_handles(vram)
    handles = [stops("n_ctx", "context, tokens", tokens, [(f"{n:,}", n) for n in CONTEXTS]),
               type_handle(ftype, shapes.get(shown)), *models, *cards,
               menu("type_kv", "KV cache type", one_of("KV cache type", type_kv, KV_TYPES), KV_TYPES),
               slider("n_parallel", "conversations", slots, 1, MOST_SLOTS),
               tick_box("flash", "flash attention", bool(flash_attention)),
               slider("n_cpu_moe", "experts in RAM", experts, 0, MOST_LAYERS)]
    said += off_the_slider("A context of", n_ctx, tokens, "tokens")
    said += off_the_slider("A number of", n_parallel, slots, "conversations")
    said += off_the_slider("A number of", n_cpu_moe, experts, "layers")
    said += off_the_slider("A size of", size, near(PARAMS, size), "B") if by_size else ""
    return Exhibit(handles, partial(_draw, shapes), presets=PRESETS | machine, label_width=120,
                   links={"model": by_model, "card": by_card},
                   panels={"As Ollama settings": Panel("Modelfile and environment for this picture",
                                                       partial(_settings, shapes)),
                           "Ways to split it": Panel("By experts, by layers, and as llama.cpp itself would",
                                                     partial(_splits, shapes))},
                   note=said + NOTE)


def _splits(shapes: Shapes, values: Mapping) -> str:
    """A table of the ways on this card, with their speeds."""
    fit = replace(situation(**values, shapes=shapes), n_cpu_moe=0).fit()
    bandwidth = GPUS[values["card"]].bandwidth if values["card"] in GPUS else 0
    theirs = llama_cpp_fit(fit, bandwidth=bandwidth)
    found = [(way.words, way, way.flags) for way in fit.ways(bandwidth)]
    found.append((f"llama.cpp's own choice: {theirs.words}", theirs.way, "--fit on"))
    rows = [("what lies where", "on the card", "in main memory", "tokens a second", "llama-server"),
            *((words, gib(way.estimate.total), gib(way.estimate.host), way.speed.words, flags or "as it is")
              for words, way, flags in found)]
    return f"{html_table(rows)}<p>{prose(SPLITS)} {prose(says('experts'))}</p>"


def _settings(shapes: Shapes, values: Mapping) -> str:
    """The commands, a tab for each way to run Ollama, and a button that copies them (stage/assistant.js)."""
    tabs = "".join(f'<button class="ql-tab" data-tab="{i}">{escape(where)}</button>'
                   for i, where in enumerate((*PLACES, SERVER)))
    scripts = [escape(script(**values, where=where, shapes=shapes)) for where in (*PLACES, SERVER)]
    commands = "".join(f'<pre class="ql-code" data-tab="{i}">{words}</pre>' for i, words in
                       enumerate(scripts))
    return (f'<div class="ql-tabs">{tabs}</div>{commands}<button class="ql-copy jupyter-button">'
            "Copy the settings</button>")
