"""File types as candidates for a card: a bar, a verdict and a reason for each, and below them what was
weighed.

Lesson 08: your card, a model, a context, a wish; a suggestion, and one line on each type that was not taken.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from ..canvas.style import GREEN, INK, MEANING, MUTE, SMALL, WIDTH, Picture, Table
from ..canvas.svg import hatching, line, page, quiet, rect, text
from ..inference.compare import recorded_quality
from ..memory.advice import CHOICES, WISHES, candidates, choose, instead, reason
from ..memory.cards import GPUS
from ..memory.estimate import OVERHEAD
from ..memory.fit import CardFit
from ..memory.speed import expected_speed
from ..models.architecture import Architecture
from ..models.source import Model
from ..stage.base import Stage
from ..stage.handles import menu, stops
from ..words import GIB, gib
from .cards import Shapes, billions, card_bytes, card_handles, card_label, first_card, with_own

LEFT, RIGHT = 16, WIDTH - 16
BARS_LEFT, BARS_RIGHT = 104, 320
TOP, ROW, THICK = 112, 26, 15
MOST = 1.6          # a bar longer than this many cards is cut, with an arrow


OWNERS = {"weights": "weights", "KV cache": "kv_cache", "compute buffer": "compute", "driver": "overhead"}


class ChoiceLine(NamedTuple):
    """A candidate: the parts of OWNERS in the unit of the card; its total in words, whether it fits, the
    reason.
    """

    name: str
    parts: tuple[float, ...]
    total: str
    fits: bool
    reason: str


def draw_choice(lines: Sequence[ChoiceLine], chosen: str, card: float, card_words: str,
                notes: Sequence[tuple[str, str]], *, finding: str, subtitle: str,
                table: Table = ()) -> Picture:
    """One row per candidate against the line of the card; notes are (head, sentence) below."""
    longest = max(sum(row.parts) for row in lines)
    scale = (BARS_RIGHT - BARS_LEFT) / max(card, min(longest, MOST * card))
    edge = BARS_LEFT + card * scale
    body, y = [hatching(), text(edge, 80, card_words, size=SMALL, bold=True, anchor="end" if edge > 200
                                else "start")], TOP
    body.append(quiet(BARS_RIGHT + 78, 98, "needed", anchor="end"))
    for row in lines:
        body += _row(row, y, scale, edge, row.name == chosen)
        y += ROW
    body.append(line(edge, 86, edge, y - 4, stroke=INK, width=2))
    x: float = LEFT
    for words, owner in OWNERS.items():
        body += [rect(x, y + 5, 11, 11, MEANING[owner]), quiet(x + 17, y + 15, words)]
        x += 36 + 6.4 * len(words)
    y += 22
    for head, words in notes:
        y += 23
        body += [text(LEFT, y, head, size=12, bold=True), text(LEFT + 112, y, words, size=12)]
    return page(y + 16, body, finding=finding, subtitle=subtitle, table=table)


def _row(row: ChoiceLine, y: float, scale: float, edge: float, chosen: bool) -> list[str]:
    sign, ink = ("✓ ", GREEN) if chosen else ("", INK if row.fits else MUTE)
    shapes = [text(LEFT, y + 12, sign + row.name, bold=chosen, fill=ink)]
    x: float = BARS_LEFT
    for size, owner in zip(row.parts, OWNERS.values(), strict=True):
        end = min(x + size * scale, BARS_RIGHT)
        inside = min(end, max(edge, x))
        shapes += [rect(x, y, inside - x, THICK, MEANING[owner], radius=0),
                   rect(inside, y, end - inside, THICK, "url(#over)", radius=0)]
        cut, x = x + size * scale > BARS_RIGHT + 0.5, end
    if cut:
        shapes.append(text(BARS_RIGHT + 1, y + 12, "▸"))
    return [*shapes, text(BARS_RIGHT + 78, y + 12, row.total, size=12, anchor="end", bold=chosen, fill=INK
                          if row.fits else MUTE), text(BARS_RIGHT + 92, y + 12, row.reason, size=12,
                                                       bold=chosen, fill=ink)]


CONTEXTS = tuple(k * 1024 for k in (2, 4, 8, 16, 32, 64, 128))
WORDS = {"balance": "a balance (usual default)", "quality": "quality", "memory": "memory for other things",
         "speed": "speed"}


def explore_choice(model="llama3.1:8b", vram_gb: float | None = None, quality=None) -> Stage:
    """Choose a card, a model, a context and what matters most; every type gets a verdict with its reason, and
    what it was measured to lose.

    model: whatever `explore_memory` takes, but not gpt-oss.  vram_gb: None takes this machine's card.
    quality: a table of `compare_quality`, best of a model like yours; None takes the recorded one of the tiny
    Llama.  Raises ValueError for another model and for another kind of table.
    """
    measured = agreement(recorded_quality() if quality is None else quality)
    shown, shapes = with_own(model)
    candidates(shapes[shown], GIB, 256)         # refuses what has no types to choose from
    vram, machine, said = first_card(vram_gb)
    cards, by_card = card_handles(vram)
    handles = [menu("wish", "most important", "balance", [(words, wish) for wish, words in WORDS.items()]),
               menu("model", "model", shown, [shown, *(name for name in CHOICES if name != shown)]
                    if shown not in CHOICES else CHOICES),
               stops("n_ctx", "context, tokens", 8192, [(f"{n:,}", n) for n in CONTEXTS]), *cards]
    presets: dict[str, dict] = {"Quality first": dict(wish="quality"), "A long text": dict(n_ctx=32768),
               "70 B on 24 GB": dict(model="llama3.1:70b", card="GeForce RTX 4090"),
               **machine}
    return Stage(handles, partial(_draw, measured, shapes), presets=presets, label_width=120,
                 links={"card": by_card},
                 note=said
                 + "A rule over bytes, with its reasons. What is measured stands beside it and decides "
                 "nothing: that is " "your part.")


def agreement(quality) -> tuple[str, dict[str, float]]:
    """(the measured model's name, ftype -> share of places where it says the same token as its own weights)
    of compare_quality's table.
    """
    if not {"ftype", "top1"} <= set(getattr(quality, "columns", ())):
        raise ValueError("quality has no columns ftype and top1: give it a table that compare_quality made")
    measured = quality[quality.top1.notna()]
    return quality.attrs.get("model", "the measured model"), dict(zip(measured.ftype,
                                                                      measured.top1.astype(float),
                                                                      strict=True))


def _draw(measured: tuple[str, dict[str, float]], shapes: Shapes, wish: str, model: str, n_ctx: int,
          card: str, vram: float) -> Picture:
    size = card_bytes(card, vram)
    options = candidates(shapes[model], size, n_ctx)
    chosen = choose(options, wish)
    lines = [ChoiceLine(o.estimate.ftype, _parts(o), _total(o), o.room >= 0, reason(o, chosen, wish))
             for o in options]
    words = f"{vram:g} GiB" if card not in GPUS else f"{card_label(card)} ({size / GIB:.3g} GiB)"
    head = ("type", "bits per weight", "needed on the card", f"same token, measured on {measured[0]}",
            "verdict")
    table = (head,
             *((line.name, f"{o.bpw:.2f}", line.total, _same(measured[1], line.name),
                "suggested: " * (o is chosen) + line.reason) for o, line in zip(options, lines, strict=True)))
    return draw_choice(lines, chosen.estimate.ftype if chosen else "", size / GIB, words,
                       _notes(chosen, options, measured, shapes[model], n_ctx, size, card), table=table,
                       finding=_finding(chosen, model, wish, f"{words}, {n_ctx // 1024}k context"),
                       subtitle=_subtitle(model, shapes, n_ctx))


def _finding(chosen: CardFit | None, model: str, wish: str, place: str) -> str:
    if chosen is None:
        return f"{model} on {place}: nothing fits"
    first = WISHES[wish][0]
    why = "the usual default fits" if wish == "balance" else f"the first choice for {wish}"
    ftype = chosen.estimate.ftype
    return f"{model} on {place}: try {ftype}, {why if ftype == first else f'as {first} does not fit'}"


def _subtitle(model: str, shapes: Shapes, n_ctx: int) -> str:
    trained = shapes[model].architecture.n_ctx_train
    beyond = f" (trained for {trained:,})" if trained and n_ctx > trained else ""
    return (
        f"{billions(model, shapes):.2f} B weights, {n_ctx:,} tokens{beyond}, KV cache f16, "
        "everything on the card")


def _notes(chosen: CardFit | None, options: tuple[CardFit, ...], measured: tuple[str, dict[str, float]],
           model: Architecture | Model, n_ctx: int, size: int, card: str) -> list[tuple[str, str]]:
    driver = ("Driver", f"{gib(OVERHEAD.usual)} assumed: users report {OVERHEAD.low / GIB:.2g} to "
                        f"{OVERHEAD.high / GIB:.2g} GiB. All else is computed.")
    if chosen is None:
        return [("Instead", f"{instead(model, size, n_ctx)}."),
                ("Or", "Ollama leaves some layers to the CPU, several times slower."), driver]
    found = chosen.estimate
    counted = (f"{gib(found.weights)} of weights ({chosen.bpw:.2f} bits each), {gib(found.kv_cache)} of KV "
               f"cache, {gib(found.compute)} of compute buffer")
    return [("Counted", counted), driver, ("Speed", _speed(chosen, model, card)),
            ("Measured", _measured(found.ftype, [option.estimate.ftype for option in options], *measured)),
            ("Not known", "whether its answers are good enough for you. Ask it, and one other: lesson 07.")]


def _measured(chosen: str, types: list[str], name: str, same: dict[str, float]) -> str:
    """How often the type says what the unquantized model says, and what one step up or down would change."""
    if chosen not in same:
        return f"nothing at {chosen}: the table of {name} has no such row"
    at = types.index(chosen)
    steps = [f"{types[i]} {_same(same, types[i])}" for i in (at - 1, at + 1) if 0 <= i < len(types)
             and types[i] in same]
    return f"on {name}: the same token in {_same(same, chosen)} of all places" + (
        f" ({', '.join(steps)})" if steps else "")


def _same(same: dict[str, float], ftype: str) -> str:
    return f"{100 * same[ftype]:.0f} %" if ftype in same else "not measured"


def _speed(chosen: CardFit, model: Architecture | Model, card: str) -> str:
    if card not in GPUS:
        return "choose a named card to see the most that its memory allows"
    found, bandwidth = chosen.estimate, GPUS[card].bandwidth
    most = expected_speed(model, found.ftype, bandwidth, n_ctx=found.settings.n_ctx).limit
    read = "some experts" if chosen.shape.n_expert else "all weights"
    return (f"at most {most:.0f} tokens a second: {bandwidth / 1e9:.0f} GB/s, and each token reads {read} "
            "and a full KV cache")


def _parts(option: CardFit) -> tuple[float, ...]:
    found = option.estimate
    return tuple(nbytes / GIB for nbytes in (found.weights, found.kv_cache, found.compute, OVERHEAD.usual))


def _total(option: CardFit) -> str:
    total = option.estimate.needed / GIB
    return f"{total:.1f} GiB" if total < 100 else f"{total:.0f} GiB"
