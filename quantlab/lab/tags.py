"""Which quantizations of a model exist: those installed here, those the registry has, or, offline, a dated
list.

The registry lists nothing (`/v2/_catalog` and `/tags/list` answer 404), but it answers for one tag at a time:
so likely tags are asked for, a few at once, and a tag counts only when its manifest came back. The manifest
also gives the exact bytes.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import httpx

from ..models.library import listed_tags, snapshot
from ..models.store import HOST, MODEL_LAYER, ModelName, name_key, parse_name
from ..models.tag import HUGGING_FACE, quant_of
from ..profile import is_reference
from .names import QUANTS, size_of, split_name
from .server import LabError, Server
from .wire import client

REGISTRY = f"https://{HOST}"
REGISTRY_VARIABLE = "QUANTLAB_REGISTRY"      # another address for the registry, for tests and mirrors
QUESTIONS_AT_ONCE = 8
REGISTRY_SECONDS = 5.0      # for one question
GUESSED_SIZES = ("0.5b", "0.6b", "1b", "1.5b", "1.7b", "2b", "3b", "4b", "7b", "8b", "9b", "12b", "13b",
                 "14b", "27b", "30b", "32b", "70b", "72b")
GUESSED_KINDS = ("", "instruct-", "chat-", "text-")
# tags there are llama.cpp's names of types, of the files in a repository
GUESSED_TYPES = ("F16", "BF16", "IQ2_M", "IQ3_XS", "IQ3_M", "IQ4_XS", "IQ4_NL",
                 *(quant.upper() for quant in QUANTS if quant[0] == "q"))


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
    else QUANTLAB_REGISTRY, else Ollama's; a name with a host, such as "hf.co/user/repo", is asked for there);
    where the registry cannot be reached, a list with its date.  The reference profile shows the dated list
    alone.  timeout: seconds for one question to the registry.
    """
    name, size = _asked(model_name)
    rows = _by_key(_of_the_list(name.path, size))
    if is_reference():
        return _in_order(rows, f"List of {snapshot()['date']}; the reference profile asks nobody.")
    asked = registry_address(registry, name.host)
    found, answered = _probe(name, size, asked, timeout)
    if answered:
        rows, note = _by_key(found), f"Asked {asked} just now."
    elif rows:
        note = f"The registry does not answer; tags as they were on {snapshot()['date']}."
    else:
        note = f"The registry ({asked}) does not answer, and the list of {snapshot()['date']} does not have "
        note += f"{name.path}."
    return _in_order(rows | _by_key(_installed(name.path, size, server)), note)


def available_table(model_name: str, **kwargs):
    """The same as a pandas table: tag, quantization, bytes (where known), source."""
    import pandas as pd

    tags = get_available_quantizations(model_name, **kwargs)
    return pd.DataFrame(tags.rows, columns=["tag", "quantization", "bytes", "source"]).astype(
        {"bytes": "Int64"})


def registry_address(registry: str | None = None, host: str = HOST) -> str:
    """Whom to ask for models of `host`: each host is a registry of its own; `registry`, else
    QUANTLAB_REGISTRY, stands for Ollama's.
    """
    if host.lower() != HOST:
        return f"https://{host}"
    return (registry or os.environ.get(REGISTRY_VARIABLE) or REGISTRY).rstrip("/")


def registry_bytes(name: str, registry: str | None = None, timeout: float = REGISTRY_SECONDS) -> int | None:
    """Bytes of a model's weights, from its manifest, else from the dated list; None when neither knows."""
    return probe_one(name, registry, timeout)[1] or _listed_bytes(*split_name(name))


def probe_one(name: str, registry: str | None = None,
              timeout: float = REGISTRY_SECONDS) -> tuple[bool, int | None]:
    """(whether it is known, bytes of the weights or None) for one full tag: the registry's manifest; the
    reference profile asks nobody.
    """
    wanted = parse_name(name)
    if is_reference():
        return bool(listed_tags(wanted.path)), _listed_bytes(wanted.path, wanted.tag)
    with client("", httpx.Timeout(timeout), True) as http:
        return _manifest(http, registry_address(registry, wanted.host), wanted, wanted.tag)


def _listed_bytes(model: str, tag: str) -> int | None:
    sizes = listed_tags(model).get("bytes", {})
    return {listed.lower(): count for listed, count in sizes.items()}.get(tag.lower())


def _by_key(rows: list[dict]) -> dict[str, dict]:
    return {name_key(row["tag"]): row for row in rows}


def _asked(model_name: str) -> tuple[ModelName, str]:
    if not isinstance(model_name, str) or len(model_name.split()) != 1:
        raise ValueError(f"{model_name!r} is not the name of a model: give one such as 'llama3.2' or "
                         "'llama3.2:3b'")
    name = parse_name(model_name)
    own = listed_tags(name.path).get("model")           # as the library spells it
    return parse_name(f"{own}:{name.tag}") if own else name, size_of(name.tag)


def _of_the_list(model: str, size: str) -> list[dict]:
    source, tags = f"list of {snapshot()['date']}", listed_tags(model).get("tags", [])
    return [_tag_row(model, tag, _listed_bytes(model, tag), source) for tag in tags
            if not size or size_of(tag) == size]


def _installed(model: str, size: str, server: Server | None) -> list[dict]:
    try:
        models = (server or Server(timeout=10)).models()
    except LabError:
        return []
    mine = [(*m["name"].rpartition(":")[::2], m) for m in models]
    return [_tag_row(name, tag, m["size"], "installed", m["quantization_level"]) for name, tag, m in mine
            if name.lower() == model.lower() and (not size or size_of(tag) == size)]


def _probe(name: ModelName, size: str, registry: str, timeout: float) -> tuple[list[dict], bool]:
    """(rows of the tags whose manifest came back, whether the registry answered at all).

    A listed tag for which the registry had no clear answer keeps its listed row; after three such the rest is
    not asked.
    """
    listed = {split_name(row["tag"])[1]: row for row in _of_the_list(name.path, size)}
    silent: list[str] = []
    with client("", httpx.Timeout(timeout), True) as http, ThreadPoolExecutor(QUESTIONS_AT_ONCE) as pool:
        if not _manifest(http, registry, name, "latest")[0]:
            return [], False

        def ask(tag: str) -> dict | None:
            answered, count = _manifest(http, registry, name, tag) if len(silent) < 3 else (False, None)
            if not answered:
                silent.append(tag)
                return listed.get(tag)
            return _tag_row(name.path, tag, count, "registry") if count else None

        if listed:
            return [row for row in pool.map(ask, listed) if row], True
        rows = [row for row in pool.map(ask, _guesses(name, size)) if row]
        sizes = [size] if size else [size_of(split_name(row["tag"])[1]) for row in rows]
        tags = [f"{one}-{kind}{quant}" for one in sizes if one for kind in GUESSED_KINDS for quant in QUANTS]
        return rows + [row for row in pool.map(ask, tags) if row], True


def _guesses(name: ModelName, size: str) -> list[str]:
    """Tags to begin with where no list has the model."""
    sizes = [size] if size else ["latest", *GUESSED_SIZES]
    if name.host.lower() == HOST:
        return sizes
    others = [] if name.host.lower() in HUGGING_FACE else sizes
    return list(dict.fromkeys([name.tag, "latest", *GUESSED_TYPES, *others]))


def _manifest(http: httpx.Client, registry: str, name: ModelName, tag: str) -> tuple[bool, int | None]:
    """(whether the registry answered clearly, bytes of the model layer or None).  Never raises: silence is an
    answer here.
    """
    path = f"{name.namespace}/{name.model}" if "/" in name.path else f"library/{name.model}"
    # Hugging Face answers a tag that it does not have with 400, and hf.co sends on to huggingface.co
    clear = (200, 404) if name.host.lower() == HOST else (200, 400, 404)
    try:
        answer = http.get(f"{registry}/v2/{path}/manifests/{tag}", follow_redirects=True)
        if answer.status_code in clear:
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
