"""`ql.Comparison`: own prompts through several models or quants, often enough and in a fair order, kept in a
file to go on from.

A comparison as plain values for a picture: one dict a model, and one list of answers a prompt.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .analysis import (
    fitting_metric,
    harm_by_divergence,
    harm_by_passes,
    noise_floor_words,
    summary,
    with_differences,
)
from .checks import Check, as_check, passed
from .journal import opened, read_records
from .measure import row_of
from .names import split_name
from .plan import Plan, Progress, make_plan
from .preflight import Preflight, preflight
from .prompts import read_prompts
from .replay import AGAIN, PLACES, Divergence, divergences, replay
from .report import word_diff, write_report
from .runner import PATIENCE, Run, finished, last_of_each
from .server import SECONDS, Server
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
                 think: bool | str | None = False, file: str | Path | None = None, check: Check | str
                 | Callable[[str], bool] | None = None, margin: float | None = None, control: bool = False,
                 server: Server | None = None, timeout: float = SECONDS):
        self.plan: Plan = make_plan(read_prompts(prompts), models, base=base, reference=reference,
                                    rounds=rounds, options=options, think=think, control=control)
        self.file = Path(file).expanduser() if file is not None else Path(f"comparison-{self.plan.key}.jsonl")
        self.server = server or Server(timeout=timeout)
        self.check = None if check is None else as_check(check)
        self.metric: Metric = fitting_metric(self.check, margin)
        # the file's size and time when it was last read, and what was in it
        self._read: tuple = (None, [])
        self._rows: tuple = (None, [])      # the records that the rows were made of, and the rows
        self.stopped = ""           # why the last run ended before all was asked

    def preflight(self, registry: str | None = None) -> Preflight:
        """What stands in the way before anything is asked: missing models, twins, different templates,
        memory.  Pulls nothing.
        """
        return preflight(self.plan, self.server, registry=registry)

    def pull(self, confirm: Callable[[str], bool], *, on_progress: Callable[[str], None] | None = None,
             on_bytes: Callable[[str, int, int], None] | None = None, cancel: threading.Event | None = None,
             registry: str | None = None) -> list[str]:
        """Download the models that preflight finds in the registry, after `confirm` said yes to one question
        with all bytes.

        on_progress: each step in words; on_bytes: model, bytes there, bytes in all; cancel ends it.  Returns
        what came.
        """
        return self.preflight(registry).pull(self.server, confirm, on_progress, cancel, on_bytes)

    def run(self, *, on_progress: Callable[[Progress], None] | None = None, on_text: Callable[[str], None]
            | None = None, cancel: threading.Event | None = None, patience: float = PATIENCE,
            again: bool = False) -> "Comparison":
        """Ask whatever the file lacks, one call after the other.

        Returns itself; `stopped` says why it ended early (cancelled, or no server for `patience` seconds), ""
        when all is there.
        again: ask once more what failed.  ValueError when the file belongs to another comparison, or another
        run is writing it.
        """
        with opened(self.file, {"key": self.plan.key, "plan": self.plan.as_dict()}) as journal:
            self.stopped = Run(self.plan, self.server, journal, cancel, on_progress, on_text,
                               patience).go(again)
        return self

    def diverge(self, *, places: int = PLACES, on_progress: Callable[[Progress], None] | None = None,
                cancel: threading.Event | None = None) -> dict[str, Divergence]:
        """Replay the reference's answers to every model (quantlab.lab.replay), `places` tokens of each; goes
        on where it stopped.
        """
        with opened(self.file, {"key": self.plan.key, "plan": self.plan.as_dict()}) as journal:
            self.stopped = replay(self.plan, self.server, journal, places, cancel, on_progress)
        return divergences(self.plan, self.records)

    def summary(self):
        """One line a model as a pandas DataFrame: bytes, speed, ratio to the reference, pass rate, KL, and
        the verdict in words.

        kl is None where less than 80 % of the reference's probability was seen: the bound would say too
        little.
        """
        import pandas as pd

        return pd.DataFrame(summary(self.plan, self.rows(), divergences(self.plan, self.records), self.check,
                                    self.metric))

    def noise_floor(self) -> str:
        """What the reference shows against itself, in words: no smaller difference of two models can be told
        from chance.
        """
        return noise_floor_words(self.plan, self.rows(), divergences(self.plan, self.records))

    def report(self, path: str | Path) -> Path:
        """One self-contained HTML file: verdicts, settings, answers side by side with their differences,
        speed against time, harm against speed and bytes, and every call.
        """
        rows, records = self.rows(), self.records
        lines = summary(self.plan, rows, divergences(self.plan, records), self.check, self.metric)
        return write_report(Path(path).expanduser(), self.plan, self.metric, rows, lines, records,
                            self.noise_floor())

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
        if self._rows[0] is records:
            return [dict(row) for row in self._rows[1]]
        models = {name: facts for record in records if record["kind"] == "session" for name,
                  facts in record["models"].items()}
        twins = twin_flags(self.plan.models, models)
        rows = []
        for row in map(row_of, last_of_each(records)):
            name, asked = self.plan.names[row["model"]], self.plan.asked[row["model"]]
            facts = models.get(asked, {})
            rows.append({**row, "model": name, "prompt": self.plan.prompts[row["prompt"]].text,
                         "prompt_number": row["prompt"], "quantization": facts.get("quantization_level", ""),
                         "bytes": facts.get("size"), "digest": facts.get("digest", ""),
                         "flags": row["flags"] + twins.get(name, [])})
        self._rows = records, with_differences(rows, self.plan.reference)
        return [dict(row) for row in rows]

    def table(self):
        """The same as a pandas DataFrame; empty (with no columns) before the first run."""
        import pandas as pd

        return pd.DataFrame(self.rows())


def twin_flags(names: Sequence[str], models: Mapping[str, Mapping]) -> dict[str, list[str]]:
    """Two names for one file are not two quantizations: {name: ["same digest as ..."]}."""
    seen, flags = {}, {}
    for name in names:
        digest = models.get(name, {}).get("digest")
        if digest and seen.setdefault(digest, name) != name:
            flags[name] = [f"same digest as {seen[digest]}"]
    return flags


MOST_SHOWN = 4000       # letters of one answer on the screen; the report and the results file have more


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Forms of one model need no more than the part of their tags that differs; others keep their names."""
    if len({split_name(name)[0] for name in names}) > 1:
        return {name: name for name in names}
    tags = {name: split_name(name)[1] for name in names}
    parts = [tag.split("-") for tag in tags.values()]
    shared = next((i for i, same in enumerate(zip(*parts, strict=False)) if len(set(same)) > 1), 0)
    return {name: "-".join(tag.split("-")[shared:]) for name, tag in tags.items()}


def overview(made: Comparison) -> list[dict]:
    """One dict a model: name, quantization, bytes, harm and times_as_fast (mean, low, high; the ends are None
    under 8 prompts; None where not measured), answer, more (prompts to add, or None), verdict, reference,
    speed (tokens per second), remarks.

    The reference's harm is what it shows against itself, where that was measured.
    """
    rows, apart = made.rows(), divergences(made.plan, made.records)
    right = {} if made.check is None else passed(rows, made.check,
                                                 {i: p.expected for i, p in enumerate(made.plan.prompts)})
    names, found = short_names(made.plan.models), []
    for line in summary(made.plan, rows, apart, made.check, made.metric):
        name, harm = line["model"], None
        if name not in names:           # the reference asked again as a control: its row is the reference's
            continue
        if right:
            harm = harm_by_passes(right, name, made.plan.reference)
        elif name in apart or (name == made.plan.reference and AGAIN in apart):
            harm = harm_by_divergence(apart[name],
                                      apart.get(AGAIN)) if name in apart else harm_by_divergence(apart[AGAIN],
                                                                                                 None)
        ratio = line["speed_ratio"]
        remarks = [*line["flags"], *([f"{line['errors']} calls failed"] if line["errors"] else [])]
        found.append({"name": names[name], "quantization": line["quantization"], "bytes": line["bytes"]
                      or 0, "verdict": line["verdict"], "answer": "" if name == made.plan.reference
                      else str(line["answer"] or ""), "reference": name == made.plan.reference,
                      "more": line["more"], "harm": None if harm is None
                      else (harm.mean, harm.low, harm.high), "remarks": remarks,
                      "speed": line["tokens_per_second"] or 0.0, "times_as_fast": None if ratio is None
                      else (ratio.mean, ratio.low, ratio.high)})
    return found


def answers(made: Comparison, number: int) -> list[dict]:
    """Each model's first answer to prompt `number` (from 0): name, note, flags, and `marked`: escaped HTML
    with the words marked that the reference's answer has not.
    """
    first: dict[str, dict] = {}
    for row in made.rows():
        if row["prompt_number"] == number:
            first.setdefault(row["model"], row)
    names, reference, found = short_names(made.plan.models), made.plan.reference, []
    wanted = first.get(reference, {}).get("text", "")[:MOST_SHOWN]
    for name in made.plan.models:
        if name in first:
            marked, place = word_diff(wanted, (first[name]["text"] or first[name]["error"])[:MOST_SHOWN])
            note = "the reference" if name == reference else "the same words" if place is None else f"first differs at word {place}"
            found.append({"name": names[name], "marked": marked, "flags": first[name]["flags"],
                          "note": "no answer" if first[name]["error"] else note})
    return found
