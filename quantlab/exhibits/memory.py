"""One model on one card: drag model, type, context, cache and card, and see each byte's owner, and what to
change when it is too much.
"""

from html import escape
from itertools import islice

import ipywidgets as widgets

from ..canvas.memory_bar import WAYS, Term, draw_memory_bar
from ..canvas.style import MEANING, Picture, Table
from ..lab.serving import as_script
from ..memory.cards import GPUS
from ..memory.kv_cache import KV_TYPES
from ..memory.rule import rule_of_thumb_gb
from ..models.resolve import shape_of
from ..stage.base import Explorer, button, markup
from .cards import (
    BY_SIZE,
    GIB,
    PARAMS,
    WIDE,
    billions,
    card_bytes,
    card_controls,
    card_here,
    clamped,
    model_controls,
    moved,
    near,
    one_of,
    short,
)
from .memory_facts import CONTEXTS, SLIDER, Situation, finding, gib, reasons, subtitle, uses, ways

MOST_SLOTS = 8
OWNERS = ("weights", "KV cache", "compute", "driver")
TONES = tuple(MEANING[name] for name in ("weights", "kv_cache", "compute", "overhead"))
USUAL = dict(model="llama3.1:8b", ftype="Q4_K_M", n_ctx=8192, type_kv="f16", n_parallel=1, flash=True)


class MemoryExplorer(Explorer):
    """The memory bar, with its settings to copy."""

    def __init__(self, controls, presets, note):
        self.settings = markup()
        self.copy = button("Copy the settings", "Copy these commands for a terminal",
                           lambda _button: None).add_class("ql-copy")
        self.copy.layout.display = "none"
        self.opener = widgets.ToggleButton(description="As Ollama settings",
                                           tooltip="Modelfile and environment for this picture",
                                           layout=dict(width="auto"))
        self.shown = None
        super().__init__(_draw, controls, presets=presets, note=note)
        self.opener.observe(lambda _change: self._write_settings(), names="value")
        *rows, words, assistant = self.children
        rows[-1].children = (*rows[-1].children, self.opener, self.copy)
        self.children = (*rows, self.settings, words, assistant)

    def redraw(self, _change=None) -> None:
        """Once for each change of the handles: one that moves another would draw twice."""
        if self._held or self.shown == self.values():
            return
        self.shown = self.values()
        super().redraw()
        self._write_settings()

    def script(self) -> str:
        """The commands for a terminal that give Ollama what the picture shows."""
        now = _situation(**self.values())
        base = "my-model" if now.model == BY_SIZE else now.model
        usual = "put your model's name here" if now.model == BY_SIZE else (
            "this name is usually a Q4_K_M" if now.ftype == "Q4_K_M"
            else f"choose the tag that is a {now.ftype} (lesson 03)")
        return as_script(base, now.num_ctx, now.cache_type, now.flash, now.n_parallel, usual)

    def _write_settings(self) -> None:
        self.copy.layout.display = "" if self.opener.value else "none"
        self.settings.value = f'<pre class="ql-code">{escape(self.script())}</pre>' if self.opener.value else ""


def explore_memory(model: str | None = "llama3.1:8b", vram_gb: float | None = None, *,
                   params_b: float | None = None, ftype: str = "Q4_K_M", n_ctx: int = 8192,
                   type_kv: str = "f16", n_parallel: int = 1, flash_attention: bool = True) -> MemoryExplorer:
    """Whose bytes are whose on a card; where it is too much, ways to make it fit are computed.

    model: a name of MODELS, or None for a typical shape of params_b billion parameters (7 unless said).
    vram_gb: None takes this machine's card.  n_ctx: tokens of each conversation.  What is beyond a slider is
    clamped, and said so; unknown names are answered with the nearest.  Raises ValueError for those and for
    NaN.  Lessons: 06_will_it_fit, 13_kv_cache_and_context.
    """
    if model is not None:
        shape_of(model)
    for name, value in (("params_b", params_b), ("n_ctx", n_ctx), ("n_parallel", n_parallel)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)
                                  or value != value):
            raise ValueError(f"{name}={value!r} is not a number")
    here, name = card_here()
    size = (7 if params_b is None else params_b) if model is None or params_b is not None else billions(model)
    shown = BY_SIZE if model is None or params_b is not None else model
    vram = here if vram_gb is None else clamped(vram_gb)
    tokens, slots = near(CONTEXTS, n_ctx), int(near(range(1, MOST_SLOTS + 1), n_parallel))
    controls = _controls(shown, size, one_of("ftype", ftype, SLIDER), tokens,
                         one_of("KV cache type", type_kv, tuple(KV_TYPES)), slots, bool(flash_attention),
                         vram)
    said = moved("A context of", n_ctx, tokens, "tokens") + moved("A number of", n_parallel, slots,
                                                                  "conversations")
    said += moved("A size of", size, near(PARAMS, size), "B") if shown == BY_SIZE else ""
    said += moved("A card of", vram_gb, vram, "GB") if vram_gb is not None else ""
    return MemoryExplorer(controls, _presets(here, name),
                          said + "Context is for each conversation, as Ollama's num_ctx.")


def _controls(model, size, ftype, n_ctx, type_kv, n_parallel, flash, vram) -> dict[str, widgets.Widget]:
    contexts = [(f"{n:,}", n) for n in CONTEXTS]
    return {
        "n_ctx": widgets.SelectionSlider(options=contexts, value=n_ctx, description="context, tokens",
                                         **WIDE),
        "ftype": widgets.SelectionSlider(options=SLIDER, value=ftype, description="quantization", **WIDE),
        **model_controls(model, size),
        **card_controls(vram),
        "type_kv": widgets.Dropdown(options=list(KV_TYPES), value=type_kv, description="KV cache type",
                                    **WIDE),
        "n_parallel": widgets.IntSlider(n_parallel, min=1, max=MOST_SLOTS, description="conversations",
                                        **WIDE),
        "flash": widgets.Checkbox(flash, description="flash attention", indent=True, **WIDE),
    }


def _presets(here: float, name: str) -> dict[str, dict]:
    presets = {"Why does my 8 GB card not run this?": USUAL | dict(n_ctx=32768, vram=8),
               "Windows keep it small": USUAL | dict(model="gemma3:4b", n_ctx=131072, vram=8),
               "Without flash attention": USUAL | dict(n_ctx=32768, vram=12, flash=False),
               "Just 7 B": USUAL | dict(model=BY_SIZE, params=7, vram=8),
               "70 B at home": USUAL | dict(model="llama3.1:70b", vram=24)}
    return presets | {f"My machine: {name}": dict(vram=here)}


def _situation(model: str, params: float, ftype: str, n_ctx: int, type_kv: str, n_parallel: int, flash: bool,
               card: str, vram: float) -> Situation:
    return Situation(model, params, ftype, n_ctx, type_kv, n_parallel, flash, card_bytes(card, vram))


def _draw(**values) -> Picture:
    now = _situation(**values)
    found = now.estimate()
    over = found.overhead
    sizes = (found.weights, found.kv_cache, found.compute, over.usual)
    between = (None, None, None, (over.low / GIB, over.high / GIB))
    terms = [Term(name, size / GIB, gib(size), why, tone, limits) for name, size, why, tone,
             limits in zip(OWNERS, sizes, reasons(now, found), TONES, between, strict=True)]
    fits = found.needed <= now.card
    card = f"{now.card / GIB:.3g} GiB"
    return draw_memory_bar(terms, now.card / GIB, f"{short(values['card'])}: {card}" if values["card"] in GPUS
                           else f"card: {card}", finding=finding(now, found), subtitle=subtitle(now),
                           rule=_rule(now),
                           ways=[way[:2] for way in islice(uses(now) if fits else ways(now), WAYS)],
                           ways_title="What the free memory could buy instead" if fits
                           else "Any one of these is enough", table=_table(now, found, sizes))


def _rule(now: Situation) -> tuple[float, str] | None:
    """The lesson's rule of thumb for this type, where it has a figure."""
    rule = {quant.upper(): needed for quant, needed in rule_of_thumb_gb(now.params_b).items()}
    return (rule[now.ftype], f"the rule of thumb: {rule[now.ftype]:.1f} GB") if now.ftype in rule else None


def _table(now: Situation, found, sizes) -> Table:
    left = now.card - found.needed
    rows = [(name, f"{size:,}", f"{size / GIB:.2f}") for name,
            size in zip((*OWNERS[:3], "driver, assumed"), sizes, strict=True)]
    return (("what", "bytes", "GiB"), *rows, ("together", f"{found.needed:,}", f"{found.needed / GIB:.2f}"),
            ("card", f"{now.card:,}", f"{now.card / GIB:.2f}"),
            ("left" if left >= 0 else "too much", f"{abs(left):,}", f"{abs(left) / GIB:.2f}"),
            ("in main memory", f"{found.host:,}", f"{found.host / GIB:.2f}"),
            ("counted as", found.engine, ""), *[("note", note, "") for note in found.notes])


