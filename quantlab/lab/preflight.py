"""Before a comparison: is every model there, is each a different file, and do they differ in nothing but
their weights?

Nothing is downloaded unless `pull` is called; it asks first.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from html import escape

from ..models.store import free_disk
from ..words import size, text_table
from .checks import TRIALS, Check, trial
from .names import missing_words
from .plan import Plan
from .prompts import Prompt
from .server import LabError, Server
from .tags import probe_one
from .versions import KEYS, SAME, differences, standing, why_refused

HERE, REMOTE, NOWHERE = "installed", "in the registry", "does not exist"
UNREACHABLE = "not installed; the registry does not answer"
# what `show` tells and what changes an answer, beside the weights
OF_THE_FILE = ("parameters", "template", "system")
# lines of `parameters` that change speed alone
HARMLESS = ("num_thread", "num_gpu", "main_gpu", "use_mmap", "num_batch")
# statements about Ollama that a comparison is told of, where an older server does otherwise
MATTER = ("logprobs", "repeat_penalty", "long_prompt", "loop", "ps_size")


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

    @property
    def pull_bytes(self) -> int:
        """What the downloads would bring, together."""
        return sum(row["bytes"] or 0 for row in self.rows if row["state"] == REMOTE)

    def pull(self, server: Server, confirm: Callable[[str], bool],
             progress: Callable[[str], None] = print,
             cancel: threading.Event | None = None) -> list[str]:
        """Download what is missing, after one question with all bytes and the free disk; returns what came.
        LabError as `Server.pull`.  progress gets each step in words.
        """
        names = self.to_pull
        if not names or not confirm(f"Download {', '.join(names)}? Together {size(self.pull_bytes)}; "
                                    f"{free_words(server)}."):
            return []
        for name in names:
            server.pull(name, partial(_tell_of, progress, name), cancel)
        return names

    def __repr__(self) -> str:
        models = [(row["model"], row["state"], size(row["bytes"]) if row["bytes"] else "unknown", row["note"])
                  for row in self.rows]
        return "\n".join([f"Ollama {self.version}" if self.version else "No server", text_table(models),
                          *(f"Stop: {words}" for words in self.stops),
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
        installed, names = server.installed(plan.models), [model["name"] for model in server.models()]
        shown = {name: server.show(name) for name in installed}
    except LabError as error:
        found.stops.append(str(error))
        return found
    found.rows = [_looked_up(name, installed, names, registry) for name in plan.models]
    for row in found.rows:
        cache = plain_cache_bytes(shown.get(row["model"], {}), plan.options["num_ctx"])
        row["memory"] = row["bytes"] and row["bytes"] + cache
    found.stops += [f"{row['model']}: {row['note']}" for row in found.rows if row["state"] != HERE]
    found.stops += cannot_do(plan, shown)
    found.stops += [why for option in plan.options if option in KEYS
                    and (why := why_refused(option, found.version))]
    found.notes += [*_of_the_version(found.version), *_differences(plan, shown),
                    *(f"{name} is the same file as {first}: they can only differ by chance" for name, first
                      in same_files({row["model"]: row["digest"] for row in found.rows}).items()),
                    *_contexts(plan, shown), *_room(plan, found, server)]
    return found


def cannot_do(plan: Plan, shown: Mapping[str, dict]) -> list[str]:
    """Sentences about models that cannot do what the plan asks.  shown: what `show` tells of each; servers
    before 0.6.4 name no capabilities, and then nothing is said.
    """
    stops = []
    for name, facts in shown.items():
        can = facts.get("capabilities")
        if not can:
            continue
        if "completion" not in can:
            stops.append(f"{name} writes no answers: it is a model for {' and '.join(map(str, can))}. Choose "
                         "one that can do completion.")
        elif plan.think and "thinking" not in can:
            stops.append(f"{name} cannot think, and think={plan.think!r} asks it to: set think=False, or "
                         "choose a model that can.")
    return stops


def check_faults(prompts: Sequence[Prompt], checks: Sequence[Check | None]) -> list[str]:
    """Sentences about checks that cannot judge: one raises, or nothing is expected where it compares."""
    expected: dict[Check, list[str]] = {}
    for prompt, check in zip(prompts, checks, strict=True):
        if check:
            expected.setdefault(check, []).append(prompt.expected)
    faults = [f"{why}." for check, wanted in expected.items() if (why := trial(check, sorted(set(wanted))))]
    if faults:
        return faults
    open_ones = [(number, prompt, check) for number, (prompt, check)
                 in enumerate(zip(prompts, checks, strict=True), 1)
                 if check and check.passes(TRIALS[0], prompt.expected) is None]
    faults = [f"prompt {number} expects {prompt.expected!r:.60}, and the check “{check.name}” cannot "
              "compare an answer with that." for number, prompt, check in open_ones
              if prompt.expected.strip()]
    if open_ones and len(open_ones) == sum(map(bool, checks)):
        names = " and ".join(dict.fromkeys(check.name for check in expected))
        faults.append(f"the check “{names}” can judge no prompt: none says what is expected. Give each "
                      'prompt its "expected", or name a pattern.')
    return faults


def plain_cache_bytes(shown: dict, n_ctx: int) -> int:
    """Bytes of a 16-bit key and value cache, from what `show` tells of a model; 0 where it has no plain
    attention heads.
    """
    info = {key.split(".", 1)[-1]: value for key, value in (shown.get("model_info") or {}).items()}
    names = ("block_count", "attention.head_count", "attention.head_count_kv", "embedding_length")
    counts = [info.get(name) for name in names]
    layers, heads, kv, width = (value if isinstance(value, int) else 0 for value in counts)
    if min(layers, heads, kv, width) <= 0:
        return 0
    k, v = (info.get(f"attention.{part}_length") or width // heads for part in ("key", "value"))
    return 2 * layers * kv * (k + v) * n_ctx


def free_words(server: Server) -> str:
    """The free disk of the model store, where it can be seen from here."""
    if not server.is_here:
        return "the free disk of another machine cannot be seen from here"
    return f"the disk of Ollama's models has {size(free_disk())} free"


def _tell_of(progress: Callable[[str], None], name: str, step: str) -> None:
    progress(f"{name}: {step}")


def _looked_up(name: str, installed: dict[str, dict], names: list[str], registry: str | None) -> dict:
    if name in installed:
        facts = installed[name]
        return {"model": name, "state": HERE, "bytes": facts["size"],
                "quantization": facts["quantization_level"], "digest": facts["digest"], "note": ""}
    answered, count = probe_one(name, registry)
    state = REMOTE if count else NOWHERE if answered else UNREACHABLE
    note = missing_words(name, names)
    if count:
        note = f"not installed; `ollama pull {name}` brings {size(count)}"
    return {"model": name, "state": state, "bytes": count, "quantization": "", "digest": "", "note": note}


def _of_the_version(version: str) -> Iterator[str]:
    """How the server stands to the version that was checked, and what it does otherwise in a comparison."""
    if standing(version) != SAME:
        said = differences(version)
        yield said.heading
        yield from (one.says for one in said.statements if one.key in MATTER)


def _differences(plan: Plan, shown: dict[str, dict]) -> Iterator[str]:
    """Templates, system prompts and parameters that are not the reference's: then not only the weights are
    compared.
    """
    for name, facts in shown.items():
        first = shown.get(plan.reference, facts)
        other = [kind for kind in OF_THE_FILE if _essence(facts, kind, plan) != _essence(first, kind, plan)]
        if other:
            yield (f"{name} has other {' and '.join(other)} than {plan.reference}: answers may differ for "
                   "that reason")


def _essence(facts: dict, kind: str, plan: Plan):
    """A field as far as it can change an answer: parameters without those that the plan sets for all or that
    only concern speed.
    """
    text = "" if kind == "system" and plan.system else str(facts.get(kind) or "").strip()
    if kind != "parameters":
        return text
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return sorted(tuple(line) for line in lines if line[0] not in plan.options and line[0] not in HARMLESS)


def same_files(digests: Mapping[str, str | None]) -> dict[str, str]:
    """{model: the earlier one whose file it has too}: two names for one file are not two quantizations."""
    seen: dict[str, str] = {}
    firsts = {name: seen.setdefault(digest, name) for name, digest in digests.items() if digest}
    return {name: first for name, first in firsts.items() if first != name}


def _contexts(plan: Plan, shown: dict[str, dict]) -> Iterator[str]:
    """Models whose training context is below num_ctx get less than was asked for, which is unfair where
    others get more.
    """
    asked, given = plan.options["num_ctx"], {}
    for name, facts in shown.items():
        trained = next((value for key, value in (facts.get("model_info") or {}).items()
                        if key.endswith(".context_length")), None)
        given[name] = min(trained, asked) if isinstance(trained, int) else asked
    alike = len(set(given.values())) == 1
    for name, least in list(given.items())[: 1 if alike else None]:
        if least < asked:
            who, others = ("each of these models", "") if alike else (name, ", others more")
            yield (f"{who} was made for {least} tokens of context, num_ctx is {asked}: Ollama gives it "
                   f"{least}{others}")


def _room(plan: Plan, found: Preflight, server: Server) -> Iterator[str]:
    """Memory for the largest model, and disk for the downloads; a rule of thumb, the fit lesson computes it.
    """
    if not server.is_here:
        return
    import psutil

    memory, largest = psutil.virtual_memory(), max(found.rows, key=lambda row: row["memory"] or 0)
    if largest["memory"]:
        much = "; without a card that holds it, it will not run" if largest["memory"] > memory.total else ""
        yield (f"memory: {largest['model']} needs about {size(largest['memory'])} (weights and "
               f"{plan.options['num_ctx']} tokens of context), this machine has {size(memory.total)}, "
               f"{size(memory.available)} free{much}")
    if found.pull_bytes:
        little = ": too little" if found.pull_bytes > free_disk() else ""
        yield f"disk: the downloads need {size(found.pull_bytes)}; {free_words(server)}{little}"
