"""What can be said of types by their size and quality: the rows of `compare_quality` as points, words and a
table.

Tables of quality as pictures: `plot_quality` of compare_quality's, `plot_sensitivity` of sensitivity's.

    ql.plot_quality(ql.compare_quality("tiny", ["Q8_0", "Q4_K_M", "Q2_K"]))

They are drawn as the explorers draw the recorded tables, without anything to touch.
"""

from collections.abc import Callable, Mapping, Sequence
from math import exp, hypot
from typing import NamedTuple

from ..canvas.sensitivity_map import draw_sensitivity
from ..canvas.style import Table
from ..canvas.svg import notice
from ..canvas.trade import Point, Scale, draw_pareto
from ..stage.legacy import Explorer, show
from ..words import number, percent, size, told
from .sensitivity_facts import HARM, SensitivityFacts
from .workbench import PLAIN, plain_rows

#: For models whose weights are −1, 0 and 1; of others they leave nothing, and would press all other points
#: together. In the table only.
TERNARY = ("TQ1_0", "TQ2_0")
NOISE = 2               # standard errors


class Measure(NamedTuple):
    """A way to say how good a row is.

    words: in the menu; short: in a sentence.  value: its number; told: that in words.  better: +1 where more
    is better.
    se: the standard error of a row's number, or None.
    """

    words: str
    short: str
    axis: str
    value: Callable[[Mapping], float]
    told: Callable[[float], str]
    better: int
    se: Callable[[Mapping], float] | None = None
    log: bool = False


def _ppl_rise(row: Mapping) -> float:
    return 100 * (exp(row["ln_ratio"]) - 1)


MEASURES = {
    "kld": Measure("KL divergence", "KLD",
                   "KL divergence (log scale): lower is nearer to the unquantized model",
                   lambda row: row["kld"], lambda v: number(v, 3), -1, lambda row: row["kld_se"], log=True),
    "ppl": Measure("perplexity increase", "perplexity",
                   "perplexity, increase in % (log scale): lower is better",
                   _ppl_rise, lambda v: f"{v:+.2g} %".replace("-", "−"), -1,
                   lambda row: 100 * exp(row["ln_ratio"]) * row["ln_ratio_se"], log=True),
    "top1": Measure("same top token", "same top token at",
                    "tokens at which both would say the same, %: higher is better",
                    lambda row: 100 * row["top1"], lambda v: f"{v:.3g} %", 1),
    "recited": Measure("passages recited", "passages recited:",
                       "passages recited without a mistake: higher is better",
                       lambda row: row["recited"], lambda v: f"{v:.0f}", 1),
}
UNITS = {"bpw": ("bits per weight", lambda row: row["bpw"], lambda v: f"{v:.2f} bits"),
         "MB": ("size of the file, MB", lambda row: row["nbytes"] / 1e6, lambda v: size(1e6 * v))}


def family_of(name: str, pure: bool) -> str:
    """The family whose members are linked: K-quants, IQ4, the classic ones by their _0 and _1, ternary."""
    if "_K" in name:
        return "K"
    if name.startswith("IQ"):
        return name[:3]
    return name[-2:] if name[:1] == "Q" else name[:2] if name.startswith("TQ") else ""


class QualityFacts:
    """The rows of one model, in the order of size. rows: dicts as the columns of `compare_quality`, and
    "pure".
    """

    def __init__(self, rows: Sequence[Mapping], pure: bool):
        self.pure = pure
        mine = [row for row in rows if row["pure"] == pure and row["ftype"] not in PLAIN]
        mine.sort(key=lambda row: (row["nbytes"], row["ftype"]))
        self.rows = [row for row in mine if row["ftype"] not in TERNARY] or mine
        self.far = [row for row in mine if row not in self.rows]
        self.names = [row["ftype"] for row in self.rows]
        self.own = next((row for row in rows if row["ftype"] == "F16"), None)

    def measures(self) -> list[str]:
        """The measures that these rows have: only the tiny model recites."""
        return [key for key in MEASURES if all(row.get(key if key != "ppl" else "ln_ratio") is not None
                                               for row in self.rows)]

    def is_noise(self, row: Mapping, key: str) -> bool:
        """Perplexity can rise by less than chance, or fall; a divergence is 0 only where nothing has changed.
        """
        return row["kld"] == 0 if key == "kld" else key == "ppl" and MEASURES[key].value(
            row) < NOISE * MEASURES[key].se(row)

    def level(self, row: Mapping, key: str) -> float:
        """The row's number, larger is better; what is within the noise counts as no change."""
        return 0.0 if self.is_noise(row, key) else MEASURES[key].better * MEASURES[key].value(row)

    def beaten_by(self, row: Mapping, key: str) -> Mapping | None:
        """The best row that is as small and as good, and better in one of the two."""
        ahead = [other for other in self.rows if other["nbytes"] <= row["nbytes"]
                 and self.level(other, key) >= self.level(row, key)
                 and (other["nbytes"], self.level(other, key)) != (row["nbytes"], self.level(row, key))]
        return max(ahead, key=lambda other: (self.level(other, key), -other["nbytes"]), default=None)

    def points(self, key: str, unit: str) -> list[Point]:
        """All rows as points."""
        measure = MEASURES[key]
        return [Point(row["ftype"], UNITS[unit][1](row), measure.value(row),
                      family_of(row["ftype"], self.pure), self.said(row, key, unit),
                      self.beaten_by(row, key) is not None, self.is_noise(row, key)) for row in self.rows]

    def scale(self, key: str) -> Scale:
        """The upright axis."""
        return Scale(MEASURES[key].axis, MEASURES[key].log, lambda v: told(v, 3))

    def said(self, row: Mapping, key: str, unit: str) -> str:
        """One sentence on one type: the mouse's tip, and what a screen reader says."""
        measure, chance = MEASURES[key], " (chance)" if self.is_noise(row, key) else ""
        return f"{row['ftype']}: {measure.short} {measure.told(measure.value(row))}{chance}, {UNITS[unit][2](UNITS[unit][1](row))}"

    def finding(self, name: str, key: str, unit: str) -> str:
        """The title: this type, and what beats it."""
        row = self.rows[self.names.index(name)]
        said, better = self.said(row, key, unit), self.beaten_by(row, key)
        if better is None:
            return f"{said}; nothing as small does better"
        fewer = UNITS[unit][2](UNITS[unit][1](better)) if better["nbytes"] < row[
            "nbytes"] else "as many bytes"
        measure = MEASURES[key]
        near = NOISE * hypot(measure.se(row), measure.se(better)) if measure.se else 0
        close = self.level(row, key) == self.level(better, key) or abs(measure.value(row)
                                                                       - measure.value(better)) <= near
        return f"{said}; {better['ftype']} does {'as well' if close else 'better'} with {fewer}"

    def lines(self, name: str) -> list[str]:
        """All numbers of one type."""
        row = self.rows[self.names.index(name)]
        ppl = MEASURES["ppl"]
        own = f", {ppl.told(ppl.value(row))} ± {ppl.se(row):.2g} % against the unquantized model's" if row[
            "ln_ratio"] is not None else ""
        lines = [
            f"{name}{' for every matrix' if self.pure else ''}: {size(row['nbytes'])}, {row['bpw']:.2f} "
            "bits per weight",
            f"KL divergence {number(row['kld'], 3)} ± {number(row['kld_se'], 1)} on average; 99 % of the "
            "tokens are below "
            f"{number(row['kld99'], 3)}", f"Perplexity {number(row['ppl'], 4)}{own}",
            f"At {percent(row['top1'])} of the tokens it would say what the unquantized model says"]
        if row.get("recited") is not None:
            lines.append(
                f"{row['recited']} of {row['passages']} passages recited that it learned by heart; "
                f"{row['controls']} of those "
                "that it did not learn")
        return lines

    def table(self) -> Table:
        """All rows and all their numbers."""
        head = ("type", "bytes", "bits per weight", "KLD", "99 % below", "perplexity", "change, %",
                "same top token", "recited")
        return (head,
                *((row["ftype"], f"{row['nbytes']:,}", f"{row['bpw']:.2f}",
                   f"{number(row['kld'], 3)} ± {number(row['kld_se'], 1)}", number(row["kld99"], 3),
                   number(row["ppl"], 4), f"{_ppl_rise(row):+.2f} ± {MEASURES['ppl'].se(row):.2f}",
                   percent(row["top1"]), "" if row.get("recited") is None
                   else f"{row['recited']} of {row['passages']}")
                  for row in [*self.far, *self.rows, *([self.own] if self.own else [])]))


NEAR = 0.05             # nats: below it a model without passages to recite counts as good as the original


def plot_quality(table, model: str = "") -> Explorer:
    """Size against KL divergence, a point a row; `table` comes from `compare_quality`.  model: its name for
    the subtitle.

    Rows of the model's own 16 or 32 bits have no point: there is nothing to compare them with. They stand in
    the picture's table.
    """
    rows = plain_rows(table)
    facts = QualityFacts([row | {"pure": False} for row in rows], False)
    if not facts.rows:
        return show(notice("No row of this table has been measured", _why(table)))
    missing = f"; {len(table) - len(rows)} not measured" if len(rows) < len(table) else ""
    name = model or table.attrs.get("model", "the model")
    scale = Scale("KL divergence from the original (log scale): lower is nearer", True, lambda v: told(v, 3))
    return show(draw_pareto(facts.points("kld", "MB"), None, (), "size of the file, MB", scale,
                            finding=_finding(facts),
                            subtitle=f"{name} against its own weights{missing}; hollow: another type as "
                                     "small is nearer",
                            table=facts.table()))


def plot_sensitivity(table, model: str = "") -> Explorer:
    """Layers across, roles down; `table` comes from `sensitivity` by tensor.  Raises ValueError for one by
    role or layer.
    """
    if table.role.isna().any() or (
        table.layer.isna() & table.role.duplicated(keep=False)).any() or not table.layer.notna().any():
        raise ValueError(
            "this table has no row for each matrix: make it with sensitivity(model, qtype, by='tensor')")
    qtype = table.qtype.iloc[0]
    facts = SensitivityFacts([row | {"by": "tensor"} for row in plain_rows(table)], qtype, HARM, "", {})
    if not facts.single:
        return show(notice("No row of this table has been measured", _why(table)))
    subtitle = f"{model + ': ' if model else ''}KLD when one tensor alone is in {qtype}"
    notes = ["A tile: the KL divergence to the model as it is; colour on a logarithmic scale."]
    return show(draw_sensitivity(facts.rows(), facts.layers(), None, notes, finding=facts.finding(),
                                 subtitle=subtitle, sums=("sum of the role", "sum of the layer"),
                                 table=facts.table()))


def _finding(facts: QualityFacts) -> str:
    """What a learner should see: the smallest type that is nearly as good, and what the next smaller one
    costs.
    """
    best = [row for row in reversed(facts.rows) if facts.beaten_by(row, "kld") is None]
    recites = all(row["recited"] is not None for row in best) and max(row["recited"] for row in best)
    good = [row for row in best if (row["recited"] == recites if recites else row["kld"] < NEAR)]
    if not good or good[-1] is best[-1]:
        return f"{_said(best[-1])} says the same token as the original in {_same(best[-1])} of all places"
    small, smaller = good[-1], best[best.index(good[-1]) + 1]
    if recites:
        return f"{_said(small)} recites {small['recited']} of {small['passages']} passages, {smaller['ftype']} {smaller['recited']}"
    return f"{_said(small)} says the same token in {_same(small)} of all places, {smaller['ftype']} in {_same(smaller)}"


def _said(row) -> str:
    return f"{row['ftype']} ({size(row['nbytes'])})"


def _same(row) -> str:
    return percent(round(row["top1"], 3))


def _why(table) -> str:
    reasons = [words for words in table.error if words]
    return reasons[0][:120] if reasons else "There is none beside the model's own weights."
