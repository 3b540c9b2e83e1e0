"""Size against quality: every type of a model as a point, from the recorded table or measured here.

Measuring runs in a thread; Stop keeps what is finished, and the next run goes on from there.
"""

from collections.abc import Mapping
from datetime import date

import ipywidgets as widgets

from ..canvas.svg import notice
from ..canvas.trade import draw_pareto
from ..formats.table import FORMATS
from ..inference.compare import compare_quality, provenance, recorded_table
from ..models.recipe_rules import PROGRAMS
from ..models.source import open_model
from .quality_facts import MEASURES, UNITS, QualityFacts
from .workbench import PLAIN, TINY, MeasuredLab, patience, plain_rows, runnable_models, short_place

FILES, ALIKE = "llama.cpp's files", "one type for every matrix"
USUAL = "Q4_K_M"
#: Not quantized; for experts only; not made without an importance matrix.
LEFT_OUT = (*PLAIN, "MXFP4_MOE", "Q2_K_S")
NAMED = dict(style=dict(description_width="90px"), layout=dict(width="350px"))
KEYS = "ArrowLeft ArrowRight ArrowUp ArrowDown Home End PageUp PageDown"
LABEL = (
    "Types by size and quality. Left and right: the next smaller or larger type. Home and End: the smallest "
    "and the largest. "
    "Page Up and Page Down: another measure of quality.")


def explore_quality(model: str = TINY) -> "QualityLab":
    """How good is each type for its size? A point per type; choose the measure, walk through the types, or
    measure another model.

    model: "tiny", whose recorded table is shown at once, a GGUF path, or a pulled F16 model of the llama
    architecture; the menu lists those that Ollama's store has. Raises ValueError for a model that cannot be
    opened.
    """
    with open_model(model):
        pass
    return QualityLab(model)


class QualityLab(MeasuredLab):
    """`tables`: rows and where they come from, by model and whether every matrix has the one type."""

    def __init__(self, model: str):
        self.tables: dict[tuple[str, bool], tuple[list[Mapping], str]] = {}
        if (recorded := recorded_table("quality")) is not None:
            self.tables |= {(TINY, pure): (recorded["rows"], provenance(recorded)) for pure in (False, True)}
        names = list(dict.fromkeys([TINY, model, *runnable_models()]))
        controls = {"model": widgets.Dropdown(options=names, value=model, description="model", **NAMED),
                    "pure": widgets.Dropdown(options=[(FILES, False), (ALIKE, True)], value=False,
                                             description="types of", **NAMED),
                    "key": widgets.Dropdown(options=[(measure.words, key) for key,
                                                     measure in MEASURES.items()], value="kld",
                                            description="quality", **NAMED),
                    "unit": widgets.Dropdown(options=[(words[0], unit) for unit, words in UNITS.items()],
                                             value="bpw", description="size", **NAMED),
                    "focus": widgets.Dropdown(options=[USUAL], value=USUAL, description="look at", **NAMED)}
        self._moving = False
        super().__init__(controls, "Measure every type of this model on this machine", LABEL, KEYS)

    # ---- what is shown

    @property
    def facts(self) -> QualityFacts:
        """The rows of the chosen model and kind."""
        model, pure = self.controls["model"].value, self.controls["pure"].value
        return QualityFacts(self.tables.get((model, pure), ([], ""))[0], pure)

    def show(self) -> None:
        """Draw what the menus say."""
        facts, model = self.facts, self.controls["model"].value
        if not facts.rows:
            self.draw(notice(f"{model} has not been measured here yet",
                             f"Press Measure here. {patience(model)}"))
            return
        self._offer(facts)
        key, unit, focus = (self.controls[name].value for name in ("key", "unit", "focus"))
        place = self.tables[model, facts.pure][1]
        subtitle = f"{model}, {self.controls['pure'].label}. {short_place(place)}"
        self.draw(draw_pareto(facts.points(key, unit), facts.names.index(focus), facts.lines(focus),
                              UNITS[unit][0], facts.scale(key), finding=facts.finding(focus, key, unit),
                              subtitle=subtitle, table=facts.table()))

    def _offer(self, facts: QualityFacts) -> None:
        """Only what these rows have is in the menus."""
        self._moving = True
        try:
            for name, options in (("key", [(MEASURES[key].words, key) for key in facts.measures()]),
                                  ("focus", facts.names)):
                control, values = self.controls[name], [option[1] if isinstance(option, tuple) else option
                                                        for option in options]
                if tuple(control.options) != tuple(options):
                    before = control.value
                    control.options = options
                    control.value = before if before in values else _nearest(before, values)
        finally:
            self._moving = False

    def _changed(self, change) -> None:
        if not self._moving:
            self.show()
            if change.owner in (self.controls["model"], self.controls["pure"]):
                self.tell(self._where())

    def _where(self) -> str:
        model, pure = self.controls["model"].value, self.controls["pure"].value
        return self.tables.get((model, pure), ([], f"Not measured yet. {patience(model)}"))[1]

    # ---- mouse and keys in the picture

    def touched(self, message: dict) -> None:
        """A click or a key in the picture, as `Touch` tells it."""
        names = self.facts.names
        if not names:
            return
        here = names.index(self.controls["focus"].value)
        if "cell" in message:
            here = min(max(int(message["cell"]), 0), len(names) - 1)
        elif message.get("key") in ("PageUp", "PageDown"):
            keys = self.facts.measures()
            at = keys.index(self.controls["key"].value) + (1 if message["key"] == "PageDown" else -1)
            self.controls["key"].value = keys[at % len(keys)]
            return
        else:
            step = {"ArrowLeft": -1, "ArrowDown": -1, "ArrowRight": 1, "ArrowUp": 1, "Home": -len(names),
                    "End": len(names)}
            here = min(max(here + step.get(message.get("key"), 0), 0), len(names) - 1)
        self.controls["focus"].value = names[here]

    # ---- measuring

    def _measure(self) -> None:
        model, pure = self.controls["model"].value, self.controls["pure"].value
        table = compare_quality(model, wanted(pure), pure=pure,
                                progress=lambda step: self.tell(str(step), busy=True), cancel=self.cancel)
        rows = [{"pure": pure} | found for found in plain_rows(table)]
        stopped = f" Stopped: {len(rows)} of {len(table)} types are finished; Measure here goes on." if self.cancel.is_set() else ""
        if rows:
            self.tables[model,
                        pure] = rows, f"Measured here on {date.today().isoformat()} with scenes of Shakespeare.{stopped}"
        self.show()
        self.tell(self._where() if rows else "Stopped before the first type was finished.")


def wanted(pure: bool) -> list[str]:
    """What Measure here measures, those first that people use most."""
    names = [name for name, form in FORMATS.items() if form.encoder and form.imatrix != "needed"
             and name not in PLAIN] if pure else [name for name, usual in PROGRAMS["llama.cpp"].usual.items()
                                                  if FORMATS[usual].encoder
                                                  and FORMATS[usual].imatrix != "needed"]
    first = [name for name in ("Q4_K_M", "Q4_K", "Q8_0", "Q2_K", "Q6_K", "Q3_K_M", "Q3_K") if name in names]
    return [*first, *(name for name in names if name not in first and name not in LEFT_OUT)]


def _nearest(name: str, names: list[str]) -> str:
    """The name that is most like another one: Q4_K for Q4_K_M."""
    return max(names, key=lambda other: (other == USUAL, len(_common(name, other))))


def _common(a: str, b: str) -> str:
    return a[: next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))]
