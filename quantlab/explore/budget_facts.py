"""What "Spend your bits" knows: the mixes tried so far, those to beat, and what can be said of the one on the sliders."""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import numpy as np

from ..formats.table import FORMATS
from ..inference.mixes import TYPES, MixBench, gap
from ..models.types import tensor_nbytes
from ..views.budget import Mark, Part
from ..views.numbers import number, percent, size
from ..views.style import BITS_TONES

MIX = "mix"             # a slider's first stop: what llama.cpp's mix gives to this role, layer by layer
#: The roles as they come in a model; others after them.
ORDER = ("token_embd", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down", "output")
FAVOURED = ("attn_v", "ffn_down")


class Try(NamedTuple):
    """A mix that was measured: bytes, mean KLD with its standard error.

    klds: the KLD position by position; None for a recorded mark.  values: the sliders; None for a mark.
    """

    nbytes: int
    kld: float
    kld_se: float
    klds: np.ndarray | None = None
    values: Mapping[str, str] | None = None


class Game:
    """The tries of one session. bench: what measures.  recorded: the shipped table of marks, or None."""

    def __init__(self, bench: MixBench, recorded: Mapping | None):
        self.bench, self.recorded, self.known, self.other = bench, recorded, {}, None
        self.roles = sorted(bench.roles, key=lambda role: (ORDER.index(role) if role in ORDER else len(ORDER), role))
        self.limit, self.alike = cache(self._limit), cache(self._alike)
        self.whole = {MIX: {}} | {name: bench.alike(name) for name in TYPES}
        self.named = {key(self.whole[name]): (f"all {name}", "alike") for name in TYPES[:-1]}
        self.named |= {key(bench.mix(name)): (name, "mix") for name in bench.budgets()}
        for row in recorded["rows"] if recorded else ():
            types = bench.mix(row["name"]) if row["kind"] == "mix" else bench.alike(row["name"])
            self.known[key(types)] = Try(row["nbytes"], row["kld"], row["kld_se"])

    # ---- mixes

    def types(self, budget: str, values: Mapping[str, str]) -> dict[str, str]:
        """What each matrix gets when the sliders stand so (role -> a type, or MIX)."""
        whole = self.whole | {MIX: self.bench.mix(budget)}
        return {name: whole[values[role]][name] for role in self.roles for name in self.bench.roles[role]}

    def _limit(self, budget: str) -> int:
        """The budget in bytes: the size of llama.cpp's mix."""
        return self.bench.nbytes(self.bench.mix(budget))

    def _alike(self, budget: str) -> str:
        """The largest single type with which the file fits; the smallest where none does."""
        fitting = [name for name in TYPES if self.bench.nbytes(self.bench.alike(name)) <= self.limit(budget)]
        return fitting[-1] if fitting else TYPES[0]

    def favoured(self, budget: str) -> dict[str, str]:
        """Q2_K for all but attn_v and ffn_down, which get the largest type that fits."""
        choices = [dict.fromkeys(self.roles, "Q2_K") | {role: name for role in FAVOURED if role in self.roles} for name in TYPES]
        fitting = [values for values in choices if self.bench.nbytes(self.types(budget, values)) <= self.limit(budget)]
        return fitting[-1] if fitting else choices[0]

    # ---- measuring

    def find(self, types: Mapping[str, str]) -> Try | None:
        """The try of these types, if they were measured."""
        return self.known.get(key(types))

    def measure(self, budget: str, values: Mapping[str, str]) -> None:
        """Measure a mix, and the one to beat, too, so that both can be compared position by position."""
        for types, sliders in ((self.bench.mix(budget), None), (self.types(budget, values), dict(values))):
            before = self.find(types)
            if before is None or before.klds is None:
                found = self.bench.measure(types)
                mark = key(types) in self.named
                self.known[key(types)] = Try(self.bench.nbytes(types), found.mean_kld, found.kld_se, found.kld, None if mark else sliders)

    def best(self, budget: str) -> Try | None:
        """The best try of yours within the budget."""
        limit = self.limit(budget)
        return min((t for t in self.known.values() if t.values and t.nbytes <= limit), key=lambda t: t.kld, default=None)

    def hold(self, budget: str) -> str:
        """The best try and the mix to beat, on the next part of the text; in words."""
        best = self.best(budget)
        if best is None:
            return "nothing yet: first find a mix of your own within the budget"
        self.other = self.other or self.bench.elsewhere()
        mine, theirs = (self.other.measure(types) for types in (self.types(budget, best.values), self.bench.mix(budget)))
        difference = gap(mine.kld, theirs.kld)
        verdict = "a tie" if difference.is_tie else "yours is nearer" if difference.mean < 0 else f"{budget} is nearer"
        return f"the next {mine.n:,} tokens: KLD {number(mine.mean_kld, 3)} against {budget}'s {number(theirs.mean_kld, 3)}, {verdict}"

    # ---- words and shapes

    def parts(self, budget: str, values: Mapping[str, str]) -> list[Part]:
        """The bar's parts: what each role takes, and last what is never quantized."""
        types, parts = self.types(budget, values), []
        for role in self.roles:
            names = self.bench.roles[role]
            nbytes = sum(tensor_nbytes(self.bench.matrices[name], self.stored(name, types[name])) for name in names)
            bits = sorted({int(FORMATS[self.stored(name, types[name])].bpw) for name in names})
            digits = str(bits[0]) if len(bits) == 1 else f"{bits[0]}–{bits[-1]}"
            mean = sum(bits) / len(bits)
            tone = min((abs(tone - mean), tone) for tone in BITS_TONES)[1]
            kinds = " and ".join(dict.fromkeys(self.stored(name, types[name]) for name in names))
            parts.append(Part(role, nbytes, tone, f"{role.split('_')[-1] if not role.startswith('token') else 'embd'} {digits}",
                              f"{role}: {kinds}, {size(nbytes)}"))
        rest = self.bench.nbytes(types) - sum(part.nbytes for part in parts)
        return [*parts, Part("norms", rest, 32, "", f"norms: never quantized, {size(rest)}")]

    def stored(self, name: str, qtype: str) -> str:
        """The type in the file: "F16" on a slider leaves a tensor in its own."""
        return self.bench.own[name][0] if qtype == "F16" else qtype

    def marks(self, budget: str, values: Mapping[str, str]) -> list[Mark]:
        """Everything measured, as points; the present mix last, with its KLD or without."""
        named, types, best = self.named, self.types(budget, values), self.best(budget)
        marks = [Mark("", found.nbytes, found.kld, "tried") for at, found in self.known.items() if at not in named]
        marks += [Mark(words, self.known[at].nbytes, self.known[at].kld, kind) for at, (words, kind) in named.items() if at in self.known]
        if best is not None and best is not self.find(types):
            marks.append(Mark("your best", best.nbytes, best.kld, "best"))
        now = self.find(types)
        return [*marks, Mark("" if key(types) in named else "you", self.bench.nbytes(types), now.kld if now else None, "now")]

    def finding(self, budget: str, values: Mapping[str, str]) -> str:
        """The title: how the present mix stands to the budget and to the mix to beat."""
        types, limit = self.types(budget, values), self.limit(budget)
        nbytes, now, rival = self.bench.nbytes(types), self.find(types), self.find(self.bench.mix(budget))
        over, kld = nbytes - limit, f"KLD {number(now.kld, 3)}" if now else "measuring…"
        if over > 0:
            return f"{size(over)} over the budget of {budget}, so it does not count: {kld}"
        if now is None or rival is None:
            return f"{size(nbytes)} of {size(limit)} spent: measuring how far the predictions move…"
        if types == self.bench.mix(budget):
            return f"llama.cpp's {budget}: {kld} in {size(limit)}. Can you beat it with the same bytes?"
        theirs = f"{budget}'s {number(rival.kld, 3)}"
        if self.is_tie(now, rival):
            return f"A tie with {budget}: {kld} and {theirs} differ by no more than chance"
        if now.kld < rival.kld:
            spare = f", with {size(-over)} to spare" if over else ""
            return f"You beat {budget}: {kld} is {percent(1 - now.kld / rival.kld)} below {theirs}{spare}"
        more = f"{now.kld / rival.kld:.1f} times" if now.kld > 1.95 * rival.kld else f"{percent(now.kld / rival.kld - 1)} above"
        return f"{kld} is {more} {theirs}" + (f", and {size(-over)} are left to spend" if over else "")

    @staticmethod
    def is_tie(a: Try, b: Try) -> bool:
        """By the positions where both were measured here; by both standard errors where one was recorded."""
        if a.klds is not None and b.klds is not None:
            return gap(a.klds, b.klds).is_tie
        return abs(a.kld - b.kld) <= 2 * float(np.hypot(a.kld_se, b.kld_se))

    def lines(self, budget: str, held: str) -> list[tuple[str, str]]:
        """Below the plane: what is to be beaten, your best, and whether it holds on other text."""
        rival, best, name = self.find(self.bench.mix(budget)), self.best(budget), self.alike(budget)
        alike = self.find(self.bench.alike(name))
        told = "not measured yet"
        lines = [("To beat", f"{budget}: {_told(rival) if rival else told}.   All alike, {name}: {_told(alike) if alike else told}.")]
        if best is None:
            return [*lines, ("Your best", "none within the budget yet: move a slider")]
        chosen = {value: [role for role in self.roles if best.values[role] == value] for value in dict.fromkeys(best.values.values())}
        words = "; ".join(f"{f'as in {budget}' if value == MIX else value}: {', '.join(roles)}" for value, roles in chosen.items())
        return [*lines, ("Your best", f"{_told(best)}. {words}"), *([("Does it hold?", f"On {held}")] if held else [])]

    def table(self, budget: str, values: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
        """Each role with its types and bytes, then all marks."""
        rows = [(part.role, part.said.split(": ")[1].rsplit(", ", 1)[0], size(part.nbytes), "") for part in self.parts(budget, values)]
        marks = [(mark.name or {"tried": "a try", "now": "now"}[mark.kind], "", size(mark.nbytes),
                  "measuring…" if mark.kld is None else number(mark.kld, 3)) for mark in self.marks(budget, values)]
        return (("role or mix", "type", "bytes", "KLD"), *rows, *marks)


def key(types: Mapping[str, str]) -> tuple:
    """What tells one mix from another: its types by name."""
    return tuple(sorted(types.items()))


def _told(found: Try) -> str:
    return f"KLD {number(found.kld, 3)} ± {number(found.kld_se, 1)} in {size(found.nbytes)}"
