"""Custom models: a Modelfile's text becomes a model on the server, and never a download that nobody asked
for.

The bundled tiny Llama can be given to the learner's own Ollama too, in several forms, in seconds and without
a download; and taken out again. Files are quantized by quantlab itself (`quantize_model`): Ollama 0.34.2
quantizes no GGUF file any more (`create --quantize` sends people to llama.cpp's tools), older ones few types.
"""

import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..models.source import BUNDLED
from ..models.store import name_key, parse_name
from ..models.types import FTYPES
from ..models.writer import quantize_model
from ..words import one_of, size
from .modelfile import Modelfile, ModelfileError, parse_modelfile
from .names import missing_words, with_tag
from .preflight import free_words
from .server import LabError, Server, heed
from .tags import registry_bytes
from .versions import KEYS, why_refused

TINY_NAME = "quantlab-tiny"
TINY_FTYPES = ("F16", "Q8_0", "Q4_K_M", "Q2_K")
# in the file's general.description: so are ours told from others
TINY_MARK = "A small Llama that knows some Shakespeare by heart."


@dataclass(frozen=True)
class CustomModel:
    """A model that was created: `name` on `server`."""

    name: str
    server: Server

    def show(self) -> str:
        """The Modelfile as the server has it now, like `ollama show NAME --modelfile`."""
        return self.server.show(self.name)["modelfile"]

    def ask(self, prompt: str, *, options: dict | None = None, **more) -> str:
        """One answer. The model's own SYSTEM and PARAMETERs apply; `options` go over them for this once."""
        if not prompt.strip():
            raise ValueError("the prompt is empty: ask something")
        return self.server.generate(self.name, prompt, options=options, **more)["response"]


def create_custom_model(name: str, modelfile: str, *, quantize: str | None = None,
                        server: Server | None = None, timeout: float = 600,
                        progress: Callable[[str], None] | None = None,
                        confirm: Callable[[str], bool] | None = None,
                        cancel: threading.Event | None = None) -> CustomModel:
    """Create `name` from the text of a Modelfile, as `ollama create NAME -f Modelfile` does.

    FROM is an installed model or the path of a GGUF file, which is uploaded.  quantize: an ftype such as
    "Q4_K_M"; the file of FROM, of 16 or 32 bits, is quantized here (`quantize_model`) and then uploaded.
    What the server's version refuses (ADAPTER, typical_p) is said before anything is sent.
    If the base is not installed, `confirm` is asked with the size, the free disk and the question; without
    it, or if it says no, nothing is downloaded; setting `cancel` ends a download.  Raises ModelfileError or
    LabError, both ValueErrors.
    """
    _check_name(name)
    if quantize is not None:
        one_of("quantize", quantize, sorted(FTYPES.values()))
    wanted, server = parse_modelfile(modelfile), server or Server(timeout=timeout)
    last = ""

    def tell(step: str) -> None:
        nonlocal last
        if progress and step != last:
            progress(step)
        last = step

    _refuse(wanted, server)
    fields = _base_fields(wanted, server, tell, confirm, cancel, quantize)
    fields |= {"system": wanted.system, "template": wanted.template, "parameters": wanted.parameters,
               "messages": wanted.messages, "license": wanted.licenses,
               "adapters": _uploads(wanted.adapters, server, tell)}
    try:
        server.create(name, tell, **{key: value for key, value in fields.items() if value})
    except LabError as error:
        if "size overflows" in str(error) and (why := why_refused("ternary", server.version())):
            raise LabError(f"{error}. {why}", error.kind) from error
        raise
    return CustomModel(name, server)


def _refuse(wanted: Modelfile, server: Server) -> None:
    """ModelfileError for what the server's version does not take, with what to do instead."""
    named = [key for key in wanted.parameters if key in KEYS] + (["adapter"] if wanted.adapters else [])
    for key in named:
        if why := why_refused(key, server.version()):
            raise ModelfileError(why)


def pull_question(name: str, server: Server) -> str:
    """The question to ask before a download: its size from the registry, and the free disk here."""
    count = registry_bytes(name)
    much = f"about {size(count)}" if count else "of unknown size (the registry does not answer)"
    return f"{name} is not installed. Download it? It is {much}; {free_words(server)}."


def _base_fields(wanted: Modelfile, server: Server, tell, confirm, cancel, quantize) -> dict[str, Any]:
    """`from_` for an installed model, `files` for a GGUF file, as it is or quantized here."""
    path = _as_path(wanted.base)
    if path is not None and quantize is None:
        return {"files": {path.name: _upload(path, server, tell)}}
    if path is not None:
        with tempfile.TemporaryDirectory() as folder:
            tell(f"quantizing {path.name} to {quantize}")
            target = Path(folder) / f"{path.stem}-{quantize}.gguf"
            made = quantize_model(path, target, quantize, progress=None, cancel=cancel)
            return {"files": {made.name: _upload(made, server, tell)}}
    if quantize is not None:
        raise LabError(f"quantize={quantize!r} needs FROM a GGUF file of 16 or 32 bits; {wanted.base} is the "
                       "name of a model")
    try:
        base = with_tag(wanted.base)
    except ValueError as error:
        raise ModelfileError(f"FROM {wanted.base}: {error}") from None
    if not server.installed([base]):
        if not confirm or not confirm(pull_question(wanted.base, server)):
            hint = missing_words(wanted.base, [model["name"] for model in server.models()])
            raise LabError(f"FROM {wanted.base}: {hint} Nothing was downloaded.", "missing")
        server.pull(wanted.base, tell, cancel)
    return {"from_": wanted.base}


def _as_path(base: str) -> Path | None:
    """The file that FROM names, or None for a model's name.  ModelfileError for a path with nothing usable at
    its end.
    """
    path = Path(base).expanduser()
    if not (base.startswith((".", "/", "~", "\\")) or base.lower().endswith(".gguf") or path.is_absolute()):
        return None
    if path.is_dir():
        raise ModelfileError(f"FROM {base}: this is a folder; a GGUF file is wanted here")
    if not path.is_file():
        raise ModelfileError(f"FROM {base}: there is no such file (looked in {Path.cwd()})")
    with path.open("rb") as file:
        magic = file.read(4)
    if magic != b"GGUF":
        raise ModelfileError(f"FROM {base}: not a GGUF file; it starts with {magic!r}")
    return path


def _upload(path: Path, server: Server, tell) -> str:
    tell(f"uploading {path.name} ({size(path.stat().st_size)})")
    return server.upload(path)


def _uploads(adapters: list[str], server: Server, tell) -> dict[str, str]:
    paths = [Path(adapter).expanduser() for adapter in adapters]
    for path in paths:
        if not path.is_file():
            raise ModelfileError(f"ADAPTER {path}: there is no such file (looked in {Path.cwd()})")
    return {path.name: _upload(path, server, tell) for path in paths}


def _check_name(name: str) -> None:
    if not isinstance(name, str) or name.split() != [name]:
        raise ValueError(f"{name!r} cannot be a model's name: use letters, digits, -, _ and . without spaces")
    parse_name(name)


def tiny_name(ftype: str) -> str:
    """The model's name in Ollama, spelled as Ollama's own tags are: "Q4_K_M" -> "quantlab-tiny:q4_K_M"."""
    return f"{TINY_NAME}:{ftype[0].lower()}{ftype[1:]}"


def add_tiny_models(ftypes: Sequence[str] = TINY_FTYPES, *, server: Server | None = None,
                    progress: Callable[[str], None] | None = None,
                    cancel: threading.Event | None = None) -> list[str]:
    """Give Ollama the bundled tiny model in these forms; returns their names.  20 MB and a few seconds for
    the four usual ones.

    ftypes: as llama-quantize names them; F16 is the file itself, all others are made from it here.  What is
    there already stays.
    Raises LabError where no server answers or it refuses, ValueError for an unknown ftype or where the name
    belongs to another model.
    """
    server, tell = server or Server(), progress or (lambda words: None)
    names = [tiny_name(ftype) for ftype in ftypes]
    there = server.installed(names)
    for name in there:
        if not _is_ours(server, name):
            raise ValueError(f"{name} is there already, and is not the tiny model of this workbook: rename "
                             "or remove yours first")
    with tempfile.TemporaryDirectory() as folder:
        for ftype, name in zip(ftypes, names, strict=True):
            heed(cancel)
            if name in there:
                continue
            tell(f"Making {name}")
            path = BUNDLED["tiny"]
            if ftype.upper() != "F16":
                path = quantize_model("tiny", Path(folder) / f"tiny-{ftype}.gguf", ftype, progress=None)
            create_custom_model(name, f"FROM {path}", server=server)
    return names


def remove_tiny_models(*, server: Server | None = None) -> list[str]:
    """Take out of Ollama what `add_tiny_models` put there, and nothing else; returns the names.  LabError
    where no server answers.
    """
    server = server or Server()
    mine = [model["name"] for model in server.models()
            if name_key(model["name"]).rpartition(":")[0] == TINY_NAME]
    mine = sorted(name for name in mine if _is_ours(server, name))
    for name in mine:
        server.delete(name)
    return mine


def _is_ours(server: Server, name: str) -> bool:
    """True when the name's file is the tiny model, and nobody gave it words or settings of his own."""
    told = server.show(name)
    described = str((told.get("model_info") or {}).get("general.description") or "")
    return described.startswith(TINY_MARK) and not told.get("system") and not told.get("parameters")
