"""Handles that several exhibits share: a card by name and by size, this machine's own, a model by name and by
size.
"""

from collections.abc import Iterable, Mapping

from ..memory.advice import SLIDER, types_of
from ..memory.cards import GPUS, NO_CARD
from ..memory.machine import card_or_assumed
from ..models.architecture import Architecture
from ..models.catalog import MODELS, PUBLISHED, catalog_name
from ..models.resolve import shape_of
from ..models.source import Model
from ..stage.handles import Handle, Link, menu, stops
from ..words import GIB, one_of

#: GB of the card's slider: the sizes that are sold, and some between them.
SIZES = (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 18, 20, 22, 24, 28, 32, 36, 40, 45, 48, 56,
         64, 80, 96, 128, 141, 192, 256)
#: Billions of parameters of the model's slider.
PARAMS = (0.1, 0.3, 0.6, 1, 1.5, 2, 3, 4, 7, 8, 9, 12, 13, 14, 16, 20, 24, 27, 30, 32, 34, 40, 47, 70, 72,
          104, 123, 180, 235, 405)
ANY_CARD = "another card: use the slider"
BY_SIZE = "no model named: use the size"
Shapes = Mapping[str, Architecture | Model]


def near(places: Iterable[float], value: float) -> float:
    """The place that is nearest; the last one for what is larger than all."""
    ordered = sorted(places)
    return min(ordered, key=lambda place: abs(place - min(max(value, ordered[0]), ordered[-1])))


def clamped(gigabytes: float) -> float:
    """The nearest size on the slider; a driver that reports 7.996 of 8 still means 8.

    Raises ValueError for what is not a number.
    """
    if isinstance(gigabytes, bool) or not isinstance(gigabytes, int | float) or gigabytes != gigabytes:
        raise ValueError(f"vram_gb={gigabytes!r} is not an amount of memory: give GB, such as 8 or 24")
    return near(SIZES, gigabytes)


def off_the_slider(what: str, asked: float, shown: float, unit: str) -> str:
    """What to say when a slider cannot stand where it was asked to; "" when it can."""
    if abs(asked - shown) <= 0.02 * abs(shown):
        return ""
    unit = f" {unit}" if unit else ""
    return f"{what} {asked:,g}{unit} is not on the slider, which stands at {shown:,g}{unit}. "


def card_here() -> tuple[float, str]:
    """(GB, name) of this machine's largest card; the assumed one's GB and "" where none was found."""
    card = card_or_assumed()
    return clamped(card.total_bytes / GIB), "" if card.name == NO_CARD else card_label(card.name)


def first_card(vram_gb: float | None) -> tuple[float, dict[str, dict], str]:
    """(GB to begin with, the preset of this machine, what must be said of it).  vram_gb: None for this
    machine's card.
    """
    here, name = card_here()
    if vram_gb is not None:
        vram = clamped(vram_gb)
        said = off_the_slider("A card of", vram_gb, vram, "GB")
    else:
        vram, said = here, "" if name else f"No card was found on this machine: {here} GB is assumed. "
    return vram, {f"My machine: {name}" if name
                  else f"No card found: {here} GB assumed": dict(vram=here)}, said


def card_handles(vram: float) -> tuple[list[Handle], Link]:
    """A menu of cards, this machine's first where the catalog does not have it, and a slider of sizes as
    written on a card's box (makers write GB and mean GiB).
    """
    here, name = card_here()
    places = {card: clamped(gpu.vram_bytes / GIB) for card, gpu in GPUS.items()}
    known = next((card for card in places if card_label(card) == name and places[card] == here), "")
    mine = known or (f"my machine: {name}" if name else ANY_CARD)
    places |= {mine: here} if name and not known else {}
    return [
        menu(
            "card",
            "card by name",
            mine if vram == here else ANY_CARD,
            [ANY_CARD, *sorted(places, key=lambda card: card != mine)],
        ),
        stops("vram", "card", vram, [(f"{size:g} GB", size) for size in SIZES]),
    ], Link("vram", places.get, ANY_CARD)


def with_own(model) -> tuple[str, Shapes]:
    """(what a model is called in a menu, the shapes of the menu by name): the catalog's, the learner's own
    before them.

    model: as in `resolve.shape_of`, which raises ValueError.
    """
    shape = shape_of(model)
    if isinstance(model, str) and isinstance(shape, Architecture):
        return catalog_name(model) or model, MODELS
    name = f"this {shape.arch} model" if isinstance(shape, Architecture) else shape.name
    if isinstance(shape, Model) and shape is not model:
        shape.close()                   # its list of tensors is all that is needed
    return name, {name: shape} | MODELS


def model_handles(model: str, params_b: float, shapes: Shapes = MODELS) -> tuple[list[Handle], Link]:
    """A menu of models, or BY_SIZE, and a slider of billions of parameters."""
    return [menu("model", "model", model, [BY_SIZE, *shapes]),
            stops("params", "parameters", near(PARAMS, params_b),
                  [(f"{p:g} B", p) for p in PARAMS])], Link("params",
                                                            lambda name: near(PARAMS, billions(name, shapes))
                                                            if name in shapes else None, BY_SIZE)


def type_handle(ftype: str | None, shape: Architecture | Model | None) -> Handle:
    """The handle of types: it begins at the one that was asked for, else at a file's own.  shape: None where
    only a size is known.
    """
    types = types_of(shape) if isinstance(shape, Model) else SLIDER
    own = shape.ftype if isinstance(shape, Model) else "Q4_K_M"
    return stops("ftype", "quantization", own if ftype is None else one_of("ftype", ftype, types), types)


def billions(model: str, shapes: Shapes = MODELS) -> float:
    """Billions of parameters of a model of a menu."""
    if model in PUBLISHED:
        return PUBLISHED[model].n_params / 1e9
    shape = shapes[model]
    return (shape.n_params if isinstance(shape, Architecture) else shape.n_weights) / 1e9


def card_bytes(card: str, vram: float) -> int:
    """Bytes of the card that the menu names, else of the slider's GB."""
    return GPUS[card].vram_bytes if card in GPUS else int(vram * GIB)


def card_label(name: str) -> str:
    """A card's name without its maker."""
    return name.removeprefix("NVIDIA ").removeprefix("GeForce ").removesuffix(" SXM")
