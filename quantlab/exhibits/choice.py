"""File types as candidates for a card: a bar, a verdict and a reason for each, and below them what was
weighed.

Lesson 08: your card, a model, a context, a wish; a suggestion, and one line on each type that was not taken.
"""

from functools import partial

from ..canvas.style import GREEN, INK, MEANING, MUTE, SMALL, WIDTH, Picture
from ..canvas.svg import hatching, line, page, quiet, rect, swatches, text
from ..inference.compare import recorded_quality
from ..memory.advice import CHOICES, WISHES, candidates, choose, instead, reason
from ..memory.cards import GPUS
from ..memory.estimate import OVERHEAD
from ..memory.fit import CardFit
from ..memory.pulled import pulled_notes
from ..memory.speed import expected_speed
from ..models.architecture import Architecture
from ..models.source import Model
from ..stage.base import Stage
from ..stage.handles import menu, stops
from ..stage.share import recalled
from ..words import GIB, clipped, gib
from .cards import Shapes, billions, card_bytes, card_handles, card_label, first_card, with_own

LEFT, RIGHT = 16, WIDTH - 16
BARS_LEFT, BARS_RIGHT = 104, 320
TOP, ROW, THICK = 112, 26, 15
MOST = 1.6          # a bar longer than this many cards is cut, with an arrow


OWNERS = {"weights": "weights", "KV cache": "kv_cache", "compute buffer": "compute", "driver": "overhead"}


CONTEXTS = tuple(k * 1024 for k in (2, 4, 8, 16, 32, 64, 128))
WORDS = {"balance": "a balance (usual default)", "quality": "quality", "memory": "memory for other things",
         "speed": "speed"}


def agreement(quality) -> tuple[str, dict[str, float]]:
    """(the measured model's name, ftype -> share of places where it says the same token as its own weights)
    of compare_quality's table.
    """
    if not {"ftype", "top1"} <= set(getattr(quality, "columns", ())):
        raise ValueError("quality has no columns ftype and top1: give it a table that compare_quality made")
    measured = quality[quality.top1.notna()]
    return quality.attrs.get("model", "the measured model"), dict(
        zip(measured.ftype, measured.top1.astype(float), strict=True)
    )


def _finding(chosen: CardFit | None, model: str, wish: str, place: str) -> str:
    if chosen is None:
        return f"{model} on {place}: nothing fits"
    if chosen.shape.only_type:
        return f"{model} on {place}: try {chosen.estimate.ftype}, the only type it is published in"
    first = WISHES[wish][0]
    why = "the usual default fits" if wish == "balance" else f"the first choice for {wish}"
    ftype = chosen.estimate.ftype
    return f"{model} on {place}: try {ftype}, {why if ftype == first else f'as {first} does not fit'}"


def _subtitle(model: str, shapes: Shapes, n_ctx: int) -> str:
    trained = shapes[model].architecture.n_ctx_train
    beyond = f" (trained for {trained:,})" if trained and n_ctx > trained else ""
    return (f"{billions(model, shapes):.2f} B weights, {n_ctx:,} tokens{beyond}, KV cache f16, "
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
    pulled = [("Pulled", clipped(note, 104)) for note in pulled_notes(chosen.shape, found.ftype)]
    return [("Counted", counted), *pulled, driver, ("Speed", _speed(chosen, model, card)),
            ("Measured", _measured(found.ftype, [option.estimate.ftype for option in options], *measured)),
            ("Not known", "whether its answers are good enough for you. Compare it with another type: "
                          "lesson 07.")]


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


def _total(option: CardFit) -> str:
    total = option.estimate.needed / GIB
    return f"{total:.1f} GiB" if total < 100 else f"{total:.0f} GiB"


def _draw(measured: tuple[str, dict[str, float]], shapes: Shapes, wish: str, model: str, n_ctx: int,
          card: str, vram: float) -> Picture:
    """One row per candidate against the line of the card; below, what was weighed."""
    size = card_bytes(card, vram)
    options = candidates(shapes[model], size, n_ctx)
    chosen = choose(options, wish)
    reasons = [reason(option, chosen, wish) for option in options]
    longest = max(sum(_parts(option)) for option in options)
    scale = (BARS_RIGHT - BARS_LEFT) / max(size, min(longest, MOST * size))
    edge, y = BARS_LEFT + size * scale, TOP
    words = f"{vram:g} GiB" if card not in GPUS else f"{card_label(card)} ({size / GIB:.3g} GiB)"
    body = [hatching(), text(edge, 80, words, size=SMALL, bold=True, anchor="end" if edge > 200 else "start"),
            quiet(BARS_RIGHT + 78, 98, "needed", anchor="end")]
    for option, why in zip(options, reasons, strict=True):
        body += _row(option, why, y, scale, edge, option is chosen)
        y += ROW
    body += [line(edge, 86, edge, y - 4, stroke=INK, width=2),
             *swatches(LEFT, y + 15, [(MEANING[owner], name) for name, owner in OWNERS.items()])]
    y += 22
    for head, said in _notes(chosen, options, measured, shapes[model], n_ctx, size, card):
        y += 23
        body += [text(LEFT, y, head, size=12, bold=True), text(LEFT + 112, y, said, size=12)]
    numbers: dict[str, object] = {"suggested": "", "billions": billions(model, shapes)}
    if chosen:
        numbers |= {"suggested": chosen.estimate.ftype, "bpw": chosen.bpw, "spare": chosen.room / GIB}
    return page(y + 16, body, finding=_finding(chosen, model, wish, f"{words}, {n_ctx // 1024}k context"),
                subtitle=_subtitle(model, shapes, n_ctx),
                table=(("type", "bits per weight", "needed on the card",
                        f"same token, measured on {measured[0]}", "verdict"),
                       *((o.estimate.ftype, f"{o.bpw:.2f}", _total(o), _same(measured[1], o.estimate.ftype),
                          "suggested: " * (o is chosen) + why)
                         for o, why in zip(options, reasons, strict=True)))).telling(numbers)


def _row(option: CardFit, why: str, y: float, scale: float, edge: float, chosen: bool) -> list[str]:
    plain = INK if option.room >= 0 else MUTE
    sign, ink = ("✓ ", GREEN) if chosen else ("", plain)
    shapes = [text(LEFT, y + 12, sign + option.estimate.ftype, bold=chosen, fill=ink)]
    x: float = BARS_LEFT
    for nbytes, owner in zip(_parts(option), OWNERS.values(), strict=True):
        end = min(x + nbytes * scale, BARS_RIGHT)
        inside = min(end, max(edge, x))
        shapes += [rect(x, y, inside - x, THICK, MEANING[owner], radius=0),
                   rect(inside, y, end - inside, THICK, "url(#over)", radius=0)]
        cut, x = x + nbytes * scale > BARS_RIGHT + 0.5, end
    shapes += [text(BARS_RIGHT + 1, y + 12, "▸")] if cut else []
    return [*shapes,
            text(BARS_RIGHT + 78, y + 12, _total(option), size=12, anchor="end", bold=chosen, fill=plain),
            text(BARS_RIGHT + 92, y + 12, why, size=12, bold=chosen, fill=ink)]


def _parts(option: CardFit) -> tuple[int, ...]:
    """Bytes of each of OWNERS."""
    found = option.estimate
    return found.weights, found.kv_cache, found.compute, OVERHEAD.usual


@recalled
def explore_choice(model="llama3.1:8b", vram_gb: float | None = None, quality=None) -> Stage:
    """Choose a card, a model, a context and what matters most; every type gets a verdict with its reason, and
    what it was measured to lose.

    model: whatever `explore_memory` takes.  vram_gb: None takes this machine's card.
    quality: a table of `compare_quality`, best of a model like yours; None takes the recorded one of the tiny
    Llama.  Raises ValueError for another model and for another kind of table.
    """
    measured = agreement(recorded_quality() if quality is None else quality)
    shown, shapes = with_own(model)
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
                 note=said + "The suggestion follows from bytes alone. What was measured stands beside it, "
                             "and you decide.")
