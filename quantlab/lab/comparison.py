"""`ql.Comparison`: own prompts through several models or quants, often enough and in a fair order, kept in a
file to go on from.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..models.whole_file import whole_file
from .analysis import fitting_metric, noise_floor_words, summary, with_differences
from .checks import Check, as_check, named_check
from .csv_file import csv_lines
from .journal import open_journal, read_records
from .measure import row_of
from .plan import Plan, RunProgress, make_plan
from .preflight import Preflight, check_faults, preflight, same_files
from .prompts import read_prompts
from .replay import PLACES, DivergenceBound, divergences, replay
from .report import write_report
from .runner import PATIENCE, Run, finished, last_of_each
from .server import REQUEST_SECONDS, Server
from .verdict import Metric


class Comparison:
    """Prompts x models x rounds on an Ollama server.

    prompts: a list, a text, or a .txt, .csv, .json or .jsonl file, with what is expected, a check and tags
    for each (quantlab.lab.prompts).  models: full tags, or suffixes of `base`.
    reference: what the others are held against, else the first.  options: Ollama's, the same for all;
    temperature 0, seed 1, num_ctx 2048 and num_predict 128 unless given.  think: False, True, a level, or
    None to leave it to the model.  system: a system prompt for all, instead of the models' own.
    format: "json", or a JSON schema that every answer shall have.  messages: what was said before each
    prompt, as a list of dicts with role and content: one conversation for all, or one for each prompt; with
    prompts None, whole conversations.  tags: only the prompts that have one of these.
    file: where every finished call is kept; else a name in this folder made from what is asked, so that the
    same comparison goes on where it stopped.  timeout: seconds for one call.  check: what makes an answer
    right: one of quantlab.lab.checks, a pattern, or a function of the answer; a prompt's own check goes
    before it.  margin: how much worse is still good enough, in the metric's unit (0.05 nats, or 0.1 of all
    prompts).
    control: the reference is asked once more in each round, as its own noise floor (A/A).
    Raises ValueError in words for whatever cannot be asked; asks nobody yet.
    """

    def __init__(self, prompts: str | Path | Sequence | None, models: str | Sequence[str], *, base: str = "",
                 reference: str | None = None, rounds: int = 2, options: Mapping | None = None,
                 think: bool | str | None = False, system: str | None = None,
                 format: str | Mapping | None = None, messages: Sequence | None = None,
                 tags: str | Sequence[str] | None = None, file: str | Path | None = None,
                 check: Check | str | Callable[[str], bool] | None = None, margin: float | None = None,
                 control: bool = False, server: Server | None = None, timeout: float = REQUEST_SECONDS):
        self.plan: Plan = make_plan(read_prompts(prompts, messages, tags), models, base=base,
                                    reference=reference, rounds=rounds, options=options, think=think,
                                    control=control, system=system, format=format)
        self.file = Path(file).expanduser() if file is not None else Path(f"comparison-{self.plan.key}.jsonl")
        self.server = server or Server(timeout=timeout)
        self.check = None if check is None else as_check(check)
        #: The check of each prompt: its own, else that of the comparison; None: nobody judges it.
        self.checks = [named_check(prompt.check) or self.check for prompt in self.plan.prompts]
        self.metric: Metric = fitting_metric(any(self.checks), margin)
        self._read: tuple = (None, [])      # the file's size and time when it was last read, and its records
        self._rows: tuple = (None, [])      # the records that the rows were made of, and the rows
        self.stopped = ""           # why the last run ended before all was asked

    @classmethod
    def from_file(cls, path: str | Path, **more) -> "Comparison":
        """The comparison that a results file holds, to look at or to go on with.  more: server, check,
        margin, timeout.  ValueError for a file that is damaged, or none.
        """
        path = Path(path).expanduser()
        head, _ = read_records(path)
        try:
            made = cls(**arguments_of(head["plan"]), file=path, **more)
            made.judged()
        except (KeyError, TypeError, IndexError, AttributeError):
            raise ValueError(f"{path} is damaged, or not the results file of a comparison") from None
        return made

    def preflight(self, registry: str | None = None) -> Preflight:
        """What stands in the way before anything is asked: missing models and those that cannot do it, checks
        that cannot judge, twins, different templates, memory.  Pulls nothing; the answer's `pull` does, after
        a question.
        """
        found = preflight(self.plan, self.server, registry=registry)
        found.stops += check_faults(self.plan.prompts, self.checks)
        return found

    def run(self, *, on_progress: Callable[[RunProgress], None] | None = None,
            on_text: Callable[[str], None] | None = None, cancel: threading.Event | None = None,
            patience: float = PATIENCE, on_wait: Callable[[str], None] | None = None,
            again: bool = False) -> "Comparison":
        """Ask whatever the file lacks, one call after the other.

        Returns itself; `stopped` says why it ended early (cancelled, or no server for `patience` seconds), ""
        when all is there.
        on_wait: told in words when the server went away and is waited for.
        again: ask once more what failed.  ValueError when the file belongs to another comparison, or another
        run is writing it, and before the first call when a model cannot do what is asked or a check cannot
        judge.
        """
        if faults := check_faults(self.plan.prompts, self.checks):
            raise ValueError(" ".join(faults))
        with self._journal() as journal:
            self.stopped = Run(self.plan, self.server, journal, cancel, on_progress, on_text,
                               patience, on_wait).go(again)
        return self

    def diverge(self, *, places: int = PLACES, on_progress: Callable[[RunProgress], None] | None = None,
                cancel: threading.Event | None = None) -> dict[str, DivergenceBound]:
        """Replay the reference's answers to every model (quantlab.lab.replay), `places` tokens of each; goes
        on where it stopped.
        """
        with self._journal() as journal:
            self.stopped = replay(self.plan, self.server, journal, places, cancel, on_progress)
        return divergences(self.plan, self.records)

    def _journal(self):
        return open_journal(self.file, {"key": self.plan.key, "plan": self.plan.as_dict()})

    def judged(self) -> list[dict]:
        """One dict a model: bytes, speed, ratio to the reference, pass rate, KL, harm, and the verdict in
        words (quantlab.lab.analysis.summary).
        """
        return summary(self.plan, self.rows(), divergences(self.plan, self.records), self.metric)

    def summary(self):
        """The same as a pandas DataFrame, one line a model.

        kl is None where less than 80 % of the reference's probability was seen: the bound would say too
        little.
        """
        import pandas as pd

        return pd.DataFrame(self.judged())

    def noise_floor(self) -> str:
        """What the reference shows against itself, in words: no smaller difference of two models can be told
        from chance.
        """
        return noise_floor_words(self.plan, self.rows(), divergences(self.plan, self.records))

    def report(self, path: str | Path) -> Path:
        """One self-contained HTML file: verdicts, settings, answers side by side with their differences,
        speed against time, harm against speed and bytes, and every call.
        """
        return write_report(Path(path).expanduser(), self)

    def csv(self, path: str | Path) -> Path:
        """Every call as a line of a CSV file: prompt, what was expected, whether it passed, the answer, and
        the numbers.
        """
        with whole_file(Path(path).expanduser()) as write:
            write(csv_lines(self.rows()).encode("utf-8", "replace"))
        return Path(path).expanduser()

    @property
    def records(self) -> list[dict]:
        """What is in the file, raw; empty before the first run."""
        if not self.file.exists():
            return []
        state = self.file.stat().st_size, self.file.stat().st_mtime_ns
        if state != self._read[0]:
            self._read = state, read_records(self.file)[1]
        return self._read[1]

    @property
    def missing(self) -> int:
        """Calls that are still to be asked."""
        return len(self.plan.calls()) - len(finished(self.records))

    def rows(self) -> list[dict]:
        """One dict a finished call, in the order they were asked: the names instead of numbers, what was
        expected, whether it `passed` (None: not judged), then quantlab.lab.measure's numbers.
        """
        records = self.records
        if self._rows[0] is not records:
            self._rows = records, self._rows_of(records)
        return [dict(row) for row in self._rows[1]]

    def _rows_of(self, records: list[dict]) -> list[dict]:
        models = {name: facts for record in records if record["kind"] == "session"
                  for name, facts in record["models"].items()}
        twins = same_files({name: models.get(name, {}).get("digest") for name in self.plan.models})
        rows = []
        for row in map(row_of, last_of_each(records)):
            name, asked = self.plan.names[row["model"]], self.plan.asked[row["model"]]
            facts, twin = models.get(asked, {}), twins.get(name)
            prompt, check = self.plan.prompts[row["prompt"]], self.checks[row["prompt"]]
            rows.append({**row, "model": name, "prompt": prompt.text, "prompt_number": row["prompt"],
                         "expected": prompt.expected, "tags": list(prompt.tags),
                         "check": check.name if check else "",
                         "passed": check.passes(row["text"], prompt.expected)
                         if check and not row["error"] else None,
                         "quantization": facts.get("quantization_level", ""),
                         "bytes": facts.get("size"), "digest": facts.get("digest", ""),
                         "flags": row["flags"] + ([f"same digest as {twin}"] if twin else [])})
        return with_differences(rows, self.plan.reference)

    def table(self):
        """The same as a pandas DataFrame; empty (with no columns) before the first run."""
        import pandas as pd

        return pd.DataFrame(self.rows())


def arguments_of(plan: Mapping) -> dict:
    """What `Comparison` takes, from the plan in a results file's first line."""
    prompts = [{"prompt": prompt["text"], "expected": prompt["expected"], "check": prompt.get("check"),
                "tags": prompt.get("tags"),
                "messages": [{"role": role, "content": said} for role, said in prompt.get("messages", ())]}
               for prompt in plan["prompts"]]
    return {"prompts": prompts, **{name: plan.get(name) for name in ("system", "format")},
            "control": plan.get("control", False),
            **{name: plan[name] for name in ("models", "rounds", "options", "think")}}
