"""Before a comparison: is every model there, is each a different file, and do they differ in nothing but
their weights?

Nothing is downloaded unless `pull` is called; it asks first.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from urllib.parse import urlsplit

import psutil

from ..models.store import free_disk
from .names import missing_words
from .plan import Plan
from .server import LabError, Server
from .tags import probe_one

HERE, REMOTE, UNKNOWN, NOWHERE = "installed", "in the registry", "not installed; the registry does not answer", "does not exist"
# what `show` tells and what changes an answer, beside the weights
OF_THE_FILE = ("parameters", "template", "system")
# lines of `parameters` that change speed alone
HARMLESS = ("num_thread", "num_gpu", "main_gpu", "use_mmap", "num_batch")


@dataclass
class Preflight:
    """rows: one dict a model (model, state, bytes, memory, quantization, digest, note); memory: about what a
    run needs. stops: why a run cannot begin. notes: what to know.

    version: the server's. `ok`: nothing stops the run.
    """

    version: str = ""
    rows: list[dict] = field(default_factory=list)
    stops: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.stops

    @property
    def to_pull(self) -> list[str]:
        """Models that a download would bring."""
        return [row["model"] for row in self.rows if row["state"] == REMOTE]

    def pull(self, server: Server, confirm: Callable[[str], bool], progress: Callable[[str], None]
             | None = None, cancel: threading.Event | None = None, on_bytes: Callable[[str, int, int], None]
             | None = None) -> list[str]:
        """Download what is missing, after one question with all bytes and the free disk; returns what came.
        LabError as `Server.pull`.

        progress gets each step in words, on_bytes (model, bytes there, bytes in all) of the part under way.
        """
        names, size = self.to_pull, sum(row["bytes"] or 0 for row in self.rows if row["state"] == REMOTE)
        if not names or not confirm(
            f"Download {', '.join(names)}? Together {size / 1e9:.2f} GB; {free_words(server)}."):
            return []
        for name in names:
            server.pull(name, (lambda step, name=name: progress(f"{name}: {step}")) if progress
                        else None, cancel, (lambda done, total, name=name: on_bytes(name, done, total))
                        if on_bytes else None)
        return names

    def __repr__(self) -> str:
        lines = [f"Ollama {self.version}" if self.version else "No server"]
        lines += [f"{row['model']:40} {row['state']:16} {_size(row['bytes']):>9}  {row['note']}".rstrip()
                  for row in self.rows]
        return "\n".join([*lines, *(f"Stop: {words}" for words in self.stops),
                          *(f"Note: {words}" for words in self.notes)])

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"


def preflight(plan: Plan, server: Server, *, registry: str | None = None) -> Preflight:
    """Look at the server, the models and the machine.  Never raises for what it finds, pulls nothing, loads
    nothing.
    """
    found = Preflight()
    try:
        found.version = server.version()
        installed = {model["name"]: model for model in server.models()}
        shown = {name: server.show(name) for name in plan.models if name in installed}
    except LabError as error:
        found.stops.append(str(error))
        return found
    found.rows = [_row(name, installed, registry) for name in plan.models]
    for row in found.rows:
        row["memory"] = row["bytes"] and row["bytes"] + cache_bytes(shown.get(row["model"], {}),
                                                                    plan.options["num_ctx"])
    found.stops += [f"{row['model']}: {row['note']}" for row in found.rows if row["state"] != HERE]
    found.notes += _differences(plan, shown) + _twins(found.rows) + _contexts(plan, shown) + _room(plan,
                                                                                                   found.rows,
                                                                                                   server)
    return found


def cache_bytes(shown: dict, n_ctx: int) -> int:
    """Bytes of a 16-bit key and value cache, from what `show` tells of a model; 0 where it has no plain
    attention heads.
    """
    info = {key.split(".", 1)[-1]: value for key, value in (shown.get("model_info") or {}).items()}
    names = ("block_count", "attention.head_count", "attention.head_count_kv", "embedding_length")
    layers, heads, kv, width = (info.get(name) for name in names)
    if not all(isinstance(value, int) and value > 0 for value in (layers, heads, kv, width)):
        return 0
    k, v = (info.get(f"attention.{part}_length") or width // heads for part in ("key", "value"))
    return 2 * layers * kv * (k + v) * n_ctx


def free_words(server: Server) -> str:
    """The free disk of the model store, where it can be seen from here."""
    if not _is_here(server):
        return "the free disk of another machine cannot be seen from here"
    return f"the disk of Ollama's models has {free_disk() / 1e9:.1f} GB free"


def _row(name: str, installed: dict[str, dict], registry: str | None) -> dict:
    if name in installed:
        facts = installed[name]
        return {"model": name, "state": HERE, "bytes": facts["size"],
                "quantization": facts["quantization_level"], "digest": facts["digest"], "note": ""}
    answered, size = probe_one(name, registry)
    state = REMOTE if size else NOWHERE if answered else UNKNOWN
    note = f"not installed; `ollama pull {name}` brings {_size(size)}" if size else missing_words(name,
                                                                                                  tuple(
                                                                                                      installed))
    return {"model": name, "state": state, "bytes": size, "quantization": "", "digest": "", "note": note}


def _differences(plan: Plan, shown: dict[str, dict]) -> list[str]:
    """Templates, system prompts and parameters that are not the reference's: then not only the weights are
    compared.
    """
    first = shown.get(plan.reference)
    if first is None:
        return []
    notes = []
    for name, facts in shown.items():
        other = [kind for kind in OF_THE_FILE if _essence(facts, kind, plan) != _essence(first, kind, plan)]
        if other:
            notes.append(
                f"{name} has other {' and '.join(other)} than {plan.reference}: answers may differ for that "
                "reason")
    return notes


def _essence(facts: dict, kind: str, plan: Plan):
    """A field as far as it can change an answer: parameters without those that the plan sets for all or that
    only concern speed.
    """
    text = str(facts.get(kind) or "").strip()
    if kind != "parameters":
        return text
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return sorted(tuple(line) for line in lines if line[0] not in plan.options and line[0] not in HARMLESS)


def _twins(rows: list[dict]) -> list[str]:
    seen, notes = {}, []
    for row in rows:
        if row["digest"] and seen.setdefault(row["digest"], row["model"]) != row["model"]:
            notes.append(
                f"{row['model']} is the same file as {seen[row['digest']]}: they can only differ by chance")
    return notes


def _contexts(plan: Plan, shown: dict[str, dict]) -> list[str]:
    """Models whose training context is below num_ctx get less than was asked for, which is unfair where
    others get more.
    """
    asked, trained = plan.options["num_ctx"], {}
    for name, facts in shown.items():
        found = next((value for key, value in (facts.get("model_info") or {}).items()
                      if key.endswith(".context_length")), None)
        trained[name] = min(found, asked) if isinstance(found, int) else asked
    if trained and set(trained.values()) == {min(trained.values())}:
        least = min(trained.values())
        words = f"these models were made for {least} tokens of context, num_ctx is {asked}: Ollama gives each {least}"
        return [words] if least < asked else []
    return [
        f"{name} was made for {least} tokens of context, num_ctx is {asked}: Ollama gives it {least}, "
        "others more"
        for name, least in trained.items() if least < asked]


def _room(plan: Plan, rows: list[dict], server: Server) -> list[str]:
    """Memory for the largest model, and disk for the downloads; a rule of thumb, the fit lesson computes it.
    """
    if not _is_here(server):
        return []
    notes, memory = [], psutil.virtual_memory()
    largest = max(rows, key=lambda row: row["memory"] or 0)
    if largest["memory"]:
        much = largest["memory"] > memory.total
        notes.append(
            f"memory: {largest['model']} needs about {_size(largest['memory'])} (weights and "
            f"{plan.options['num_ctx']} tokens of "
            f"context), this machine has {_size(memory.total)}, {_size(memory.available)} free"
            + ("; without a card that holds it, it will not run" if much else ""))
    wanted = sum(row["bytes"] or 0 for row in rows if row["state"] == REMOTE)
    if wanted:
        notes.append(f"disk: the downloads need {_size(wanted)}; {free_words(server)}"
                     + (": too little" if wanted > free_disk() else ""))
    return notes


def _is_here(server: Server) -> bool:
    return urlsplit(server.address).hostname in ("127.0.0.1", "localhost", "::1")


def _size(count: int | None) -> str:
    return f"{count / 1e9:.2f} GB" if count else "unknown"
