"""What can be said of single tensors: the rows of `sensitivity` as a map, a finding, and a verdict on a mix's
choices.
"""

from collections.abc import Mapping, Sequence
from math import log

from ..canvas.sensitivity_map import Focus, Row, Tile
from ..canvas.style import Table
from ..formats.table import FORMATS
from ..models.recipe_rules import PROGRAMS
from ..models.recipe_walk import choices, usual_type
from ..models.source import open_model
from ..words import number, size
from .map_sides import ORDER

HARM, PER_BYTE = "kld", "per MB"


def raised_by(model, mixes: Sequence[str]) -> dict[str, dict[tuple, str]]:
    """Mix -> {(layer, role): the type to which llama.cpp raises it above the mix's usual one}; what the model
    cannot have is left out.
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
    """The rows of one type. rows: dicts with by, layer, role, qtype, saved, kld, kld_se.  per: HARM or
    PER_BYTE.

    raised: {(layer, role): type} of the mix that is held against them.
    """

    def __init__(self, rows: Sequence[Mapping], qtype: str, per: str, mix: str, raised: Mapping[tuple, str]):
        self.qtype, self.per, self.mix, self.raised = qtype, per, mix, raised
        mine = [row for row in rows if row["qtype"] == qtype and row["kld"] is not None and row["saved"] > 0]
        self.single = {(row["layer"], row["role"]): row for row in mine if row["by"] == "tensor"}
        self.together = {row["role"]: row for row in mine if row["by"] == "role"}
        self.values = {place: self.value([row]) for place, row in self.single.items()}
        self.order = sorted(self.values, key=lambda place: -self.values[place])
        roles = dict.fromkeys(role for _, role in self.single)
        self.roles = sorted(roles, key=lambda role: ((None, role) in self.single, ORDER.index(role)
                                                     if role in ORDER else len(ORDER)))
        self.n_layer = 1 + max((layer for layer, _ in self.single if layer is not None), default=-1)

    def value(self, rows: Sequence[Mapping]) -> float:
        """KLD of these tensors, added up; per million bytes that they save, if that is asked for."""
        kld = sum(row["kld"] for row in rows)
        return kld if self.per == HARM else kld / sum(row["saved"] for row in rows) * 1e6

    @property
    def walk(self) -> list[tuple]:
        """All places, row by row, as (layer, role)."""
        return [place for role in self.roles for place in self._places(role) if place in self.single]

    def at(self, cell: int) -> tuple:
        """The place of a cell's number, or the nearest before it that has a tensor."""
        cells = [place for role in self.roles for place in self._places(role)]
        cell = min(max(cell, 0), len(cells) - 1)
        return next(place for place in [*reversed(cells[: cell + 1]), *cells] if place in self.single)

    def _places(self, role: str) -> list[tuple]:
        return [(None, role)] if (None, role) in self.single else [(layer, role)
                                                                   for layer in range(self.n_layer)]

    def rows(self) -> list[Row]:
        """The map: shades by the logarithm, from the least to the most."""
        low, high = (log(max(self.values[self.order[i]], 1e-12)) for i in (-1, 0))
        totals = {role: self.value([self.single[place] for place in self._places(role)
                                    if place in self.single]) for role in self.roles}
        rows, first = [], 0
        for role in self.roles:
            places = self._places(role)
            tiles = [self._tile(place, low, high) if place in self.single else None for place in places]
            rows.append(Row(role, first, tiles,
                            (totals[role] / max(totals.values()), number(totals[role], 2)),
                            places[0][0] is None))
            first += len(places)
        return rows

    def _tile(self, place: tuple, low: float, high: float) -> Tile:
        shade = (log(max(self.values[place], 1e-12)) - low) / ((high - low) or 1)
        return Tile(shade, number(self.values[place], 2), self.raised.get(place, ""), self.said(place))

    def layers(self) -> list[str]:
        """What each layer sums up to."""
        return [number(self.value([row for (layer, _), row in self.single.items() if layer == i]), 2)
                for i in range(self.n_layer)]

    def finding(self) -> str:
        """The title: what hurts most, and how much more than the least."""
        most, least = self.order[0], self.order[-1]
        ratio = self.values[most] / max(self.values[least], 1e-12)
        unit = " per MB saved" if self.per == PER_BYTE else ""
        return f"{named(most)} in {self.qtype} hurts most{unit}: {_times(ratio)} times as much as {named(least)}"

    def said(self, place: tuple) -> str:
        """One tensor in one sentence."""
        unit = " per MB saved" if self.per == PER_BYTE else ""
        return f"{named(place)} alone in {self.qtype}: KLD {number(self.values[place], 3)}{unit}"

    def focus(self, place: tuple) -> Focus:
        """The chosen tensor in words."""
        layer, role = place
        row, rank = self.single[place], self.order.index(place) + 1
        whole = self.together.get(role)
        alone = sum(found["kld"] for (_, other), found in self.single.items() if other == role)
        more = "It stands outside the layers." if layer is None else ""
        if layer is None and "output" not in self.roles:
            more = "It stands outside the layers; in this model it also turns the last vectors into words."
        if layer is not None and whole:
            more = f"{role} in all layers at once: KLD {number(whole['kld'], 3)}; one at a time they add up to {number(alone, 3)}."
        lines = [self.said(place),
                 f"± {number(self.value([row | {'kld': row['kld_se']}]), 1)}; number {rank} of "
                 f"{len(self.order)}, "
                 f"the most harmful first. It saves {size(row['saved'])}.", more]
        if self.mix:
            lines.append(f"{self.mix} raises it to {self.raised[place]}." if place in self.raised
                         else f"{self.mix} does not raise it.")
        return Focus(self.roles.index(role), layer or 0, lines)

    def verdict(self) -> str:
        """Whether the tensors that a mix raises are those that hurt most."""
        chosen = [place for place in self.order if place in self.raised]
        if not chosen:
            return f"▲ nothing here is raised by {self.mix}." if self.mix else ""
        hit, n = sum(place in self.raised for place in self.order[: len(chosen)]), len(self.order)
        by_chance = len(chosen) ** 2 / n
        unit = " per MB saved" if self.per == PER_BYTE else ""
        return (
            f"▲ {self.mix} raises {len(chosen)} of {n} tensors: {hit} of the {len(chosen)} that hurt "
            f"most{unit}; "
            f"blind choice would hit {by_chance:.1f} on average.")

    def table(self) -> Table:
        """All tensors, the most harmful first."""
        head = ("tensor", f"KLD in {self.qtype}", "±", "bytes saved", "KLD per MB saved",
                f"raised by {self.mix}" if self.mix else "")
        rows = [(place, self.single[place]) for place in self.order]
        return (head,
                *((named(place), number(row["kld"], 3), number(row["kld_se"], 1), f"{row['saved']:,}",
                   number(row["kld"] / row["saved"] * 1e6, 3), self.raised.get(place, "")) for place,
                  row in rows))


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}"


def named(place: tuple) -> str:
    """A place in words: "ffn_down of layer 3", "token_embd"."""
    layer, role = place
    return role if layer is None else f"{role} of layer {layer}"
