"""What the exhibits share that use an Ollama server: whether it answers, what it has, and questions to a
model that was made there.
"""

from collections.abc import Callable, Mapping, Sequence

from ..canvas.style import Picture
from ..lab.custom import CustomModel
from ..lab.server import LabError, Server
from ..lab.versions import SAME, said_of, standing
from ..models.store import name_key
from ..profile import is_reference
from ..stage.base import Stage
from ..stage.exhibit import Exhibit
from ..stage.handles import Button, Handle, text_line

MOST_TOKENS = 200       # of an answer: a small model may never come to an end
NONE_YET = ("Ollama answers, but no model is installed yet: try `ollama pull smollm2:135m-instruct-q8_0` "
            "(0.15 GB).")


class OllamaLab(Stage):
    """An exhibit whose models run on the server that OLLAMA_HOST names; without it a recorded run is shown.

    options: Ollama's, for every answer (num_thread, ...).  live: whether the server answers.
    installed: its models, as `Server.models` has them, the forms of one model from large to small.
    why: what is missing, in words.  answers: where the server is, and what there is to know of its version.
    """

    def __init__(self, controls: Sequence[Handle], options: Mapping, **more):
        self.server, self.options = Server(), options
        self.live, self.why, self.answers = False, "The reference profile asks no server.", ""
        self.installed: list[dict] = []
        super().__init__(Exhibit(controls, form_first=True, label_width=120, **more))

    def look(self) -> None:
        """Find the server; each exhibit says what can be done then."""
        if is_reference():
            return
        try:
            found, version = self.server.models(), self.server.version()
        except LabError as error:
            self.live, self.installed, self.why = False, [], str(error)
            return
        self.live, self.why = True, "" if found else NONE_YET
        other = "" if standing(version) == SAME else f" {said_of(version).heading}"
        self.answers = f"Ollama answers at {self.server.address}.{other}"
        self.installed = sorted(found, key=lambda m: (m["name"].rpartition(":")[0], -m["size"], m["name"]))

    def of_installed(self, wanted: Sequence[str]) -> list[str]:
        """Those of `wanted` that the server lists, as it spells them."""
        by_key = {name_key(model["name"]): model["name"] for model in self.installed}
        return [by_key[name_key(name)] for name in wanted if name_key(name) in by_key]

    def when_live(self, work: Callable[[], None], missing: str = "") -> None:
        """Do `work` in a thread; without a server look for one again.  missing: what must be done first."""
        if not self.live:
            self.look()
        elif missing:
            self.tell(missing)
        else:
            self.start(work)

    def step(self, words: str) -> None:
        """Say what is being done."""
        self.tell(words, busy=True)


class ModelLab(OllamaLab):
    """A model is made on the server by the buttons `make`, and asked.

    drawn: the picture of what is known of a model: `run`, a recorded one, and then `made`, with question and
    answer once there are any.  limit: the most tokens of an answer.
    """

    def __init__(self, controls: Sequence[Handle], options: Mapping, drawn: Callable[[Mapping], Picture],
                 run: Mapping, make: Sequence[Button], rows: Sequence[Sequence[str]]):
        self.drawn = drawn
        self.limit: object = MOST_TOKENS
        self.model: CustomModel | None = None
        self.made: dict = {}
        question = text_line("question", "Ask it", run["question"], width=600)
        buttons = [*make, Button("cancel", "Cancel", "Stop; nothing is left of what is not whole", self.stop),
                   Button("ask", "Ask", "Send the question to your model", self.press_ask, task=True)]
        making = [*(button.name for button in make), "cancel"]
        super().__init__([*controls, question], options, first=drawn(run), buttons=buttons,
                         rows=[*rows, making, ["question", "ask"]])

    def press_ask(self) -> None:
        """What Ask does."""
        self.when_live(self._ask, "" if self.model else "Create the model first.")

    def _ask(self) -> None:
        assert self.model, "Ask comes after Create"
        question = self.controls["question"].value
        self.step(f"{self.model.name} is thinking")
        answer = self.model.ask(question, options={"num_predict": self.limit, **self.options},
                                cancel=self.cancel)
        self.made |= {"question": question, "answer": answer}
        self.show(self.drawn(self.made))
        self.tell("")
