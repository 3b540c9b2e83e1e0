"""Shared by the exhibits that run a language model: which models can be measured, a picture of measured rows
with Measure here and Stop, and the refusal of a model that cannot be run.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from ..canvas.style import Picture
from ..canvas.svg import notice
from ..inference.compare import measured_against, recorded_table, when_and_where
from ..inference.families import FAMILIES
from ..inference.graph import OUTSIDE
from ..inference.in_types import ModelInTypes, model_in_types
from ..inference.load import load_lm
from ..inference.stored import can_be_kept
from ..models.ollama_blobs import architecture_name
from ..models.resolve import listed_as, open_weights
from ..models.source import Model, open_model
from ..models.store import pulled_models
from ..profile import is_reference
from ..stage.base import Stage
from ..stage.exhibit import Exhibit, refusal
from ..stage.handles import Button, Handle, menu
from ..words import size

#: The types that are not quantized.
PLAIN = ("F32", "F16", "BF16")
NOT_YET = "Not measured yet."
#: Presets of exhibits with a slider over types.
FEWER_BITS = {"4 bits": {"qtype": "Q4_K"}, "3 bits": {"qtype": "Q3_K"}, "2 bits": {"qtype": "Q2_K"}}
SMALL_MODEL = 2e7       # weights; a larger model is asked for less at a time
SECONDS_A_POINT = 15 / 135e6        # for each weight, on two cores
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
        known = ["tiny", *runnable_models()]
        model = listed_as(model, known)
        models = menu("model", "model", model, dict.fromkeys(["tiny", model, *known]))
        super().__init__(Exhibit(
            [models, *handles], draw, width=350, label_width=90, buttons=[
                Button("run", "Measure here", f"Measure every {self.thing} of this model on this machine",
                       lambda: self.start(self._measure), task=True),
                Button("cancel", "Stop", "Stop; what is finished stays", self.stop)], **more))
        self.tell(self.found()[1])

    def found(self) -> tuple[Sequence[Mapping], str]:
        """The rows on show, and where they are from."""
        model, kind = self.controls["model"].value, self.controls[self.kind].value
        return self.tables.get((model, kind), ([], f"{NOT_YET} {self.note(model)}"))

    def note(self, model: str) -> str:
        """What is to be known about this model before it is measured."""
        if model not in self._notes:
            runs, words = expected(model)
            self._notes[model] = f"Press Measure here. {words}" if runs else words
        return self._notes[model]

    def facts(self, *_, **values) -> dict:
        rows, where = self.found()
        short = where.split(",")[0].split(" with ")[0].rstrip(".")
        return {"rows": rows, "where": short if rows else where, **values}

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
        where = " ".join([where, *told_against(table.attrs.get("against", ""))])
        if self.cancel.is_set():
            where += (f" Stopped: {len(rows)} of {len(table)} {self.thing}s are finished; Measure here goes "
                      "on.")
        if rows:
            roles = [row for row in self.tables.get((model, kind), ([], ""))[0] if row.get("by") == "role"]
            self.tables[model, kind] = [*roles, *rows], where
        self.redraw()
        self.tell(self.found()[1] if rows else f"Nothing was measured: {why_nothing(table)}")


class Pulled(NamedTuple):
    """A pulled model of a family that runs here.  model: what all its files have in common."""

    model: tuple
    plain: bool
    nbytes: int
    name: str


def pulled_here() -> Iterator[Pulled]:
    """None under the reference profile."""
    for stored in [] if is_reference() else pulled_models():
        try:
            with open_model(stored.name) as opened:
                if architecture_name(opened.metadata) in FAMILIES:
                    yield Pulled(_identity(opened), not measured_against(opened), opened.nbytes, stored.name)
        except ValueError:              # not readable, or no GGUF: nothing to measure
            continue


def _identity(model: Model) -> tuple:
    return architecture_name(model.metadata), model.n_weights, model.metadata.get("general.name")


def runnable_models() -> list[str]:
    """The pulled models that can be measured: of a family that runs here, in 16 or 32 bits; of a model that
    is there in fewer bits only, the largest file.
    """
    found: dict[tuple, list[Pulled]] = {}
    for one in pulled_here():
        if one.model[1] <= MENU_MODEL:
            found.setdefault(one.model, []).append(one)
    return [one.name for files in found.values() for one in files
            if one.plain or one.name == max(files)[-1]]


def expected(model) -> tuple[bool, str]:
    """(whether a model can be run here; what that needs and tells, or why not and what to do instead).  Only
    the file's header is read.
    """
    try:
        with open_weights(model) as opened:
            try:
                load_lm(opened, keep=False)
            except ValueError as error:
                return False, f"{str(error).removesuffix(f'. {OUTSIDE}').rstrip('.')}. {OUTSIDE}."
            words = [patience(opened.n_weights), *told_against(measured_against(opened))]
            if len(words) > 1:
                words += [f"A better file of it is here: {name}." for name in _better(opened)]
            return True, " ".join(words)
    except ValueError as error:
        return False, str(error)


def _better(model: Model) -> list[str]:
    """The largest pulled file of the same model, if it is larger than this one."""
    files = [one for one in pulled_here() if one.model == _identity(model) and one.nbytes > model.nbytes]
    return [max(files)[-1]] if files else []


def told_against(words: str) -> list[str]:
    """`measured_against` as a sentence; none where there is nothing to say."""
    return [f"{words[:1].upper()}{words[1:]}."] if words else []


def plain_rows(table) -> list[Mapping]:
    """The rows of a pandas table that have numbers, as dicts; what is missing is None."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [row for row in rows if not row["error"]]


def why_nothing(table) -> str:
    """Why a table has no numbers: the first error in it."""
    reasons = [words for words in table.error if words]
    return reasons[0][:120] if reasons else "There is none beside the model's own weights."


def patience(n_weights: int) -> str:
    """How long measuring takes, and where the weights are meanwhile."""
    if n_weights < SMALL_MODEL:
        return "That takes about a minute."
    seconds = SECONDS_A_POINT * n_weights
    words = f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"
    stays = ("" if can_be_kept(n_weights) else f" Its weights would take {size(4 * n_weights)} of memory, so "
             "they stay in the file and are read in pieces.")
    return f"That takes a while: about {words} for each point.{stays}"


def not_measured(words: str, where: str) -> Picture:
    """In place of a picture: there are no rows yet.  where: NOT_YET, and what is to be known before."""
    return notice(f"{words} has not been measured here yet", where.removeprefix(NOT_YET).strip())


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
        return Stage(cannot_run(model, need, call, error))
    return made(types)


def open_or_refuse(model, need: str, call: str, made: Callable[[], Stage]) -> Exhibit | Stage:
    """The exhibit `made` of a model whose weights are at hand, or the picture of `run_or_refuse`; whether it
    can be run is said later, beside the models that are here.
    """
    try:
        with open_weights(model):
            pass
    except ValueError as error:
        return cannot_run(model, need, call, error)
    return made()


def cannot_run(model, need: str, call: str, error: ValueError, takes: str = "the tiny Llama") -> Exhibit:
    """The picture that says why a model cannot be run, and what measures it all the same."""
    runs, words = expected(model)
    return refusal(f"{need} a language model that can be run here", error if runs else words,
                   f"{call}() takes {takes}.")
