"""Models and cards by name: what the tables in quantlab/data say, each row with its source.

    MODELS["llama3.1:8b"].n_head_kv      GPUS["GeForce RTX 4090"].vram_bytes
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, fields
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path

from ..models.architecture import Architecture

DATA = Path(__file__).parent.parent / "data"
UNITS = {"MiB": 2**20, "GiB": 2**30}


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


@dataclass(frozen=True)
class Origin:
    """What a row of models.csv knows besides the shape.

    n_params: the count of the shape's large tensors; published: the maker's count, exact or rounded
    ("7.62B"); q4_k_m_bytes: sum of the tensors that llama-quantize wrote for Q4_K_M, None where it was not
    run; source: where the shape and the count were read.
    """

    n_params: int
    published: str
    q4_k_m_bytes: int | None
    source: str


def _architecture(row: dict[str, str]) -> Architecture:
    counts = {field.name: int(row[field.name]) for field in fields(Architecture) if field.name in row
              and field.name != "arch"}
    flags = {name: bool(counts[name]) for name in ("tied_embeddings", "rope_freqs", "longrope")}
    return Architecture(arch=row["arch"], **(counts | flags))


def _rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


#: Ollama's name -> shape, smallest model first. The text part only: no vision projector is counted.
MODELS: dict[str, Architecture] = {row["name"]: _architecture(row) for row in _rows("models.csv")}

def _card(row: dict[str, str]) -> Card:
    memory = int(row["vram"]) * UNITS[row["unit"]]
    return Card(row["name"], int(memory * Fraction(row["share"])),
                int(Fraction(row["bandwidth_gb_s"]) * 10**9), row["source"], row["kind"], memory)


#: Name -> card or Apple computer: as sold, or as its driver reports it where that is known to be less.
GPUS: dict[str, Card] = {row["name"]: _card(row) for row in _rows("gpus.csv") if row["kind"] != "cpu"}

#: Name -> main memory of a computer without a card; the processor computes from there.
CPUS: dict[str, Card] = {row["name"]: _card(row) for row in _rows("gpus.csv") if row["kind"] == "cpu"}

#: Name -> what else is known of the model.
PUBLISHED: dict[str, Origin] = {row["name"]: Origin(int(row["n_params"]), row["published"],
                                                    int(row["q4_k_m_bytes"]) if row["q4_k_m_bytes"]
                                                    else None, row["source"]) for row in _rows("models.csv")}

#: Ollama's family -> what its row in beyond.csv says: families that the formula does not cover, and why.
BEYOND: dict[str, dict[str, str]] = {row["family"]: row for row in _rows("beyond.csv")}


def model_named(model: Architecture | str) -> Architecture:
    """The shape itself, or that of a name in MODELS.  Raises ValueError with the nearest names."""
    if isinstance(model, Architecture):
        return model
    family = str(model).partition(":")[0]
    if model not in MODELS and family in BEYOND:
        raise ValueError(
            f"{model} (architecture {BEYOND[family]['arch']}) is not covered by the formula: "
            f"{BEYOND[family]['why']}. With "
            f"its GGUF, quantlab.oracles.planner.measure(open_model({model!r})) asks llama.cpp itself")
    if model not in MODELS:
        raise ValueError(
            f"no model {model!r} in the catalog{_nearest(model, [*MODELS, *BEYOND])}; there are "
            f"{', '.join(MODELS)}")
    return MODELS[model]


def card_named(name: str) -> Card:
    """A card of GPUS, or main memory of CPUS.  Raises ValueError with the nearest names."""
    cards = GPUS | CPUS
    if name not in cards:
        raise ValueError(f"no card {name!r} in the table{_nearest(name, cards)}")
    return cards[name]


def _nearest(name: object, names: Iterable[str]) -> str:
    """"; the nearest are A, B", whatever the case of the letters; nothing where nothing is near."""
    spelled = {one.casefold(): one for one in names}
    near = [spelled[one] for one in get_close_matches(str(name).casefold(), spelled, n=3, cutoff=0.4)]
    return f"; the nearest are {', '.join(near)}" if near else ""


def nearest_model(params_b: float) -> str:
    """The catalog's model whose number of parameters is nearest to params_b billion, by ratio.

    Raises ValueError unless params_b is a positive finite number.
    """
    if not 0 < params_b < float("inf"):
        raise ValueError(
            f"params_b={params_b} is not a number of billions of parameters: give something like 7")
    wanted = params_b * 1e9
    return min(MODELS, key=lambda name: max(PUBLISHED[name].n_params / wanted,
                                            wanted / PUBLISHED[name].n_params))
