"""Lesson 07's explorer: your prompt, several quantizations, their answers side by side.

The work runs in a thread, so the kernel stays free and Cancel works. Where no server answers, and under the reference profile,
the recorded run is shown, and the picture says so.
"""

from collections.abc import Sequence

import ipywidgets as widgets

from ..lab.compare import compare_quantizations
from ..lab.names import split_name
from ..lab.records import recorded_answers, recorded_models, recorded_prompts
from ..views.page import draw_comparison
from .base import Explorer, show
from .workbench import NAMED, WIDE, Workbench, button, installed_models, row


def show_comparison(prompt: str, rows: Sequence[dict]) -> Explorer:
    """The rows of `compare_quantizations` as cards with bars; a recorded run is labelled as one."""
    return show(draw_comparison(prompt, rows, _notice(rows)))


def explore_comparison(prompt: str | None = None, models: Sequence[str] | None = None, **options) -> "ComparisonLab":
    """Your prompt, the installed models you tick, and their answers side by side.

    prompt, models: what to begin with.  options: Ollama's, such as num_thread=1, sent with every question.
    """
    return ComparisonLab(prompt, models, options)


class ComparisonLab(Workbench):
    """Lesson 07's explorer. `live` is False when it shows the recorded run."""

    def __init__(self, prompt: str | None, models: Sequence[str] | None, options: dict):
        self.options, self.live, self.why = options, False, ""
        prompts = recorded_prompts()
        self.prompt = widgets.Textarea(value=prompt or prompts[0], description="Your prompt", style=NAMED,
                                       layout=dict(**WIDE, height="56px"))
        self.examples = widgets.Dropdown(options=prompts, value=None, description="Or take one", layout=WIDE, style=NAMED)
        self.models = widgets.SelectMultiple(description="Models to ask", rows=4, layout=WIDE, style=NAMED)
        self.heat = widgets.BoundedFloatText(0, min=0, max=2, step=0.1, description="Temperature", layout=dict(width="220px"), style=NAMED)
        self.length = widgets.BoundedIntText(100, min=1, max=2000, description="Most tokens", layout=dict(width="220px"), style=NAMED)
        self.run = button("Run", "Ask every chosen model", self.press_run)
        self.stop = button("Cancel", "Stop asking", self.press_cancel)
        self.again = button("Look for Ollama", "See whether a server answers now", self.look)
        controls = {"prompt": self.prompt, "examples": self.examples, "models": self.models, "heat": self.heat, "length": self.length,
                    "run": self.run, "cancel": self.stop, "again": self.again}
        rows = [self.prompt, self.examples, self.models, row([self.heat, self.length]), row([self.run, self.stop, self.again])]
        super().__init__(controls, rows, draw_comparison(self.prompt.value, []))
        self.examples.observe(self._take, names="value")
        self.look(models)

    def look(self, wanted: Sequence[str] | None = None) -> None:
        """Ask whether a server is there and what it has; without one, show the recorded run."""
        installed, self.why = installed_models(self.server)
        self.live = bool(installed)
        names = installed or [(name, name) for name in recorded_models()]
        self.models.options = names
        every = [name for _, name in names]
        self.models.value = tuple(n for n in wanted or () if n in every) or _likely_pair(every)
        for control in (self.heat, self.length):
            control.disabled = not self.live
        self._busy(False)
        if self.live:
            self.tell(f"Ollama answers at {self.server.address}: {len(every)} models. Choose two or more (Ctrl or Shift), then press Run.")
        else:
            known = self.prompt.value.strip() in recorded_prompts()
            seen = "You see a recorded run; its prompts are" if known else "Your prompt was not recorded; prompts that were are"
            self.tell(f"{self.why} {seen} under “Or take one”.")
            self._ask_all()

    def press_run(self) -> None:
        """What the Run button does."""
        if not self.models.value:
            self.tell("Choose at least one model first.")
        elif not self.prompt.value.strip():
            self.tell("The prompt is empty: write what the models shall answer.")
        elif self.live:
            self.start(self._ask_all)
        else:
            self._ask_all()

    def press_cancel(self) -> None:
        """What the Cancel button does."""
        self.cancel.set()
        self.tell("Cancelled; the model stops after its next word.")

    def _ask_all(self) -> None:
        prompt, names = self.prompt.value, list(self.models.value)
        options = {"temperature": self.heat.value, "num_predict": self.length.value, **self.options}
        if self.live:
            rows = compare_quantizations(prompt, split_name(names[0])[0], names, options=options, server=self.server,
                                         cancel=self.cancel, on_progress=lambda words: self.tell(words, busy=True))
        else:
            rows = recorded_answers(prompt, [(name, name) for name in names], self.why.rstrip(".")[:1].lower() + self.why.rstrip(".")[1:])
        if len({split_name(name)[0] for name in names}) == 1:       # forms of one model need no more than their tag
            rows = [{**row, "quantization": split_name(row["quantization"])[1]} for row in rows]
        self.draw(draw_comparison(prompt, rows, _notice(rows)))
        if self.live:       # after the picture: "Done" means that it is there
            self.tell("Cancelled." if self.cancel.is_set() else _ended(rows))

    def _take(self, change) -> None:
        if change["new"]:
            self.prompt.value = change["new"]
            if not self.live:
                self._ask_all()

    def _busy(self, busy: bool) -> None:
        self.run.disabled, self.stop.disabled, self.again.disabled = busy, not busy, busy


def _likely_pair(names: list[str]) -> tuple[str, ...]:
    """Two forms of one model, q4_K_M and q8_0 where they are there."""
    for first in names:
        twin = first.replace("q4_K_M", "q8_0")
        if "q4_K_M" in first and twin in names:
            return first, twin
    return tuple(names[:2])


def _ended(rows: Sequence[dict]) -> str:
    """What to say when every model was asked."""
    errors = {row["error"] for row in rows if "error" in row}
    if all("error" in row for row in rows):
        return errors.pop() if len(errors) == 1 else "No model answered: the cards say why."
    return "Done. Each model was loaded before its clock started." if not errors else "Not every model answered: its card says why."


def _notice(rows: Sequence[dict]) -> str:
    return next((row["recorded"] for row in rows if row.get("recorded")), "")
