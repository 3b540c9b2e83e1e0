"""Tables of quality as pictures: `plot_quality` of compare_quality's, `plot_sensitivity` of sensitivity's.

    ql.plot_quality(ql.compare_quality("tiny", ["Q8_0", "Q4_K_M", "Q2_K"]))

They are drawn as the explorers draw the recorded tables, without anything to touch.
"""

from ..views.numbers import percent, size, told
from ..views.pareto import Scale, draw_pareto
from ..views.sensitivity_map import draw_sensitivity
from ..views.svg import notice
from .base import Explorer, show
from .measured import plain_rows
from .quality_facts import QualityFacts
from .sensitivity_facts import HARM, SensitivityFacts

NEAR = 0.05             # nats: below it a model without passages to recite counts as good as the original


def plot_quality(table, model: str = "") -> Explorer:
    """Size against KL divergence, a point a row; `table` comes from `compare_quality`.  model: its name for the subtitle.

    Rows of the model's own 16 or 32 bits have no point: there is nothing to compare them with. They stand in the picture's table.
    """
    rows = plain_rows(table)
    facts = QualityFacts([row | {"pure": False} for row in rows], False)
    if not facts.rows:
        return show(notice("No row of this table has been measured", _why(table)))
    missing = f"; {len(table) - len(rows)} not measured" if len(rows) < len(table) else ""
    name = model or table.attrs.get("model", "the model")
    scale = Scale("KL divergence from the original (log scale): lower is nearer", True, lambda v: told(v, 3))
    return show(draw_pareto(facts.points("kld", "MB"), None, (), "size of the file, MB", scale, finding=_finding(facts),
                            subtitle=f"{name} against its own weights{missing}; hollow: another type as small is nearer",
                            table=facts.table()))


def plot_sensitivity(table, model: str = "") -> Explorer:
    """Layers across, roles down; `table` comes from `sensitivity` by tensor.  Raises ValueError for one by role or layer."""
    if table.role.isna().any() or (table.layer.isna() & table.role.duplicated(keep=False)).any() or not table.layer.notna().any():
        raise ValueError("this table has no row for each matrix: make it with sensitivity(model, qtype, by='tensor')")
    qtype = table.qtype.iloc[0]
    facts = SensitivityFacts([row | {"by": "tensor"} for row in plain_rows(table)], qtype, HARM, "", {})
    if not facts.single:
        return show(notice("No row of this table has been measured", _why(table)))
    subtitle = f"{model + ': ' if model else ''}KLD when one tensor alone is in {qtype}"
    notes = ["A tile: the KL divergence to the model as it is; colour on a logarithmic scale."]
    return show(draw_sensitivity(facts.rows(), facts.layers(), None, notes, finding=facts.finding(), subtitle=subtitle,
                                 sums=("sum of the role", "sum of the layer"), table=facts.table()))


def _finding(facts: QualityFacts) -> str:
    """What a learner should see: the smallest type that is nearly as good, and what the next smaller one costs."""
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
