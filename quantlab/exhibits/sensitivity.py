"""The sensitivity map: how far one tensor alone, in few bits, moves the model's predictions, and whether a
mix raises the tensors that hurt most. Layers across, roles down, the harm of each as a number on a tile.

    ql.explore_sensitivity()

Its facts are in sensitivity_facts.py.  Lesson: 05.
"""

from collections.abc import Sequence

from ..canvas.style import INK, MEANING, Picture
from ..canvas.svg import here, page, panel, quiet, rect, text, touchable
from ..inference.sensitivity import sensitivity
from ..stage.base import Stage
from ..stage.exhibit import Exhibit, show
from ..stage.handles import menu
from ..stage.keys import STEPS, along
from ..stage.share import recalled
from ..words import number, one_of
from .measuring import MeasuredLab, not_measured, nothing_measured, open_or_refuse, plain_rows
from .sensitivity_facts import HARM, PER_BYTE, Place, SensitivityFacts, raised_by

QTYPES = ("Q2_K", "Q3_K", "Q4_K")
MARKED_MIXES = ("Q3_K_M", "Q4_K_M", "Q2_K", "Q3_K_L", "Q5_K_M")


# ---- picture

# pixels: the grid's edges; where the bars of the roles begin, the longest of them
LEFT, RIGHT, BARS, MOST_BAR = 128, 600, 614, 70
TOP, HIGH, GAP, STRIP = 92, 34, 3, 87
# the lightest tile; the letters, which are easier to read on vermilion than white ones are
PALE, DARK = "#fdf3ea", "#1b1f24"
NEEDED = 40             # pixels of a tile that a number needs


def draw_sensitivity(facts: SensitivityFacts, chosen: Place | None, notes: Sequence[str], *,
                     subtitle: str) -> Picture:
    """The map, the chosen tensor in words, and notes below.  chosen None: a map that nobody touches."""
    sums = ("the {}, per MB" if facts.unit else "sum of the {}").format
    totals = {role: facts.of_role(role) for role in facts.roles}
    body, first, tops = [quiet(BARS, TOP - 10, sums("role"))], 0, {}
    stack = [role for role in facts.roles if (None, role) not in facts.single]
    for i, role in enumerate(facts.roles):
        cells, bar = facts.cells(role), MOST_BAR * totals[role] / max(totals.values())
        top = tops[role] = TOP + (HIGH + GAP) * i + 44 * (role not in stack)
        tips = " ".join(f"{facts.said(place) if place in facts.single else '-'}*1".replace(" ", "\u00a0")
                        for place in cells)
        body += [touchable(_tiles(facts, cells, top), first=first, cells=len(cells), tips=tips),
                 text(LEFT - 8, top + HIGH / 2 + 4, role, size=12, anchor="end"),
                 rect(BARS, top + 8, bar, HIGH - 16, MEANING["error"], radius=0),
                 text(BARS + bar + 5, top + HIGH / 2 + 4, number(totals[role], 2), size=11)]
        first += len(cells)
    body += _axis(facts, len(stack), sums("layer"))
    y = max(top + HIGH, TOP + (HIGH + GAP) * len(stack) + 40) + 14
    if chosen is not None:
        lines, step = facts.lines(chosen), (RIGHT - LEFT) / len(facts.cells(chosen[1]))
        frame = rect(LEFT + (chosen[0] or 0) * step - 1.5, tops[chosen[1]] - 1.5, max(step - 2, 3) + 3,
                     HIGH + 3, "none", stroke=INK, stroke_width=2.5)
        body += [here(lines[0], frame), *panel(lines, y, STRIP)]
        y += STRIP
    body += [quiet(16, y + 22 + 19 * i, words, size=12) for i, words in enumerate(notes)]
    return page(int(y + 22 + 19 * len(notes)), body, finding=facts.finding(), subtitle=subtitle,
                table=facts.table(), role="img" if chosen is None else "group").telling(facts.numbers(chosen))


def _tone(shade: float) -> str:
    """From pale to vermilion, the colour of an error in every lesson."""
    ends = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in (PALE, MEANING["error"])]
    return "#" + "".join(f"{round(low + (high - low) * shade):02x}" for low, high in zip(*ends, strict=True))


def _tiles(facts: SensitivityFacts, cells: Sequence[Place], top: float) -> list[str]:
    """A tile for each tensor of a row: its number, and ▲ with the type to which the mix raises it."""
    step = (RIGHT - LEFT) / len(cells)
    gap, radius = (2, 3) if step > 12 else (1, 0)
    shapes = [rect(LEFT, top, RIGHT - LEFT, HIGH, "none", radius=0)]
    for i, place in enumerate(cells):
        if place not in facts.single:
            continue
        x, middle, roomy = LEFT + i * step, LEFT + i * step + (step - gap) / 2, step - gap >= NEEDED
        raised = facts.raised.get(place, "")
        shapes.append(rect(x, top, step - gap, HIGH, _tone(facts.shade(place)), radius=radius))
        if roomy:
            shapes.append(text(middle, top + (15 if raised else 21), number(facts.values[place], 2), size=11,
                               fill=DARK, anchor="middle"))
        if raised:
            shapes.append(text(middle, top + (28 if roomy else 21), f"▲ {raised}" if roomy else "▲",
                               size=9.5 if roomy else 9, fill=DARK, anchor="middle", bold=roomy))
    return shapes


def _axis(facts: SensitivityFacts, n_roles: int, words: str) -> list[str]:
    """The layers' numbers under the stack, and what each layer sums up to where there is room for it."""
    if not n_roles:
        return []
    y, step = TOP + (HIGH + GAP) * n_roles + 12, (RIGHT - LEFT) / facts.n_layer
    every = next(n for n in (1, 2, 4, 8, 16, 32, 64, 128) if n * step >= 24)
    middles = [LEFT + (i + 0.5) * step - 1 for i in range(facts.n_layer)]
    shapes = [quiet(LEFT - 8, y, "layer", anchor="end")]
    shapes += [quiet(middles[i], y, i, anchor="middle")
               for i in range(0, facts.n_layer, every)]
    if step >= NEEDED:
        shapes += [quiet(LEFT - 8, y + 17, words, anchor="end"),
                   *(text(x, y + 17, number(facts.of_layer(i), 2), size=11, anchor="middle")
                     for i, x in enumerate(middles))]
    return shapes


def draw_map(facts: SensitivityFacts, chosen: Place | None, model: str, where: str) -> Picture:
    """The map of a model's tensors, and whether a mix raises the right ones."""
    if chosen is None:
        return not_measured(f"{model} in {facts.qtype}", where)
    unit = facts.unit.replace(" per MB", ", per million bytes")
    notes = [f"A tile: the KL divergence to the unquantized model{unit}; colour on a logarithmic scale.",
             *filter(None, [facts.verdict()])]
    return draw_sensitivity(facts, chosen, notes,
                            subtitle=f"{model}: KLD when one tensor alone is in {facts.qtype}. {where}")


@recalled
def plot_sensitivity(table, model: str = "") -> Exhibit:
    """Layers across, roles down; `table` comes from `sensitivity` by tensor.  Raises ValueError for one by
    role or layer.
    """
    if table.role.isna().any() or table.layer.isna().all():
        raise ValueError(
            "this table has no row for each matrix: make it with sensitivity(model, qtype, by='tensor')")
    facts = SensitivityFacts(plain_rows(table), table.qtype.iloc[0])
    if not facts.single:
        return show(nothing_measured(table))
    notes = ["A tile: the KL divergence to the model as it is; colour on a logarithmic scale."]
    return show(draw_sensitivity(
        facts, None, notes,
        subtitle=f"{model + ': ' if model else ''}KLD when one tensor alone is in {facts.qtype}"))


# ---- handles

KEYS = "ArrowLeft ArrowRight ArrowUp ArrowDown Home End n p PageUp PageDown"
LABEL = ("Map of the model's tensors and how much each hurts. Left and right: the next layer. Up and down: "
         "another role. Home: the one that hurts most. End: the least. n and p: the next less and the next "
         "more harmful. Page Up and Page Down: another type.")


@recalled
def explore_sensitivity(model: str = "tiny", qtype: str = "Q2_K", mix: str = "Q3_K_M") -> Exhibit | Stage:
    """Which tensors need their bits? Each tile says how far the predictions move when that tensor alone is
    stored in `qtype`.

    model: "tiny", whose recorded table is shown at once, a GGUF path, or a pulled model, best in 16 bits, of
    a family that runs here; what can be done with it is said before it is measured.  mix: the ftype of
    llama.cpp whose raised tensors are marked.  A model that cannot be opened is said in a sentence.  Raises
    ValueError for a type or a mix that is not known.
    """
    chosen = one_of("qtype", qtype, QTYPES), one_of("mix", mix, MARKED_MIXES)
    return open_or_refuse(model, "The map needs", "explore_sensitivity",
                          lambda: SensitivityLab(model, *chosen))


class SensitivityLab(MeasuredLab):
    """`tensor` is the chosen one; `raised` says what each mix raises, by model."""

    thing = "tensor"

    def __init__(self, model: str, qtype: str, mix: str):
        self.raised = {model: raised_by(model, MARKED_MIXES)}
        self.tensor: Place | None = None
        mixes = [*((f"what {name} raises", name) for name in MARKED_MIXES), ("nothing", "")]
        handles = [menu("qtype", "stored in", qtype, QTYPES),
                   menu("per", "show", HARM, [("harm of each", HARM), ("per byte saved", PER_BYTE)]),
                   menu("mix", "mark ▲", mix, mixes)]
        super().__init__(model, handles, "sensitivity", QTYPES, draw_map, sensitivity, keys=KEYS, label=LABEL,
                         pages="qtype")

    def facts(self, *_, **values) -> dict:
        model, mix, told = values["model"], values["mix"], super().facts(**values)
        if model not in self.raised:
            self.raised[model] = raised_by(model, MARKED_MIXES)
        facts = SensitivityFacts(told["rows"], values["qtype"], values["per"], mix,
                                 self.raised[model].get(mix))
        if self.tensor not in facts.single:
            self.tensor = next(iter(facts.order), None)
        return {"facts": facts, "chosen": self.tensor, "model": model, "where": told["where"]}

    @property
    def tensors(self) -> SensitivityFacts:
        """The tensors on show."""
        return self.facts(**self.values())["facts"]

    def reset(self) -> None:
        self.tensor = None
        super().reset()

    def clicked(self, cell: int) -> None:
        if (facts := self.tensors).single:
            self._look_at(facts, facts.at(cell))

    def pressed(self, key: str) -> None:
        """Left and Right walk row by row, Up and Down from role to role, the others by harm."""
        facts = self.tensors
        if self.tensor is None:
            return
        layer, role = self.tensor
        if key in ("ArrowUp", "ArrowDown"):
            to = facts.roles[along(key, facts.roles.index(role), len(facts.roles))]
            self._look_at(facts, next(place for place in ((layer, to), (0, to), (None, to), self.tensor)
                                      if place in facts.single))
        else:
            line = facts.walk if key.startswith("Arrow") else facts.order
            here = along(key, line.index(self.tensor), len(line), {**STEPS, "n": 1, "p": -1})
            self._look_at(facts, line[here])

    def _look_at(self, facts: SensitivityFacts, place: Place) -> None:
        self.tensor = place
        self.redraw()
        reached = self.finding.removeprefix(self.picture.finding)
        self.say(facts.said(place) + reached)
