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
_DIGEST = re.compile(r"sha256[:-]([0-9a-fA-F]{64})")        # as Ollama's manifest/paths.go has it


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
        return f"{self.path}:{self.tag}"

    @property
    def path(self) -> str:
        """The short form without the tag: "llama3.2", "user/model", "hf.co/user/model"."""
        if self.host.lower() != HOST:
            return f"{self.host}/{self.namespace}/{self.model}"
        return self.model if self.namespace.lower() == NAMESPACE else f"{self.namespace}/{self.model}"


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
    """`llama3.2`, `llama3.2:3b`, `user/model:tag`, `https://host:port/user/model:tag`: what Ollama takes for
    a name, letter case kept.  Its suffixes for the source are read, too: `m:8b:local` is `m:8b`, `m:8b:cloud`
    is `m:8b-cloud`.  Raises ValueError naming the bad part.
    """
    if not isinstance(name, str):
        raise ValueError(f"{name!r:.60} is no Ollama name: a text such as 'llama3.2:3b' is wanted")
    rest, tag = _without_source(name), TAG
    if has_tag(rest):
        rest, _, tag = rest.rpartition(":")
    before, deep, model = rest.rpartition("/")
    host, deeper, namespace = before.rpartition("/")
    if "://" in host:
        host = host.partition("://")[2] or HOST
    parsed = ModelName(host if deeper else HOST, namespace if deep else NAMESPACE, model, tag)
    for part, pattern in _PART.items():
        if not re.fullmatch(pattern, given := getattr(parsed, part)):
            digest = "Ollama takes no digest (@...) in a name; " if "@" in name else ""
            raise ValueError(f"{shown(name)} is no Ollama name: its {part} is {shown(given)}; "
                             f"{digest}names look like llama3.2:3b or user/model:tag")
    return parsed


def has_tag(name: str) -> bool:
    """Whether a tag is part of the name; a port in front of a slash is none."""
    return name.rfind(":") > name.rfind("/")


def name_key(name: str) -> str:
    """What all spellings of a name have in common: Ollama looks names up without regard to case.  A text that
    is no name is its own key.
    """
    try:
        return str(parse_name(name)).lower()
    except ValueError:
        return name


def _without_source(name: str) -> str:
    """The name without `:local`, and with `:cloud` as the tag that Ollama pulls (internal/modelref)."""
    base, cloud = _source(name.strip())
    if cloud is None:
        return base
    if _source(base)[1] is not None:
        raise ValueError(f"{shown(name)} is no Ollama name: it may end with :local or :cloud, not with both")
    return f"{base}{'-' if has_tag(base) else ':'}cloud" if cloud else base


def _source(name: str) -> tuple[str, bool | None]:
    """(the name without its suffix, whether that says cloud; None: there is no suffix)."""
    head, colon, end = name.rpartition(":")
    end = end.strip()
    if colon and end.lower() in ("cloud", "local"):
        return head, end.lower() == "cloud"
    if colon and "/" not in end and end.lower().endswith("-cloud"):
        return f"{head}:{end[:-len('-cloud')]}", True
    return name, None


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
    """The manifest's file; names match without regard to case, as in Ollama, and the very same letters first.
    """
    parts = (wanted.host, wanted.namespace, wanted.model, wanted.tag)
    found = [root / "manifests"]
    for part in parts:
        found = [folder / name for folder in found for name in _listed(folder)
                 if name.lower() == part.lower()]
    return min(found, key=lambda path: (path.parts[-4:] != parts, path), default=None)


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


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
