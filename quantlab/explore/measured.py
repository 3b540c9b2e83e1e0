"""What the explorers of measured tables share: which models can be measured, rows of a table as plain dicts, words about time and place."""

from collections.abc import Mapping

from ..models.metadata import architecture_name
from ..models.source import open_model
from ..models.store import pulled_models
from ..profile import is_reference

TINY = "tiny"
PLAIN = ("F32", "F16", "BF16")


def runnable_models() -> list[str]:
    """The pulled models that can be measured: of the llama architecture, with 16 or 32 bits. None under the reference profile."""
    found = []
    for stored in [] if is_reference() else pulled_models():
        try:
            with open_model(stored.name) as opened:
                if architecture_name(opened.metadata) == "llama" and opened.ftype in PLAIN:
                    found.append(stored.name)
        except ValueError:              # not readable, or no GGUF: nothing to measure
            continue
    return found


def plain_rows(table) -> list[Mapping]:
    """The rows of a pandas table that have numbers, as dicts; what is missing is None."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [row for row in rows if not row["error"]]


def patience(model: str) -> str:
    if model == TINY:
        return "That takes about a minute."
    return "That takes a while: a model of 135 million weights needs about 15 seconds for each point."


def short_place(place: str) -> str:
    """The subtitle's part of where the numbers come from."""
    return place.split(",")[0].split(" with ")[0].rstrip(".")
