"""The sensitivity map: how much one tensor alone, in few bits, moves the model's predictions; and whether a
mix raises the right ones.

Measuring runs in a thread; Stop keeps what is finished, and the next run goes on from there.
"""

from collections.abc import Mapping
from datetime import date

import ipywidgets as widgets

from ..canvas.sensitivity_map import draw_sensitivity
from ..canvas.svg import notice
from ..inference.compare import provenance, recorded_table
from ..inference.sensitivity import sensitivity
from .sensitivity_facts import HARM, PER_BYTE, SensitivityFacts, raised_by
from .workbench import TINY, MeasuredLab, patience, plain_rows, runnable_models, short_place

QTYPES = ("Q2_K", "Q3_K", "Q4_K")
MIXES = ("Q3_K_M", "Q4_K_M", "Q2_K", "Q3_K_L", "Q5_K_M")
NOTHING = ""
NAMED = dict(style=dict(description_width="90px"), layout=dict(width="350px"))
KEYS = "ArrowLeft ArrowRight ArrowUp ArrowDown Home End n p PageUp PageDown"
LABEL = (
    "Map of the model's tensors and how much each hurts. Left and right: the next layer. Up and down: "
    "another role. Home: the one "
    "that hurts most. End: the least. n and p: the next less and the next more harmful. Page Up and Page "
    "Down: another type.")


def explore_sensitivity(model: str = TINY, qtype: str = "Q2_K", mix: str = "Q3_K_M") -> "SensitivityLab":
    """Which tensors need their bits? Each tile says how far the predictions move when that tensor alone is
    stored in `qtype`.

    model: "tiny", whose recorded table is shown at once, a GGUF path, or a pulled F16 model of the llama
    architecture.  mix: the ftype of llama.cpp whose raised tensors are marked.  Raises ValueError for a type,
    a mix or a model that is not known.
    """
    for name, given, known in (("qtype", qtype, QTYPES), ("mix", mix, MIXES)):
        if given.upper() not in known:
            raise ValueError(f"no {name} {given!r} here; there are {', '.join(known)}")
    return SensitivityLab(model, qtype.upper(), mix.upper())


class SensitivityLab(MeasuredLab):
    """`tables`: rows and where they come from, by model; `place` is the chosen tensor, (layer, role)."""

    def __init__(self, model: str, qtype: str, mix: str):
        self.tables: dict[str, tuple[list[Mapping], str]] = {}
        if (recorded := recorded_table("sensitivity")) is not None:
            self.tables[TINY] = recorded["rows"], provenance(recorded)
        self.raised, self.place = {model: raised_by(model, MIXES)}, None
        names = list(dict.fromkeys([TINY, model, *runnable_models()]))
        controls = {"model": widgets.Dropdown(options=names, value=model, description="model", **NAMED),
                    "qtype": widgets.Dropdown(options=QTYPES, value=qtype, description="stored in", **NAMED),
                    "per": widgets.Dropdown(options=[("harm of each", HARM), ("per byte saved", PER_BYTE)],
                                            value=HARM, description="show", **NAMED),
                    "mix": widgets.Dropdown(options=[*((f"what {name} raises", name) for name in MIXES),
                                                     ("nothing", NOTHING)], value=mix, description="mark ▲",
                                            **NAMED)}
        super().__init__(controls, "Measure every tensor of this model on this machine", LABEL, KEYS)

    # ---- what is shown

    @property
    def facts(self) -> SensitivityFacts:
        """The rows of the chosen model and type, and what the chosen mix raises."""
        model, qtype, per, mix = (self.controls[name].value for name in ("model", "qtype", "per", "mix"))
        if model not in self.raised:
            self.raised[model] = raised_by(model, MIXES)
        return SensitivityFacts(self.tables.get(model, ([], ""))[0], qtype, per, mix,
                                self.raised[model].get(mix, {}))

    def show(self) -> None:
        """Draw what the menus say."""
        facts, model = self.facts, self.controls["model"].value
        if not facts.single:
            self.draw(notice(f"{model} in {facts.qtype} has not been measured here yet",
                             f"Press Measure here. {patience(model)}"))
            return
        if self.place not in facts.single:
            self.place = facts.order[0]
        sums = ("sum of the role", "sum of the layer") if facts.per == HARM else ("the role, per MB",
                                                                                  "the layer, per MB")
        subtitle = f"{model}: KLD when one tensor alone is in {facts.qtype}. {short_place(self.tables[model][1])}"
        unit = ", per million bytes saved" if facts.per == PER_BYTE else ""
        notes = [f"A tile: the KL divergence to the unquantized model{unit}; colour on a logarithmic scale.",
                 *filter(None, [facts.verdict()])]
        self.draw(draw_sensitivity(facts.rows(), facts.layers(), facts.focus(self.place), notes,
                                   finding=facts.finding(), subtitle=subtitle, sums=sums,
                                   table=facts.table()))

    def _changed(self, change) -> None:
        self.show()
        if change.owner in (self.controls["model"], self.controls["qtype"]):
            self.tell(self._where())

    def _where(self) -> str:
        model = self.controls["model"].value
        return self.tables[model][1] if self.facts.single else f"Not measured yet. {patience(model)}"

    # ---- mouse and keys in the picture

    def touched(self, message: dict) -> None:
        """A click or a key in the picture, as `Touch` tells it."""
        facts = self.facts
        if not facts.single:
            return
        if "cell" in message:
            self._look_at(facts.at(int(message["cell"])))
        elif message.get("key") in ("PageUp", "PageDown"):
            at = QTYPES.index(self.controls["qtype"].value) + (1 if message["key"] == "PageUp" else -1)
            self.controls["qtype"].value = QTYPES[min(max(at, 0), len(QTYPES) - 1)]
        elif "key" in message:
            self._look_at(self._next(facts, str(message["key"])))

    def _next(self, facts: SensitivityFacts, key: str) -> tuple:
        """The place to which a key leads."""
        walk, order, (layer, role) = facts.walk, facts.order, self.place
        if key in ("Home", "End"):
            return order[0 if key == "Home" else -1]
        if key in ("n", "p"):
            return order[min(max(order.index(self.place) + (1 if key == "n" else -1), 0), len(order) - 1)]
        if key in ("ArrowLeft", "ArrowRight"):
            return walk[min(max(walk.index(self.place) + (1 if key == "ArrowRight" else -1), 0),
                            len(walk) - 1)]
        to = facts.roles[min(max(facts.roles.index(role) + (1 if key == "ArrowDown" else -1), 0),
                             len(facts.roles) - 1)]
        return next(place for place in ((layer, to), (0, to), (None, to), self.place)
                    if place in facts.single)

    def _look_at(self, place: tuple) -> None:
        self.place = place
        self.show()
        self.say(self.facts.said(place))

    # ---- measuring

    def _measure(self) -> None:
        model, qtype = self.controls["model"].value, self.controls["qtype"].value
        table = sensitivity(model, qtype, progress=lambda step: self.tell(str(step), busy=True),
                            cancel=self.cancel)
        rows = [{"by": "tensor"} | found for found in plain_rows(table)]
        stopped = f" Stopped: {len(rows)} of {len(table)} tensors are finished; Measure here goes on." if self.cancel.is_set() else ""
        if rows:
            kept = [found for found in self.tables.get(model, ([], ""))[0] if found["qtype"] != qtype
                    or found["by"] == "role"]
            self.tables[model] = [*kept,
                                  *rows], f"Measured here on {date.today().isoformat()} with scenes of Shakespeare.{stopped}"
        self.show()
        self.tell(self._where() if rows else "Stopped before the first tensor was finished.")
