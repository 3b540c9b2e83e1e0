"""Tables measured once and shipped, so that a lesson shows them at once and says that they are recorded.

Made by tools/record_tiny_quality.py and tools/record_requantized.py, each with its text, date and machine. A table belongs to one file of
weights, which it names by SHA-256: for any other file there is no recorded table.  Lessons: 04, 05, 08, 09.
"""

import json
from pathlib import Path

from ..models.source import DATA
from .cache import sha256
from .compare import COLUMNS

FOLDER = DATA / "tiny"
NAMES = ("quality", "sensitivity", "budget")
#: Model -> its recorded table of quality.
QUALITY = {"tiny": FOLDER / "quality.json", "smollm2_q4_1": DATA / "smollm2_q4_1" / "quality.json"}


def recorded_table(name: str, path: str | Path = FOLDER / "tiny.gguf") -> dict | None:
    """The recorded table `name` of the model file at `path`: {"about", "sha256", "date", "machine", ..., "rows"}; None when there is none.

    Raises ValueError for a name that is none of "quality", "sensitivity" and "budget".
    """
    if name not in NAMES:
        raise ValueError(f"no recorded table is called {name!r}; there are {', '.join(NAMES)}")
    file = FOLDER / f"{name}.json"
    if not file.exists():
        return None
    table = json.loads(file.read_text(encoding="utf-8"))
    return table if table["sha256"] == sha256(path) else None


def recorded_quality(model: str = "tiny"):
    """A pandas table as `compare_quality` gives it, measured earlier: a row per ftype, numbers against the model's own weights.

    model: "tiny", or "smollm2_q4_1": SmolLM2-135M of which only a Q4_1 file was at hand, so that everything was quantized twice.
    `.attrs["provenance"]` says when, on what and with which text. Raises ValueError for another name.
    """
    import pandas as pd

    if model not in QUALITY:
        raise ValueError(f"no table of quality was recorded for {model!r}; there are {', '.join(QUALITY)}")
    recorded = json.loads(QUALITY[model].read_text(encoding="utf-8"))
    rows = [{"error": ""} | row for row in recorded["rows"] if not row.get("pure")]
    table = pd.DataFrame(rows).reindex(columns=COLUMNS).astype(dict.fromkeys(("nbytes", "recited", "passages", "controls"), "Int64"))
    table.attrs |= {"model": recorded.get("model", "the tiny Llama"), "own": rows[0]["ftype"], "provenance": provenance(recorded)}
    return table


def provenance(table: dict) -> str:
    """When and on what a table was measured."""
    return f"Recorded on {table['date']} on {table['machine']}, {table['predicted']:,} predicted tokens of {table['text']}."
