"""Lesson 07's laboratory: own prompts, several quants, live answers, and a verdict; without a server a
recorded comparison is shown.

The work runs in a thread, so the kernel stays free and Cancel works. Every finished call is in the results
file, and Run goes on from it.
"""

import time
from collections.abc import Mapping, Sequence
from math import ceil, floor
from pathlib import Path

from ..canvas.answers import answers_html, live_html, notes_html
from ..canvas.style import GREY, MEANING, SOFT, Picture
from ..canvas.svg import circle, line, page, quiet, rect, text
from ..lab.comparison import Comparison
from ..lab.custom import TINY_NAME, add_tiny_models, remove_tiny_models
from ..lab.plan import RunProgress
from ..lab.preflight import Preflight
from ..lab.records import RECORDED_COMPARISONS, RecordedComparison
from ..lab.report import answers, overview, short_names
from ..stage import handles
from ..stage.handles import Button
from ..stage.share import recalled
from ..words import clipped, printable, size
from .ollama_lab import OllamaLab
from .votes import explore_votes

# ---- the verdict: how much worse than the reference, how sure that is, and where the margin lies

LEFT, RIGHT, STEP = 230, 530, 52
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)        # between the ticks of a linear scale
LOOKS = {"good enough": (MEANING["good"], "✓ good enough"), "worse": (MEANING["worse"], "✗ worse"),
         "cannot tell": (MEANING["unsure"], "? cannot tell")}


def _finding(rows: Sequence[Mapping]) -> str:
    """One sentence: who is good enough, who is worse, and what is open."""
    by_answer = {answer: [clipped(row["name"], 60) for row in rows if row["answer"] == answer]
                 for answer in LOOKS}
    unsure = by_answer.pop("cannot tell")
    parts = [f"{_listed(names)} {'is' if len(names) == 1 else 'are'} {answer}"
             for answer, names in by_answer.items() if names]
    if unsure:
        parts.append(f"{'cannot' if parts else 'Cannot'} tell about {_listed(unsure)}")
    return "; ".join(parts) or "One model answered: there is nothing to hold it against"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _times(row: Mapping) -> str:
    """How many times as fast as the reference, with its interval where there is one."""
    if row["times_as_fast"] is None:
        return ""
    mean, low, high = row["times_as_fast"]
    return f"{mean:.2f}" + ("" if low is None else f" ({low:.2f} to {high:.2f})")


class HarmScale:
    """From 0, or below where something came out better, to the largest harm: value -> pixels.

    Linear where something came out better; else by square roots, for KL runs from a hundred-thousandth to one
    and both ends shall be seen.
    """

    def __init__(self, rows: Sequence[Mapping], margin: float):
        ends = [end for row in rows if row["harm"] for end in row["harm"] if end is not None]
        self.high, self.low = 1.05 * max([*ends, 2 * margin, 1e-6]), min([*ends, 0.0])
        self.power = 1.0 if self.low < -0.01 * self.high else 0.5
        if self.power == 1:
            width = self.high - self.low
            step = next((step for step in STEPS if width / step <= 6), width)
            first, last = ceil(self.low / step), floor(self.high / step)
            self.ticks = [round(i * step, 6) for i in range(first, last + 1)]
        else:
            self.low, self.ticks = 0.0, [0.0]
            for tick in STEPS:
                if tick <= self.high and self(tick) - self(self.ticks[-1]) > 24:
                    self.ticks.append(tick)

    def __call__(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return LEFT + (RIGHT - LEFT) * share**self.power


def draw_verdict(rows: Sequence[Mapping], metric: str, unit: str, margin: float, notice: str = "") -> Picture:
    """A line a model: bytes and speed, a dot with its 95 % interval on the scale of the metric, the verdict.

    rows: of quantlab.lab.report.overview.  notice: what must be said with it, such as when a run was
    recorded.
    """
    if not rows:
        return page(90, [], finding="Nothing was compared yet",
                    subtitle="Choose models, write prompts, press Run.")
    scale, top = HarmScale(rows, margin), 104 if notice else 86
    bottom, middle = top + STEP * len(rows), (LEFT + RIGHT) / 2
    good = scale(max(margin, scale.low)) if margin else LEFT
    body = [quiet(16, 72, clipped(notice, 120))] if notice else []
    body += [rect(LEFT, top - 6, good - LEFT, bottom - top, SOFT),
             line(good, top - 6, good, bottom - 6, stroke=GREY, dash="4 3"),
             quiet(good, top - 11, f"margin {margin:g}", anchor="middle"),
             quiet(middle, bottom + 30, f"{metric}, {unit}: further right is worse", anchor="middle")]
    for value in scale.ticks:
        body += [line(scale(value), bottom - 6, scale(value), bottom - 2),
                 quiet(scale(value), bottom + 11, f"{value:g}", anchor="middle")]
    for i, row in enumerate(rows):
        body += _model(row, top + STEP * i, scale)
    table = (("model", "type", "bytes", "tokens/s", "times as fast", "verdict", "remarks"),
             *((clipped(row["name"], 80), row["quantization"], f"{row['bytes']:,}", f"{row['speed']:.1f}",
                _times(row), printable(row["verdict"]), printable(", ".join(row["remarks"])))
               for row in rows))
    return page(bottom + 44, body, finding=_finding(rows), table=table,
                subtitle="against the reference, paired by prompt; the line is the 95 % interval, the shaded "
                         "side is good enough")


def _model(row: Mapping, y: float, scale: HarmScale) -> list[str]:
    tone, words = LOOKS.get(row["answer"], (MEANING["original"], "reference"))
    facts, times = [size(row["bytes"])] if row["bytes"] else [], _times(row)
    facts += [f"{row['speed']:,.0f} tokens/s"] if row["speed"] else []
    body = [text(16, y + 16, clipped(row["name"], 24), bold=True), text(RIGHT + 30, y + 16, words, bold=True),
            quiet(16, y + 32, ", ".join(facts))]
    if times and not row["reference"]:
        body.append(quiet(RIGHT + 30, y + 32, f"speed × {times}"))
    if row.get("more"):
        body.append(quiet(RIGHT + 30, y + 46, f"add about {row['more']} prompts"))
    if not row["harm"]:
        return [*body, quiet(LEFT + 8, y + 20, "not measured")]
    mean, low, high = row["harm"]
    if low is not None:
        body.append(line(scale(low), y + 16, scale(high), y + 16, stroke=tone, width=3))
    return [*body, circle(scale(mean), y + 16, 6, tone)]


# ---- the laboratory

BETWEEN = 0.15          # seconds between two looks at what a model is writing
PROMPTS = "\n".join(("To be, or not to be", "All the world's a stage,", "Friends, Romans, countrymen,",
                     "Shall I compare thee to a"))
ROWS = (("which",), ("prompts",), ("models",), ("others", "reference"), ("rounds", "length", "heat", "right"),
        ("check", "pull", "run", "cancel"), ("tiny", "untiny", "again"), ("noted",), ("writes",))
ASKING = [name for row in ROWS[1:7] for name in row if name not in ("pull", "again")]      # needs a server


@recalled
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
    return ComparisonLab(str(prompts or PROMPTS), models or (), rounds, file, recorded, options)


def _handles(prompts: str, rounds: int, recorded: str) -> list[handles.Handle]:
    there = [(f"recorded: {name}", name) for name in RECORDED_COMPARISONS]
    return [handles.menu("which", "Shown", recorded, there),
            handles.text_area("prompts", "Your prompts", prompts, width=740, height=110,
                         hint="one a line, or blocks with --- between; or the path of a .txt, .csv or "
                              ".jsonl file"),
            handles.several("models", "Models to ask", width=740),
            handles.text_line("others", "Also", width=450,
                              hint="tags not installed yet, such as llama3.2:1b"),
            handles.menu("reference", "Reference", None, (), width=285, label_width=75),
            handles.number_field("rounds", "Rounds", rounds, 1, 20, width=200),
            handles.number_field("length", "Most tokens", 64, 1, 4000, width=200),
            handles.number_field("heat", "Temperature", 0.0, 0, 2, 0.1, width=200),
            handles.text_line("right", "Right if it says", width=330, hint="optional: a word or pattern"),
            handles.menu("prompt", "Answers to", None, (), width=520)]


class ComparisonLab(OllamaLab):
    """`made` is the comparison that is shown; a recorded one where no server is `live`."""

    def __init__(self, prompts: str, models: Sequence[str], rounds: int, file: str | Path | None,
                 recorded: str, options: Mapping):
        self.file = file
        self.made: Comparison | None = None
        self.found: Preflight | None = None
        buttons = [
            Button("check", "Check first", "What is missing, and what differs besides the weights",
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
            Button("again", "Look for Ollama", "See whether a server answers now", self.look, task=True),
            Button("report", "Write the report", "One HTML file with everything, beside the results file",
                   self.report),
            Button("vote", "Vote blindly", "Judge the answers of two models without knowing whose they are",
                   self.vote)]
        super().__init__(_handles(prompts, rounds, recorded), options, first=draw_verdict([], "", "", 0),
                         buttons=buttons, rows=ROWS, pieces=("noted", "writes", "said"),
                         below=[["prompt", "report", "vote"], ["said"]])
        self.look(models)

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
            ready = f"{len(names)} models. Choose (Ctrl or Shift), press Check first, then Run."
            self.tell(f"{self.why} Or press Add the tiny models." if self.why
                      else f"{self.answers} {ready}")
        else:
            self.tell(f"{self.why} You see a recorded comparison. Where Ollama runs, your own prompts and "
                      "models stand here.")
            self._show_recorded()

    def moved(self, change) -> None:
        """Three menus say at once what they stand for; everything else waits for a button."""
        does = {"models": self._offer_references, "which": self._show_recorded, "prompt": self._show_answers}
        for name, work in does.items():
            if change.owner is self.controls[name] and not self._held:
                work()

    def _offer_references(self) -> None:
        names = short_names(self.controls["models"].value) if self.controls["models"].value else {}
        wide = [name for name in names if name.endswith(("f16", "fp16"))]
        before = self.controls["reference"].value
        self.offer("reference", [(short, name) for name, short in names.items()],
                   before if before in names else next(iter(wide or names), None))

    def stop(self) -> None:
        super().stop()
        self.tell("Cancelled. What was finished is kept: Run goes on from there.")

    def report(self) -> None:
        """Write the HTML report beside the results file."""
        if (made := self.made) is None:
            self.tell("There is nothing to report yet: press Run.")
            return
        self.start(lambda: self.tell(f"The report is in {made.report(made.file.with_suffix('.html'))}."))

    def vote(self) -> None:
        """Show the ballot for the reference and the model that is last in the list."""
        if self.made is None or len(self.made.plan.models) < 2:
            self.tell("A vote needs the answers of two models: press Run.")
        else:
            self.host(explore_votes(self.made))

    # ---- work

    def comparison(self) -> Comparison:
        """What the handles ask for.  ValueError in words."""
        asked = self.values()
        names = [*asked["models"], *asked["others"].replace(",", " ").split()]
        options = {"temperature": asked["heat"], "num_predict": asked["length"], **self.options}
        return Comparison(asked["prompts"].strip(), names, reference=asked["reference"],
                          rounds=asked["rounds"], options=options, check=asked["right"].strip() or None,
                          file=self.file, server=self.server)

    def _check_first(self) -> None:
        self._check(self.comparison())

    def _check(self, made: Comparison) -> bool:
        """Say what stands in the way; True when nothing does."""
        self.found = found = made.preflight()
        self.pieces["noted"].value = notes_html(found.notes)
        self.reveal("pull", bool(found.to_pull))
        counts = (f"{len(made.plan.prompts)} prompts, {len(made.plan.models)} models, {made.plan.rounds} "
                  f"rounds: {made.missing} calls to ask.")
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
            made.run(on_progress=progress, on_text=said, cancel=self.cancel)
            if not made.stopped and made.metric.lower_bound and len(made.plan.models) > 1:
                self.pieces["writes"].value = ""
                made.diverge(places=8, cancel=self.cancel, on_progress=progress)
        finally:
            self.pieces["writes"].value = ""
        self.show_made(made)
        self.tell(made.stopped or f"Done. Every call is in {made.file}.")

    def _add(self) -> None:
        self.look(add_tiny_models(server=self.server, progress=self.step, cancel=self.cancel))

    def _remove(self) -> None:
        gone = remove_tiny_models(server=self.server)
        self.look()
        self.tell(f"Removed: {', '.join(gone)}." if gone else "There was none of them.")

    # ---- what is shown

    def show_made(self, made: Comparison, notice: str = "") -> None:
        """The verdict, and the answers to the first prompt."""
        self.made, metric = made, made.metric
        self.show(draw_verdict(overview(made), metric.name, metric.unit, metric.margin, notice))
        words = [f"{i + 1}: {prompt.text[:60]}" for i, prompt in enumerate(made.plan.prompts)]
        self.offer("prompt", [(stop, i) for i, stop in enumerate(words)], 0)
        self.host()
        self._show_answers()

    def _show_answers(self) -> None:
        if self.made:
            number = self.controls["prompt"].value
            self.pieces["said"].value = answers_html(self.made.plan.prompts[number].text,
                                                     answers(self.made, number))

    def _show_recorded(self) -> None:
        made = RecordedComparison(self.controls["which"].value)
        self.show_made(made, made.provenance)
