"""The facts of the sensitivity map: the harm of each tensor, what a mix raises, and the words for it.

Lesson: 05.
"""

from collections.abc import Mapping, Sequence
from math import log

from ..canvas.style import Table
from ..formats.table import FORMATS
from ..models.recipe_rules import PROGRAMS
from ..models.recipe_walk import choices, usual_type
from ..models.source import open_model
from ..words import number, size
from .map_sides import ORDER

HARM, PER_BYTE = "kld", "per MB"
#: The layer, None outside the layers, and the role: (3, "ffn_down").
Place = tuple[int | None, str]


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
        return (f"{named(most)} in {self.qtype} hurts most{self.unit}: "
                f"{f'{ratio:,.0f}' if ratio >= 10 else f'{ratio:.1f}'} times as much as {named(least)}")

    def said(self, place: Place) -> str:
        """One tensor in one sentence."""
        return f"{named(place)} alone in {self.qtype}: KLD {number(self.values[place], 3)}{self.unit}"

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

    @property
    def n_raised(self) -> int:
        """How many tensors the mix raises."""
        return sum(place in self.raised for place in self.order)

    @property
    def hits(self) -> int:
        """How many of as many tensors that hurt most are among those that the mix raises."""
        return sum(place in self.raised for place in self.order[: self.n_raised])

    def numbers(self, chosen: Place | None) -> dict[str, float]:
        """What targets are measured by: how many tensors there are, how many the mix raises, and how many of
        these are among as many that hurt most; of the chosen one its KLD and rank, the most harmful first.
        """
        told: dict[str, float] = {"tensors": len(self.order), "raised": self.n_raised, "hits": self.hits}
        if chosen is None:
            return told
        return {**told, "harm": self.values[chosen], "rank": self.order.index(chosen) + 1}

    def verdict(self) -> str:
        """Whether the tensors that a mix raises are those that hurt most."""
        n, chosen = len(self.order), self.n_raised
        if not chosen:
            return f"▲ nothing here is raised by {self.mix}." if self.mix else ""
        return (f"▲ {self.mix} raises {chosen} of {n} tensors: {self.hits} of the {chosen} that hurt most"
                f"{self.unit}; blind choice would hit {chosen**2 / n:.1f} on average.")

    def table(self) -> Table:
        """All tensors, the most harmful first."""
        head = ("tensor", f"KLD in {self.qtype}", "±", "bytes saved", "KLD per MB saved",
                f"raised by {self.mix}" if self.mix else "")
        return (head, *((named(place), number(row["kld"], 3), number(row["kld_se"], 1), f"{row['saved']:,}",
                         number(row["kld"] / row["saved"] * 1e6, 3), self.raised.get(place, ""))
                        for place, row in ((place, self.single[place]) for place in self.order)))


def named(place: Place) -> str:
    """A place in words: "ffn_down of layer 3", "token_embd"."""
    layer, role = place
    return role if layer is None else f"{role} of layer {layer}"
