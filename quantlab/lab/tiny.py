"""The bundled tiny Llama in the learner's own Ollama, in several forms, in seconds and without a download; and gone again.

The quantized files are written by quantlab itself (`quantize_model`), also those that `ollama create --quantize` no longer makes.
"""

import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from ..models.source import BUNDLED
from ..models.writer import quantize_model
from .custom import create_custom_model
from .names import split_name
from .server import LabError, Server

NAME = "quantlab-tiny"
FTYPES = ("F16", "Q8_0", "Q4_K_M", "Q2_K")
MARK = "A small Llama that knows some Shakespeare by heart."        # in the file's general.description: so are ours told from others


def tiny_name(ftype: str) -> str:
    """The model's name in Ollama, spelled as Ollama's own tags are: "Q4_K_M" -> "quantlab-tiny:q4_K_M"."""
    return f"{NAME}:{ftype[0].lower()}{ftype[1:]}"


def add_tiny_models(ftypes: Sequence[str] = FTYPES, *, server: Server | None = None, progress: Callable[[str], None] | None = None,
                    cancel: threading.Event | None = None) -> list[str]:
    """Give Ollama the bundled tiny model in these forms; returns their names.  20 MB and a few seconds for the four usual ones.

    ftypes: as llama-quantize names them; F16 is the file itself, all others are made from it here.  What is there already stays.
    Raises LabError where no server answers or it refuses, ValueError for an unknown ftype or where the name belongs to another model.
    """
    server, tell = server or Server(), progress or (lambda words: None)
    there = {model["name"] for model in server.models()}
    names = [tiny_name(ftype) for ftype in ftypes]
    for name in there.intersection(names):
        if not _is_ours(server, name):
            raise ValueError(f"{name} is there already, and is not the tiny model of this workbook: rename or remove yours first")
    with tempfile.TemporaryDirectory() as folder:
        for ftype, name in zip(ftypes, names, strict=True):
            if cancel is not None and cancel.is_set():
                raise LabError("Cancelled.", "cancelled")
            if name in there:
                continue
            tell(f"Making {name}")
            path = BUNDLED["tiny"]
            if ftype.upper() != "F16":
                path = quantize_model("tiny", Path(folder) / f"tiny-{ftype}.gguf", ftype, progress=None)
            create_custom_model(name, f"FROM {path}", server=server)
    return names


def remove_tiny_models(*, server: Server | None = None) -> list[str]:
    """Take out of Ollama what `add_tiny_models` put there, and nothing else; returns the names.  LabError where no server answers."""
    server = server or Server()
    mine = [model["name"] for model in server.models() if split_name(model["name"])[0] == NAME]
    mine = sorted(name for name in mine if _is_ours(server, name))
    for name in mine:
        server.delete(name)
    return mine


def _is_ours(server: Server, name: str) -> bool:
    """True when the name's file is the tiny model, and nobody gave it words or settings of his own."""
    told = server.show(name)
    described = str((told.get("model_info") or {}).get("general.description") or "")
    return described.startswith(MARK) and not told.get("system") and not told.get("parameters")
