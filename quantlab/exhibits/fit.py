"""Lesson 06: what fits on a card, every type at every context; and the rule of thumb, which knows no context,
beside the truth.
"""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from ..canvas.bars import Bar, BarPiece, Row, draw_bars
from ..canvas.style import INK, MEANING, SOFT, WIDTH, Picture, Table, ink_on
from ..canvas.svg import hatching, page, quiet, rect, text
from ..memory.advice import types_of
from ..memory.cards import GPUS
from ..memory.estimate import estimate_memory
from ..memory.fit import fits
from ..memory.kv_cache import KV_TYPES, check_cache_types
from ..memory.pulled import pulled_notes
from ..memory.rule import (
    GB_PER_BILLION,
    TOO_LARGE,
    recommend_quantization,
    rule_of_thumb_gb,
    typical_shape,
    typical_words,
)
from ..memory.settings import Settings
from ..models.architecture import Architecture
from ..models.catalog import MODELS
from ..models.resolve import shape_of
from ..models.source import Model
from ..stage.exhibit import Exhibit, show
from ..stage.handles import menu
from ..stage.share import recalled
from ..words import GB, GIB, aloud, clipped, one_of
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
    with_own,
)

LEFT, TOP, ROW, GAP = 104, 96, 30, 3
RIGHT = WIDTH - 96                      # what a row is marked with stands right of it
TONES = {"fits": MEANING["good"], "splits": MEANING["split"], "experts": MEANING["split"], "over": SOFT}
SIGNS = {"fits": "✓ ", "no": "✗ "}


class Cell(NamedTuple):
    """kind: "fits", "splits", "experts" (split by them), "no", or "over" while nobody has counted how it is
    split; words: a number; tip: the sentence that the mouse is told.
    """

    kind: str
    words: str
    tip: str


CONTEXTS = {"2k": 2048, "4k": 4096, "8k": 8192, "16k": 16384, "32k": 32768, "64k": 65536, "128k": 131072}
CARDS = ("GeForce RTX 3060 12GB", "GeForce RTX 4090", "H100 80GB SXM")
LEGEND = (("fits", "fits: GiB to spare"), ("splits", "layers on the card, the rest on the CPU"),
          ("no", "CPU only"))
BY_EXPERTS = "split by layers; moe: by experts"
OWNERS = (("weights", "weights"), ("KV cache", "kv_cache"), ("compute", "compute"))
PLOTTED = ("2k", "8k", "32k", "128k")


def fit_cells(model: Architecture | Model, card: int, type_kv: str = "f16",
              rough: bool = False) -> Iterator[tuple[str, list[Cell]]]:
    """(type, a cell for each of CONTEXTS), largest file first.  card: bytes.  rough: how those that do not
    fit are split is not counted, which takes long.

    Raises ValueError where the heads do not fit the type of the cache.
    """
    shape = model.architecture
    check_cache_types(shape, Settings(type_k=type_kv, type_v=type_kv))
    for ftype in reversed(types_of(model)):
        cells, most = [], shape.n_layer + 1
        for name, n_ctx in CONTEXTS.items():
            fit = fits(model, card, ftype, Settings(n_ctx=n_ctx, type_k=type_kv, type_v=type_kv))
            room, what = fit.room / GIB, f"{ftype}, {name}: "
            if room >= 0:
                cells.append(Cell("fits", f"{room:.1f}" if room < 99.5 else f"{room:.0f}",
                                  f"{what}fits, {room:.2f} GiB to spare"))
                continue
            short_of = f"{what}{-room:.2f} GiB too much"
            if rough:
                cells.append(Cell("over", "…", short_of))
                continue
            if fit.experts:
                cells.append(Cell("experts", f"moe {fit.experts}", f"{short_of}; {fit.best().words}"))
                continue
            # a longer context never fits more
            most = fit.layers if most else 0
            cells.append(Cell("splits", f"{most}/{shape.n_layer + 1}",
                              f"{short_of}; {most} of {shape.n_layer + 1} layers on the card") if most
                         else Cell("no", "CPU", f"{short_of}; no layer fits"))
        yield ftype, cells


def _finding(rows: dict[str, list[Cell]], said: str, mark: str, name: str, where: str) -> str:
    place = f"{name} on {where.split(', ')[-1]}"
    if mark in rows:
        return f"{place}: the rule says {said}, which {_reach(rows[mark])}"
    if mark:
        only, cells = next(iter(rows.items()))
        return f"{place}: the rule says {said}; published is {only} only, which {_reach(cells)}"
    fitting = [ftype for ftype, cells in rows.items() if cells[0].kind == "fits"]
    return f"{place}: the rule says too large, " + (f"but {fitting[0]} {_reach(rows[fitting[0]])}" if fitting
                                                    else "and it is")


def _reach(cells: list[Cell]) -> str:
    fitting = [name for name, cell in zip(CONTEXTS, cells, strict=True) if cell.kind == "fits"]
    if not fitting:
        return "fits at no context"
    return "fits at every context here" if len(fitting) == len(cells) else f"fits up to {fitting[-1]}"


def _draw(shapes: Shapes, rough: bool, vram: float, params: float, card: str, model: str,
          type_kv: str) -> Picture:
    source = typical_shape(params) if model == BY_SIZE else shapes[model]
    size = params if model == BY_SIZE else billions(model, shapes)
    shape, nbytes = source.architecture, card_bytes(card, vram)
    rows = list(fit_cells(source, nbytes, type_kv, rough))
    said = recommend_quantization(nbytes / GIB, size)
    mark = "" if said == TOO_LARGE else said.upper()
    where = f"{card_label(card)}, {nbytes / GIB:.3g} GiB" if card in GPUS else f"{nbytes / GIB:.3g} GiB"
    name = f"{params:g} B, assumed {typical_words(params)}" if model == BY_SIZE else f"{model}, {size:.2f} B"
    beyond = [words for words, n_ctx in CONTEXTS.items() if shape.n_ctx_train and n_ctx > shape.n_ctx_train]
    trained = f"; trained for {shape.n_ctx_train:,} tokens" if beyond else ""
    notes = [aloud(note) for note in pulled_notes(shape, shape.usual_type)]
    table = (("type", *CONTEXTS), *((ftype, *(cell.tip.split(": ", 1)[1] for cell in cells))
                                    for ftype, cells in rows),
             *(("note", note, *[""] * (len(CONTEXTS) - 1)) for note in notes))
    called = f"{params:g} B" if model == BY_SIZE else model
    return draw_heat(rows, mark, finding=_finding(dict(rows), said, mark, called, where),
                     subtitle=f"{name}, on {where}; KV cache {type_kv}{trained}", table=table,
                     notes=notes)


def draw_heat(rows: Sequence[tuple[str, Sequence[Cell]]], marked: str, *, finding: str, subtitle: str,
              table: Table = (), notes: Sequence[str] = ()) -> Picture:
    """Types by contexts.  rows: (type, a cell for each of CONTEXTS).  marked: the type that the rule says.
    notes: sentences below.
    """
    step = (RIGHT - LEFT) / len(CONTEXTS)
    body = [hatching(), quiet(16, TOP - 10, "context", size=12),
            *(text(LEFT + (i + 0.5) * step, TOP - 10, words, size=12, anchor="middle", bold=True)
              for i, words in enumerate(CONTEXTS))]
    y, x = TOP, float(LEFT)
    for label, cells in rows:
        body.append(text(LEFT - 10, y + 19, label, anchor="end", bold=label == marked))
        for i, cell in enumerate(cells):
            body += _cell(cell, LEFT + i * step, y, step)
        if label == marked:
            body += [rect(LEFT - 2, y - 2, RIGHT - LEFT + 1, ROW + 1, "none", stroke=INK, stroke_width=2.5,
                          radius=4), text(RIGHT + 8, y + 19, "◂ the rule", size=12, bold=True)]
        y += ROW
    by_experts = any(cell.kind == "experts" for _, cells in rows for cell in cells)
    for kind, words in LEGEND:
        words = BY_EXPERTS if by_experts and kind == "splits" else words
        body += [*_cell(Cell(kind, "", ""), x, y + 9, 26, 18), quiet(x + 32, y + 22, words, size=12)]
        x += 50 + 7.2 * len(words)
    body += [quiet(16, y + 46 + 17 * i, clipped(note, 118), size=12) for i, note in enumerate(notes)]
    return page(y + 38 + 17 * len(notes), body, finding=finding, subtitle=subtitle, table=table)


def _cell(cell: Cell, x: float, y: float, width: float, height: float = ROW) -> list[str]:
    middle, tone = x + (width - GAP) / 2, TONES.get(cell.kind, "")
    shapes = [rect(x, y, width - GAP, height - GAP, tone or "url(#over)", radius=3, title=cell.tip,
                   opacity=1 if tone else 0.55)]
    if not cell.words:
        return shapes
    words = f"{SIGNS.get(cell.kind, '')}{cell.words}"
    if not tone:
        shapes.append(rect(middle - 4.2 * len(words) - 4, y + 4, 8.4 * len(words) + 8, height - GAP - 8, SOFT,
                           radius=3))
    return [*shapes, text(middle, y + 19, words, size=12, anchor="middle", fill=ink_on(tone))]


@recalled
def explore_fit(vram_gb: float | None = None, params_b: float = 7, model=None,
                type_kv: str = "f16") -> Exhibit:
    """Drag the card and the model's size: which types fit at which context, which are split, and what the
    rule recommends.

    vram_gb: None takes this machine's card.  model: instead of a size, whatever `explore_memory` takes.  What
    is beyond a slider is clamped, and said so. Raises ValueError for NaN and for unknown names, with the
    nearest ones.
    """
    if isinstance(params_b, bool) or not isinstance(params_b, int | float) or params_b != params_b:
        raise ValueError(f"params_b={params_b!r} is not a size: give billions of parameters, such as 7 or 34")
    shown, shapes = (BY_SIZE, MODELS) if model is None else with_own(model)
    vram, machine, said = first_card(vram_gb)
    size = params_b if model is None else billions(shown, shapes)
    (card, gigabytes), by_card = card_handles(vram)
    (name, params), by_model = model_handles(shown, size, shapes)
    handles = [gigabytes, params, card, name,
               menu("type_kv", "KV cache type", one_of("KV cache type", type_kv, KV_TYPES), KV_TYPES)]
    presets: dict[str, dict] = {
        "Why does my 8 GB card not run this?": dict(model="llama3.1:8b", vram=8, type_kv="f16"),
        "34 B on 24 GB": dict(model=BY_SIZE, params=34, vram=24),
        **{card_label(card): dict(card=card) for card in CARDS},
        **machine,
    }
    said += off_the_slider("A size of", size, near(PARAMS, size), "B") if model is None else ""
    return Exhibit(handles, partial(_draw, shapes, False), presets=presets, label_width=120,
                   rough=partial(_draw, shapes, True),
                   links={"model": by_model, "card": by_card},
                   note=said + "Counted: weights, KV cache and compute buffer as llama.cpp allocates them, "
                               "and 0.5 GiB for the driver.")


@recalled
def plot_rule(model: str = "llama3.1:8b", quant: str = "q4_K_M") -> Exhibit:
    """One model at four contexts against the rule's figure for it, term by term: what the rule leaves out is
    hatched.
    """
    shape_of(model)
    if quant not in GB_PER_BILLION:
        raise ValueError(f"the rule has no {quant!r}; it knows {', '.join(GB_PER_BILLION)}")
    rule_gb = rule_of_thumb_gb(billions(model))[quant]
    rule = rule_gb * GB / GIB
    rows: list[Row] = []
    table: list[tuple[str, ...]] = [("context", "weights, GiB", "KV cache, GiB", "compute, GiB", "rule, GB",
                        "the rule is")]
    for name in PLOTTED:
        found = estimate_memory(model, quant.upper(), n_ctx=CONTEXTS[name])
        sizes = [found.weights / GIB, found.kv_cache / GIB, found.compute / GIB]
        error = 100 * (rule / sum(sizes) - 1)
        off = f"{abs(error):.0f} % too {'high' if error > 0 else 'low'}"
        parts = [BarPiece(what, part, MEANING[tone]) for (what, tone), part in
                 zip(OWNERS, sizes, strict=True)]
        rows.append(Row(name, [Bar(parts, f"{sum(sizes):.1f} GiB: rule {off}")]))
        table.append((f"{CONTEXTS[name]:,}", *(f"{part:.2f}" for part in sizes), f"{rule_gb:.2f}", off))
    picture = draw_bars(rows,
                        finding=f"One number for every context: the rule is {table[1][-1]} at 2k, "
                                f"{table[-1][-1]} at 128k",
                        subtitle=f"{model} as {quant}: weights, KV cache (f16) and compute buffer in GiB; "
                                 "the line is what the rule says.",
                        most=math.inf, limit=rule, legend=[(MEANING[tone], what) for what, tone in OWNERS],
                        limit_words=f"rule: {rule_gb:.1f} GB", table=tuple(table))
    return show(picture)
