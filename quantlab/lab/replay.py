"""How far two models' next-token probabilities lie apart, measured through Ollama by teacher forcing: every
model reads the same words of the reference and says what it would write next.

Free answers part at the first different token, and what follows cannot be compared. So the reference writes
once, and each of its beginnings is replayed to all models (raw, one token, top 20 logprobs); the reference
reads them twice, which gives the noise floor. A beginning that is cut into other tokens than it was written
in is dropped and counted. Everything goes into the results file.

The number is a lower bound of the Kullback-Leibler divergence. Tokens that both models report are kept, all
others of each become one tail. Merging outcomes can only lower the divergence (the data processing
inequality), so the result is never above the true value, whatever the models think beyond their top 20. How
much of the reference's probability was seen is the coverage.
"""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..words import counted, told
from .asking import KEEP, make_alone
from .journal import Journal
from .measure import count
from .plan import Plan, RunProgress, eta
from .server import LabError, Server
from .versions import why_refused

PLACES = 16             # token places replayed for each prompt, spread evenly over the reference's answer
AGAIN = "again"         # the reference's second reading
SHOWN_FROM = 0.80       # mean coverage below which the number is not shown
SMALLEST_TAIL = 1e-5    # probabilities come with an error of about 1e-7: a tail below this joins a token
#: How every beginning is sent; 20 is the most that Ollama reports.
RAW: dict[str, Any] = {"raw": True, "truncate": False, "shift": False, "logprobs": True, "top_logprobs": 20,
                       "keep_alive": KEEP}


@dataclass(frozen=True)
class Position:
    """One token place: kl in nats (a lower bound), coverage between 0 and 1."""

    kl: float
    coverage: float


@dataclass(frozen=True)
class DivergenceBound:
    """One model against the reference.  kl: {prompt number: mean over its places, nats per token, a lower
    bound}; coverage: mean share of the reference's probability that was seen; places: compared; dropped:
    not compared, because they were cut otherwise.
    """

    kl: dict[int, float]
    coverage: float
    places: int
    dropped: int

    @property
    def covered(self) -> bool:
        return self.coverage >= SHOWN_FROM

    def __str__(self) -> str:
        if not self.covered:
            return f"not shown: only {100 * self.coverage:.0f} % of the reference's probability was seen"
        mean = float(np.mean(list(self.kl.values())))
        dropped = f", {self.dropped} dropped" if self.dropped else ""
        return (f"KL ≥ {told(mean, 3)} nats per token, {100 * self.coverage:.0f} % of the probability "
                f"seen, {counted(self.places, 'place')}{dropped}")


def replay(plan: Plan, server: Server, journal: Journal, places: int = PLACES,
           cancel: threading.Event | None = None,
           on_progress: Callable[[RunProgress], None] | None = None) -> str:
    """Ask whatever the journal lacks; returns "" or why it ended early, as `Run.go` does, or why the server's
    version cannot do it.  Other failures raise LabError.
    """
    try:
        if why := why_refused("logprobs", server.version()):
            return why
        scripts = _scripts(plan, server, journal, cancel, on_progress)
        there = {record["key"] for record in journal.records if record["kind"] == "replay"}
        every = {number: chosen(script["tokens"], places) for number, script in scripts.items()}
        readers: list[tuple[str, int | str]] = [*((name, number) for number, name in enumerate(plan.models)),
                                                (plan.reference, AGAIN)]
        todo = [(name, model, number, place) for name, model in readers for number in every
                for place in every[number] if _key(model, number, place) not in there]
        began, total, resident = time.monotonic(), len(readers) * sum(map(len, every.values())), None
        for done, (name, model, number, place) in enumerate(todo):
            if on_progress:
                left, prompt = eta(began, done, len(todo)), plan.prompts[number].text
                on_progress(RunProgress(total - len(todo) + done, total, name, prompt, left, "places read",
                                        "Replaying to"))
            if model != resident:
                make_alone(server, name, plan.models, plan.loading, cancel)
                resident = model
            answer = _next(server, name, scripts[number], place, plan, cancel)
            journal.append({"kind": "replay", "key": _key(model, number, place), **answer})
    except LabError as error:
        if error.kind not in ("cancelled", "down", "broken"):
            raise
        return str(error)
    return ""


def chosen(tokens: list[str], places: int) -> list[int]:
    """Which token places are replayed: at most `places`, evenly spread; none after a token that is half of a
    letter.
    """
    clean = next((i for i, token in enumerate(tokens) if "\ufffd" in token), len(tokens))
    return sorted({int(place) for place in np.linspace(0, clean - 1, min(places, clean))}) if clean else []


def _scripts(plan: Plan, server: Server, journal: Journal, cancel, on_progress) -> dict[int, dict]:
    """{prompt number: what the reference writes, token by token, and the rendered prompt before it}."""
    scripts = {record["prompt"]: record for record in journal.records if record["kind"] == "script"}
    todo = [number for number in range(len(plan.prompts)) if number not in scripts]
    if todo:
        make_alone(server, plan.reference, plan.models, plan.loading, cancel)
    began = time.monotonic()
    for done, number in enumerate(todo):
        prompt = plan.prompts[number].text
        if on_progress:
            on_progress(RunProgress(len(scripts), len(plan.prompts), plan.reference, prompt,
                                    eta(began, done, len(todo)), "answers to replay", "Asking"))
        rendered = _rendered(server, plan, number)
        form = {} if plan.format is None else {"format": plan.format}
        answer = server.generate(plan.reference, rendered, options={**plan.options, "temperature": 0},
                                 cancel=cancel, **{**RAW, **form, "top_logprobs": 0})
        tokens = [str(entry.get("token", "")) for entry in answer["logprobs"]]
        scripts[number] = {"kind": "script", "prompt": number, "rendered": rendered, "tokens": tokens}
        journal.append(scripts[number])
    return scripts


def _rendered(server: Server, plan: Plan, number: int) -> str:
    """A prompt in the reference's template, as Ollama itself fills it; a server that cannot say gets the
    prompt bare, with a line end.
    """
    answer = server.generate(plan.reference, options={**plan.options, "num_predict": 1},
                             _debug_render_only=True, **plan.request(number))
    return str((answer.get("_debug_info") or {}).get("rendered_template") or f"{plan.prompts[number].text}\n")


def _next(server: Server, name: str, script: dict, place: int, plan: Plan, cancel) -> dict:
    """What a model would write after the first `place` tokens of a script: count of tokens read, and the top
    20.
    """
    options = {**plan.options, "temperature": 0, "num_predict": 1}
    answer = server.generate(name, script["rendered"] + "".join(script["tokens"][:place]), options=options,
                             cancel=cancel, **RAW)
    top = answer["logprobs"][0].get("top_logprobs") or [] if answer["logprobs"] else []
    return {"place": place, "read": count(answer, "prompt_eval_count"), "top": top}


def _key(model: int | str, number: int, place: int) -> str:
    """A place's name in the results file.  model: its number in the plan, or AGAIN; number: the prompt's."""
    return f"d-m{model}-p{number}-t{place}"


def divergences(plan: Plan, records: list[dict]) -> dict[str, DivergenceBound]:
    """{model: its DivergenceBound}; under "again" the reference against itself.  Only places that both have
    are compared.
    """
    read = {record["key"]: record for record in records if record["kind"] == "replay"}
    scripts = [record["prompt"] for record in records if record["kind"] == "script"]
    numbered: list[tuple[int | str, str]] = [*enumerate(plan.models[1:], 1), (AGAIN, AGAIN)]
    found = {}
    for model, name in numbered:
        kl, every, dropped = {}, [], 0
        for number in scripts:
            mine, its = (_read_places(read, which, number) for which in (model, 0))
            both = mine.keys() & its.keys()
            kept = [place for place in sorted(both) if _is_aligned(mine, place) and _is_aligned(its, place)]
            dropped += len(both) - len(kept)
            positions = [kl_at_least(top_tokens(its[place]["top"]), top_tokens(mine[place]["top"]))
                         for place in kept]
            if positions:
                kl[number] = float(np.mean([position.kl for position in positions]))
                every += positions
        if every:
            coverage = float(np.mean([position.coverage for position in every]))
            found[name] = DivergenceBound(kl, coverage, len(every), dropped)
    return found


def _read_places(read: dict[str, dict], model: int | str, number: int) -> dict[int, dict]:
    start = _key(model, number, 0)[:-1]
    return {record["place"]: record for key, record in read.items() if key.startswith(start)}


def _is_aligned(places: dict[int, dict], place: int) -> bool:
    """True when a beginning was read as the tokens it was written in: one more for each place."""
    return bool(places[place]["top"]) and 0 in places and places[place]["read"] == places[0]["read"] + place


def top_tokens(reported: Sequence[Mapping]) -> dict[bytes, float]:
    """{token's bytes: probability} from Ollama's top_logprobs.  Tokens that cannot be told apart (half of a
    letter, the same bytes twice) are left out, so that they count for the tail: matched wrongly they would
    break the bound.
    """
    keys = [_token_key(entry) for entry in reported]
    times = Counter(keys)
    return {key: math.exp(min(float(entry["logprob"]), 0.0))
            for key, entry in zip(keys, reported, strict=True)
            if times[key] == 1 and b"\xef\xbf\xbd" not in key}


def kl_at_least(reference: Mapping, candidate: Mapping) -> Position:
    """Lower bound of KL(reference || candidate).  Both: {token: probability} of the tokens each model
    reported.
    """
    both = ((reference[token], candidate[token]) for token in reference.keys() & candidate.keys())
    bins = sorted((p, q) for p, q in both if p > 0 and q > 0)
    coverage = sum(p for p, _ in bins)
    tail = (max(1 - coverage, 0.0), max(1 - sum(q for _, q in bins), 0.0))
    # too small to divide by: join it with the smallest token, which is again only merging
    if min(tail) < SMALLEST_TAIL and bins:
        tail, bins = (tail[0] + bins[0][0], tail[1] + bins[0][1]), bins[1:]
    kl = sum(p * math.log(p / q) for p, q in [*bins, tail] if p > 0 and q > 0)
    return Position(max(kl, 0.0), min(coverage, 1.0))


def _token_key(entry: Mapping) -> bytes:
    """A token by its bytes, where the server sends them, else by its text."""
    raw = entry.get("bytes")
    return bytes(raw) if raw else str(entry.get("token", "")).encode("utf-8", "surrogatepass")
