"""`ql.Comparison`: own prompts through several models or quants, often enough and in a fair order, kept in a
file to go on from.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .analysis import fitting_metric, noise_floor_words, summary, with_differences
from .checks import Check, as_check
from .journal import open_journal, read_records
from .measure import row_of
from .plan import Plan, RunProgress, make_plan
from .preflight import Preflight, preflight, same_files
from .prompts import read_prompts
from .replay import PLACES, DivergenceBound, divergences, replay
from .report import write_report
from .runner import PATIENCE, Run, finished, last_of_each
from .server import REQUEST_SECONDS, Server
from .verdict import Metric


class Comparison:
    """Prompts x models x rounds on an Ollama server.

    prompts: a list, a text, or a .txt, .csv or .jsonl file (quantlab.lab.prompts).  models: full tags, or
    suffixes of `base`.
    reference: what the others are held against, else the first.  options: Ollama's, the same for all;
    temperature 0, seed 1, num_ctx 2048 and num_predict 128 unless given.  think: False, True, a level, or
    None to leave it to the model.
    file: where every finished call is kept; else a name in this folder made from what is asked, so that the
    same comparison goes on where it stopped.  timeout: seconds for one call.  check: what makes an answer
    right: one of quantlab.lab.checks, a pattern, or a function of the answer.  margin: how much worse is
    still good enough, in the metric's unit (0.05 nats, or 0.1 of all prompts).
    control: the reference is asked once more in each round, as its own noise floor (A/A).
    Raises ValueError in words for whatever cannot be asked; asks nobody yet.
    """

    def __init__(self, prompts: str | Path | Sequence, models: str | Sequence[str], *, base: str = "",
                 reference: str | None = None, rounds: int = 2, options: Mapping | None = None,
                 think: bool | str | None = False, file: str | Path | None = None,
                 check: Check | str | Callable[[str], bool] | None = None, margin: float | None = None,
                 control: bool = False, server: Server | None = None, timeout: float = REQUEST_SECONDS):
        self.plan: Plan = make_plan(read_prompts(prompts), models, base=base, reference=reference,
                                    rounds=rounds, options=options, think=think, control=control)
        self.file = Path(file).expanduser() if file is not None else Path(f"comparison-{self.plan.key}.jsonl")
        self.server = server or Server(timeout=timeout)
        self.check = None if check is None else as_check(check)
        self.metric: Metric = fitting_metric(self.check, margin)
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
        """What stands in the way before anything is asked: missing models, twins, different templates,
        memory.  Pulls nothing; the answer's `pull` does, after a question.
        """
        return preflight(self.plan, self.server, registry=registry)

    def run(self, *, on_progress: Callable[[RunProgress], None] | None = None,
            on_text: Callable[[str], None] | None = None, cancel: threading.Event | None = None,
            patience: float = PATIENCE, again: bool = False) -> "Comparison":
        """Ask whatever the file lacks, one call after the other.

        Returns itself; `stopped` says why it ended early (cancelled, or no server for `patience` seconds), ""
        when all is there.
        again: ask once more what failed.  ValueError when the file belongs to another comparison, or another
        run is writing it.
        """
        with self._journal() as journal:
            self.stopped = Run(self.plan, self.server, journal, cancel, on_progress, on_text,
                               patience).go(again)
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
        return summary(self.plan, self.rows(), divergences(self.plan, self.records), self.check, self.metric)

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
        """One dict a finished call, in the order they were asked: the names instead of numbers, then
        quantlab.lab.measure's numbers.
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
            rows.append({**row, "model": name, "prompt": self.plan.prompts[row["prompt"]].text,
                         "prompt_number": row["prompt"], "quantization": facts.get("quantization_level", ""),
                         "bytes": facts.get("size"), "digest": facts.get("digest", ""),
                         "flags": row["flags"] + ([f"same digest as {twin}"] if twin else [])})
        return with_differences(rows, self.plan.reference)

    def table(self):
        """The same as a pandas DataFrame; empty (with no columns) before the first run."""
        import pandas as pd

        return pd.DataFrame(self.rows())


def arguments_of(plan: Mapping) -> dict:
    """What `Comparison` takes, from the plan in a results file's first line."""
    prompts = [{"prompt": prompt["text"], "expected": prompt["expected"]} for prompt in plan["prompts"]]
    return {"prompts": prompts, "control": plan.get("control", False),
            **{name: plan[name] for name in ("models", "rounds", "options", "think")}}
