"""Size against quality: every type of a model as a point, from the recorded table or measured here; and the
same plot of a table of your own.

    ql.explore_quality()
    ql.plot_quality(ql.compare_quality("tiny", ["Q8_0", "Q4_K_M", "Q2_K"]))

Lessons: 04, 08, 09.
"""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from math import exp, hypot
from typing import NamedTuple

from ..canvas.style import Picture, Table
from ..canvas.trade import Point, Scale, draw_pareto
from ..formats.table import FORMATS
from ..inference.compare import compare_quality
from ..models.recipe_rules import PROGRAMS
from ..stage.base import Stage
from ..stage.exhibit import Exhibit, show
from ..stage.handles import menu
from ..stage.share import recalled
from ..words import bits, number, percent, size, told
from .measuring import PLAIN, MeasuredLab, not_measured, nothing_measured, open_or_refuse, plain_rows

USUAL = "Q4_K_M"
#: Not quantized; for experts only.
LEFT_OUT = (*PLAIN, "MXFP4_MOE")
#: Of use with an importance matrix only.
WEIGHTED = ("IQ1", "IQ2", "IQ3", "Q2_K_S")
#: For models that were trained for two to four values; other models lose everything in them. They stand in
#: the table only: as points they would press all other points together.
TRAINED_FOR = ("TQ1_0", "TQ2_0", "Q1_0", "Q2_0")
CHANCE = 2               # standard errors
NEAR = 0.05             # nats: below it a model without passages to recite counts as good as the original


class Measure(NamedTuple):
    """A way to say how good a row is.

    words: in the menu; short: in a sentence; axis: at the upright axis.  value: its number; told: that in
    words.  better: +1 where more is better.  se: the standard error of a row's number; 0 where none is known.
    """

    words: str
    short: str
    axis: str
    value: Callable[[Mapping], float]
    told: Callable[[float], str]
    better: int
    se: Callable[[Mapping], float] = lambda row: 0.0
    log: bool = False


MEASURES = {
    "kld": Measure("KL divergence", "KLD",
                   "KL divergence (log scale): lower is nearer to the unquantized model",
                   lambda row: row["kld"], lambda v: number(v, 3), -1, lambda row: row["kld_se"], log=True),
    "ppl": Measure("perplexity increase", "perplexity",
                   "perplexity, increase in % (log scale): lower is better",
                   lambda row: 100 * (exp(row["ln_ratio"]) - 1), lambda v: f"{v:+.2g} %".replace("-", "−"),
                   -1, lambda row: 100 * exp(row["ln_ratio"]) * row["ln_ratio_se"], log=True),
    "top1": Measure("same top token", "same top token at",
                    "tokens at which both would say the same, %: higher is better",
                    lambda row: 100 * row["top1"], lambda v: f"{v:.3g} %", 1),
    "recited": Measure("passages recited", "passages recited:",
                       "passages recited without a mistake: higher is better",
                       lambda row: row["recited"], lambda v: f"{v:.0f}", 1),
}
#: Unit -> the axis, a row's size, and that in words.
SIZES = {"bpw": ("bits per weight", lambda row: row["bpw"], lambda v: f"{bits(v)} bits"),
         "MB": ("size of the file, MB", lambda row: row["nbytes"] / 1e6, lambda v: size(1e6 * v))}
#: Whether every matrix has the one type -> the words in the menu.
TYPES_OF = {False: "llama.cpp's files", True: "one type for every matrix"}


# ---- facts and words

class QualityFacts:
    """The rows of one model, in the order of size.

    rows: dicts as the columns of `compare_quality`; "pure" in a row says whether every matrix has the type.
    """

    def __init__(self, rows: Sequence[Mapping], pure: bool = False):
        self.pure = pure
        mine = [row for row in rows if row.get("pure", pure) == pure and row["ftype"] not in PLAIN]
        mine.sort(key=lambda row: (row["nbytes"], row["ftype"]))
        self.rows = [row for row in mine if row["ftype"] not in TRAINED_FOR] or mine
        self.names = [row["ftype"] for row in self.rows]
        self.far = [row for row in mine if row not in self.rows]
        self.own = [row for row in rows if row["ftype"] == "F16"][:1]

    def measures(self) -> list[str]:
        """The measures that these rows have: only the tiny model recites."""
        columns = {key: "ln_ratio" if key == "ppl" else key for key in MEASURES}
        return [key for key in MEASURES if all(row.get(columns[key]) is not None for row in self.rows)]

    def is_noise(self, row: Mapping, key: str) -> bool:
        """Perplexity can rise by less than chance, or fall; a divergence is 0 only where nothing has changed.
        """
        if key == "kld":
            return row["kld"] == 0
        return key == "ppl" and MEASURES[key].value(row) < CHANCE * MEASURES[key].se(row)

    def level(self, row: Mapping, key: str) -> float:
        """The row's number, larger is better; what is within the noise counts as no change."""
        return 0.0 if self.is_noise(row, key) else MEASURES[key].better * MEASURES[key].value(row)

    def beaten_by(self, row: Mapping, key: str) -> Mapping | None:
        """The best row that is as small and as good, and better in one of the two."""
        level = self.level(row, key)
        ahead = [other for other in self.rows if other["nbytes"] <= row["nbytes"]
                 and self.level(other, key) >= level
                 and (other["nbytes"], self.level(other, key)) != (row["nbytes"], level)]
        return max(ahead, key=lambda other: (self.level(other, key), -other["nbytes"]), default=None)

    def points(self, key: str, unit: str) -> list[Point]:
        """All rows as points."""
        return [Point(row["ftype"], SIZES[unit][1](row), MEASURES[key].value(row),
                      _family(row["ftype"], self.pure), self.said(row, key, unit),
                      self.beaten_by(row, key) is not None, self.is_noise(row, key)) for row in self.rows]

    def said(self, row: Mapping, key: str, unit: str) -> str:
        """One sentence on one type: the mouse's tip, and what a screen reader says."""
        measure, chance = MEASURES[key], " (chance)" if self.is_noise(row, key) else ""
        return (f"{row['ftype']}: {measure.short} {measure.told(measure.value(row))}{chance}, "
                f"{_size(row, unit)}")

    def finding(self, name: str, key: str, unit: str) -> str:
        """The title: this type, and what beats it."""
        row = self.rows[self.names.index(name)]
        said, better = self.said(row, key, unit), self.beaten_by(row, key)
        if better is None:
            return f"{said}; nothing as small does better"
        fewer = _size(better, unit) if better["nbytes"] < row["nbytes"] else "as many bytes"
        measure = MEASURES[key]
        apart = abs(measure.value(row) - measure.value(better))
        close = (self.level(row, key) == self.level(better, key)
                 or apart <= CHANCE * hypot(measure.se(row), measure.se(better)))
        return f"{said}; {better['ftype']} does {'as well' if close else 'better'} with {fewer}"

    def lines(self, name: str) -> list[str]:
        """All numbers of one type."""
        row, ppl, rise = self.rows[self.names.index(name)], MEASURES["ppl"], ""
        if row["ln_ratio"] is not None:
            rise = f", {ppl.told(ppl.value(row))} ± {ppl.se(row):.2g} % against the unquantized model's"
        lines = [f"{name}{' for every matrix' * self.pure}: {size(row['nbytes'])}, {bits(row['bpw'])} bits "
                 f"per weight{', with an importance matrix' * bool(row.get('imatrix'))}",
                 f"KL divergence {number(row['kld'], 3)} ± {number(row['kld_se'], 1)} on average; 99 % of "
                 f"the tokens are below {number(row['kld99'], 3)}",
                 f"Perplexity {number(row['ppl'], 4)}{rise}",
                 f"At {percent(row['top1'])} of the tokens it would say what the unquantized model says"]
        if row.get("recited") is not None:
            lines.append(f"{row['recited']} of {row['passages']} passages recited that it learned by heart; "
                         f"{row['controls']} of those that it did not learn")
        return lines

    def table(self) -> Table:
        """All rows and all their numbers."""
        head, ppl = ("type", "bytes", "bits per weight", "KLD", "99 % below", "perplexity", "change, %",
                     "same top token", "recited"), MEASURES["ppl"]
        return (head,
                *((row["ftype"], f"{row['nbytes']:,}", bits(row["bpw"]),
                   f"{number(row['kld'], 3)} ± {number(row['kld_se'], 1)}", number(row["kld99"], 3),
                   number(row["ppl"], 4), f"{ppl.value(row):+.2f} ± {ppl.se(row):.2f}", percent(row["top1"]),
                   "" if row.get("recited") is None else f"{row['recited']} of {row['passages']}")
                  for row in [*self.far, *self.rows, *self.own]))


def good_enough(facts: QualityFacts) -> str:
    """What a learner should see: the smallest type that is nearly as good, and what the next smaller one
    costs.
    """
    best = [row for row in reversed(facts.rows) if facts.beaten_by(row, "kld") is None]
    most = all(row["recited"] is not None for row in best) and max(row["recited"] for row in best)
    good = [row for row in best if (row["recited"] == most if most else row["kld"] < NEAR)]
    small = good[-1] if good else best[-1]
    said, same = f"{small['ftype']} ({size(small['nbytes'])})", percent(round(small["top1"], 3))
    if small is best[-1]:
        return f"{said} says the same token as the original in {same} of all places"
    smaller = best[best.index(small) + 1]
    if most:
        return (f"{said} recites {small['recited']} of {small['passages']} passages, {smaller['ftype']} "
                f"{smaller['recited']}")
    return (f"{said} says the same token in {same} of all places, {smaller['ftype']} in "
            f"{percent(round(smaller['top1'], 3))}")


def wanted(pure: bool, weighted: bool = False) -> list[str]:
    """What is measured without an importance matrix, those first that people use most; `weighted`: what is of
    use with one only.
    """
    names = [name for name in (FORMATS if pure else PROGRAMS["llama.cpp"].usual) if name not in LEFT_OUT
             and name.startswith(WEIGHTED) == weighted]
    first = [name for name in ("Q4_K_M", "Q4_K", "Q8_0", "Q2_K", "Q6_K", "Q3_K_M", "Q3_K") if name in names]
    return [*first, *(name for name in names if name not in first)]


def _family(name: str, pure: bool) -> str:
    """The family whose members are linked: K-quants, IQ4, the classic ones by their _0 and _1, ternary."""
    if "_K" in name:
        return "K"
    if name.startswith("IQ"):
        return name[:3]
    return name[-2:] if name[:1] == "Q" else name[:2] if name.startswith("TQ") else ""


def _size(row: Mapping, unit: str) -> str:
    _, value, words = SIZES[unit]
    return words(value(row))


# ---- pictures

def draw_quality(rows: Sequence[Mapping], where: str, model: str, pure: bool, key: str, unit: str,
                 focus: str) -> Picture:
    """Every type as a point of size and quality; all numbers of the type `focus` in words."""
    facts, measure = QualityFacts(rows, pure), MEASURES[key]
    if not facts.rows:
        return not_measured(model, where)
    return draw_pareto(facts.points(key, unit), facts.names.index(focus), facts.lines(focus), SIZES[unit][0],
                       Scale(measure.axis, measure.log, lambda v: told(v, 3)), table=facts.table(),
                       finding=facts.finding(focus, key, unit),
                       subtitle=f"{model}, {TYPES_OF[pure]}. {where}"
                       ).telling(facts.rows[facts.names.index(focus)])


@recalled
def plot_quality(table, model: str = "") -> Exhibit:
    """Size against KL divergence, a point a row; `table` comes from `compare_quality`.  model: its name for
    the subtitle.

    Rows of the model's own 16 or 32 bits have no point: there is nothing to compare them with. They stand in
    the picture's table.
    """
    rows = plain_rows(table)
    facts = QualityFacts(rows)
    if not facts.rows:
        return show(nothing_measured(table))
    against = table.attrs.get("against") or "against its own weights"
    missing = f"; {len(table) - len(rows)} not measured" if len(rows) < len(table) else ""
    scale = Scale("KL divergence from the original (log scale): lower is nearer", True, lambda v: told(v, 3))
    return show(draw_pareto(facts.points("kld", "MB"), None, (), SIZES["MB"][0], scale,
                            finding=good_enough(facts), table=facts.table(),
                            subtitle=f"{model or table.attrs.get('model', 'the model')} {against}{missing}; "
                                     "hollow: another type as small is nearer"))


# ---- handles

KEYS = "ArrowLeft ArrowRight ArrowUp ArrowDown Home End PageUp PageDown"
LABEL = ("Types by size and quality. Left and right: the next smaller or larger type. Home and End: the "
         "smallest and the largest. Page Up and Page Down: another measure of quality.")


@recalled
def explore_quality(model: str = "tiny") -> Exhibit | Stage:
    """How good is each type for its size? A point per type; choose the measure, walk through the types, or
    measure another model.

    model: "tiny", whose recorded table is shown at once, a GGUF path, or a pulled model, best in 16 bits, of
    a family that runs here; the menu lists those that Ollama's store has. What can be done with it is said
    before it is measured. A model that cannot be opened is said in a sentence.
    """
    return open_or_refuse(model, "The table needs", "explore_quality", lambda: QualityLab(model))


class QualityLab(MeasuredLab):
    """Right and Up go to the next larger type, Page Down to the next measure."""

    page_up, around, arrows = -1, True, "focus"
    steps: Mapping[str, int] = {"ArrowLeft": -1, "ArrowDown": -1, "ArrowRight": 1, "ArrowUp": 1}

    def __init__(self, model: str):
        handles = [menu("pure", "types of", False, ((words, pure) for pure, words in TYPES_OF.items())),
                   menu("key", "quality", "kld", ((MEASURES[key].words, key) for key in MEASURES)),
                   menu("unit", "size", "bpw", ((words, unit) for unit, (words, *_) in SIZES.items())),
                   menu("focus", "look at", USUAL, [USUAL])]
        super().__init__(
            model, handles, "quality", (False, True), draw_quality,
            lambda name, pure, **how: compare_quality(name, wanted(pure), pure=pure, **how),
            keys=KEYS, label=LABEL, pages="key")
        self._fit()

    @property
    def types(self) -> QualityFacts:
        """The rows on show."""
        return QualityFacts(self.found()[0], self.controls["pure"].value)

    def redraw(self) -> None:
        if not self._held:
            self._fit()
        super().redraw()

    def reset(self) -> None:
        """Back to the first picture, as far as these rows have its type and its measure."""
        for name, value in self.initial.items():
            if value in self._stops(name):
                self.set(**{name: value})

    def _fit(self) -> None:
        """Only what these rows have is in the menus; what is no longer there becomes USUAL, or the name most
        like it: Q4_K for Q4_K_M.
        """
        types = self.types
        if not types.rows:
            return
        keys = types.measures()
        for name, values, stops in (("key", keys, [(MEASURES[key].words, key) for key in keys]),
                                    ("focus", types.names, types.names)):
            now = self.controls[name].value
            near = [now, USUAL, *get_close_matches(now, values, 1), values[0]]
            self.offer(name, stops, next(value for value in near if value in values))
