"""Ollama's store on this disk: from a name like `llama3.2:3b` to the GGUF file with its weights. Asks no
server.

A name leads to a manifest (JSON: a list of layers), a layer to a blob whose file name is its SHA-256. The
rules of names are Ollama's own (types/model/name.go); they also keep a name from leading out of the store.
Lesson: 03_gguf_and_tags.
"""

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from .gguf_cursor import shown
from .gguf_file import denied

HOST, NAMESPACE, TAG = "registry.ollama.ai", "library", "latest"
MODEL_LAYER, PROJECTOR_LAYER = "application/vnd.ollama.image.model", "application/vnd.ollama.image.projector"
SAFETENSORS_LAYER = "application/vnd.ollama.image.tensor"
# bytes; real ones take about 1 KB, those with one layer per tensor some 100 KB
LARGEST_MANIFEST = 2**22

_PART = {"host": r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}", "namespace": r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}",
         "model": r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}", "tag": r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"}
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


class StoreError(ValueError):
    """The store cannot give this model's file: none found, not readable, not pulled, or not a GGUF. Says
    which.
    """


@dataclass(frozen=True)
class ModelName:
    """An Ollama name with its four parts filled in; `str()` gives the short form that `ollama list` shows."""

    host: str
    namespace: str
    model: str
    tag: str

    def __str__(self) -> str:
        path = [self.model]
        if (self.host, self.namespace) != (HOST, NAMESPACE):
            path = (
                [self.namespace, self.model] if self.host == HOST else [self.host, self.namespace, self.model]
            )
        return f"{'/'.join(path)}:{self.tag}"


@dataclass(frozen=True)
class StoredModel:
    """A pulled model: its name, the GGUF file, its size in bytes, and the picture encoder's file if it has
    one.
    """

    name: str
    blob: Path
    size: int
    projector: Path | None = None


def parse_name(name: str) -> ModelName:
    """`llama3.2`, `llama3.2:3b`, `user/model:tag` or `host/user/model:tag`. Raises ValueError naming the bad
    part.
    """
    rest, tag = name, TAG
    if rest.rfind(":") > rest.rfind("/"):
        rest, _, tag = rest.rpartition(":")
    *before, model = rest.split("/")
    if len(before) > 2:
        raise ValueError(f"{shown(name)} is no Ollama name: host/user/model:tag is the longest form")
    namespace = before.pop() if before else NAMESPACE
    host = before.pop() if before else HOST
    parsed = ModelName(host, namespace, model, tag)
    for part, pattern in _PART.items():
        if not re.fullmatch(pattern, getattr(parsed, part)):
            raise ValueError(
                f"{shown(name)} is no Ollama name: its {part} is {shown(getattr(parsed, part))}; "
                "names look like llama3.2:3b or user/model:tag")
    return parsed


def store_roots() -> list[Path]:
    """Where a store may be, in the order in which Ollama and its installers use these places."""
    own = os.environ.get("OLLAMA_MODELS", "").strip().strip("\"'")     # as Ollama reads it (envconfig.Var)
    return [*([Path(own)] if own else []), Path.home() / ".ollama" / "models",
            Path("/usr/share/ollama/.ollama/models"), Path("/var/lib/ollama/.ollama/models")]


def free_disk() -> int:
    """Free bytes on the disk of the first store there is, where a download would go; without one, of the home
    folder's.
    """
    root = next((root for root in store_roots() if _stands(root)), Path.home())
    for place in (root, *root.parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:                 # another user's folder: those above it lie on the same disk
            continue
    return 0


def _stands(root: Path) -> bool:
    try:
        return root.is_dir()
    except PermissionError:
        return True                     # the Ollama service's own


def find_model(name: str, roots: list[Path] | None = None) -> StoredModel:
    """The stored model of that name, from the first store that has it.

    Raises ValueError for an impossible name and StoreError, with every reason, when no store can give the
    file.
    """
    wanted = parse_name(name)
    reasons = []
    for root in store_roots() if roots is None else roots:
        try:
            manifest = _manifest_path(root, wanted)
            if manifest is not None:
                return _stored(root, manifest, str(wanted))
            if (root / "manifests").is_dir():
                reasons.append(f"{wanted} is not among the models in {root}")
        except PermissionError as error:
            reasons.append(denied(error.filename or root))
    raise StoreError("; ".join(reasons) or "no Ollama store was found on this machine")


def pulled_models(roots: list[Path] | None = None) -> list[StoredModel]:
    """Every readable model of every readable store, by name; what cannot be read is left out."""
    found: dict[str, StoredModel] = {}
    for root in store_roots() if roots is None else roots:
        for manifest in _manifests(root):
            parts = manifest.relative_to(root / "manifests").parts
            if len(parts) != 4:
                continue
            name = str(ModelName(*parts))
            try:
                found.setdefault(name, _stored(root, manifest, name))
            except (StoreError, PermissionError):
                continue
    return sorted(found.values(), key=lambda stored: stored.name)


def _manifests(root: Path) -> list[Path]:
    try:
        return sorted(path for path in (root / "manifests").glob("*/*/*/*") if path.is_file())
    except PermissionError:
        return []


def _manifest_path(root: Path, wanted: ModelName) -> Path | None:
    """The manifest's file; names match without regard to case, as in Ollama."""
    path = root / "manifests"
    for part in (wanted.host, wanted.namespace, wanted.model, wanted.tag):
        try:
            names = os.listdir(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        same = [name for name in names if name == part] or [name for name in names
                                                            if name.lower() == part.lower()]
        if not same:
            return None
        path = path / same[0]
    return path


def _stored(root: Path, manifest: Path, name: str) -> StoredModel:
    layers = _layers(manifest, name)
    blobs = {kind: _blob(root, layer, name) for layer in reversed(layers)
             if (kind := layer.get("mediaType")) in (MODEL_LAYER, PROJECTOR_LAYER)}
    if MODEL_LAYER not in blobs:
        kinds = {layer.get("mediaType") for layer in layers}
        if SAFETENSORS_LAYER in kinds:
            raise StoreError(f"{name} is stored as safetensors layers, not as a GGUF file; only GGUF is read")
        raise StoreError(f"{name} has no weights on this machine (a cloud model runs elsewhere)")
    blob = blobs[MODEL_LAYER]
    try:
        with open(blob, "rb") as file:
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise StoreError(
            f"{name} is listed, but its file {blob.name} is missing: `ollama pull {name}` helps") from None
    return StoredModel(name, blob, size, blobs.get(PROJECTOR_LAYER))


def _layers(manifest: Path, name: str) -> list[dict]:
    with open(manifest, "rb") as file:
        raw = file.read(LARGEST_MANIFEST + 1)
    try:
        layers = json.loads(raw[:LARGEST_MANIFEST])["layers"]
        if all(isinstance(layer, dict) for layer in layers):
            return list(layers)
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise StoreError(
        f"the manifest of {name} is not what Ollama writes (a JSON object with a list of layers)")


def _blob(root: Path, layer: dict, name: str) -> Path:
    digest = _DIGEST.fullmatch(str(layer.get("digest")))
    if digest is None:
        raise StoreError(
            f"the manifest of {name} names the blob {shown(layer.get('digest'))}: no SHA-256 digest")
    return root / "blobs" / f"sha256-{digest[1]}"
