"""A comparison as plain values for a picture: one dict a model, and one list of answers a prompt."""

from collections.abc import Sequence

from .analysis import harm_by_divergence, harm_by_passes, summary
from .checks import passed
from .comparison import Comparison
from .names import split_name
from .replay import AGAIN, divergences
from .report import word_diff

MOST_SHOWN = 4000       # letters of one answer on the screen; the report and the results file have more


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Forms of one model need no more than the part of their tags that differs; others keep their names."""
    if len({split_name(name)[0] for name in names}) > 1:
        return {name: name for name in names}
    tags = {name: split_name(name)[1] for name in names}
    parts = [tag.split("-") for tag in tags.values()]
    shared = next((i for i, same in enumerate(zip(*parts, strict=False)) if len(set(same)) > 1), 0)
    return {name: "-".join(tag.split("-")[shared:]) for name, tag in tags.items()}


def overview(made: Comparison) -> list[dict]:
    """One dict a model: name, quantization, bytes, harm and times_as_fast (mean, low, high; the ends are None under 8 prompts; None where
    not measured), answer, more (prompts to add, or None), verdict, reference, speed (tokens per second), remarks.

    The reference's harm is what it shows against itself, where that was measured.
    """
    rows, apart = made.rows(), divergences(made.plan, made.records)
    right = {} if made.check is None else passed(rows, made.check, {i: p.expected for i, p in enumerate(made.plan.prompts)})
    names, found = short_names(made.plan.models), []
    for line in summary(made.plan, rows, apart, made.check, made.metric):
        name, harm = line["model"], None
        if name not in names:           # the reference asked again as a control: its row is the reference's
            continue
        if right:
            harm = harm_by_passes(right, name, made.plan.reference)
        elif name in apart or (name == made.plan.reference and AGAIN in apart):
            harm = harm_by_divergence(apart[name], apart.get(AGAIN)) if name in apart else harm_by_divergence(apart[AGAIN], None)
        ratio = line["speed_ratio"]
        remarks = [*line["flags"], *([f"{line['errors']} calls failed"] if line["errors"] else [])]
        found.append({"name": names[name], "quantization": line["quantization"], "bytes": line["bytes"] or 0, "verdict": line["verdict"],
                      "answer": "" if name == made.plan.reference else str(line["answer"] or ""), "reference": name == made.plan.reference,
                      "more": line["more"],
                      "harm": None if harm is None else (harm.mean, harm.low, harm.high), "remarks": remarks,
                      "speed": line["tokens_per_second"] or 0.0,
                      "times_as_fast": None if ratio is None else (ratio.mean, ratio.low, ratio.high)})
    return found


def answers(made: Comparison, number: int) -> list[dict]:
    """Each model's first answer to prompt `number` (from 0): name, note, flags, and `marked`: escaped HTML with the words marked that
    the reference's answer has not."""
    first: dict[str, dict] = {}
    for row in made.rows():
        if row["prompt_number"] == number:
            first.setdefault(row["model"], row)
    names, reference, found = short_names(made.plan.models), made.plan.reference, []
    wanted = first.get(reference, {}).get("text", "")[:MOST_SHOWN]
    for name in made.plan.models:
        if name in first:
            marked, place = word_diff(wanted, (first[name]["text"] or first[name]["error"])[:MOST_SHOWN])
            note = "the reference" if name == reference else "the same words" if place is None else f"first differs at word {place}"
            found.append({"name": names[name], "marked": marked, "flags": first[name]["flags"],
                          "note": "no answer" if first[name]["error"] else note})
    return found
