"""The run of a comparison: call after call in the plan's order, each one on the disk before the next begins.

A failed call is a row with a sentence; only Cancel and a server that stays away end a run, and the same run
then goes on from its file.
"""

import os
import platform
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from .asking import Gone, ask, cached_at_most, make_alone, sign_of_life, wait_for
from .journal import Journal
from .names import missing_words
from .plan import Call, Plan, RunProgress
from .preflight import cannot_do
from .server import LabError, Server, heed

PATIENCE = 30.0         # seconds that a server may need to come back


@dataclass
class Run:
    """A run under way.  on_progress: before each call, and at the end.
    on_text: each piece of an answer.  patience: seconds for a server to return.
    on_wait: what is said, once, when it went away."""

    plan: Plan
    server: Server
    journal: Journal
    cancel: threading.Event | None = None
    on_progress: Callable[[RunProgress], None] | None = None
    on_text: Callable[[str], None] | None = None
    patience: float = PATIENCE
    on_wait: Callable[[str], None] | None = None

    def go(self, again: bool = False) -> str:
        """Ask whatever the file lacks (again: also what failed); returns "" when all is there, else why not.
        ValueError when a model is no longer the file it was when this comparison began.
        """
        self.calls, self.done = self.plan.calls(), finished(self.journal.records, again)
        # seconds of each model's calls, and of each loading
        self.spent: dict[str, list[float]] = {}
        self.loads: list[float] = []
        self.began = time.monotonic()
        todo = [call for call in self.calls if call.key not in self.done]
        if not todo:
            return ""
        try:
            self._begin()
            for (_, model), block in groupby(todo, key=lambda call: (call.round, call.model)):
                self._block(self.plan.asked[model], list(block))
            self._tell(None)
        except LabError as error:
            if error.kind not in ("cancelled", "down"):
                raise
            return str(error)
        return ""

    def _begin(self) -> None:
        """One record a session: when, where, with which versions and files.  LabError, before anything is
        asked, for a model that cannot do what the plan asks.
        """
        known = self.server.installed(self.plan.models)
        if stops := cannot_do(self.plan, {name: self._told_of(name) for name in known}):
            raise LabError(" ".join(stops))
        for record in self.journal.records:
            for name, facts in record.get("models", {}).items() if record["kind"] == "session" else ():
                if name in known and known[name]["digest"] != facts["digest"]:
                    raise ValueError(f"{name} is another file now than when this comparison began: give the "
                                     "new one its own results file")
        self.journal.append({"kind": "session", "at": _now(), "ollama": self.server.version(),
                             "machine": machine_words(), "python": platform.python_version(),
                             "models": known})

    def _told_of(self, name: str) -> dict:
        """What the server shows of a model; nothing where it cannot: its calls then say why."""
        try:
            return self.server.show(name)
        except LabError as error:
            if error.kind not in ("missing", "refused", "garbled"):
                raise
            return {}

    def _block(self, model: str, block: list[Call]) -> None:
        """All prompts that one model answers while it is loaded."""
        self._forget()
        for call in block:
            self._tell(call)
            start, loads = time.monotonic(), len(self.loads)
            try:
                result = self._patiently(model, call.prompt)
            except LabError as error:
                if isinstance(error, Gone) or error.kind in ("cancelled", "down"):
                    raise
                words = str(error)
                if error.kind == "missing":
                    words = missing_words(model, [m["name"] for m in self.server.models()])
                result = {"error": words, "error_kind": error.kind}
            self.earlier.append(self.plan.said_before(call.prompt))
            self.spent.setdefault(model, []).append(time.monotonic() - start - sum(self.loads[loads:]))
            self.journal.append({"kind": "call", "key": call.key, "round": call.round, "model": call.model,
                                 "prompt": call.prompt, "at": _now(),
                                 "since_start": time.monotonic() - self.began, **result})
            self.done.add(call.key)

    def _patiently(self, model: str, prompt: int) -> dict:
        """An answer and its circumstances; where the server went away, once more when it is back, with the
        model loaded anew.
        """
        try:
            return self._answered(model, prompt)
        except LabError as error:
            if error.kind not in ("broken", "down"):
                raise
        wait_for(self.server, self.patience, self.cancel, self.on_wait)
        self._forget()
        return self._answered(model, prompt)

    def _forget(self) -> None:
        """No model is loaded as far as this run knows, and no cache has anything of it."""
        self.memory: dict = {}
        self.earlier: list[str] = []

    def _answered(self, model: str, prompt: int) -> dict:
        heed(self.cancel)
        with sign_of_life(self.server, self.on_wait) as heard:
            return self._asked(model, prompt, heard)

    def _asked(self, model: str, prompt: int, heard: Callable[[], None]) -> dict:
        """An answer and its circumstances.  heard: called at each piece of it."""
        def piece(words: str) -> None:
            heard()
            if self.on_text:
                self.on_text(words)

        if not self.memory:
            start = time.monotonic()
            self.memory = make_alone(self.server, model, self.plan.models, self.plan.loading, self.cancel)
            self.loads.append(time.monotonic() - start)
        shared = cached_at_most(self.memory["prompt_tokens"], self.earlier, self.plan.said_before(prompt))
        answer = ask(self.server, model, options=self.plan.options, cancel=self.cancel, on_text=piece,
                     **self.plan.request(prompt))
        return {"answer": answer, "memory": self.memory, "cached_at_most": shared}

    def _tell(self, call: Call | None) -> None:
        """Tell how far it is, and which call is next; None: all are there."""
        if self.on_progress:
            left = [other for other in self.calls if other.key not in self.done]
            model = self.plan.names[call.model] if call else ""
            prompt = self.plan.prompts[call.prompt].text if call else ""
            self.on_progress(RunProgress(len(self.calls) - len(left), len(self.calls), model, prompt,
                                         self._eta(left)))

    def _eta(self, left: Sequence[Call]) -> float | None:
        """Seconds for the calls that are left, each as long as its model's calls took so far (unknown models:
        as the others'), and for loading a model before each block.
        """
        if not self.spent:
            return None
        means = {model: sum(times) / len(times) for model, times in self.spent.items()}
        usual = sum(means.values()) / len(means)
        loads = len({(call.round, call.model) for call in left}) - bool(left and self.memory)
        return (sum(means.get(self.plan.asked[call.model], usual) for call in left)
                + loads * sum(self.loads) / max(len(self.loads), 1))


def finished(records: list[dict], again: bool = False) -> set[str]:
    """Keys of the calls that need not be asked; again: without those that failed."""
    return {record["key"] for record in last_of_each(records) if not (again and "error" in record)}


def last_of_each(records: list[dict]) -> list[dict]:
    """The newest record of each call, in the order of the file: a call that failed may have been asked again.
    """
    newest = {record["key"]: record for record in records if record.get("kind") == "call"}
    return list(newest.values())


def machine_words() -> str:
    """This machine in words that name nobody: system, processor family, cores."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count() or 'unknown'} cores"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
