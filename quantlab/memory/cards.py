"""Cards by name: what quantlab/data/gpus.csv says, each row with its source.

    GPUS["GeForce RTX 4090"].vram_bytes
"""

from dataclasses import dataclass
from fractions import Fraction

from ..models.catalog import rows_of
from ..words import nearest

UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}      # Ollama: format.HumanBytes2
#: Bytes of the card that explorers start on where none was found, and what they say then.
ASSUMED = 8 * 2**30
NO_CARD = "no card was found: 8 GiB is assumed"


@dataclass(frozen=True)
class Card:
    """What a model can lie on: memory in bytes, memory bandwidth in bytes a second, and who says so.

    kind: "card"; "unified" for Apple silicon, whose one memory of memory_bytes gives the GPU the share
    vram_bytes by default; "cpu" for main memory alone, where vram_bytes is 0. A driver keeps a few hundred MB
    for itself, so a program sees a little less than vram_bytes.
    """

    name: str
    vram_bytes: int
    bandwidth: int
    source: str
    kind: str = "card"
    memory_bytes: int = 0


def _card(row: dict[str, str]) -> Card:
    memory = int(row["vram"]) * UNITS[row["unit"]]
    return Card(row["name"], int(memory * Fraction(row["share"])),
                int(Fraction(row["bandwidth_gb_s"]) * 10**9), row["source"], row["kind"], memory)


_CARDS = {row["name"]: _card(row) for row in rows_of("gpus.csv")}
#: Name -> card or Apple computer: as sold, or as its driver reports it where that is known to be less.
GPUS: dict[str, Card] = {name: card for name, card in _CARDS.items() if card.kind != "cpu"}
#: Name -> main memory of a computer without a card; the processor computes from there.
CPUS: dict[str, Card] = {name: card for name, card in _CARDS.items() if card.kind == "cpu"}


def usual_card(nbytes: int) -> Card:
    """The card of GPUS that stands for one of so many bytes: of those nearest in memory, the one of middle
    bandwidth.
    """
    off = {card: abs(card.vram_bytes - nbytes) for card in GPUS.values()}
    nearest_ones = [card for card, distance in off.items() if distance == min(off.values())]
    return sorted(nearest_ones, key=lambda card: card.bandwidth)[(len(nearest_ones) - 1) // 2]


def card_named(name: str) -> Card:
    """A card of GPUS, or main memory of CPUS.  Raises ValueError with the nearest names."""
    if name not in _CARDS:
        raise ValueError(f"no card {name!r} in the table{nearest(name, _CARDS)}")
    return _CARDS[name]
