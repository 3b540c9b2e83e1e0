"""Lesson 06 opens with this: the lesson's rule of thumb against a real model of that size, on a card of your choice."""

import ipywidgets as widgets

from ..memory.catalog import GPUS, MODELS, PUBLISHED, nearest_model
from ..memory.choice import RESERVE
from ..memory.kv_cache import kv_cache_bytes
from ..memory.machine import my_machine
from ..memory.recommend import GB_PER_BILLION, TOO_LARGE, recommend_quantization, rule_of_thumb_gb
from ..memory.weights import card_weight_bytes
from ..views.bars import Bar, Part, Row, draw_bars
from ..views.style import MEANING, Picture
from .base import Explorer, show

GIB = 2**30
#: GB of the card's slider: the sizes that are sold, and some between them.
SIZES = (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 18, 20, 22, 24, 28, 32, 36, 40, 45, 48, 56, 64, 80, 96, 128, 141, 192, 256)
PARAMS = (0.1, 0.3, 0.6, 1, 1.5, 2, 3, 4, 7, 8, 9, 12, 13, 14, 16, 20, 24, 27, 30, 32, 34, 40, 47, 70, 72, 104, 123, 180, 235, 405)
CONTEXTS = {"2k": 2048, "8k": 8192, "32k": 32768, "128k": 131072}
CARDS = ("GeForce RTX 4060", "GeForce RTX 3060 12GB", "GeForce RTX 4090", "H100 80GB SXM")
ROOM = RESERVE / GIB                     # what must stay free for buffers before we say that it fits
NEAR = 1.35                             # a model of "about that size" differs by less than this factor
WIDE = dict(style=dict(description_width="120px"), layout=dict(width="360px"))


def explore_fit(vram_gb: float | None = None, params_b: float = 7) -> Explorer:
    """Drag the card and the model's size: what the rule recommends, and what a real model of about that size needs.

    vram_gb: None takes this machine's card.  Values beyond the sliders are clamped; NaN is refused in words.
    """
    if params_b != params_b:
        raise ValueError("params_b=nan is not a size: give billions of parameters, such as 7 or 34")
    machine, name = card_here()
    start = clamped(vram_gb) if vram_gb is not None else machine
    controls = {
        "vram": card_slider(start),
        "params": widgets.SelectionSlider(options=[(f"{p:g} B", p) for p in PARAMS], value=min(PARAMS, key=lambda p: abs(p - params_b)),
                                          description="parameters", **WIDE),
        "context": widgets.SelectionSlider(options=list(CONTEXTS), value="8k", description="context", **WIDE),
    }
    presets = {f"{short(card)}": dict(vram=clamped(GPUS[card].vram_bytes / GIB)) for card in CARDS}
    presets[f"My machine: {name}"] = dict(vram=machine)
    presets["The lesson's 34 B on 24 GB"] = dict(vram=24, params=34)
    return Explorer(_draw, controls, presets=presets,
                    note="Hollow: the rule, parameters × GB per billion × 1.2. Filled: tensors and KV cache, to the byte where recorded.")


def plot_rule(model: str = "llama3.1:8b", quant: str = "q4_K_M") -> Explorer:
    """One model at four contexts against the rule's figure for it: what the rule leaves out is hatched."""
    if model not in PUBLISHED:
        raise ValueError(f"no model {model!r} in the catalog; there are {', '.join(PUBLISHED)}")
    if quant not in GB_PER_BILLION:
        raise ValueError(f"the rule has no {quant!r}; it knows {', '.join(GB_PER_BILLION)}")
    rule = rule_of_thumb_gb(PUBLISHED[model].n_params / 1e9)[quant]
    rows, table = [], [("context", "weights, GiB", "KV cache, GiB", "rule, GB", "the rule is")]
    for name, n_ctx in CONTEXTS.items():
        weights, kv, _ = _truth(model, quant, n_ctx)
        off = 100 * (rule / (weights + kv) - 1)
        off = f"{abs(off):.0f} % too {'high' if off > 0 else 'low'}"
        parts = [Part("weights", weights, MEANING["weights"]), Part("KV cache", kv, MEANING["kv_cache"])]
        rows.append(Row(name, [Bar(parts, f"{amount(weights)} + {amount(kv)}: rule {off}")]))
        table.append((f"{n_ctx:,}", f"{weights:.2f}", f"{kv:.2f}", f"{rule:.2f}", off))
    picture = draw_bars(rows, finding=f"One number for every context: the rule is {table[1][-1]} at 2k, {table[-1][-1]} at 128k",
                        subtitle=f"{model} as {quant}: weights + KV cache (f16) in GiB; the line is what the rule says.", limit=rule,
                        legend=[(MEANING["weights"], "weights"), (MEANING["kv_cache"], "KV cache")],
                        limit_words=f"rule: {rule:.1f}", table=tuple(table))
    return show(picture)


def card_slider(value: float) -> widgets.SelectionSlider:
    """The card's memory in GB, as written on its box (makers write GB and mean GiB)."""
    return widgets.SelectionSlider(options=[(f"{size:g} GB", size) for size in SIZES], value=value, description="card", **WIDE)


def card_here() -> tuple[float, str]:
    """(GB, name) of this machine's largest card, or of its main memory where no card was found."""
    machine = my_machine()
    if not machine.gpus:
        return clamped(machine.ram_bytes / GIB), "memory, no card found"
    card = max(machine.gpus, key=lambda gpu: gpu.total_bytes)
    return clamped(card.total_bytes / GIB), short(card.name)


def clamped(gigabytes: float) -> float:
    """The nearest size on the slider; a driver that reports 7.996 of 8 still means 8.

    Raises ValueError for what is not a number.
    """
    if gigabytes != gigabytes:
        raise ValueError("vram_gb=nan is not an amount of memory: give GB, such as 8 or 24")
    return min(SIZES, key=lambda size: abs(size - min(gigabytes, SIZES[-1])))


def short(name: str) -> str:
    return name.removeprefix("NVIDIA ").removeprefix("GeForce ").removesuffix(" SXM")


def real_model(params: float) -> str | None:
    """The catalog's model of about so many billion parameters, None when none is near."""
    name = nearest_model(params)
    ratio = PUBLISHED[name].n_params / (params * 1e9)
    return name if 1 / NEAR < ratio < NEAR else None


def _draw(vram: float, params: float, context: str) -> Picture:
    model, rule, said = real_model(params), rule_of_thumb_gb(params), recommend_quantization(vram, params)
    truth = {quant: _truth(model, quant, CONTEXTS[context]) for quant in rule} if model else {}
    fitting = [quant for quant, (weights, kv, _) in truth.items() if vram - weights - kv >= ROOM]
    rows = [Row(quant, [_claim(needed, vram), *([_real(*truth[quant], vram)] if truth else [])], "✓" if quant == said else "")
            for quant, needed in rule.items()]
    legend, question = [("", "the rule")], f"{params:g} B on {vram:g} GB"
    if model:
        legend += [(MEANING["weights"], f"weights of {model}"), (MEANING["kv_cache"], f"KV cache of {context} tokens")]
    return draw_bars(rows, finding=_finding(said, model, fitting, context, question), subtitle=_subtitle(model, params, context),
                     legend=legend, limit=vram, limit_words=f"card: {vram:g} GB", table=_table(rule, truth, vram))


def _truth(model: str, quant: str, n_ctx: int) -> tuple[float, float, bool]:
    """(weights in GiB, KV cache in GiB, exact) of a model on the card."""
    weights, exact = card_weight_bytes(model, quant.upper())
    return weights / GIB, kv_cache_bytes(MODELS[model], n_ctx) / GIB, exact


def _claim(needed: float, vram: float) -> Bar:
    return Bar([Part("the rule", needed, MEANING["weights"])], f"rule {amount(needed)}{_verdict(needed, vram)}", claimed=True)


def _real(weights: float, kv: float, exact: bool, vram: float) -> Bar:
    words = f"{'' if exact else '≈ '}{amount(weights)} + {amount(kv)}{_verdict(weights + kv, vram, ROOM)}"
    return Bar([Part("weights", weights, MEANING["weights"]), Part("KV cache", kv, MEANING["kv_cache"])], words)


def _verdict(needed: float, vram: float, room: float = 0) -> str:
    return f", {amount(needed - vram)} too much" if needed > vram else ", tight" if needed > vram - room else ", fits"


def amount(gigabytes: float) -> str:
    """Two digits where it matters: "0.06", "4.3", "84"."""
    return f"{gigabytes:.2f}" if gigabytes < 1 else f"{gigabytes:.1f}" if gigabytes < 20 else f"{gigabytes:,.0f}"


def _finding(said: str, model: str | None, fitting: list[str], context: str, question: str) -> str:
    rule = "too large" if said == TOO_LARGE else said
    if model is None:
        return f"{question}: the rule says {rule}"
    best = fitting[-1] if fitting else ""
    if best == said:
        return f"{question}: the rule says {rule}, and {model} with {context} context agrees"
    if not best:
        agrees = said == TOO_LARGE
        truth = f"and {model} agrees" if agrees else f"but {model} with {context} context does not fit"
        return f"{question}: the rule says {rule}, {truth}"
    return f"{question}: the rule says {rule}, but {model} with {context} context fits as {best}"


def _subtitle(model: str | None, params: float, context: str) -> str:
    if model is None:
        return f"No model of about {params:g} B is in the catalog, so there is no truth to show beside it."
    trained = MODELS[model].n_ctx_train
    beyond = f" (trained for {trained:,} tokens)" if CONTEXTS[context] > trained else ""
    size = f"{PUBLISHED[model].n_params / 1e9:.2f} B"
    return f"Real: {model}, {size}{beyond}, weights + KV cache in GiB. Tight: under {ROOM:.1f} GiB left for buffers."


def _table(rule: dict[str, float], truth: dict[str, tuple], vram: float) -> tuple[tuple[str, ...], ...]:
    head = ("quantization", "rule, GB", "real weights, GiB", "KV cache, GiB", f"fits in {vram:g} GB")
    rows = []
    for quant, needed in rule.items():
        if quant in truth:
            weights, kv, exact = truth[quant]
            rows.append((quant, f"{needed:.2f}", f"{'' if exact else 'about '}{weights:.2f}", f"{kv:.2f}",
                         "no" if weights + kv > vram else "tight" if weights + kv > vram - ROOM else "yes"))
        else:
            rows.append((quant, f"{needed:.2f}", "not known", "not known", "not known"))
    return (head, *rows)
