"""What can be said of types by their size and quality: the rows of `compare_quality` as points, words and a table."""

from collections.abc import Callable, Mapping, Sequence
from math import exp, hypot
from typing import NamedTuple

from ..views.numbers import number, percent, size, told
from ..views.pareto import Point, Scale
from .measured import PLAIN

#: For models whose weights are −1, 0 and 1; of others they leave nothing, and would press all other points together. In the table only.
TERNARY = ("TQ1_0", "TQ2_0")
NOISE = 2               # standard errors


class Measure(NamedTuple):
    """A way to say how good a row is.

    words: in the menu; short: in a sentence.  value: its number; told: that in words.  better: +1 where more is better.
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
    "kld": Measure("KL divergence", "KLD", "KL divergence (log scale): lower is nearer to the unquantized model",
                   lambda row: row["kld"], lambda v: number(v, 3), -1, lambda row: row["kld_se"], log=True),
    "ppl": Measure("perplexity increase", "perplexity", "perplexity, increase in % (log scale): lower is better",
                   _ppl_rise, lambda v: f"{v:+.2g} %".replace("-", "−"), -1,
                   lambda row: 100 * exp(row["ln_ratio"]) * row["ln_ratio_se"], log=True),
    "top1": Measure("same top token", "same top token at", "tokens at which both would say the same, %: higher is better",
                    lambda row: 100 * row["top1"], lambda v: f"{v:.3g} %", 1),
    "recited": Measure("passages recited", "passages recited:", "passages recited without a mistake: higher is better",
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
    """The rows of one model, in the order of size. rows: dicts as the columns of `compare_quality`, and "pure"."""

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
        return [key for key in MEASURES if all(row.get(key if key != "ppl" else "ln_ratio") is not None for row in self.rows)]

    def is_noise(self, row: Mapping, key: str) -> bool:
        """Perplexity can rise by less than chance, or fall; a divergence is 0 only where nothing has changed."""
        return row["kld"] == 0 if key == "kld" else key == "ppl" and MEASURES[key].value(row) < NOISE * MEASURES[key].se(row)

    def level(self, row: Mapping, key: str) -> float:
        """The row's number, larger is better; what is within the noise counts as no change."""
        return 0.0 if self.is_noise(row, key) else MEASURES[key].better * MEASURES[key].value(row)

    def beaten_by(self, row: Mapping, key: str) -> Mapping | None:
        """The best row that is as small and as good, and better in one of the two."""
        ahead = [other for other in self.rows if other["nbytes"] <= row["nbytes"] and self.level(other, key) >= self.level(row, key)
                 and (other["nbytes"], self.level(other, key)) != (row["nbytes"], self.level(row, key))]
        return max(ahead, key=lambda other: (self.level(other, key), -other["nbytes"]), default=None)

    def points(self, key: str, unit: str) -> list[Point]:
        """All rows as points."""
        measure = MEASURES[key]
        return [Point(row["ftype"], UNITS[unit][1](row), measure.value(row), family_of(row["ftype"], self.pure), self.said(row, key, unit),
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
        fewer = UNITS[unit][2](UNITS[unit][1](better)) if better["nbytes"] < row["nbytes"] else "as many bytes"
        measure = MEASURES[key]
        near = NOISE * hypot(measure.se(row), measure.se(better)) if measure.se else 0
        close = self.level(row, key) == self.level(better, key) or abs(measure.value(row) - measure.value(better)) <= near
        return f"{said}; {better['ftype']} does {'as well' if close else 'better'} with {fewer}"

    def lines(self, name: str) -> list[str]:
        """All numbers of one type."""
        row = self.rows[self.names.index(name)]
        ppl = MEASURES["ppl"]
        own = f", {ppl.told(ppl.value(row))} ± {ppl.se(row):.2g} % against the unquantized model's" if row["ln_ratio"] is not None else ""
        lines = [f"{name}{' for every matrix' if self.pure else ''}: {size(row['nbytes'])}, {row['bpw']:.2f} bits per weight",
                 f"KL divergence {number(row['kld'], 3)} ± {number(row['kld_se'], 1)} on average; 99 % of the tokens are below "
                 f"{number(row['kld99'], 3)}",
                 f"Perplexity {number(row['ppl'], 4)}{own}",
                 f"At {percent(row['top1'])} of the tokens it would say what the unquantized model says"]
        if row.get("recited") is not None:
            lines.append(f"{row['recited']} of {row['passages']} passages recited that it learned by heart; {row['controls']} of those "
                         "that it did not learn")
        return lines

    def table(self) -> tuple[tuple[str, ...], ...]:
        """All rows and all their numbers."""
        head = ("type", "bytes", "bits per weight", "KLD", "99 % below", "perplexity", "change, %", "same top token", "recited")
        return (head, *((row["ftype"], f"{row['nbytes']:,}", f"{row['bpw']:.2f}", f"{number(row['kld'], 3)} ± {number(row['kld_se'], 1)}",
                         number(row["kld99"], 3), number(row["ppl"], 4), f"{_ppl_rise(row):+.2f} ± {MEASURES['ppl'].se(row):.2f}",
                         percent(row["top1"]), "" if row.get("recited") is None else f"{row['recited']} of {row['passages']}")
                        for row in [*self.far, *self.rows, *([self.own] if self.own else [])]))
