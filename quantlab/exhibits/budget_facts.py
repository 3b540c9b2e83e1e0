"""The facts of the bit budget: what was tried, what stands against what, and the words for it. Lesson 05."""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import numpy as np

from ..canvas.budget import BudgetMark, BudgetPart
from ..canvas.style import BITS_TONES, Table
from ..formats.table import FORMATS
from ..inference.mixes import TYPES, MixBench, gap
from ..models.types import tensor_nbytes
from ..words import number, percent, size
from .map_sides import ORDER

MIX = "mix"             # a slider's first stop: what llama.cpp's mix gives to this role, layer by layer
FAVOURED = ("attn_v", "ffn_down")


class Try(NamedTuple):
    """A mix that was measured: bytes, mean KLD with its standard error.

    klds: the KLD position by position; None for a recorded mark.  values: the sliders; none for a mark.
    """

    nbytes: int
    kld: float
    kld_se: float
    klds: np.ndarray | None = None
    values: Mapping[str, str] = {}

    def __str__(self) -> str:
        return f"KLD {number(self.kld, 3)} ± {number(self.kld_se, 1)} in {size(self.nbytes)}"

    def ties(self, other: "Try") -> bool:
        """By the positions where both were measured here; by both standard errors where one was recorded."""
        if self.klds is not None and other.klds is not None:
            return gap(self.klds, other.klds).is_tie
        return abs(self.kld - other.kld) <= 2 * float(np.hypot(self.kld_se, other.kld_se))


class Game:
    """The tries of one session, and what can be said of them. bench: what measures.  recorded: the shipped
    table of marks, or None.  values: what the sliders say, role -> a type or MIX.
    """

    def __init__(self, bench: MixBench, recorded: Mapping | None):
        self.bench, self.recorded = bench, recorded
        self.known: dict[tuple, Try] = {}
        self.roles = sorted(bench.roles, key=lambda role: (ORDER.index(role) if role in ORDER
                                                           else len(ORDER), role))
        self.limit, self.alike, self.other = cache(self._limit), cache(self._alike), cache(bench.elsewhere)
        self.whole = {name: bench.alike(name) for name in TYPES}
        self.named = {key(self.whole[name]): (f"all {name}", "alike") for name in TYPES[:-1]}
        self.named |= {key(bench.mix(name)): (name, "mix") for name in bench.budgets()}
        for row in recorded["rows"] if recorded else ():
            types = bench.mix(row["name"]) if row["kind"] == "mix" else bench.alike(row["name"])
            self.known[key(types)] = Try(row["nbytes"], row["kld"], row["kld_se"])

    def types(self, budget: str, values: Mapping[str, str]) -> dict[str, str]:
        """What each matrix gets when the sliders stand so."""
        whole = self.whole | {MIX: self.bench.mix(budget)}
        return {name: whole[values[role]][name] for role in self.roles for name in self.bench.roles[role]}

    def _limit(self, budget: str) -> int:
        """The budget in bytes: the size of llama.cpp's mix."""
        return self.bench.nbytes(self.bench.mix(budget))

    def _alike(self, budget: str) -> str:
        """The largest single type with which the file fits; the smallest where none does."""
        fitting = [name for name in TYPES if self.bench.nbytes(self.whole[name]) <= self.limit(budget)]
        return fitting[-1] if fitting else TYPES[0]

    def favoured(self, budget: str) -> dict[str, str]:
        """Q2_K for all but attn_v and ffn_down, which get the largest type that fits."""
        choices = [{role: name if role in FAVOURED else "Q2_K" for role in self.roles} for name in TYPES]
        fitting = [values for values in choices
                   if self.bench.nbytes(self.types(budget, values)) <= self.limit(budget)]
        return fitting[-1] if fitting else choices[0]

    def find(self, types: Mapping[str, str]) -> Try | None:
        """The try of these types, if they were measured."""
        return self.known.get(key(types))

    def measure(self, budget: str, values: Mapping[str, str], **watch) -> None:
        """Measure a mix, and the one to beat, too, so that both can be compared position by position.

        watch: progress and cancel, as `MixBench.measure` takes them.
        """
        for types, sliders in ((self.bench.mix(budget), {}), (self.types(budget, values), dict(values))):
            before = self.find(types)
            if before is None or before.klds is None:
                found = self.bench.measure(types, **watch)
                self.known[key(types)] = Try(self.bench.nbytes(types), found.mean_kld, found.kld_se,
                                             found.kld, {} if key(types) in self.named else sliders)

    def best(self, budget: str) -> Try | None:
        """The best try of yours within the budget."""
        mine = [found for found in self.known.values()
                if found.values and found.nbytes <= self.limit(budget)]
        return min(mine, key=lambda found: found.kld, default=None)

    # ---- words

    def hold(self, budget: str, **watch) -> str:
        """The best try and the mix to beat, on the next part of the text; in words.  watch: as in `measure`.
        """
        best = self.best(budget)
        if best is None:
            return "nothing yet: first find a mix of your own within the budget"
        mine, theirs = (self.other().measure(types, **watch)
                        for types in (self.types(budget, best.values), self.bench.mix(budget)))
        difference = gap(mine.kld, theirs.kld)
        verdict = f"{'yours' if difference.mean < 0 else budget} is nearer"
        return (f"the next {mine.n:,} tokens: KLD {number(mine.mean_kld, 3)} against {budget}'s "
                f"{number(theirs.mean_kld, 3)}, {'a tie' if difference.is_tie else verdict}")

    def parts(self, budget: str, values: Mapping[str, str]) -> list[BudgetPart]:
        """The bar's parts: what each role takes, and last what is never quantized."""
        types, parts = self.types(budget, values), []
        for role in self.roles:
            # "F16" on a slider leaves a tensor in the type of the file
            stored = {name: self.bench.own[name][0] if types[name] == "F16" else types[name]
                      for name in self.bench.roles[role]}
            nbytes = sum(tensor_nbytes(self.bench.matrices[name], qtype) for name, qtype in stored.items())
            bits = sorted({int(FORMATS[qtype].bpw) for qtype in stored.values()})
            digits = str(bits[0]) if len(bits) == 1 else f"{bits[0]}–{bits[-1]}"
            mean = sum(bits) / len(bits)
            tone = min((abs(tone - mean), tone) for tone in BITS_TONES)[1]
            parts.append(BudgetPart(role, nbytes, tone, f"{role.split('_')[-1]} {digits}",
                                    " and ".join(dict.fromkeys(stored.values()))))
        rest = self.bench.nbytes(types) - sum(part.nbytes for part in parts)
        return [*parts, BudgetPart("norms", rest, 32, "", "never quantized")]

    def marks(self, budget: str, values: Mapping[str, str]) -> list[BudgetMark]:
        """Everything measured, as points; the present mix last, with its KLD or without."""
        types, best = self.types(budget, values), self.best(budget)
        marks = [BudgetMark("", found.nbytes, found.kld, "tried") for at, found in self.known.items()
                 if at not in self.named]
        marks += [BudgetMark(words, self.known[at].nbytes, self.known[at].kld, kind)
                  for at, (words, kind) in self.named.items() if at in self.known]
        now = self.find(types)
        if best is not None and best is not now:
            marks.append(BudgetMark("your best", best.nbytes, best.kld, "best"))
        name = "" if key(types) in self.named else "you"
        return [*marks, BudgetMark(name, self.bench.nbytes(types), now.kld if now else None, "now")]

    def finding(self, budget: str, values: Mapping[str, str]) -> str:
        """The title: how the present mix stands to the budget and to the mix to beat."""
        types, mix, limit = self.types(budget, values), self.bench.mix(budget), self.limit(budget)
        nbytes, now, rival = self.bench.nbytes(types), self.find(types), self.find(mix)
        kld, spare = f"KLD {number(now.kld, 3)}" if now else "measuring…", size(abs(nbytes - limit))
        if nbytes > limit:
            return f"{spare} over the budget of {budget}, so it does not count: {kld}"
        if now is None or rival is None:
            return f"{size(nbytes)} of {size(limit)} spent: measuring how far the predictions move…"
        if types == mix:
            return f"llama.cpp's {budget}: {kld} in {size(limit)}. Can you beat it with the same bytes?"
        theirs, ratio = f"{budget}'s {number(rival.kld, 3)}", now.kld / rival.kld
        if now.ties(rival):
            return f"A tie with {budget}: {kld} and {theirs} differ by no more than chance"
        if ratio < 1:
            left = f", with {spare} to spare" if nbytes < limit else ""
            return f"You beat {budget}: {kld} is {percent(1 - ratio)} below {theirs}{left}"
        more = f"{ratio:.1f} times" if ratio > 1.95 else f"{percent(ratio - 1)} above"
        return f"{kld} is {more} {theirs}" + (f", and {spare} are left to spend" if nbytes < limit else "")

    def numbers(self, budget: str, values: Mapping[str, str]) -> dict[str, float]:
        """What targets are measured by: bytes, those that are left of the budget, and once it is measured the
        KLD, and as a share of the KLD of the mix to beat.
        """
        types = self.types(budget, values)
        nbytes, now, rival = self.bench.nbytes(types), self.find(types), self.find(self.bench.mix(budget))
        told = {"nbytes": nbytes, "left": self.limit(budget) - nbytes}
        return told | ({"kld": now.kld, "share": now.kld / rival.kld} if now and rival else {})

    def lines(self, budget: str, last: tuple[str, str]) -> list[tuple[str, str]]:
        """Below the plane: what is to be beaten, your best, and what the last press came to."""
        best, name = self.best(budget), self.alike(budget)
        rival, alike = (self.find(types) or "not measured yet"
                        for types in (self.bench.mix(budget), self.bench.alike(name)))
        lines = [("To beat", f"{budget}: {rival}.   All alike, {name}: {alike}.")]
        if best is None:
            return [*lines, ("Your best", "none within the budget yet: move a slider")]
        words = []
        for value in dict.fromkeys(best.values.values()):
            roles = ", ".join(role for role in self.roles if best.values[role] == value)
            words.append(f"{f'as in {budget}' if value == MIX else value}: {roles}")
        return [*lines, ("Your best", f"{best}. {'; '.join(words)}"),
                *([(last[0], _begun(last[1]))] if last[1] else [])]

    def subtitle(self) -> str:
        recorded, unseen = "every mark measured here", ""
        if self.recorded:
            recorded = f"grey and blue marks recorded {self.recorded['date']}"
            unseen = " of text that it never saw"
        return f"{self.bench.name}: {self.bench.n_predicted:,} predicted tokens{unseen}; {recorded}"

    def table(self, budget: str, values: Mapping[str, str]) -> Table:
        """Each role with its types and bytes, then all marks."""
        rows = [(part.role, part.types, size(part.nbytes), "") for part in self.parts(budget, values)]
        rows += [(mark.name or {"tried": "a try", "now": "now"}[mark.kind], "", size(mark.nbytes),
                  "measuring…" if mark.kld is None else number(mark.kld, 3))
                 for mark in self.marks(budget, values)]
        return (("role or mix", "type", "bytes", "KLD"), *rows)


def _begun(words: str) -> str:
    """What the last press came to, as a line begins."""
    return f"On {words}" if words.startswith("the next") else words[:1].upper() + words[1:]


def key(types: Mapping[str, str]) -> tuple:
    """What tells one mix from another: its types by name."""
    return tuple(sorted(types.items()))
