"""Lesson 09's explorer: a Modelfile to edit, a model made from it, and a box to ask it something."""

import ipywidgets as widgets

from ..canvas.answers import draw_custom_model
from ..lab.custom import create_custom_model
from ..lab.modelfile import parse_modelfile
from ..lab.names import with_tag
from ..lab.records import provenance, recorded
from ..lab.server import LabError
from .workbench import NAMED, WIDE, Workbench, button, installed_models, row


def explore_custom_model(base: str | None = None, **options) -> "CustomModelLab":
    """A Modelfile to edit, a button that creates the model, what the server then says it has, and a box to
    ask it something.
    """
    return CustomModelLab(base, options)


class CustomModelLab(Workbench):
    """Lesson 09's explorer."""

    def __init__(self, base: str | None, options: dict):
        self.options, self.live, self.model, self.printed, self.written = options, False, None, "", ""
        run = recorded("custom")
        self.name = widgets.Text(value="coding-assistant", description="Name", layout=dict(width="360px"),
                                 style=NAMED)
        self.base = widgets.Dropdown(description="Base model", layout=dict(width="370px"), style=NAMED)
        self.text = widgets.Textarea(value=run["modelfile"], description="Modelfile",
                                     layout=dict(**WIDE, height="150px"), style=NAMED)
        self.create = button("Create", "Create the model on the server", self.press_create)
        self.download = button("Download and create", "Yes, download the base model first",
                               lambda: self.press_create(download=True))
        self.question = widgets.Text(value=run["question"], description="Ask it", layout=dict(width="600px"),
                                     style=NAMED)
        self.ask = button("Ask", "Send the question to your model", self.press_ask)
        self.stop = button("Cancel", "Stop", lambda: self.cancel.set())
        controls = {"name": self.name, "base": self.base, "text": self.text, "create": self.create,
                    "download": self.download, "question": self.question, "ask": self.ask,
                    "cancel": self.stop}
        rows = [row([self.name, self.base]), self.text, row([self.create, self.download, self.stop]),
                row([self.question, self.ask])]
        super().__init__(controls, rows, draw_custom_model("coding-assistant", ""))
        self.download.layout.display = "none"
        self.look(base)
        self.base.observe(self._new_base, names="value")

    def look(self, base: str | None = None) -> None:
        """Find the server; without one show the recorded model."""
        installed, why = installed_models(self.server)
        self.live = bool(installed)
        usual = recorded("custom")["modelfile"].split()[1]
        every = [name for _, name in installed] or [usual]
        # not the model itself
        others = [name for name in every if name != with_tag(self.name.value.strip())] or every
        self.base.options, self.base.value = every, next((name for name in (base, usual) if name in every),
                                                         others[0])
        self._busy(False)
        if self.live:
            self._new_base({"new": self.base.value})
            self.tell(f"Ollama answers at {self.server.address}. Change what you like, then press Create.")
        else:
            self.tell(f"{why} You see what was recorded earlier.")
            self._show_recorded()

    def press_create(self, download: bool = False) -> None:
        """What Create does, and, after the question was shown, "Download and create"."""
        self.download.layout.display = "none"
        if self.live:
            self.start(lambda: self._create(download))
        else:
            self.look()

    def press_ask(self) -> None:
        """What Ask does."""
        if not self.live:
            self.look()
        elif self.model is None:
            self.tell("Create the model first.")
        else:
            self.start(self._ask)

    def _create(self, download: bool) -> None:
        asked = []
        name, text = self.name.value.strip(), self.text.value
        try:
            self.model = create_custom_model(name, text, server=self.server,
                                             progress=lambda step: self.tell(step, busy=True),
                                             confirm=lambda question: bool(asked.append(question))
                                             or download, cancel=self.cancel)
        except LabError:
            if not asked or download:
                raise
            self.download.layout.display = ""
            self.tell(asked[0])
            return
        self.printed = self.model.show()
        self.written = text
        self.draw(draw_custom_model(name, self.printed, written=text))
        self.tell(f"{name} was created. It shares the weights of its base: only the new lines take room.")

    def _ask(self) -> None:
        question = self.question.value
        self.tell(f"{self.model.name} is thinking", busy=True)
        own = parse_modelfile(self.written).parameters
        # a small model may never come to an end
        most = {} if "num_predict" in own else {"num_predict": 200}
        answer = self.model.ask(question, options={**most, **self.options}, cancel=self.cancel)
        self.draw(draw_custom_model(self.model.name, self.printed, question, answer, written=self.written))
        self.tell("")

    def _show_recorded(self) -> None:
        run = recorded("custom")
        self.text.value, self.question.value = run["modelfile"], run["question"]
        self.draw(draw_custom_model("coding-assistant", run["show"], run["question"], run["answer"],
                                    provenance("custom"), run["modelfile"]))

    def _new_base(self, change) -> None:
        lines = [f"FROM {change['new']}" if words.upper().startswith("FROM ") else words
                 for words in self.text.value.splitlines()]
        self.text.value = "\n".join(lines) + "\n"

    def _busy(self, busy: bool) -> None:
        self.create.disabled, self.ask.disabled, self.stop.disabled = busy, busy, not busy
