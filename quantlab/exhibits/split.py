"""Lesson 19: what of a mixture lies on the card, split by experts or by layers, and what a token reads there.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from ..canvas.style import INK, MEANING, SMALL, Picture
from ..canvas.svg import line, page, quiet, rect, swatches, text
from ..memory.advice import CONTEXTS, types_of
from ..memory.cards import GPUS
from ..memory.estimate import own_ftype
from ..memory.fit import CardFit, fits
from ..memory.overrides import is_expert
from ..memory.settings import Settings
from ..memory.splits import Way, faster
from ..stage.exhibit import Exhibit
from ..stage.handles import menu, slider, stops
from ..stage.share import recalled
from ..words import gib, number, size
from .cards import (
    Shapes,
    billions,
    card_bytes,
    card_handles,
    card_label,
    first_card,
    near,
    off_the_slider,
    type_handle,
    with_own,
)

LEFT, RIGHT, TOP = 16, 744, 80
# of a way: heights of what all tokens use and of the experts, of its bar, and from one way to the next
THIN, TALL, BAR, STEP = 12, 34, 16, 142
CARD, HOST = MEANING["weights"], MEANING["split"]
NOTE = ("Each column is a layer, the first one left. The thin part is what every token uses: attention, "
        "norms, the router. The tall part is the experts.")


# ---- facts

class LayerPlace(NamedTuple):
    """Whether a layer, and whether its experts, lie on the card."""

    layer: bool
    experts: bool


def places(way: Way, n_layer: int) -> list[LayerPlace]:
    """Where each layer lies, the first one first: whole layers leave the card from the front, as experts do.
    """
    on_card = n_layer if way.layers is None else max(way.layers - 1, 0)
    first = n_layer - on_card
    return [LayerPlace(i >= first, i >= max(first, way.n_cpu_moe)) for i in range(n_layer)]


def milliseconds(way: Way, bandwidth: float, host: float) -> tuple[float, float]:
    """The least that a token needs: to read from the card, and from main memory."""
    return 1e3 * way.speed.card / bandwidth, 1e3 * way.speed.host / host


def mixtures(shapes: Shapes) -> list[str]:
    """The models of a menu that have experts."""
    return [name for name, shape in shapes.items() if shape.architecture.n_expert]


# ---- words

def _finding(fit: CardFit, ways: Sequence[Way]) -> str:
    if fit.room >= 0:
        return f"All of it fits, {gib(fit.room)} to spare: {ways[0].speed.words} tokens a second"
    if len(ways) < 2:
        return f"{ways[0].words.capitalize()}: {ways[0].speed.words} tokens a second"
    best, other = ("by experts" if way.n_cpu_moe else "by layers" for way in ways)
    return f"Split {best} it is {faster(ways)} as {other}: {ways[0].speed.words} tokens a second"


def _share_of_experts(fit: CardFit) -> float:
    """Of all bytes, 0 to 1."""
    experts = sum(nbytes for layer in fit.weights.layers for name, nbytes in layer if is_expert(name))
    return experts / fit.weights.nbytes


def _table(ways: Sequence[Way], times: Sequence[tuple[float, float]]) -> tuple[tuple[str, ...], ...]:
    return (("what lies where", "on the card", "in main memory", "read there for each token",
             "at most, tokens/s", "expected", "llama-server"),
            *((way.words, gib(way.estimate.total), gib(way.estimate.host), size(way.speed.host),
               number(1e3 / sum(time), 3), way.speed.words, way.flags or "as it is")
              for way, time in zip(ways, times, strict=True)))


# ---- picture

def _draw(shapes: Shapes, model: str, ftype: str, n_ctx: int, card: str, vram: float, ram: int) -> Picture:
    shown, nbytes = shapes[model], card_bytes(card, vram)
    shape, ftype = shown.architecture, ftype if ftype in types_of(shown) else own_ftype(shown)
    fit = fits(shown, nbytes, ftype, Settings(n_ctx=n_ctx))
    known = GPUS[card].bandwidth if card in GPUS else 0
    bandwidth, host = fit.bandwidths(known, ram * 1e9)
    ways = fit.ways(bandwidth, host)
    times = [milliseconds(way, bandwidth, host) for way in ways]
    body, longest = swatches(LEFT, TOP, [(CARD, "on the card"), (HOST, "in main memory")]), max(
        sum(time) for time in times)
    for i, (way, time) in enumerate(zip(ways, times, strict=True)):
        body += _way(way, time, shape.n_layer, longest, TOP + 14 + STEP * i)
    name = card_label(card) if card in GPUS else f"a card of {vram:g} GB"
    of = (f"{shape.n_expert_used} of {shape.n_expert} experts for each token, "
          f"{100 * _share_of_experts(fit):.0f} % of the bytes are experts")
    return page(TOP + 20 + 2 * STEP, body, finding=_finding(fit, ways), table=_table(ways, times),
                subtitle=f"{model} as {ftype}, {n_ctx:,} tokens, {name} ({bandwidth / 1e9:,.0f} GB/s); {of}"
                ).telling(
        {"low": ways[0].speed.low, "fits": fit.room >= 0, "billions": billions(model, shapes),
         "n_cpu_moe": ways[0].n_cpu_moe, "host": ways[0].speed.host / 1e6,
         "ratio": ways[0].speed.limit / ways[-1].speed.limit})


def _way(way: Way, time: tuple[float, float], n_layer: int, longest: float, y: float) -> list[str]:
    """One way: its layers, what lies where in words, and how long a token reads from each side."""
    estimate, pitch = way.estimate, (RIGHT - LEFT) / n_layer
    body = [text(LEFT, y + 16, way.words[:1].upper() + way.words[1:], bold=True),
            quiet(RIGHT, y + 16, f"{gib(estimate.total)} on the card, {gib(estimate.host)} in main memory",
                  anchor="end")]
    for i, place in enumerate(places(way, n_layer)):
        x, wide = LEFT + pitch * i, max(pitch - 1.5, 1)
        body += [rect(x, y + 24, wide, THIN, CARD if place.layer else HOST, radius=1),
                 rect(x, y + 25 + THIN, wide, TALL, CARD if place.experts else HOST, radius=1)]
    y += 32 + THIN + TALL
    on_card, in_host = ((RIGHT - LEFT - 260) * part / longest for part in time)
    body += [rect(LEFT, y, on_card, BAR, CARD, radius=0),
             rect(LEFT + on_card, y, in_host, BAR, HOST, radius=0),
             line(LEFT, y - 2, LEFT, y + BAR + 2, stroke=INK),
             text(LEFT + on_card + in_host + 8, y + 13, f"{number(sum(time), 2)} ms a token at least",
                  size=12, bold=True)]
    read = f"reads {size(way.speed.card)} on the card: {number(time[0], 2)} ms"
    if way.speed.host:
        read += f"; {size(way.speed.host)} in main memory: {number(time[1], 2)} ms"
    return [*body, quiet(LEFT, y + BAR + 16, f"A token {read}. Expected: {way.speed.words} tokens a second",
                         size=SMALL)]


# ---- handles

@recalled
def explore_split(model="qwen3:30b", vram_gb: float | None = 12, *, ftype: str | None = None,
                  n_ctx: int = 8192) -> Exhibit:
    """A mixture of experts on a card: what stays in main memory where its experts leave the card, and where
    whole layers do, with what a token reads from each and how fast it can come.

    model: whatever `explore_memory` takes, with experts.  vram_gb: None takes this machine's card.  ftype: to
    begin with; where a model has one only, that is shown.  n_ctx: tokens in the context.
    Raises ValueError for a model without experts, for unknown names and for what is no number.
    """
    shown, shapes = with_own(model)
    if not shapes[shown].architecture.n_expert:
        raise ValueError(f"{shown} has no experts: it can be split by whole layers only, as explore_memory "
                         "shows; qwen3:30b and gpt-oss:20b have experts")
    if isinstance(n_ctx, bool) or not isinstance(n_ctx, int | float) or n_ctx != n_ctx:
        raise ValueError(f"n_ctx={n_ctx!r} is not a number")
    vram, machine, said = first_card(vram_gb)
    tokens = near(CONTEXTS, n_ctx)
    said += off_the_slider("A context of", n_ctx, tokens, "tokens")
    cards, by_card = card_handles(vram)
    handles = [menu("model", "model", shown, mixtures(shapes)),
               type_handle(ftype, shapes[shown]),
               stops("n_ctx", "context, tokens", tokens, [(f"{n:,}", n) for n in CONTEXTS]), *cards,
               slider("ram", "main memory, GB/s", 50, 10, 400, 10)]
    usual = dict(model="qwen3:30b", ftype="Q4_K_M", n_ctx=8192, ram=50)
    presets = {f"{words} on {gb} GB": usual | dict(model=name, vram=gb)
               for name, words in (("gpt-oss:20b", "gpt-oss 20B"), ("qwen3:30b", "Qwen3 30B"))
               for gb in (8, 12, 24)}
    return Exhibit(handles, partial(_draw, shapes), presets=presets | machine, links={"card": by_card},
                   note=said + NOTE, label_width=140)
