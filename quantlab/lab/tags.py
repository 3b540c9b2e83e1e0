"""Which quantizations of a model exist: those installed here, those the registry has, or, offline, a dated
list.

The registry lists nothing (`/v2/_catalog` and `/tags/list` answer 404), but it answers for one tag at a time:
so likely tags are asked for, a few at once, and a tag counts only when its manifest came back. The manifest
also gives the exact bytes.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import httpx

from ..models.store import MODEL_LAYER
from ..profile import is_reference
from .names import QUANTS, quant_of, size_of, snapshot, split_name
from .server import LabError, Server
from .wire import client

REGISTRY = "https://registry.ollama.ai"
REGISTRY_VARIABLE = "QUANTLAB_REGISTRY"      # another address for the registry, for tests and mirrors
QUESTIONS_AT_ONCE = 8
REGISTRY_SECONDS = 5.0      # for one question
GUESSED_SIZES = ("0.5b", "0.6b", "1b", "1.5b", "1.7b", "2b", "3b", "4b", "7b", "8b", "9b", "12b", "13b",
                 "14b", "27b", "30b", "32b", "70b", "72b")
GUESSED_KINDS = ("", "instruct-", "chat-", "text-")


class TagList(list):
    """Full tags as texts; `.rows` has one dict each (tag, quantization, bytes, source), `.note` says where
    they come from.
    """

    def __init__(self, rows: list[dict], note: str):
        super().__init__(row["tag"] for row in rows)
        self.rows, self.note = rows, note


def get_available_quantizations(model_name: str, *, server: Server | None = None, registry: str | None = None,
                                timeout: float = REGISTRY_SECONDS) -> TagList:
    """Full tags of a model that really exist, such as "llama3.2:3b-instruct-q4_K_M"; a name with a size
    narrows it.

    Sources, the best one wins: installed on `server`; a manifest in the registry (its address: `registry`,
    else QUANTLAB_REGISTRY, else Ollama's); where the registry cannot be reached, a list with its date.  The
    reference profile shows the dated list alone.  timeout: seconds for one question to the registry.
    """
    model, size = _asked(model_name)
    rows = {row["tag"]: row for row in _of_the_list(model, size)}
    if is_reference():
        return _in_order(rows, f"List of {snapshot()['date']}; the reference profile asks nobody.")
    found, answered = _probe(model, size, registry_address(registry), timeout)
    if answered:
        rows, note = {row["tag"]: row for row in found}, f"Asked {registry_address(registry)} just now."
    elif rows:
        note = f"The registry does not answer; tags as they were on {snapshot()['date']}."
    else:
        note = f"The registry does not answer, and the list of {snapshot()['date']} does not have {model}."
    rows |= {row["tag"]: row for row in _installed(model, size, server)}
    return _in_order(rows, note)


def available_table(model_name: str, **kwargs):
    """The same as a pandas table: tag, quantization, bytes (where known), source."""
    import pandas as pd

    tags = get_available_quantizations(model_name, **kwargs)
    return pd.DataFrame(tags.rows, columns=["tag", "quantization", "bytes", "source"]).astype(
        {"bytes": "Int64"})


def registry_address(registry: str | None = None) -> str:
    return (registry or os.environ.get(REGISTRY_VARIABLE) or REGISTRY).rstrip("/")


def registry_bytes(name: str, registry: str | None = None, timeout: float = REGISTRY_SECONDS) -> int | None:
    """Bytes of a model's weights, from its manifest, else from the dated list; None when neither knows."""
    return probe_one(name, registry, timeout)[1] or _listed_bytes(*split_name(name))


def probe_one(name: str, registry: str | None = None,
              timeout: float = REGISTRY_SECONDS) -> tuple[bool, int | None]:
    """(whether it is known, bytes of the weights or None) for one full tag: the registry's manifest; the
    reference profile asks nobody.
    """
    model, tag = split_name(name)
    if is_reference():
        return model in snapshot()["models"], _listed_bytes(model, tag)
    with client("", httpx.Timeout(timeout), True) as http:
        return _manifest(http, registry_address(registry), model, tag)


def _listed_bytes(model: str, tag: str) -> int | None:
    return snapshot()["models"].get(model, {}).get("bytes", {}).get(tag)


def _asked(model_name: str) -> tuple[str, str]:
    if not isinstance(model_name, str) or len(model_name.split()) != 1:
        raise ValueError(f"{model_name!r} is not the name of a model: give one such as 'llama3.2' or "
                         "'llama3.2:3b'")
    model, tag = split_name(model_name)
    return model, size_of(tag)


def _of_the_list(model: str, size: str) -> list[dict]:
    source, tags = f"list of {snapshot()['date']}", snapshot()["models"].get(model, {"tags": []})["tags"]
    return [_tag_row(model, tag, _listed_bytes(model, tag), source) for tag in tags
            if not size or size_of(tag) == size]


def _installed(model: str, size: str, server: Server | None) -> list[dict]:
    try:
        models = (server or Server(timeout=10)).models()
    except LabError:
        return []
    mine = [(split_name(m["name"]), m) for m in models]
    return [_tag_row(model, tag, m["size"], "installed", m["quantization_level"]) for (name, tag), m in mine
            if name == model and (not size or size_of(tag) == size)]


def _probe(model: str, size: str, registry: str, timeout: float) -> tuple[list[dict], bool]:
    """(rows of the tags whose manifest came back, whether the registry answered at all).

    A listed tag for which the registry had no clear answer keeps its listed row; after three such the rest is
    not asked.
    """
    listed = {split_name(row["tag"])[1]: row for row in _of_the_list(model, size)}
    silent: list[str] = []
    with client("", httpx.Timeout(timeout), True) as http, ThreadPoolExecutor(QUESTIONS_AT_ONCE) as pool:
        if not _manifest(http, registry, model, "latest")[0]:
            return [], False

        def ask(tag: str) -> dict | None:
            answered, count = _manifest(http, registry, model, tag) if len(silent) < 3 else (False, None)
            if not answered:
                silent.append(tag)
                return listed.get(tag)
            return _tag_row(model, tag, count, "registry") if count else None

        if listed:
            return [row for row in pool.map(ask, listed) if row], True
        rows = [row for row in pool.map(ask, [size] if size else ["latest", *GUESSED_SIZES]) if row]
        sizes = [size] if size else [size_of(split_name(row["tag"])[1]) for row in rows]
        tags = [f"{one}-{kind}{quant}" for one in sizes if one for kind in GUESSED_KINDS for quant in QUANTS]
        return rows + [row for row in pool.map(ask, tags) if row], True


def _manifest(http: httpx.Client, registry: str, model: str, tag: str) -> tuple[bool, int | None]:
    """(whether the registry answered clearly, bytes of the model layer or None).  Never raises: silence is an
    answer here.
    """
    path = model if "/" in model else f"library/{model}"
    try:
        answer = http.get(f"{registry}/v2/{path}/manifests/{tag}")
        if answer.status_code in (200, 404):
            layers = answer.json().get("layers", []) if answer.status_code == 200 else []
            sizes = [layer["size"] for layer in layers if layer.get("mediaType") == MODEL_LAYER]
            return True, int(sizes[0]) if sizes and int(sizes[0]) > 0 else None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, AttributeError, KeyError, TypeError):
        pass
    return False, None


def _tag_row(model: str, tag: str, count: int | None, source: str, level: str = "") -> dict:
    return {"tag": f"{model}:{tag}", "quantization": quant_of(tag) or level, "bytes": count, "source": source}


def _in_order(rows: dict[str, dict], note: str) -> TagList:
    """In the order a person looks for: sizes ascending, plain names first, then by quantization."""
    def place(row):
        tag = split_name(row["tag"])[1]
        size = size_of(tag)
        number = float(size[:-1].split("x")[-1]) * (1e-3 if size.endswith("m") else 1) if size else -1
        return (number, bool(quant_of(tag)), "-text" in tag, tag)

    return TagList(sorted(rows.values(), key=place), note)
