"""Spend your bits: the roles of a mix as a bar against a budget, and where the mix stands between those to
beat.

What "Spend your bits" knows: the mixes tried so far, those to beat, and what can be said of the one on the
sliders.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from textwrap import wrap
from typing import NamedTuple

import numpy as np

from ..canvas.plane import Axis, Label, along, beside, frame, spread
from ..canvas.style import (
    BITS_TONES,
    BLUE,
    GREEN,
    GREY,
    INK,
    MUTE,
    PAPER,
    SOFT,
    VERMILION,
    WIDTH,
    Picture,
    Table,
    ink_on,
)
from ..canvas.svg import circle, hatching, line, page, polyline, rect, text
from ..formats.table import FORMATS
from ..inference.mixes import TYPES, MixBench, gap
from ..models.types import tensor_nbytes
from ..words import number, percent, size

LEFT, RIGHT = 16, WIDTH - 16
BAR_TOP, BAR = 92, 38
PLOT_LEFT, PLOT_TOP, PLOT_BOTTOM = 76, 204, 436


class Part(NamedTuple):
    """The matrices of one role: bytes, nominal bits (the tone), what stands on it ("v 4") and the whole in
    words.
    """

    role: str
    nbytes: float
    bits: int
    words: str
    said: str


class Mark(NamedTuple):
    """A mix in the plane. kind: "alike" (all matrices in one type), "mix" (llama.cpp's), "tried" (yours,
    earlier), "best", "now".

    kld: None while it is being measured.
    """

    name: str
    nbytes: float
    kld: float | None
    kind: str


def draw_budget(parts: Sequence[Part], budget: tuple[str, float], marks: Sequence[Mark],
                lines: Sequence[tuple[str, str]], *, finding: str, subtitle: str,
                table: Table = ()) -> Picture:
    """A bar of all roles against the budget (name, bytes), the plane of bytes and KLD, and lines of (head,
    words) below.
    """
    body = [hatching(), *_bar(parts, budget), *_plane(marks, budget)]
    y = PLOT_BOTTOM + 60
    for head, words in lines:
        body.append(text(LEFT, y, head, size=12, bold=True))
        for part in wrap(words, 88):
            body.append(text(LEFT + 110, y, part, size=12))
            y += 19
    return page(y, body, finding=finding, subtitle=subtitle, table=table)


def _bar(parts: Sequence[Part], budget: tuple[str, float]) -> list[str]:
    name, limit = budget
    total = sum(part.nbytes for part in parts)
    scale = (RIGHT - LEFT) / max(total, 1.15 * limit)
    edge, x, shapes = LEFT + limit * scale, LEFT, []
    for part in parts:
        tone, width = BITS_TONES[part.bits], part.nbytes * scale
        shapes.append(rect(x, BAR_TOP, width - 1, BAR, tone, radius=0, title=part.said))
        fits = [words for words in (part.words, part.words.split(" ")[-1]) if words
                and 6.6 * len(words) + 4 < width]
        if fits:
            shapes.append(text(x + width / 2, BAR_TOP + BAR / 2 + 4, fits[0], size=11, anchor="middle",
                               fill=ink_on(tone)))
        x += width
    words = f"budget: {name}, {size(limit)}"
    shapes += [rect(edge, BAR_TOP, x - edge, BAR, "url(#over)", radius=0, opacity=0.85, title="too much"),
               rect(LEFT - 3, BAR_TOP - 4, edge - LEFT + 3, BAR + 8, "none", stroke=INK, stroke_width=2,
                    radius=4), text(edge, BAR_TOP - 10, words, size=12, bold=True, anchor="end")]
    over = total - limit
    said = f"{size(over)} too much" if over > 0 else f"{size(-over)} to spend" if over else "spent to the last byte"
    ink = VERMILION if over > 0 else INK
    return [*shapes, *_groups(parts, scale), text(RIGHT, BAR_TOP + BAR + 24, said, size=12, bold=True,
                                                  fill=ink, anchor="end")]


def _groups(parts: Sequence[Part], scale: float) -> list[str]:
    """Below the bar: the first half of the roles' names, which neighbours share ("attn_")."""
    shapes, x, y, last = [], LEFT, BAR_TOP + BAR + 9, ""
    ends: dict[str, tuple[float, float]] = {}
    for part in parts:
        width = part.nbytes * scale
        group = part.role.split("_")[0] + "_" if "_" in part.role and not part.role.startswith(
            "token") else part.role
        start = ends[group][0] if group in ends and group == last else x
        ends[group], last, x = (start, x + width), group, x + width
    for group, (start, end) in ends.items():
        if end - start > 6.2 * len(group) and group != "norms":
            shapes += [line(start + 1, y, end - 3, y, stroke=GREY),
                       text((start + end) / 2 - 1, y + 14, group, size=11, fill=MUTE, anchor="middle")]
    return shapes


def _plane(marks: Sequence[Mark], budget: tuple[str, float]) -> list[str]:
    """Bytes across, KLD down; what lies right of the budget's line is shaded."""
    name, limit = budget
    low, high = 0.6 * limit, 1.5 * limit
    near = [mark for mark in marks if low <= mark.nbytes <= high]
    known = [mark.kld for mark in near if mark.kld] or [0.001, 0.1]
    x = Axis(low / 1e6, high / 1e6, PLOT_LEFT, RIGHT)
    y = Axis(*spread(known, log=True, room=0.12), PLOT_BOTTOM, PLOT_TOP, log=True)
    edge = x(limit / 1e6)
    body = [rect(edge, PLOT_TOP, RIGHT - edge, PLOT_BOTTOM - PLOT_TOP, SOFT, radius=0),
            *frame(x, y, "size of the file, MB",
                   "KL divergence (log scale): lower is nearer to the unquantized model"),
            line(edge, PLOT_TOP - 4, edge, PLOT_BOTTOM, stroke=INK, width=2),
            text(edge + 6, PLOT_BOTTOM - 8, "over the budget", size=11, fill=MUTE)]
    keep_clear = [(x(mark.nbytes / 1e6), y(mark.kld)) for mark in near if mark.kld]
    for kind, colour in (("alike", GREY), ("mix", BLUE)):
        path = [(x(m.nbytes / 1e6), y(m.kld)) for m in sorted(near, key=lambda m: m.nbytes) if m.kind == kind
                and m.kld]
        keep_clear += along(path)
        body.append(polyline(path, stroke=colour, width=1))
    order = sorted(near, key=lambda m: ("now", "best", "mix", "alike", "tried").index(m.kind))
    body += [shape for mark in reversed(order) for shape in _mark(mark, x, y)]
    labels = [Label(mark.name, x(mark.nbytes / 1e6), y(mark.kld), 8 if mark.kind == "now" else 6,
                    bold=mark.kind in ("now", "best") or mark.name == name, fill=MUTE if mark.kind == "alike"
                    else INK) for mark in order if mark.kld and mark.kind != "tried"]
    return body + beside(labels, keep_clear, top=PLOT_TOP, bottom=PLOT_BOTTOM)


def _mark(mark: Mark, x: Axis, y: Axis) -> list[str]:
    at = x(mark.nbytes / 1e6)
    if mark.kld is None:
        return [line(at, PLOT_TOP, at, PLOT_BOTTOM, stroke=INK, dash="4 4"),
                text(at - 6, PLOT_TOP + 14, "measuring…", size=12, bold=True, anchor="end")]
    height = y(mark.kld) if mark.kld else PLOT_BOTTOM
    if mark.kind == "mix":
        return [rect(at - 5, height - 5, 10, 10, BLUE, radius=0)]
    if mark.kind == "now":
        return [circle(at, height, 8, INK), circle(at, height, 3.5, PAPER)]
    return [circle(at, height, {"alike": 4.5, "tried": 2.5, "best": 6}[mark.kind],
                   {"alike": SOFT, "tried": GREY, "best": GREEN}[mark.kind], stroke=GREY
                   if mark.kind == "alike" else "none")]


MIX = "mix"             # a slider's first stop: what llama.cpp's mix gives to this role, layer by layer
#: The roles as they come in a model; others after them.
ORDER = ("token_embd", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down",
         "output")
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
        self.roles = sorted(bench.roles, key=lambda role: (ORDER.index(role) if role in ORDER
                                                           else len(ORDER), role))
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
        choices = [dict.fromkeys(self.roles, "Q2_K") | {role: name for role in FAVOURED if role in self.roles}
                   for name in TYPES]
        fitting = [values for values in choices
                   if self.bench.nbytes(self.types(budget, values)) <= self.limit(budget)]
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
                self.known[key(types)] = Try(self.bench.nbytes(types), found.mean_kld, found.kld_se,
                                             found.kld, None if mark else sliders)

    def best(self, budget: str) -> Try | None:
        """The best try of yours within the budget."""
        limit = self.limit(budget)
        return min((t for t in self.known.values() if t.values and t.nbytes <= limit), key=lambda t: t.kld,
                   default=None)

    def hold(self, budget: str) -> str:
        """The best try and the mix to beat, on the next part of the text; in words."""
        best = self.best(budget)
        if best is None:
            return "nothing yet: first find a mix of your own within the budget"
        self.other = self.other or self.bench.elsewhere()
        mine, theirs = (self.other.measure(types)
                        for types in (self.types(budget, best.values), self.bench.mix(budget)))
        difference = gap(mine.kld, theirs.kld)
        verdict = "a tie" if difference.is_tie else "yours is nearer" if difference.mean < 0 else f"{budget} is nearer"
        return f"the next {mine.n:,} tokens: KLD {number(mine.mean_kld, 3)} against {budget}'s {number(theirs.mean_kld, 3)}, {verdict}"

    # ---- words and shapes

    def parts(self, budget: str, values: Mapping[str, str]) -> list[Part]:
        """The bar's parts: what each role takes, and last what is never quantized."""
        types, parts = self.types(budget, values), []
        for role in self.roles:
            names = self.bench.roles[role]
            nbytes = sum(tensor_nbytes(self.bench.matrices[name], self.stored(name, types[name]))
                         for name in names)
            bits = sorted({int(FORMATS[self.stored(name, types[name])].bpw) for name in names})
            digits = str(bits[0]) if len(bits) == 1 else f"{bits[0]}–{bits[-1]}"
            mean = sum(bits) / len(bits)
            tone = min((abs(tone - mean), tone) for tone in BITS_TONES)[1]
            kinds = " and ".join(dict.fromkeys(self.stored(name, types[name]) for name in names))
            parts.append(Part(role, nbytes, tone,
                              f"{role.split('_')[-1] if not role.startswith('token') else 'embd'} {digits}",
                              f"{role}: {kinds}, {size(nbytes)}"))
        rest = self.bench.nbytes(types) - sum(part.nbytes for part in parts)
        return [*parts, Part("norms", rest, 32, "", f"norms: never quantized, {size(rest)}")]

    def stored(self, name: str, qtype: str) -> str:
        """The type in the file: "F16" on a slider leaves a tensor in its own."""
        return self.bench.own[name][0] if qtype == "F16" else qtype

    def marks(self, budget: str, values: Mapping[str, str]) -> list[Mark]:
        """Everything measured, as points; the present mix last, with its KLD or without."""
        named, types, best = self.named, self.types(budget, values), self.best(budget)
        marks = [Mark("", found.nbytes, found.kld, "tried") for at, found in self.known.items()
                 if at not in named]
        marks += [Mark(words, self.known[at].nbytes, self.known[at].kld, kind) for at,
                  (words, kind) in named.items() if at in self.known]
        if best is not None and best is not self.find(types):
            marks.append(Mark("your best", best.nbytes, best.kld, "best"))
        now = self.find(types)
        return [*marks, Mark("" if key(types) in named else "you", self.bench.nbytes(types), now.kld if now
                             else None, "now")]

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
        lines = [("To beat",
                  f"{budget}: {_told(rival) if rival else told}.   All alike, {name}: "
                  f"{_told(alike) if alike else told}.")]
        if best is None:
            return [*lines, ("Your best", "none within the budget yet: move a slider")]
        chosen = {value: [role for role in self.roles if best.values[role] == value]
                  for value in dict.fromkeys(best.values.values())}
        words = "; ".join(f"{f'as in {budget}' if value == MIX else value}: {', '.join(roles)}"
                          for value, roles in chosen.items())
        return [*lines, ("Your best", f"{_told(best)}. {words}"),
                *([("Does it hold?", f"On {held}")] if held else [])]

    def table(self, budget: str, values: Mapping[str, str]) -> Table:
        """Each role with its types and bytes, then all marks."""
        rows = [(part.role, part.said.split(": ")[1].rsplit(", ", 1)[0], size(part.nbytes), "")
                for part in self.parts(budget, values)]
        marks = [(mark.name or {"tried": "a try", "now": "now"}[mark.kind], "", size(mark.nbytes),
                  "measuring…" if mark.kld is None else number(mark.kld, 3))
                 for mark in self.marks(budget, values)]
        return (("role or mix", "type", "bytes", "KLD"), *rows, *marks)


def key(types: Mapping[str, str]) -> tuple:
    """What tells one mix from another: its types by name."""
    return tuple(sorted(types.items()))


def _told(found: Try) -> str:
    return f"KLD {number(found.kld, 3)} ± {number(found.kld_se, 1)} in {size(found.nbytes)}"
