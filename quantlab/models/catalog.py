"""Models by name: what the tables in quantlab/data say, each row with its source.

    MODELS["llama3.1:8b"].n_head_kv         PUBLISHED["llama3.1:8b"].q4_k_m_bytes
"""

import csv
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from .architecture import Architecture
from .store import name_key

DATA = Path(__file__).parent.parent / "data"


@dataclass(frozen=True)
class Origin:
    """What a row of models.csv knows besides the shape.

    n_params: the count of the shape's large tensors; published: the maker's count, exact or rounded
    ("7.62B"); q4_k_m_bytes: sum of the tensors that llama-quantize wrote for Q4_K_M, None where it was not
    run; library_mix: at which types the Ollama library's file has other tensors, and which (library.py);
    encoder_mb: MB of the picture encoder in that file, which the shape does not have; source: where the
    shape and the count were read.
    """

    n_params: int
    published: str
    q4_k_m_bytes: int | None
    library_mix: str
    encoder_mb: int
    source: str


def rows_of(name: str) -> list[dict[str, str]]:
    """The rows of a CSV table in quantlab/data: column -> text."""
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _architecture(row: dict[str, str]) -> Architecture:
    kinds = {field.name: field.type if field.type in (bool, str) else int for field in fields(Architecture)}
    row = row | dict(pair.split("=", 1) for pair in (row["more"] or "").split())
    numbers: dict[str, Any] = {name: kinds[name](int(text)) for name, text in row.items()
                               if name in kinds and kinds[name] is not str}
    return Architecture(arch=row["arch"], only_type=row["only_type"], called=row["name"],
                        pattern=row.get("pattern", ""), **numbers)


_ROWS = rows_of("models.csv")
#: Ollama's name -> shape, smallest model first. The text part only: no vision projector is counted.
MODELS: dict[str, Architecture] = {row["name"]: _architecture(row) for row in _ROWS}
#: Ollama's name -> what else is known of the model.
PUBLISHED: dict[str, Origin] = {
    row["name"]: Origin(int(row["n_params"]), row["published"], int(row["q4_k_m_bytes"] or 0) or None,
                        row["library_mix"], int(row["encoder_mb"] or 0), row["source"])
    for row in _ROWS}
#: Other names of three of them, as their files are often called.
SHORT_NAMES = {"llama-2-7b": "llama2:7b", "llama-3.1-8b": "llama3.1:8b", "smollm2-135m": "smollm2:135m"}


def library_name(name: str) -> str:
    """The name in Ollama's library that a short name stands for, in any letter case; others stay as they are.
    """
    return SHORT_NAMES.get(name.strip().lower(), name)


def catalog_name(name: str) -> str | None:
    """The name in MODELS that `name` means, a short name or any spelling that Ollama takes for it; else None.
    """
    known = name_key(library_name(name))
    return known if known in MODELS else None


