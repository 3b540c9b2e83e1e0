"""Write quantlab/data/tags.json: the tags of some models of the Ollama library, with sizes, from three public
lists.

    python -m tools.record_tags OLLAMA_MODELS OLLAMA_MODELS_NIX OLLAMA_GALLERY

Each argument is a clone: MarkWard0110/ollama-models (all tags, each with the digest of its manifest and a
rounded size), josh/ollama-models-nix (manifests with exact bytes, of August 2025) and D3rhami/ollama_gallery
(the digests again, at a later date). A digest is the hash of a manifest, so bytes are taken over only where
the manifest that has them is still the tag's own.
"""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

from quantlab.models.store import MODEL_LAYER

OUT = Path(__file__).resolve().parent.parent / "quantlab" / "data" / "tags.json"
MODELS = ["llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "qwen2.5", "qwen3", "gemma2", "gemma3",
          "mistral", "mixtral", "phi3", "phi3.5", "phi4", "phi4-mini", "smollm2", "tinyllama", "deepseek-r1",
          "deepseek-v2", "gpt-oss"]
QUANT = re.compile(r"-((?:q\d_\w+|fp16|bf16))$")
SHOWN = 12                  # digits of a digest on the pages of the library
ABOUT = ("Tags of some models of the Ollama library, for use when the registry cannot be asked. "
         "bytes: of the model layer, only where a manifest was found whose digest the tag still has. "
         "types: of a tag that does not say its type, by the tag of the same digest that does. "
         "rounded: the size that the library shows, where bytes are not known.")


def git(clone: str, *words: str) -> str:
    """What git says of a clone, "" where it refuses."""
    return subprocess.run(["git", "-C", clone, *words], capture_output=True, text=True).stdout.strip()


def commit(clone: str) -> tuple[str, str]:
    """(short hash, date) of a clone's newest commit."""
    hashed, date = git(clone, "log", "-1", "--format=%h %cs").split()
    return hashed, date


def manifest(clone: str, model: str, tag: str) -> tuple[str, int]:
    """(first digits of its digest, bytes of the model layer) as the clone has it; ("", 0) for none."""
    text = git(clone, "show", f"HEAD:manifests/registry.ollama.ai/library/{model}/{tag}.json")
    if not text:
        return "", 0
    found = json.loads(text)
    layers = [_in_order(layer) for layer in found["layers"]]
    whole = {"schemaVersion": found["schemaVersion"], "mediaType": found["mediaType"],
             "config": _in_order(found["config"]), "layers": layers}
    digest = hashlib.sha256(json.dumps(whole, separators=(",", ":")).encode()).hexdigest()
    return digest[:SHOWN], next(layer["size"] for layer in layers if layer["mediaType"] == MODEL_LAYER)


def _in_order(layer: dict) -> dict:
    return {key: layer[key] for key in ("mediaType", "digest", "size", "from") if key in layer}


def recorded(tags_clone: str, bytes_clone: str, later_clone: str) -> dict:
    """The content of tags.json."""
    listed = {entry["name"]: entry["tags"] for entry in
              json.loads(git(tags_clone, "show", "HEAD:ollama_models/ollama_models.json"))}
    later = json.loads(git(later_clone, "show", "HEAD:data/tags.json"))
    models = {model: _entry(model, listed[model], bytes_clone, later[model]) for model in MODELS}
    (tags_at, date), (bytes_at, _), (later_at, seen) = map(commit, (tags_clone, bytes_clone, later_clone))
    sources = [
        {"what": "tags, digests, rounded sizes", "text": f"list generated from ollama.com/library by {date}",
         "from": f"github.com/MarkWard0110/ollama-models, ollama_models.json, commit {tags_at}"},
        {"what": "bytes", "text": "manifests of the registry, December 2024 to August 2025",
         "from": f"github.com/josh/ollama-models-nix, manifests/registry.ollama.ai, commit {bytes_at}"},
        {"what": "the same digests later", "text": f"those of types, bytes and rounded, seen again on {seen}",
         "from": f"github.com/D3rhami/ollama_gallery, data/tags.json, commit {later_at} (MIT)"}]
    return {"about": ABOUT, "date": date, "sources": sources, "models": models}


def _entry(model: str, listed: list[dict], bytes_clone: str, later: dict) -> dict:
    tags = {tag["name"]: tag["hash"] for tag in listed if tag["size"] and "cloud" not in tag["name"]}
    sizes = {tag["name"]: tag["size"] for tag in listed}
    known = dict(manifest(bytes_clone, model, name) for name in tags)
    typed = {tags[name]: found[1] for name in sorted(tags, reverse=True) if (found := QUANT.search(name))}
    silent = [name for name in sorted(tags) if not QUANT.search(name)]
    if gone := [name for name in silent if tags[name] not in later]:
        sys.exit(f"of {model} these are other files in the later list: {', '.join(gone)}")
    return {"bytes": {name: known[tags[name]] for name in sorted(tags) if tags[name] in known},
            "rounded": {name: sizes[name] for name in silent if tags[name] not in known},
            "types": {name: typed[tags[name]] for name in silent if tags[name] in typed},
            "tags": sorted(tags)}


def written(found: dict) -> str:
    """As text: a line for each model."""
    lines = (f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in found["models"].items())
    head = json.dumps({key: value for key, value in found.items() if key != "models"}, indent=1)
    return head.removesuffix("\n}") + ',\n "models": {\n' + ",\n".join(lines) + "\n }\n}\n"


if __name__ == "__main__":
    OUT.write_text(written(recorded(*sys.argv[1:])))
