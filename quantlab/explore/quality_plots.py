"""Tables of quality as pictures: `plot_quality` of compare_quality's, `plot_sensitivity` of sensitivity's.

    ql.plot_quality(ql.compare_quality("tiny", ["Q8_0", "Q4_K_M", "Q2_K"]))

Numbers are shown with the digits that repeat on every processor (see compare.py).
"""

from numbers import Integral

from ..views.numbers import number, percent, size, told
from ..views.quality import Dot, draw_pareto
from ..views.sensitivity import Line, draw_sensitivity
from ..views.svg import notice
from .base import Explorer, show


def plot_quality(table, model: str = "") -> Explorer:
    """Size against KL divergence, a dot a row; `table` comes from `compare_quality`.  model: its name for the subtitle."""
    rows = [row for row in table.itertuples() if row.kld == row.kld]
    if not rows:
        return show(notice("No row of this table has been measured", _why(table)))
    dots = [Dot(row.ftype, float(row.nbytes), row.kld, _recited(row), _best(row, rows)) for row in rows]
    head = ("type", "size", "bits per weight", "perplexity", "KL divergence", "same top token", "recited")
    words = tuple((row.ftype, size(row.nbytes), f"{row.bpw:.2f}", number(row.ppl, 4), number(row.kld, 3) if row.kld else "0",
                   percent(row.top1), _recited(row)) for row in rows)
    missing = f"; {len(table) - len(rows)} not measured" if len(rows) < len(table) else ""
    subtitle = f"{model or table.attrs.get('model', 'the model')} against its own weights" + missing
    return show(draw_pareto(dots, finding=_finding(rows), subtitle=subtitle, table=(head, *words)))


def plot_sensitivity(table, model: str = "") -> Explorer:
    """Layers across, roles down; `table` comes from `sensitivity` by tensor.  Raises ValueError for one by role or layer."""
    if table.role.isna().any() or (table.layer.isna() & table.role.duplicated(keep=False)).any() or not table.layer.notna().any():
        raise ValueError("this table has no row for each matrix: make it with sensitivity(model, qtype, by='tensor')")
    measured = table[table.kld.notna()].reset_index(drop=True)
    if measured.empty:
        return show(notice("No row of this table has been measured", _why(table)))
    n_layer, qtype = int(table.layer.max()) + 1, table.qtype.iloc[0]
    lines = []
    for role, group in table.groupby("role", sort=False):
        alone = bool(group.layer.isna().all())
        places = [0] if alone else group.layer.astype(int)
        found = {place: kld for place, kld in zip(places, group.kld, strict=True) if kld == kld}
        klds = [found.get(place) for place in range(1 if alone else n_layer)]
        lines.append(Line(role, klds, size(float(group.saved.sum())), alone))
    worst, mildest = measured.loc[measured.kld.idxmax()], measured.loc[measured.kld.idxmin()]
    times = f": {_rounded(worst.kld / mildest.kld)} times as much as {_named(mildest)}" if mildest.kld > 0 else ""
    finding = f"{qtype} hurts most in {_named(worst)}{times}"
    head = ("tensor", "KL divergence", "saved")
    rows = tuple((_named(row), number(row.kld, 3), size(float(row.saved))) for _, row in measured.iterrows())
    subtitle = f"one matrix of {model} in {qtype} at a time, all else as it is" if model else f"one matrix in {qtype}, all else as it is"
    return show(draw_sensitivity(lines, finding=finding, subtitle=subtitle,
                                 right="saved in all layers", table=(head, *rows)))


def _best(row, rows) -> bool:
    """No other type is at least as small and as near, and better in one of the two."""
    return not any(other.nbytes <= row.nbytes and other.kld <= row.kld and (other.nbytes, other.kld) != (row.nbytes, row.kld)
                   for other in rows)


def _recited(row) -> str:
    return f"{row.recited}/{row.passages}" if isinstance(row.recited, Integral) else ""


def _finding(rows) -> str:
    """What a learner should see: the smallest type that is nearly as good, and what the next smaller one costs."""
    ordered = sorted((row for row in rows if _best(row, rows)), key=lambda row: -row.nbytes)
    recites = all(_recited(row) for row in ordered) and max(row.recited for row in ordered)
    good = [row for row in ordered if (row.recited == recites if recites else row.kld < 0.05)]
    if good and good[-1] is not ordered[-1]:
        small, next_one = good[-1], ordered[ordered.index(good[-1]) + 1]
        if recites:
            return (f"{small.ftype} ({size(small.nbytes)}) recites {small.recited} of {small.passages} passages, "
                    f"{next_one.ftype} {next_one.recited}")
        return (f"{small.ftype} ({size(small.nbytes)}) says the same token in {percent(round(small.top1, 3))} of all places, "
                f"{next_one.ftype} in {percent(round(next_one.top1, 3))}")
    last = ordered[-1]
    return f"{last.ftype} ({size(last.nbytes)}) says the same token as the original in {percent(round(last.top1, 3))} of all places"


def _named(row) -> str:
    """ "attn_v of layer 3"; a tensor outside the layers by its role alone (its layer is pandas' NA, which is no number)."""
    return f"{row.role} of layer {row.layer}" if isinstance(row.layer, Integral) else row.role


def _rounded(value: float) -> str:
    """Two digits, without an exponent."""
    return told(float(f"{value:.2g}"), 3)


def _why(table) -> str:
    reasons = [words for words in table.error if words]
    return reasons[0][:120] if reasons else "It is empty."
