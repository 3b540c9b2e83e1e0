"""Spend your bits: a budget, a slider for each role, the size at once and the KL divergence a moment later.

The measuring happens in a thread and begins when the hand rests; what was measured is remembered.  Lesson 05.
"""

import threading
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ..canvas.budget import BudgetMark, BudgetPart, draw_budget
from ..canvas.style import BITS_TONES, Picture, Table
from ..formats.table import FORMATS
from ..inference.chunks import held_out_text
from ..inference.compare import recorded_table
from ..inference.mixes import TYPES, MixBench, gap
from ..models.types import tensor_nbytes
from ..stage.base import Stage
from ..stage.handles import Button, menu, stops
from ..stage.share import recalled
from ..words import number, one_of, percent, size
from .map_sides import ORDER

MIX = "mix"             # a slider's first stop: what llama.cpp's mix gives to this role, layer by layer
STOPS = [("as in the mix", MIX), *((name, name) for name in TYPES[:-1]), ("F16: as it is", "F16")]
FAVOURED = ("attn_v", "ffn_down")
REST = 0.2              # seconds without a move before measuring
NOTE = ("“As in the mix” gives a role what llama.cpp's mix of this budget gives it, which may differ from "
        "layer to layer.")


# ---- facts

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

    def measure(self, budget: str, values: Mapping[str, str]) -> None:
        """Measure a mix, and the one to beat, too, so that both can be compared position by position."""
        for types, sliders in ((self.bench.mix(budget), {}), (self.types(budget, values), dict(values))):
            before = self.find(types)
            if before is None or before.klds is None:
                found = self.bench.measure(types)
                self.known[key(types)] = Try(self.bench.nbytes(types), found.mean_kld, found.kld_se,
                                             found.kld, {} if key(types) in self.named else sliders)

    def best(self, budget: str) -> Try | None:
        """The best try of yours within the budget."""
        mine = [found for found in self.known.values()
                if found.values and found.nbytes <= self.limit(budget)]
        return min(mine, key=lambda found: found.kld, default=None)

    # ---- words

    def hold(self, budget: str) -> str:
        """The best try and the mix to beat, on the next part of the text; in words."""
        best = self.best(budget)
        if best is None:
            return "nothing yet: first find a mix of your own within the budget"
        mine, theirs = (self.other().measure(types)
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

    def lines(self, budget: str, held: str) -> list[tuple[str, str]]:
        """Below the plane: what is to be beaten, your best, and whether it holds on other text."""
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
                *([("Does it hold?", f"On {held}")] if held else [])]

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


def key(types: Mapping[str, str]) -> tuple:
    """What tells one mix from another: its types by name."""
    return tuple(sorted(types.items()))


# ---- picture

def _picture(game: Game, budget: str, values: Mapping[str, str], verdict: str) -> Picture:
    return draw_budget(game.parts(budget, values), (budget, game.limit(budget)), game.marks(budget, values),
                       game.lines(budget, verdict), finding=game.finding(budget, values),
                       subtitle=game.subtitle(), table=game.table(budget, values))


# ---- handles

class BitBudget(Stage):
    """`game` knows the tries; a thread measures what the sliders show while that is not known.  verdict:
    whether the best mix holds on other text, or why nothing could be measured.
    """

    def __init__(self, game: Game, budget: str):
        self.game, self.lock, self.verdict = game, threading.RLock(), ""
        handles = [menu("budget", "budget", budget, game.bench.budgets(), width=230),
                   *(stops(role, role, game.alike(budget), STOPS) for role in game.roles)]
        buttons = [Button("mix", f"llama.cpp's {budget}", "Every role as in llama.cpp's mix",
                          lambda: self._all(MIX)),
                   Button("alike", "All alike", "The largest single type that fits, for all",
                          lambda: self._all(game.alike(self.budget))),
                   Button("favoured", "Everything into attn_v + ffn_down",
                          "The others at Q2_K, these two as high as fits",
                          lambda: self.set(**game.favoured(self.budget))),
                   Button("best", "My best", "Back to your best mix within the budget", self.back_to_best),
                   Button("hold", "Does it hold?", "Measure your best on text that you did not tune it on",
                          self.hold)]
        super().__init__(handles, _picture, buttons=buttons, note=NOTE, width=345, label_width=90)
        self.redraw()                           # what is not known yet is measured

    @property
    def budget(self) -> str:
        """The mix whose size is the limit."""
        return self.controls["budget"].value

    def now(self) -> tuple[str, dict[str, str]]:
        """The budget, and what the sliders say."""
        values: dict[str, Any] = self.values()
        return values.pop("budget"), values

    def facts(self, budget: str, **roles: str) -> dict:
        return dict(game=self.game, budget=budget, values=roles, verdict=self.verdict)

    def moved(self, change) -> None:
        if change.owner is self.controls["budget"]:
            self.verdict, self.buttons["mix"].description = "", f"llama.cpp's {change.new}"
        super().moved(change)

    def _all(self, value: str) -> None:
        self.set(**dict.fromkeys(self.game.roles, value))

    def back_to_best(self) -> None:
        """The sliders of your best mix within the budget; nothing happens while there is none."""
        best = self.game.best(self.budget)
        if best is not None:
            self.set(**best.values)

    def hold(self) -> None:
        """Measure your best and the mix to beat on the next part of the text."""
        try:
            self.verdict = self.game.hold(self.budget)
        except ValueError as error:
            self.verdict = str(error)
        self.redraw()
        self.say(self.verdict)

    # ---- measuring

    def redraw(self) -> None:
        """Draw at once, and measure in a thread what is not known yet; one drawing after the other, whoever
        asks for it.
        """
        with self.lock:
            super().redraw()
            if not self._held and self.thread is None and self._unknown():
                self.start(self._measure)

    def _unknown(self) -> bool:
        return self.game.find(self.game.types(*self.now())) is None

    def _measure(self) -> None:
        while True:
            seen, trouble = None, ""
            while seen != (seen := self.now()):
                time.sleep(REST)
            try:
                self.game.measure(*seen)
            except ValueError as error:             # predictions that are no numbers
                trouble = str(error)
            with self.lock:
                self.verdict = trouble or self.verdict
                if trouble or not self._unknown():
                    self.thread = None
                    super().redraw()
                    return

    def wait(self, seconds: float = 60) -> None:
        """Wait until nothing is being measured."""
        thread = self.thread
        if thread is not None:
            thread.join(seconds)


@recalled
def explore_bit_budget(model: str = "tiny", budget: str = "Q3_K_M", text: str | None = None) -> BitBudget:
    """A game: can you beat llama.cpp's mix with the same bytes? Give each role a type; the size and the KL
    divergence answer.

    model: "tiny", a GGUF path or a pulled F16 model of a family that runs here.  budget: the mix whose size
    is the limit.
    text: what to predict; without it Shakespeare's scenes that the tiny model never saw, 1,016 predicted
    tokens of them.
    Raises ValueError, in words, for a model that cannot be run and for a budget that it cannot have.
    """
    bench = MixBench(model, held_out_text() if text is None else text)
    recorded = recorded_table("budget") if model == "tiny" and text is None else None
    return BitBudget(Game(bench, recorded), one_of("budget", budget, bench.budgets()))
