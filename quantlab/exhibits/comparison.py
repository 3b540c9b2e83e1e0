"""Lesson 07's laboratory: own prompts, several quants, live answers, and a verdict; without a server a
recorded comparison is shown.

The work runs in a thread, so the kernel stays free and Cancel works. Every finished call is in the results
file, and Run goes on from it; what was set is kept beside it, and is there again after a restart.
"""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..canvas.answers import live_html, notes_html
from ..lab.checks import named_check
from ..lab.comparison import Comparison
from ..lab.custom import TINY_NAME, add_tiny_models, remove_tiny_models
from ..lab.plan import THINK_LEVELS, RunProgress
from ..lab.preflight import Preflight
from ..lab.records import RECORDED_COMPARISONS, RecordedComparison
from ..lab.side_by_side import short_names
from ..stage import handles
from ..stage.base import Stage
from ..stage.handles import Button
from ..stage.share import recalled
from ..words import counted, size
from .comparison_view import EMPTY, ComparisonView, ShownComparison, answers_menu
from .kept import keep, kept
from .ollama_lab import OllamaLab

BETWEEN = 0.15          # seconds between two looks at what a model is writing
#: Eight, for with fewer there are points and no verdict.
PROMPTS = "\n".join(("To be, or not to be", "All the world's a stage,", "Friends, Romans, countrymen,",
                     "Shall I compare thee to a", "Now is the winter of our discontent",
                     "O Romeo, Romeo! wherefore art thou", "The king is dead, and", "What news from the"))
ROWS = (("which",), ("prompts",), ("system",), ("models",), ("others", "reference"),
        ("rounds", "length", "heat"), ("judge", "right"), ("form", "think"), ("tags", "margin"),
        ("check", "pull", "run", "cancel"), ("tiny", "untiny", "again"), ("noted",), ("writes",))
ASKING = [name for row in ROWS[1:11] for name in row if name not in ("pull", "again")]      # needs a server
#: Words of the menu -> what `Comparison` takes.
THINKING = {"no": False, "yes": True, "as it likes": None, **{level: level for level in THINK_LEVELS}}
JUDGES = [("nobody: how far the models lie apart", ""), ("it has what the file expects", "has"),
          ("its last number is the expected one", "number"), ("it is JSON", "json")]


@recalled
def explore_comparison(prompts: Comparison | str | Path | Sequence | None = None,
                       models: Sequence[str] | None = None, *, rounds: int = 2,
                       file: str | Path | None = None, recorded: str = "tiny", **options) -> Stage:
    """Your prompts, the models you choose, and whether each is good enough.

    prompts: texts, dicts or the path of a file, as `Comparison` takes them; or a comparison that is there
    already (a `RecordedComparison`, or one of your own): it is shown, and nothing is asked.  models: to begin
    with.  file: the results file, else named after what is asked.  recorded: what is shown without a server,
    "tiny" or "smollm2".  options: Ollama's, such as num_thread=1.
    """
    if isinstance(prompts, Comparison):
        return ComparisonView(prompts)
    if prompts is not None and not isinstance(prompts, str | Path):
        prompts = _as_text(prompts)
    return ComparisonLab(str(prompts or PROMPTS), models or (), rounds, file, recorded, options)


def _as_text(prompts: Sequence) -> str:
    """Prompts as the text box has them: blocks, or a JSON object a line where one is a dict."""
    if any(isinstance(prompt, Mapping) for prompt in prompts):
        entries = [prompt if isinstance(prompt, Mapping) else {"prompt": prompt} for prompt in prompts]
        return "\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    return "\n---\n".join(prompts)


def _handles(prompts: str, rounds: int, recorded: str) -> list[handles.Handle]:
    there = [(f"recorded: {name}", name) for name in RECORDED_COMPARISONS]
    return [handles.menu("which", "Shown", recorded, there),
            handles.text_area("prompts", "Your prompts", prompts, width=740, height=150,
                         hint="one a line, or blocks with --- between; or the path of a .txt, .csv, .json or "
                              ".jsonl file with prompt, expected, check and tags"),
            handles.text_line("system", "System prompt", width=740,
                              hint="optional: instead of the models' own"),
            handles.several("models", "Models to ask", width=740),
            handles.text_line("others", "Also", width=450,
                              hint="tags not installed yet, such as llama3.2:1b"),
            handles.menu("reference", "Reference", None, (), width=285, label_width=75),
            handles.number_field("rounds", "Rounds", rounds, 1, 20, width=200),
            handles.number_field("length", "Most tokens", 64, 1, 4000, width=200),
            handles.number_field("heat", "Temperature", 0.0, 0, 2, 0.1, width=200),
            handles.menu("judge", "Right if", "", JUDGES, width=450),
            handles.text_line("right", "or it says", width=285, label_width=75, hint="a word or pattern"),
            handles.text_line("form", "Format", width=450, hint="optional: json, or a JSON schema"),
            handles.menu("think", "Think", "no", list(THINKING), width=285, label_width=75),
            handles.text_line("tags", "Only tags", width=450,
                              hint="optional: prompts of the file with one of these"),
            handles.text_line("margin", "Margin", width=285, label_width=75, hint="10 %, or 0.05 nats"),
            answers_menu()]


class ComparisonLab(ShownComparison, OllamaLab):
    """`made` is the comparison that is shown; a recorded one where no server is `live`."""

    def __init__(self, prompts: str, models: Sequence[str], rounds: int, file: str | Path | None,
                 recorded: str, options: Mapping):
        self.file = file
        self.found: Preflight | None = None
        super().__init__(_handles(prompts, rounds, recorded), options, first=EMPTY,
                         buttons=[*self._doing(), *self.looks()], rows=ROWS,
                         pieces=("noted", "writes", "said", "page"),
                         below=[["prompt", "report", "csv", "vote"], ["page"], ["said"]])
        self.look(models)

    def _doing(self) -> list[Button]:
        return [Button("check", "Check first", "What is missing, and what differs besides the weights",
                       lambda: self.start(self._check_first), task=True),
                Button("pull", "Download what is missing", "Asks the registry for the models named above",
                       lambda: self.start(self._pull), task=True, hidden=True),
                Button("run", "Run", "Ask every chosen model; goes on where it stopped",
                       lambda: self.when_live(self._run), task=True),
                Button("cancel", "Cancel", "Stop asking; what is finished stays", self.stop),
                Button("tiny", "Add the tiny models", "The bundled Llama in four forms, 17 MB, no download",
                       lambda: self.start(self._add), task=True),
                Button("untiny", "Remove them", "Take the tiny models out of Ollama again",
                       lambda: self.start(self._remove), task=True),
                Button("again", "Look for Ollama", "See whether a server answers now", self.look, task=True)]

    # ---- handles and buttons

    def look(self, wanted: Sequence[str] = ()) -> None:
        """Ask whether a server is there and what it has; without one, show a recorded comparison."""
        super().look()
        self.reveal("which", not self.live)
        self.reveal("pull", False)
        for name in ASKING:
            self.reveal(name, self.live)
        names = [model["name"] for model in self.installed]
        chosen = self.of_installed(wanted or self.controls["models"].value)
        tiny = [name for name in names if name.startswith(f"{TINY_NAME}:")]
        labels = [f"{m['name']}   {m['quantization_level']}, {size(m['size'])}" for m in self.installed]
        self.offer("models", list(zip(labels, names, strict=True)), tuple(chosen or tiny or names[:2]))
        self._offer_references()
        if self.live:
            ready = f"{counted(len(names), 'model')}. Choose (Ctrl or Shift), press Check first, then Run."
            self.tell(f"{self.why} Or press Add the tiny models." if self.why
                      else f"{self.answers} {ready}")
        else:
            self.tell(f"{self.why} You see a recorded comparison. Where Ollama runs, your own prompts and "
                      "models stand here.")
            self._show_recorded()

    def made_by(self, call: str) -> None:
        """Take up what was set before a restart, and show what was measured for it."""
        super().made_by(call)
        if self.live and (before := kept(call)):
            self._take_up(before)

    def _take_up(self, before: Mapping) -> None:
        names, models = {"models", "reference", "prompt", "which"}, before.get("models")
        if isinstance(models, list) and (there := self.of_installed([*map(str, models)])):
            self.place(models=tuple(there))
            self._offer_references()
        if before.get("reference") in self._stops("reference"):
            self.place(reference=before["reference"])
        for name, value in before.items():
            control = self.controls.get(name)
            if control and name not in names and type(value) is type(control.value) and (
                    not hasattr(control, "options") or value in self._stops(name)):
                self.place(**{name: value})
        try:
            made = self.comparison()
        except ValueError as error:         # a file of prompts that is gone, say
            self.tell(str(error))
            return
        if made.records:
            self.show_made(made)

    def moved(self, change) -> None:
        """Three menus say at once what they stand for; everything else waits for a button, and is kept."""
        does = {"models": self._offer_references, "which": self._show_recorded, "prompt": self.show_answers}
        for name, work in does.items():
            if change.owner is self.controls[name] and not self._held:
                work()
        if self.live and self.call and not self._held:
            self._keep()

    def _keep(self) -> None:
        keep(self.call, {name: list(value) if isinstance(value, tuple) else value
                         for name, value in self.values().items()})

    def _offer_references(self) -> None:
        names = short_names(self.controls["models"].value) if self.controls["models"].value else {}
        wide = [name for name in names if name.endswith(("f16", "fp16"))]
        before = self.controls["reference"].value
        self.offer("reference", [(short, name) for name, short in names.items()],
                   before if before in names else next(iter(wide or names), None))

    def stop(self) -> None:
        super().stop()
        self.tell("Cancelled. What was finished is kept: Run goes on from there.")

    # ---- work

    def comparison(self) -> Comparison:
        """What the handles ask for.  ValueError in words."""
        asked = self.values()
        names = [*asked["models"], *asked["others"].replace(",", " ").split()]
        options = {"temperature": asked["heat"], "num_predict": asked["length"], **self.options}
        check = asked["right"].strip() or named_check(asked["judge"])
        return Comparison(asked["prompts"].strip(), names, reference=asked["reference"],
                          rounds=asked["rounds"], options=options, tags=asked["tags"].strip() or None,
                          system=asked["system"].strip(), format=asked["form"],
                          think=THINKING[asked["think"]], check=check, margin=_margin(asked["margin"]),
                          file=self.file, server=self.server)

    def _check_first(self) -> None:
        self._check(self.comparison())

    def _check(self, made: Comparison) -> bool:
        """Say what stands in the way; True when nothing does."""
        self.found = found = made.preflight()
        self.pieces["noted"].value = notes_html(found.notes)
        self.reveal("pull", bool(found.to_pull))
        counts = (f"{counted(len(made.plan.prompts), 'prompt')}, {counted(len(made.plan.models), 'model')}, "
                  f"{counted(made.plan.rounds, 'round')}: {counted(made.missing, 'call')} to ask.")
        self.tell(f"Ready. {counts}" if found.ok else "\n".join([*found.stops, "Not yet ready."]))
        return found.ok

    def _pull(self) -> None:
        """The second yes, after the question was shown."""
        assert self.found, "the button comes with what was found"
        self.found.pull(self.server, lambda question: True, self.step, self.cancel)
        self.reveal("pull", False)
        self.tell("Downloaded. Press Run.")

    def _run(self) -> None:
        made = self.comparison()
        self._keep()
        if not self._check(made):
            return
        written, last = [""], 0.0

        def progress(now: RunProgress) -> None:
            written[:] = [now.model]
            self.tell(now.words, True, now.done / max(now.total, 1))

        def said(piece: str) -> None:
            nonlocal last
            written.append(piece)
            if time.monotonic() - last > BETWEEN:
                last = time.monotonic()
                self.pieces["writes"].value = live_html(written[0], "".join(written[1:]))

        try:
            made.run(on_progress=progress, on_text=said, cancel=self.cancel, on_wait=self.step)
            if not made.stopped and made.metric.lower_bound and len(made.plan.models) > 1:
                self.pieces["writes"].value = ""
                made.diverge(places=8, cancel=self.cancel, on_progress=progress)
        finally:
            self.pieces["writes"].value = ""
        self.show_made(made)
        self.tell(_ended(made))

    def _add(self) -> None:
        self.look(add_tiny_models(server=self.server, progress=self.step, cancel=self.cancel))

    def _remove(self) -> None:
        gone = remove_tiny_models(server=self.server)
        self.look()
        self.tell(f"Removed: {', '.join(gone)}." if gone else "There was none of them.")

    def _show_recorded(self) -> None:
        made = RecordedComparison(self.controls["which"].value)
        self.show_made(made, made.provenance)


def _ended(made: Comparison) -> str:
    """What the line below the handles says when a run has ended."""
    if not made.stopped:
        return f"Done. Every call is in {made.file}."
    every = len(made.plan.calls())
    if made.missing == every:
        return f"{made.stopped} Nothing is measured yet, 0 of {every} calls; Run goes on from here."
    return f"{made.stopped} {every - made.missing} of {every} calls are kept; Run goes on from there."


def _margin(words: str) -> float | None:
    """How much worse is still good enough: "0.02", "5 %", or None for the usual one."""
    given = words.strip().replace(",", ".")
    if not given:
        return None
    try:
        return float(given.removesuffix("%")) / (100 if given.endswith("%") else 1)
    except ValueError:
        raise ValueError(f"the margin {words!r} is no number: write 0.05, or 5 %") from None
