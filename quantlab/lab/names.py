"""Names of models and tags: what `llama3.2:3b-instruct-q4_K_M` is made of, and which real tag a wrong one
meant.
"""

import difflib
import re
from collections.abc import Collection

from ..models.library import listed_tags, snapshot
from ..models.store import has_tag, name_key, parse_name
from ..models.tag import quant_of

QUANTS = ("q2_K", "q3_K_S", "q3_K_M", "q3_K_L", "q4_0", "q4_1", "q4_K_S", "q4_K_M", "q5_0", "q5_1", "q5_K_S",
          "q5_K_M", "q6_K", "q8_0", "fp16")
_SIZE_AT_START = re.compile(r"^(\d+(?:\.\d+)?(?:x\d+)?[bm])(?:-|$)", re.IGNORECASE)


def full_name(base: str, quant: str) -> str:
    """The model that the lesson's pair means: `quant` is a suffix ("8b-q4_K_M", or "" for none) or already a
    full tag.

    ("llama3.2", "3b") -> "llama3.2:3b"; ("llama3.2:3b-instruct", "q8_0") -> "llama3.2:3b-instruct-q8_0".
    """
    if not isinstance(base, str) or not isinstance(quant, str):
        raise ValueError(f"model and quantization are texts, not {base!r} and {quant!r}")
    base, quant = base.strip(), quant.strip()
    if has_tag(quant) or "/" in quant:
        return quant
    if not base:
        raise ValueError("the name of a model is missing: give one such as 'llama3.2'")
    if not quant:
        return base
    return f"{base}-{quant}" if has_tag(base) else f"{base}:{quant}"


def split_name(name: str) -> tuple[str, str]:
    """(model, tag): "llama3.2" -> ("llama3.2", "latest"), "hf.co/me/m:Q8_0" -> ("hf.co/me/m", "Q8_0").
    ValueError for what Ollama takes for no name.
    """
    parsed = parse_name(name)
    return parsed.path, parsed.tag


def with_tag(name: str) -> str:
    """A name as the server lists it: `llama3.2` and `library/llama3.2` are `llama3.2:latest`; letter case
    stays.  ValueError for what Ollama takes for no name.
    """
    return str(parse_name(name))


def own_name(source: str) -> str:
    """What is made from `source`, a name or a file, can be called so in Ollama: "hf.co/me/m:F16" -> "m-F16".
    """
    last = source.rpartition("/")[2].removesuffix(".gguf")
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", last).strip("-.")[:64] or "model"


def size_of(tag: str) -> str:
    """The size that a tag begins with ("3b-instruct-q4_K_M" -> "3b"), or ""."""
    found = _SIZE_AT_START.match(tag)
    return found.group(1).lower() if found else ""


def meant_names(name: str, installed: Collection[str] = ()) -> list[str]:
    """At most three real names that `name` may have meant, the likeliest first: installed ones, and library
    tags of the snapshot.

    A size counts most, then the quantization, then the spelling: `llama3.2:8b` means the 8b of a sister model
    (llama3.1:8b) or another size of the same one (llama3.2:3b).
    """
    model, tag = split_name(name.lower())
    known = {f"{m}:{t}" for m, entry in snapshot()["models"].items() if _related(m, model)
             for t in entry["tags"]}
    known |= {n for n in installed if _related(n.rpartition(":")[0].lower(), model)}
    known = {other for other in known if name_key(other) != name_key(name)}
    ranked = sorted(known, key=lambda other: (-_likeness(other, model, tag, other in installed), other))
    return ranked[:3]


def missing_words(name: str, installed: Collection[str] = ()) -> str:
    """The sentence for a model that is not installed: what was meant (the lesson prints 100 characters),
    whether it exists, what to do.
    """
    model, tag = split_name(name)
    entry = listed_tags(model)
    others = meant_names(name, installed)
    meant = f" Nearest real names: {', '.join(others)}." if others else ""
    if entry and tag.lower() not in map(str.lower, entry["tags"]):
        return f"{name} is not installed.{meant} On {snapshot()['date']} the library had no such tag."
    if entry or not meant:
        some = ", ".join(list(installed)[:6])
        meant = f" Installed: {some}." if some else " No model is installed yet."
    return f"{name} is not installed. `ollama pull {name}` would download it.{meant}"


def _related(other: str, model: str) -> bool:
    """Same family: the letters before the first digit agree, or the spelling nearly does."""
    letters, its = (re.split(r"[^a-z]", name, maxsplit=1)[0] for name in (model, other))
    return (letters == its != "") or difflib.SequenceMatcher(None, other, model).ratio() > 0.75


def _likeness(other: str, model: str, tag: str, installed: bool) -> float:
    other_model, _, other_tag = other.lower().rpartition(":")
    ratio = difflib.SequenceMatcher
    score = 2 * ratio(None, other_model, model).ratio() + ratio(None, other_tag.lower(), tag.lower()).ratio()
    score += 2 * (other_model == model) + 0.5 * installed
    if size_of(tag):
        score += 2.5 * (size_of(other_tag) == size_of(tag))
    if quant_of(tag):
        score += 1.5 * (quant_of(other_tag).lower() == quant_of(tag).lower())
        score += 0.2 * ("-text-" not in other_tag)
    else:
        score += 0.5 * (not quant_of(other_tag)) + 0.2 * (other_tag != "latest")
    return score
