"""Controls that several explorers share: the card by name and by size, this machine's own, and words for what
was clamped.
"""

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches

import ipywidgets as widgets

from ..memory.cards import GPUS
from ..memory.machine import my_machine
from ..models.catalog import MODELS, PUBLISHED

GIB = 2**30
#: GB of the card's slider: the sizes that are sold, and some between them.
SIZES = (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 18, 20, 22, 24, 28, 32, 36, 40, 45, 48, 56,
         64, 80, 96, 128, 141, 192, 256)
#: Billions of parameters of the model's slider.
PARAMS = (0.1, 0.3, 0.6, 1, 1.5, 2, 3, 4, 7, 8, 9, 12, 13, 14, 16, 20, 24, 27, 30, 32, 34, 40, 47, 70, 72,
          104, 123, 180, 235, 405)
ANY_CARD = "another card: use the slider"
BY_SIZE = "no model named: use the size"
WIDE = dict(style=dict(description_width="120px"), layout=dict(width="360px"))


def clamped(gigabytes: float) -> float:
    """The nearest size on the slider; a driver that reports 7.996 of 8 still means 8.

    Raises ValueError for what is not a number.
    """
    if gigabytes != gigabytes:
        raise ValueError("vram_gb=nan is not an amount of memory: give GB, such as 8 or 24")
    return min(SIZES, key=lambda size: abs(size - min(gigabytes, SIZES[-1])))


def card_slider(value: float) -> widgets.SelectionSlider:
    """The card's memory in GB, as written on its box (makers write GB and mean GiB)."""
    return widgets.SelectionSlider(options=[(f"{size:g} GB", size) for size in SIZES], value=value,
                                   description="card", **WIDE)


def card_controls(vram: float) -> dict[str, widgets.Widget]:
    """A menu of cards by name, this machine's first, and a slider of sizes; each follows the other."""
    here, name = card_here()
    mine = f"my machine: {name}"
    menu = widgets.Dropdown(options=[ANY_CARD, mine, *GPUS], value=mine if vram == here else ANY_CARD,
                            description="card by name", **WIDE)
    slider = card_slider(vram)
    follow(menu, slider, lambda card: here if card == mine else clamped(GPUS[card].vram_bytes / GIB)
           if card in GPUS else None, ANY_CARD)
    return {"card": menu, "vram": slider}


def model_controls(model: str, params_b: float) -> dict[str, widgets.Widget]:
    """A menu of models, or BY_SIZE, and a slider of billions of parameters; each follows the other."""
    menu = widgets.Dropdown(options=[BY_SIZE, *MODELS], value=model, description="model", **WIDE)
    sizes = [(f"{p:g} B", p) for p in PARAMS]
    slider = widgets.SelectionSlider(options=sizes, value=near(PARAMS, params_b), description="parameters",
                                     **WIDE)
    follow(menu, slider, lambda name: near(PARAMS, billions(name)) if name in MODELS else None, BY_SIZE)
    return {"model": menu, "params": slider}


def billions(model: str) -> float:
    """Billions of parameters of a model of the catalog."""
    return PUBLISHED[model].n_params / 1e9


def card_here() -> tuple[float, str]:
    """(GB, name) of this machine's largest card, or of its main memory where no card was found."""
    machine = my_machine()
    if not machine.gpus:
        return clamped(machine.ram_bytes / GIB), "memory, no card found"
    card = max(machine.gpus, key=lambda gpu: gpu.total_bytes)
    return clamped(card.total_bytes / GIB), short(card.name)


def card_bytes(card: str, vram: float) -> int:
    """Bytes of the card that the menu names, else of the slider's GB."""
    return GPUS[card].vram_bytes if card in GPUS else int(vram * GIB)


def short(name: str) -> str:
    return name.removeprefix("NVIDIA ").removeprefix("GeForce ").removesuffix(" SXM")


def follow(menu: widgets.Dropdown, slider: widgets.SelectionSlider, place: Callable[[str], float | None],
           free: str) -> None:
    """A chosen name moves the slider to `place(name)`; a slider that leaves that place lets go of the name:
    `free`.
    """
    def to_slider(change):
        if (wanted := place(change.new)) is not None:
            slider.value = wanted

    def let_go(change):
        wanted = place(menu.value)
        if wanted is not None and abs(wanted - change.new) > 1e-6:
            menu.value = free

    menu.observe(to_slider, names="value")
    slider.observe(let_go, names="value")


def near(stops: Iterable[float], value: float) -> float:
    """The stop that is nearest; the last one for what is larger than all."""
    ordered = sorted(stops)
    return min(ordered, key=lambda stop: abs(stop - min(max(value, ordered[0]), ordered[-1])))


def moved(what: str, asked: float, shown: float, unit: str) -> str:
    """What to say when a slider cannot stand where it was asked to; "" when it can."""
    same = abs(asked - shown) <= 0.02 * abs(shown)
    return "" if same else f"{what} {asked:,g} {unit} is not on the slider, which stands at {shown:,g} {unit}. ".replace(
        "  ", " ")


def one_of(what: str, name: object, names: Sequence[str]) -> str:
    """`name` as it is written in `names`, whatever its case.  Raises ValueError with the nearest ones."""
    same = {known.lower(): known for known in names}
    if str(name).lower() in same:
        return same[str(name).lower()]
    close = get_close_matches(str(name).lower(), same, n=3, cutoff=0.4)
    hint = f"; the nearest are {', '.join(same[c] for c in close)}" if close else ""
    raise ValueError(f"no {what} {name!r} here{hint}; there are {', '.join(names)}")
