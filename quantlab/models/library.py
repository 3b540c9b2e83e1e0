"""What the Ollama library holds: its tags at a date (data/tags.json), and how its files differ from those
that today's `llama-quantize` would write.

    pulled_type("llama3.2:1b")                      # "Q8_0": what `ollama pull llama3.2:1b` gets
    library_mix(MODELS["qwen3:32b"], "Q4_K_M")      # "attn_v=F16": what has another type there

The differences stand in models.csv (`library_mix`), each with its source; a test finds them from the bytes of
the registry's manifests.
"""

import json
from functools import cache
from typing import NamedTuple

from .architecture import Architecture
from .catalog import DATA, MODELS, PUBLISHED
from .store import name_key, parse_name

UNTIED = "untied"           # in a mix: the output is a table of its own, though the model's makers tied it


class LibraryFile(NamedTuple):
    """What `ollama pull` gets under a name.  ftype: its mix, "" where it is not known; nbytes: of the model
    layer, 0 where they are not known; rounded: the size that the library shows then ("18GB").
    """

    ftype: str
    nbytes: int
    rounded: str


@cache
def snapshot() -> dict:
    """Tags of some library models at a date, with sources: data/tags.json."""
    return json.loads((DATA / "tags.json").read_text(encoding="utf-8"))


def listed_tags(model: str) -> dict:
    """What the snapshot has of a library model, under any spelling: "model" (its own spelling), "tags", and
    "bytes", "rounded" and "types" by tag; {} where it has nothing.
    """
    own = name_key(model).removesuffix(":latest")
    entry = snapshot()["models"].get(own)
    return {"model": own, **entry} if entry else {}


def library_file(name: str) -> LibraryFile | None:
    """What the library has under a name of MODELS; None for a row that is not named after one of its tags."""
    parsed = parse_name(name)
    listed = listed_tags(parsed.path)
    if parsed.tag not in listed.get("tags", ()):
        return None
    ftype = listed["types"].get(parsed.tag, MODELS[name].only_type).upper()
    return LibraryFile({"FP16": "F16"}.get(ftype, ftype), listed["bytes"].get(parsed.tag, 0),
                       listed["rounded"].get(parsed.tag, ""))


def pulled_type(name: str) -> str:
    """The mix of the file that `ollama pull` gets under a name of MODELS; "" where it is not known."""
    found = library_file(name)
    return found.ftype if found else ""


def library_mix(shape: Architecture, ftype: str) -> str:
    """How the library's file of a row of MODELS differs from llama-quantize's at an ftype: words such as
    "attn_v=F16" (a role), "Q8_0=BF16" (a type) and UNTIED; "" for not at all, and for any other shape.
    """
    name = shape.called
    if name not in MODELS or MODELS[name] != shape:
        return ""
    ftypes, _, words = PUBLISHED[name].library_mix.partition(": ")
    return words if ftype.upper() in ftypes.split() else ""
