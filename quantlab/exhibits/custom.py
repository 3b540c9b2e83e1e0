"""A Modelfile to edit, a model made from it, what the server then says it has, and a box to ask it something.
Lesson 09.
"""

from collections.abc import Mapping
from typing import Any

from ..canvas.answers import dialogue, notice_strip, terminal
from ..canvas.style import Picture
from ..canvas.svg import page
from ..lab.custom import create_custom_model
from ..lab.modelfile import ModelfileError, parse_modelfile
from ..lab.records import provenance, recorded
from ..lab.server import LabError
from ..models.store import name_key
from ..stage.handles import Button, menu, text_area, text_line
from ..stage.share import recalled
from ..words import clipped, printable, wrapped
from .ollama_lab import MOST_TOKENS, ModelLab

MOST_LINES = 14


def draw_custom_model(run: Mapping[str, str]) -> Picture:
    """What the server says it made, the learner's own lines marked, and what the model answered.

    run: name, modelfile (as it was written), show (as `ollama show --modelfile` prints it; "" before it was
    made), question and answer once there are any, and notice, when it was recorded.
    """
    name, printed = clipped(run["name"], 40), run["show"]
    if not printed:
        return page(80, [], finding=f"{name} has not been created yet",
                    subtitle="Write its Modelfile, then press Create.")
    strip, top = notice_strip(run.get("notice", ""), 66)
    lines = wrapped(_own_words(printed), 96, MOST_LINES)
    yours = {clipped(line, 96) for line in run["modelfile"].splitlines()}
    own = {i: "yours" for i, line in enumerate(lines) if line and clipped(line, 96) in yours}
    shown, top = terminal(f"ollama show {name} --modelfile", lines, own, top)
    said, bottom = dialogue(run, top)
    who = {"question": "you", "answer": "the model"}
    table = [("show --modelfile", printable(line)) for line in printed.splitlines() if line.strip()]
    table += [(words, printable(run[key])) for key, words in who.items() if key in run]
    counts = "1 line is yours" if len(own) == 1 else f"{len(own)} lines are yours"
    return page(int(bottom) + 8, [*strip, *shown, *said], subtitle="the server's own words",
                finding=f"{name} stands: {counts}, {len(lines) - len(own)} came with the base model",
                table=(("where", "words"), *table))


def _own_words(printed: str) -> str:
    """A printed Modelfile without its comments and licence: the lines that a person would have written."""
    return "\n".join(clipped(line, 96) for line in printed.split("\nLICENSE")[0].splitlines()
                     if line.strip() and not line.startswith("#"))


@recalled
def explore_custom_model(base: str | None = None, **options) -> "CustomModelLab":
    """A Modelfile to edit, a button that creates the model, what the server then says it has, and a box to
    ask it something.

    base: an installed model to begin with.  options: Ollama's, for the answers (num_thread, ...).
    """
    return CustomModelLab(base, options)


class CustomModelLab(ModelLab):
    """Lesson 09's first exhibit."""

    def __init__(self, base: str | None, options: Mapping):
        run = {**recorded("custom"), "name": "coding-assistant", "notice": provenance("custom")}
        self.usual = run["modelfile"].split()[1]
        handles = [text_line("name", "Name", run["name"]), menu("base", "Base model", None, (), width=370),
                   text_area("text", "Modelfile", run["modelfile"], live=True, width=740, height=150)]
        make = [Button("create", "Create", "Create the model on the server", self.press_create, task=True),
                Button("download", "Download and create", "Yes, download the base model first",
                       lambda: self.press_create(download=True), hidden=True)]
        super().__init__(handles, options, draw_custom_model, run, make, [["name", "base"], ["text"]])
        self.look(base)
        self.initial = self.values()

    def look(self, base: str | None = None) -> None:
        """Find the server; without one the recorded model stays."""
        super().look()
        name, names = self.controls["name"].value, [model["name"] for model in self.installed] or [self.usual]
        own = name_key(name)                # no base of itself
        wanted = (base or "", self.usual, *(other for other in names if name_key(other) != own))
        self.offer("base", names, next(iter(self.of_installed(wanted)), names[0]))
        if not self.live:
            self.tell(f"{self.why} You see what was recorded earlier.")
            return
        self.take_base()
        self.show(draw_custom_model({"name": name, "show": ""}))
        ready = f"{self.answers} Change what you like, then press Create."
        self.tell(self.why or ready)

    def moved(self, change) -> None:
        """Another base goes into the Modelfile, and a Modelfile is read as it is typed."""
        if self._held:
            return
        if change.owner is self.controls["base"]:
            self.take_base()
        elif change.owner is self.controls["text"]:
            self.redraw()

    def redraw(self) -> None:
        """Say what the Modelfile as it stands would do, or what is wrong with it."""
        if self._held or self.working:
            return
        try:
            found = parse_modelfile(self.controls["text"].value)
        except ModelfileError as error:
            words = str(error)
            self.tell(f"{words[:1].upper()}{words[1:]}.")
            return
        said = [f"{name} {value}" for name, value in found.parameters.items()]
        self.tell(f"A valid Modelfile: a model on {found.base}" + f" with {', '.join(said)}." * bool(said))
        if reached := self.targets.look(self.gauges()):
            self.say("", *reached)

    def gauges(self) -> dict[str, Any]:
        """The parameters of the Modelfile as it stands, too."""
        try:
            found = parse_modelfile(self.controls["text"].value).parameters
        except ModelfileError:
            found = {}
        return {**super().gauges(), **found}

    def take_base(self) -> None:
        """The chosen base into the Modelfile's FROM."""
        base, modelfile = self.controls["base"].value, self.controls["text"]
        lines = [f"FROM {base}" if line.upper().startswith("FROM ") else line
                 for line in modelfile.value.splitlines()]
        modelfile.value = "\n".join(lines) + "\n"

    def press_create(self, download: bool = False) -> None:
        """What Create does, and, after the question was shown, "Download and create"."""
        self.reveal("download", False)
        self.when_live(lambda: self._create(download))

    def _create(self, download: bool) -> None:
        asked: list[str] = []

        def confirmed(question: str) -> bool:
            asked.append(question)
            return download

        name, modelfile = self.controls["name"].value.strip(), self.controls["text"].value
        try:
            self.model = create_custom_model(name, modelfile, server=self.server, progress=self.step,
                                             confirm=confirmed, cancel=self.cancel)
        except LabError:
            if not asked or download:
                raise
            self.reveal("download")
            self.tell(asked[0])
            return
        self.limit = parse_modelfile(modelfile).parameters.get("num_predict", MOST_TOKENS)
        self.made = {"name": name, "modelfile": modelfile, "show": self.model.show()}
        self.show(draw_custom_model(self.made))
        self.tell(f"{name} was created. It shares the weights of its base: only the new lines take room.")
