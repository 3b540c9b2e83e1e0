"""The sensitivity map: how far one tensor alone, in few bits, moves the model's predictions, and whether a
mix raises the tensors that hurt most. Layers across, roles down, the harm of each as a number on a tile.

    ql.explore_sensitivity()

Lesson: 05.
"""

from collections.abc import Mapping, Sequence
from math import log

from ..canvas.style import INK, MEANING, Picture, Table
from ..canvas.svg import here, page, panel, quiet, rect, text, touchable
from ..formats.table import FORMATS
from ..inference.sensitivity import sensitivity
from ..models.recipe_rules import PROGRAMS
from ..models.recipe_walk import choices, usual_type
from ..models.source import open_model
from ..stage.exhibit import Exhibit, show
from ..stage.handles import menu
from ..stage.keys import STEPS, along
from ..stage.share import recalled
from ..words import number, one_of, size
from .map_sides import ORDER
from .measuring import MeasuredLab, not_measured, nothing_measured, plain_rows

HARM, PER_BYTE = "kld", "per MB"
QTYPES = ("Q2_K", "Q3_K", "Q4_K")
MARKED_MIXES = ("Q3_K_M", "Q4_K_M", "Q2_K", "Q3_K_L", "Q5_K_M")
#: The layer, None outside the layers, and the role: (3, "ffn_down").
Place = tuple[int | None, str]


# ---- facts and words

def raised_by(model, mixes: Sequence[str]) -> dict[str, dict[Place, str]]:
    """Mix -> {place: the type to which llama.cpp raises it above the mix's usual one}; what the model cannot
    have is left out.
    """
    found, program = {}, PROGRAMS["llama.cpp"]
    with open_model(model) as opened:
        for mix in mixes:
            try:
                made = choices(mix, opened, "llama.cpp", False)
            except ValueError:              # rows that llama-quantize refuses
                continue
            usual = FORMATS[usual_type(program, mix)].bpw
            found[mix] = {(c.tensor.layer, c.tensor.role): c.qtype for c in made if c.rule
                          and FORMATS[c.rule.qtype].bpw > usual}
    return found


class SensitivityFacts:
    """The tensors of one model in one type, each measured alone.

    rows: dicts as the columns of `sensitivity`; "by" in a row says whether it is of a "tensor" or a "role".
    per: HARM or PER_BYTE.  raised: {place: type} of the mix that is held against them.
    """

    def __init__(self, rows: Sequence[Mapping], qtype: str, per: str = HARM, mix: str = "",
                 raised: Mapping[Place, str] | None = None):
        self.qtype, self.per, self.mix, self.raised = qtype, per, mix, raised or {}
        self.unit = " per MB saved" if per == PER_BYTE else ""
        mine = [row for row in rows if row["qtype"] == qtype and row["kld"] is not None and row["saved"] > 0]
        self.single = {(row["layer"], row["role"]): row for row in mine if row.get("by") in (None, "tensor")}
        self.together = {row["role"]: row for row in mine if row.get("by") == "role"}
        self.values = {place: self.value(place) for place in self.single}
        self.order = sorted(self.values, key=lambda place: -self.values[place])
        self.roles = sorted(dict.fromkeys(role for _, role in self.single), key=lambda role: (
            (None, role) in self.single, ORDER.index(role) if role in ORDER else len(ORDER)))
        self.n_layer = 1 + max((layer for layer, _ in self.single if layer is not None), default=-1)

    def value(self, *places: Place) -> float:
        """KLD of these tensors, added up; per million bytes that they save, if that is asked for."""
        rows = [self.single[place] for place in places]
        kld = sum(row["kld"] for row in rows)
        return kld if self.per == HARM else kld / sum(row["saved"] for row in rows) * 1e6

    def cells(self, role: str) -> list[Place]:
        """The places of a role's row, with and without a tensor."""
        return [(None, role)] if (None, role) in self.single else [(i, role) for i in range(self.n_layer)]

    def of_role(self, role: str) -> float:
        return self.value(*(place for place in self.cells(role) if place in self.single))

    def of_layer(self, layer: int) -> float:
        return self.value(*(place for place in self.single if place[0] == layer))

    @property
    def walk(self) -> list[Place]:
        """All tensors, row by row."""
        return [place for role in self.roles for place in self.cells(role) if place in self.single]

    def at(self, cell: int) -> Place:
        """The tensor of a cell's number, or the nearest one before it."""
        cells = [place for role in self.roles for place in self.cells(role)]
        cell = min(max(cell, 0), len(cells) - 1)
        return next(place for place in [*reversed(cells[: cell + 1]), *cells] if place in self.single)

    def shade(self, place: Place) -> float:
        """From 0 to 1 by the logarithm, from the least harmful tensor to the most."""
        ends = (self.order[-1], self.order[0], place)
        low, high, mine = (log(max(self.values[one], 1e-12)) for one in ends)
        return (mine - low) / ((high - low) or 1)

    def finding(self) -> str:
        """The title: what hurts most, and how much more than the least."""
        most, least = self.order[0], self.order[-1]
        ratio = self.values[most] / max(self.values[least], 1e-12)
        return (f"{_named(most)} in {self.qtype} hurts most{self.unit}: "
                f"{f'{ratio:,.0f}' if ratio >= 10 else f'{ratio:.1f}'} times as much as {_named(least)}")

    def said(self, place: Place) -> str:
        """One tensor in one sentence."""
        return f"{_named(place)} alone in {self.qtype}: KLD {number(self.values[place], 3)}{self.unit}"

    def lines(self, place: Place) -> list[str]:
        """The chosen tensor in words."""
        (layer, role), row = place, self.single[place]
        error = row["kld_se"] / (row["saved"] / 1e6 if self.unit else 1)
        more = ""
        if layer is None:
            more = "It stands outside the layers" + ("." if "output" in self.roles else (
                "; in this model it also turns the last vectors into words."))
        elif whole := self.together.get(role):
            alone = sum(found["kld"] for (_, other), found in self.single.items() if other == role)
            more = (f"{role} in all layers at once: KLD {number(whole['kld'], 3)}; one at a time they add up "
                    f"to {number(alone, 3)}.")
        lines = [self.said(place), f"± {number(error, 1)}; number {self.order.index(place) + 1} of "
                 f"{len(self.order)}, the most harmful first. It saves {size(row['saved'])}.", more]
        if self.mix:
            raised = f"raises it to {self.raised[place]}." if place in self.raised else "does not raise it."
            lines.append(f"{self.mix} {raised}")
        return lines

    def verdict(self) -> str:
        """Whether the tensors that a mix raises are those that hurt most."""
        n, chosen = len(self.order), sum(place in self.raised for place in self.order)
        if not chosen:
            return f"▲ nothing here is raised by {self.mix}." if self.mix else ""
        hit = sum(place in self.raised for place in self.order[:chosen])
        return (f"▲ {self.mix} raises {chosen} of {n} tensors: {hit} of the {chosen} that hurt most"
                f"{self.unit}; blind choice would hit {chosen**2 / n:.1f} on average.")

    def table(self) -> Table:
        """All tensors, the most harmful first."""
        head = ("tensor", f"KLD in {self.qtype}", "±", "bytes saved", "KLD per MB saved",
                f"raised by {self.mix}" if self.mix else "")
        return (head, *((_named(place), number(row["kld"], 3), number(row["kld_se"], 1), f"{row['saved']:,}",
                         number(row["kld"] / row["saved"] * 1e6, 3), self.raised.get(place, ""))
                        for place, row in ((place, self.single[place]) for place in self.order)))


def _named(place: Place) -> str:
    """A place in words: "ffn_down of layer 3", "token_embd"."""
    layer, role = place
    return role if layer is None else f"{role} of layer {layer}"


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
                table=facts.table(), role="img" if chosen is None else "group")


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
def explore_sensitivity(model: str = "tiny", qtype: str = "Q2_K", mix: str = "Q3_K_M") -> "SensitivityLab":
    """Which tensors need their bits? Each tile says how far the predictions move when that tensor alone is
    stored in `qtype`.

    model: "tiny", whose recorded table is shown at once, a GGUF path, or a pulled model, best in 16 bits, of
    a family that runs here; what can be done with it is said before it is measured.  mix: the ftype of
    llama.cpp whose raised tensors are marked.  Raises ValueError for a type, a mix or a model that is not
    known.
    """
    return SensitivityLab(model, one_of("qtype", qtype, QTYPES), one_of("mix", mix, MARKED_MIXES))


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
        self.say(facts.said(place))
