"""Models and cards by name: what the tables in quantlab/data say, each row with its source.

    MODELS["llama3.1:8b"].n_head_kv      GPUS["GeForce RTX 4090"].vram_bytes
"""

import csv
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path

from ..models.architecture import Architecture

DATA = Path(__file__).parent.parent / "data"
UNITS = {"MiB": 2**20, "GiB": 2**30}


@dataclass(frozen=True)
class Card:
    """A graphics card: memory in bytes, memory bandwidth in bytes a second, and who says so.

    A driver keeps a few hundred MB for itself, so a program sees a little less than vram_bytes.
    """

    name: str
    vram_bytes: int
    bandwidth: int
    source: str


@dataclass(frozen=True)
class Origin:
    """What a row of models.csv knows besides the shape.

    n_params: published or computed count; q4_k_m_bytes: sum of the tensors that llama-quantize wrote for Q4_K_M;
    source: where the shape was read.
    """

    n_params: int
    q4_k_m_bytes: int
    source: str


def _architecture(row: dict[str, str]) -> Architecture:
    counts = {field.name: int(row[field.name]) for field in fields(Architecture) if field.name in row and field.name != "arch"}
    flags = {name: bool(counts[name]) for name in ("tied_embeddings", "rope_freqs")}
    return Architecture(arch=row["arch"], **(counts | flags))


def _rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


#: Ollama's name -> shape, smallest model first. The text part only: no vision projector is counted.
MODELS: dict[str, Architecture] = {row["name"]: _architecture(row) for row in _rows("models.csv")}

#: Name -> card: as sold, or as its driver reports it where that is known to be less.
GPUS: dict[str, Card] = {
    row["name"]: Card(row["name"], int(row["vram"]) * UNITS[row["unit"]], int(row["bandwidth_gb_s"]) * 10**9, row["source"])
    for row in _rows("gpus.csv")}


#: Name -> what else is known of the model.
PUBLISHED: dict[str, Origin] = {
    row["name"]: Origin(int(row["n_params"]), int(row["q4_k_m_bytes"]), row["source"]) for row in _rows("models.csv")}


def model_named(model: Architecture | str) -> Architecture:
    """The shape itself, or that of a name in MODELS.  Raises ValueError with the nearest names."""
    if isinstance(model, Architecture):
        return model
    if model not in MODELS:
        near = get_close_matches(str(model), MODELS, n=3, cutoff=0.4)
        hint = f"; the nearest are {', '.join(near)}" if near else ""
        raise ValueError(f"no model {model!r} in the catalog{hint}; there are {', '.join(MODELS)}")
    return MODELS[model]


def card_named(name: str) -> Card:
    """A card of GPUS.  Raises ValueError with the nearest names."""
    if name not in GPUS:
        near = get_close_matches(str(name), GPUS, n=3, cutoff=0.4)
        raise ValueError(f"no card {name!r} in the table" + (f"; the nearest are {', '.join(near)}" if near else ""))
    return GPUS[name]


def nearest_model(params_b: float) -> str:
    """The catalog's model whose number of parameters is nearest to params_b billion, by ratio.

    Raises ValueError unless params_b is a positive finite number.
    """
    if not 0 < params_b < float("inf"):
        raise ValueError(f"params_b={params_b} is not a number of billions of parameters: give something like 7")
    wanted = params_b * 1e9
    return min(MODELS, key=lambda name: max(PUBLISHED[name].n_params / wanted, wanted / PUBLISHED[name].n_params))
