"""Shared by the exhibits that run a language model: which models can be measured, a picture of measured rows
with Measure here and Stop, and the refusal of a model that cannot be run.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

from ..canvas.style import Picture
from ..canvas.svg import notice
from ..inference.compare import recorded_table, when_and_where
from ..inference.families import FAMILIES
from ..inference.in_types import ModelInTypes, model_in_types
from ..models.ollama_blobs import architecture_name
from ..models.source import open_model
from ..models.store import pulled_models
from ..profile import is_reference
from ..stage.base import Stage, refusal
from ..stage.handles import Button, Handle, menu

#: The types that are not quantized.
PLAIN = ("F32", "F16", "BF16")
#: Presets of exhibits with a slider over types.
FEWER_BITS = {"4 bits": {"qtype": "Q4_K"}, "3 bits": {"qtype": "Q3_K"}, "2 bits": {"qtype": "Q2_K"}}
SMALL_MODEL = 2e7       # weights; a larger model is asked for less at a time
MENU_MODEL = 2e9        # weights; a larger one takes more than 8 GB as float32, and stands in no menu


class MeasuredLab(Stage):
    """A picture of measured rows: menus, Measure here and Stop, and a line that says where the rows are from.

    model: what the menu begins with.  handles: the first one says which kind of rows is on show.
    name: of the table that is recorded for the tiny model; its rows are of all `kinds`.
    draw: is told the rows, the first words of where they are from, and what the menus say.
    measure: gives the pandas table of (model, kind); takes progress and cancel, as `compare_quality` does.
    tables: (model, kind) -> rows and where they are from.
    """

    #: What a row is about.
    thing = "type"

    def __init__(self, model: str, handles: Sequence[Handle], name: str, kinds: Sequence,
                 draw: Callable[..., Picture], measure: Callable, **more):
        self.kind, self.measure = handles[0].name, measure
        self.tables: dict[tuple, tuple[Sequence[Mapping], str]] = {}
        self._notes: dict[str, str] = {}
        if (found := recorded_table(name)) is not None:
            self.tables = {("tiny", kind): (found["rows"], when_and_where(found)) for kind in kinds}
        models = dict.fromkeys(["tiny", model, *runnable_models()])
        super().__init__(
            [menu("model", "model", model, models), *handles], draw, width=350, label_width=90, buttons=[
                Button("run", "Measure here", f"Measure every {self.thing} of this model on this machine",
                       lambda: self.start(self._measure), task=True),
                Button("cancel", "Stop", "Stop; what is finished stays", self.stop)], **more)
        self.tell(self.found()[1])

    def found(self) -> tuple[Sequence[Mapping], str]:
        """The rows on show, and where they are from."""
        model, kind = self.controls["model"].value, self.controls[self.kind].value
        return self.tables.get((model, kind), ([], f"Not measured yet. {self.note(model)}"))

    def note(self, model: str) -> str:
        """What is to be known about this model before it is measured."""
        if model not in self._notes:
            self._notes[model] = what_to_expect(model)
        return self._notes[model]

    def facts(self, *_, **values) -> dict:
        rows, where = self.found()
        return {"rows": rows, "where": where.split(",")[0].split(" with ")[0].rstrip("."), **values}

    def redraw(self) -> None:
        super().redraw()
        if not self._held and not self.working:
            self.tell(self.found()[1])

    def _measure(self) -> None:
        """Measure what the menus say, and show it; rows of whole roles stay."""
        model, kind = self.controls["model"].value, self.controls[self.kind].value
        table = self.measure(model, kind, cancel=self.cancel, progress=lambda step: self.tell(
            str(step), busy=True, share=step.done / max(step.total, 1)))
        rows, where = plain_rows(table), f"Measured here on {date.today()} with scenes of Shakespeare."
        where += measured_against(model)
        if self.cancel.is_set():
            where += (f" Stopped: {len(rows)} of {len(table)} {self.thing}s are finished; Measure here goes "
                      "on.")
        if rows:
            roles = [row for row in self.tables.get((model, kind), ([], ""))[0] if row.get("by") == "role"]
            self.tables[model, kind] = [*roles, *rows], where
        self.redraw()
        self.tell(self.found()[1] if rows else f"Nothing was measured: {why_nothing(table)}")


def runnable_models() -> list[str]:
    """The pulled models that can be measured: of a family that runs here, in 16 or 32 bits; of a model that
    is there in fewer bits only, the largest file. None under the reference profile.
    """
    found: dict[tuple, list[tuple[bool, int, str]]] = {}
    for stored in [] if is_reference() else pulled_models():
        try:
            with open_model(stored.name) as opened:
                arch = architecture_name(opened.metadata)
                if arch in FAMILIES and opened.n_weights <= MENU_MODEL:
                    found.setdefault((arch, opened.n_weights), []).append(
                        (opened.ftype in PLAIN, opened.nbytes, stored.name))
        except ValueError:              # not readable, or no GGUF: nothing to measure
            continue
    return [name for files in found.values() for plain, _, name in files
            if plain or name == max(files)[2]]


def what_to_expect(model: str) -> str:
    """What measuring this model needs and what it tells, or why it cannot be measured."""
    try:
        with open_model(model) as opened:
            opened.demand_model()
            arch = architecture_name(opened.metadata)
    except ValueError as error:
        return str(error)
    if arch not in FAMILIES:
        return (f"A model of the architecture {arch} cannot be run here; explore_comparison measures any "
                "model on Ollama, from outside.")
    return patience(model) + measured_against(model)


def measured_against(model: str) -> str:
    """The words for a model whose own weights are quantized: its table does not know what they lost."""
    with open_model(model) as opened:
        ftype = opened.ftype
    return "" if ftype in PLAIN else f" Measured against {ftype}: what {ftype} lost itself is not in it."


def plain_rows(table) -> list[Mapping]:
    """The rows of a pandas table that have numbers, as dicts; what is missing is None."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [row for row in rows if not row["error"]]


def why_nothing(table) -> str:
    """Why a table has no numbers: the first error in it."""
    reasons = [words for words in table.error if words]
    return reasons[0][:120] if reasons else "There is none beside the model's own weights."


def patience(model: str) -> str:
    """How long measuring takes."""
    if model == "tiny":
        return "That takes about a minute."
    return "That takes a while: a model of 135 million weights needs about 15 seconds for each point."


def not_measured(words: str, model: str) -> Picture:
    """In place of a picture: there are no rows yet."""
    return notice(f"{words} has not been measured here yet", f"Press Measure here. {patience(model)}")


def nothing_measured(table) -> Picture:
    """In place of a plot: a table without numbers."""
    return notice("No row of this table has been measured", why_nothing(table))


def run_or_refuse(model, need: str, call: str, made: Callable[[ModelInTypes], Stage]) -> Stage:
    """The exhibit `made` of a model in several types, or a picture that says why the model cannot be run.

    need: who needs it, as the title's first words.  call: the function that works with the tiny Llama.
    """
    try:
        types = model_in_types(model)
    except ValueError as error:
        return refusal(f"{need} a language model that can be run here", error,
                       f"{call}() takes the tiny Llama.")
    return made(types)
