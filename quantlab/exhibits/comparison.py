"""Lesson 07's laboratory: own prompts, several quants, live answers, and a verdict; without a server a
recorded comparison is shown.

The work runs in a thread, so the kernel stays free and Cancel works. Every finished call is in the results
file, and Run goes on from it.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import ipywidgets as widgets

from ..canvas.answers import answers_html, live_html, notes_html
from ..canvas.verdict import draw_verdict
from ..lab.comparison import Comparison
from ..lab.custom import add_tiny_models, remove_tiny_models, tiny_name
from ..lab.plan import RunProgress
from ..lab.preflight import Preflight
from ..lab.records import RECORDED_COMPARISONS, RecordedComparison
from ..lab.report import answers, overview, short_names
from ..stage.legacy import markup
from .votes import VoteLab, explore_votes
from .workbench import NAMED, WIDE, Workbench, button, installed_models, row

BETWEEN = 0.15          # seconds between two looks at what a model is writing
SMALL = dict(width="200px")
PROMPTS = "\n".join(("To be, or not to be", "All the world's a stage,", "Friends, Romans, countrymen,",
                     "Shall I compare thee to a"))


def explore_comparison(prompts: str | Path | Sequence[str] | None = None, models: Sequence[str] | None = None,
                       *, rounds: int = 2, file: str | Path | None = None, recorded: str = "tiny",
                       **options) -> "ComparisonLab":
    """Your prompts, the models you choose, and whether each is good enough.

    prompts: texts, or the path of a .txt, .csv or .jsonl file.  models: to begin with.  file: the results
    file, else named after what is asked.  recorded: what is shown without a server, "tiny" or "smollm2".
    options: Ollama's, such as num_thread=1.
    """
    if prompts is not None and not isinstance(prompts, str | Path):
        prompts = "\n---\n".join(prompts)
    return ComparisonLab(str(prompts or ""), models, rounds, file, recorded, options)


class ComparisonLab(Workbench):
    """`made` is the comparison that is shown; `live` is False when it is a recorded one."""

    def __init__(self, prompts: str, models: Sequence[str] | None, rounds: int, file, recorded: str,
                 options: dict):
        self.options, self.file, self.recorded, self.live = options, file, recorded, False
        self.made: Comparison | None = None
        self.found: Preflight | None = None
        self._build(prompts or PROMPTS, rounds)
        controls = {"prompts": self.prompts, "models": self.models, "others": self.others,
                    "reference": self.reference, "rounds": self.rounds, "length": self.length,
                    "heat": self.heat, "right": self.right, "check": self.look_first, "pull": self.pull,
                    "run": self.run, "cancel": self.stop, "tiny": self.tiny, "untiny": self.untiny,
                    "again": self.again, "shown": self.shown, "report": self.report, "vote": self.vote,
                    "which": self.which}
        self.live_box, self.noted, self.said, self.ballot = markup(), markup(), markup(), widgets.VBox()
        # of no use without a server
        self.asking = [self.prompts, self.models, row([self.others, self.reference]),
                       row([self.rounds, self.length, self.heat, self.right]),
                       row([self.look_first, self.pull, self.run, self.stop]), self.tiny, self.untiny]
        rows = [self.which, *self.asking[:-2], row([self.tiny, self.untiny, self.again]), self.noted,
                self.bar, self.live_box]
        super().__init__(controls, rows, draw_verdict([], "", "", 0))
        self.children = [*self.children[:-1], row([self.shown, self.report, self.vote]), self.said,
                         self.ballot, self.children[-1]]
        self.shown.observe(lambda _change: self._show_answers(), names="value")
        self.which.observe(lambda _change: self._show_recorded(), names="value")
        self.models.observe(lambda _change: self._offer_references(), names="value")
        self.look(models)

    def _build(self, prompts: str, rounds: int) -> None:
        """All controls."""
        self.which = widgets.Dropdown(options=[(f"recorded: {name}", name) for name in RECORDED_COMPARISONS],
                                      value=self.recorded, description="Shown", layout=dict(width="360px"),
                                      style=NAMED)
        self.prompts = widgets.Textarea(value=prompts, description="Your prompts", style=NAMED,
                                        layout=dict(**WIDE, height="110px"),
                                        placeholder="one a line, or blocks with --- between; or the path of "
                                                    "a .txt, .csv or .jsonl file")
        self.models = widgets.SelectMultiple(description="Models to ask", rows=5, layout=WIDE, style=NAMED)
        self.others = widgets.Text(description="Also",
                                   placeholder="tags not installed yet, such as llama3.2:1b",
                                   layout=dict(width="450px"), style=NAMED)
        self.reference = widgets.Dropdown(description="Reference", layout=dict(width="285px"),
                                          style=dict(description_width="75px"))
        self.rounds = widgets.BoundedIntText(rounds, min=1, max=20, description="Rounds", layout=SMALL,
                                             style=NAMED)
        self.length = widgets.BoundedIntText(64, min=1, max=4000, description="Most tokens", layout=SMALL,
                                             style=NAMED)
        self.heat = widgets.BoundedFloatText(0, min=0, max=2, step=0.1, description="Temperature",
                                             layout=SMALL, style=NAMED)
        self.right = widgets.Text(description="Right if it says", placeholder="optional: a word or pattern",
                                  layout=dict(width="330px"), style=NAMED)
        self.look_first = button("Check first", "What is missing, and what differs besides the weights",
                                 self.press_check)
        self.pull = button("Download what is missing", "Asks the registry for the models named above",
                           self.press_pull)
        self.run = button("Run", "Ask every chosen model; goes on where it stopped", self.press_run)
        self.stop = button("Cancel", "Stop asking; what is finished stays", self.press_cancel)
        self.tiny = button("Add the tiny models", "The bundled Llama in four forms, 17 MB, no download",
                           lambda: self.start(self._add))
        self.untiny = button("Remove them", "Take the tiny models out of Ollama again",
                             lambda: self.start(self._remove))
        self.again = button("Look for Ollama", "See whether a server answers now", self.look)
        self.bar = widgets.FloatProgress(0, min=0, max=1, layout=dict(width="740px", visibility="hidden"))
        self.shown = widgets.Dropdown(description="Answers to", layout=dict(width="520px"), style=NAMED)
        self.report = button("Write the report", "One HTML file with everything, beside the results file",
                             self.press_report)
        self.vote = button("Vote blindly", "Judge the answers of two models without knowing whose they are",
                           self.press_vote)

    def look(self, wanted: Sequence[str] | None = None) -> None:
        """Ask whether a server is there and what it has; without one, show a recorded comparison."""
        installed, self.why = installed_models(self.server)
        self.live = bool(installed) or self.why.startswith("Ollama answers")
        self.which.layout.display = "none" if self.live else ""
        self.pull.layout.display = "none"
        for control in self.asking:
            control.layout.display = "" if self.live else "none"
        chosen = tuple(wanted or self.models.value)
        self.models.options = installed
        every = [name for _, name in installed]
        tiny = tuple(name for name in every if name.startswith(tiny_name("F16").split(":")[0]))
        self.models.value = tuple(name for name in chosen if name in every) or tiny or tuple(every[:2])
        self._busy(False)
        if self.live:
            self.tell(
                f"Ollama answers at {self.server.address}: {len(every)} models. Choose (Ctrl or Shift), "
                "press Check first, then Run."
                if every else f"{self.why} Or press Add the tiny models.")
        else:
            self.tell(
                f"{self.why} You see a recorded comparison. Where Ollama runs, your own prompts and models "
                "stand here.")
            self._show_recorded()

    def comparison(self) -> Comparison:
        """What the controls ask for.  ValueError in words."""
        names = [*self.models.value, *(name.strip() for name in self.others.value.replace(",", " ").split())]
        options = {"temperature": self.heat.value, "num_predict": self.length.value, **self.options}
        return Comparison(self.prompts.value.strip(), names, reference=self.reference.value,
                          rounds=self.rounds.value, options=options, check=self.right.value.strip()
                          or None, file=self.file, server=self.server)

    def press_check(self) -> None:
        """What Check first does."""
        self.start(lambda: self._check(self.comparison()))

    def press_pull(self) -> None:
        """What Download does: the second yes, after the question was shown."""
        self.start(self._pull)

    def press_run(self) -> None:
        """What Run does."""
        if self.live:
            self.start(self._run)
        else:
            self.look()

    def press_cancel(self) -> None:
        self.cancel.set()
        self.tell("Cancelled. What was finished is kept: Run goes on from there.")

    def press_report(self) -> None:
        """Write the HTML report beside the results file."""
        if self.made is None:
            self.tell("There is nothing to report yet: press Run.")
            return
        made = self.made
        self.start(lambda: self.tell(f"The report is in {made.report(made.file.with_suffix('.html'))}."))

    def press_vote(self) -> None:
        """Show the ballot for the reference and the model that is last in the list."""
        if self.made is None or len(self.made.plan.models) < 2:
            self.tell("A vote needs the answers of two models: press Run.")
            return
        lab: VoteLab = explore_votes(self.made)
        self.ballot.children = [lab]

    def _check(self, made: Comparison) -> bool:
        """Say what stands in the way; True when nothing does."""
        self.found = made.preflight()
        self.noted.value = notes_html(self.found.notes)
        self.pull.layout.display = "" if self.found.to_pull else "none"
        calls = f"{len(made.plan.prompts)} prompts, {len(made.plan.models)} models, {made.plan.rounds} rounds: {made.missing} calls to ask."
        self.tell("Ready. " + calls if self.found.ok else "\n".join([*self.found.stops, "Not yet ready."]))
        return self.found.ok

    def _pull(self) -> None:
        if self.found is None:
            return
        self.found.pull(self.server, lambda question: True, lambda step: self.tell(step, busy=True),
                        self.cancel)
        self.pull.layout.display = "none"
        self.tell("Downloaded. Press Run.")

    def _run(self) -> None:
        made = self.comparison()
        if not self._check(made):
            return
        written, last = [], [0.0]

        def progress(now: RunProgress) -> None:
            self.bar.value = now.done / max(now.total, 1)
            written[:] = [now.model]
            self.tell(now.words, busy=True)

        def text(piece: str) -> None:
            written.append(piece)
            if time.monotonic() - last[0] > BETWEEN:
                last[0] = time.monotonic()
                self.live_box.value = live_html(written[0], "".join(written[1:]))

        self.bar.layout.visibility = "visible"
        try:
            made.run(on_progress=progress, on_text=text, cancel=self.cancel)
            if not made.stopped and made.check is None and len(made.plan.models) > 1:
                self.live_box.value = ""
                made.diverge(places=8, cancel=self.cancel, on_progress=progress)
        finally:
            self.bar.layout.visibility, self.live_box.value = "hidden", ""
        self.show_made(made)
        self.tell(made.stopped or f"Done. Every call is in {made.file}.")

    def show_made(self, made: Comparison, notice: str = "") -> None:
        """Verdict, answers and what can be done with them."""
        self.made = made
        metric = made.metric
        self.draw(draw_verdict(overview(made), metric.name, metric.unit, metric.margin, notice))
        self.shown.options = [(f"{i + 1}: {prompt.text[:60]}", i)
                              for i, prompt in enumerate(made.plan.prompts)]
        self.shown.value, self.ballot.children = 0, []
        self._show_answers()

    def _show_answers(self) -> None:
        if self.made is not None and self.shown.value is not None:
            self.said.value = answers_html(self.made.plan.prompts[self.shown.value].text,
                                           answers(self.made, self.shown.value))

    def _show_recorded(self) -> None:
        if not self.live:
            made = RecordedComparison(self.which.value)
            self.show_made(made, made.provenance)

    def _add(self) -> None:
        names = add_tiny_models(server=self.server, progress=lambda step: self.tell(step, busy=True),
                                cancel=self.cancel)
        self.look(names)

    def _remove(self) -> None:
        gone = remove_tiny_models(server=self.server)
        self.look()
        self.tell(f"Removed: {', '.join(gone)}." if gone else "There was none of them.")

    def _offer_references(self) -> None:
        names = short_names(self.models.value) if self.models.value else {}
        before = self.reference.value
        self.reference.options = [(short, name) for name, short in names.items()]
        wide = [name for name in names if name.endswith(("f16", "fp16"))]
        self.reference.value = before if before in names else next(iter(wide or names), None)

    def _busy(self, busy: bool) -> None:
        for control in (self.look_first, self.pull, self.run, self.tiny, self.untiny, self.again):
            control.disabled = busy or (not self.live and control is not self.again
                                        and control is not self.run)
        self.stop.disabled = not busy
