"""What a comparison found, in a sentence and in lines: the smallest model that is good enough, a line a model
with its numbers as people read them, and which prompt each model passed.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..words import counted, listed, number, percent, size
from .analysis import remarks, times_words
from .checks import passed
from .side_by_side import passed_words, short_names
from .statistics import Interval
from .verdict import GOOD, OPEN, REFERENCE, WORSE

if TYPE_CHECKING:
    from .comparison import Comparison

Line = tuple[str, ...]
MOST_LETTERS = 60       # of a prompt in a table


def overview(made: "Comparison") -> list[dict]:
    """One dict a model: name, quantization, bytes, harm and times_as_fast (mean, low, high; the ends are None
    under 8 prompts; None where not measured), answer, more (prompts to add, or None), verdict, reference,
    speed (tokens per second), remarks.

    The reference's harm is what it shows against itself, where that was measured.
    """
    names = short_names(made.plan.models)       # without the control: its row is the reference's
    return [{"name": names[line["model"]], "quantization": line["quantization"], "bytes": line["bytes"] or 0,
             "verdict": line["verdict"], "answer": line["answer"] or "", "more": line["more"],
             "reference": line["model"] == made.plan.reference, "harm": _as_ends(line["harm"]),
             "remarks": remarks(line), "speed": line["tokens_per_second"] or 0.0,
             "times_as_fast": _as_ends(line["speed_ratio"])}
            for line in made.judged() if line["model"] in names]


def _as_ends(found: Interval | None) -> tuple[float, float | None, float | None] | None:
    return None if found is None else (found.mean, found.low, found.high)


def answer_words(made: "Comparison") -> str:
    """What a reader wants to know first: the smallest model that is good enough, and what is open."""
    lines = {line["model"]: line for line in made.judged() if line["model"] in made.plan.models}
    by_answer: dict[str, list[dict]] = {answer: [line for line in lines.values() if line["answer"] == answer]
                                        for answer in (GOOD, WORSE, OPEN)}
    every, reference = len(made.plan.calls()), lines[made.plan.reference]
    if not any(line["answers"] or line["errors"] for line in lines.values()):
        return "Nothing is measured yet; Run goes on from here."
    said = []
    if best := min(by_answer[GOOD], key=lambda line: line["bytes"] or 0, default=None):
        said.append(f"The smallest that is good enough is {best['model']}{_against(best, reference)}.")
    elif by_answer[OPEN]:
        said.append("No model is shown to be good enough yet.")
    elif by_answer[WORSE]:
        said.append(f"None is good enough: stay with {made.plan.reference}.")
    if by_answer[WORSE] and said:
        said.append(f"Worse: {listed([line['model'] for line in by_answer[WORSE]])}.")
    if by_answer[OPEN]:
        it = "it" if len(by_answer[OPEN]) == 1 else "the first of them"
        least = min((line["more"] for line in by_answer[OPEN] if line["more"]), default=0)
        advice = f"; about {counted(least, 'more prompt')} may settle {it}" if least else ""
        said.append(f"Open: {listed([line['model'] for line in by_answer[OPEN]])}{advice}.")
    if not said:
        said.append("One model was asked: there is nothing to hold it against." if len(lines) == 1 else
                    "There is no verdict yet.")
    if made.missing:
        said.append(f"{every - made.missing:,} of {counted(every, 'call')} are there; Run goes on.")
    return " ".join(said)


def _against(line: Mapping, reference: Mapping) -> str:
    """A model's size, against the reference's, in brackets."""
    if not line["bytes"]:
        return ""
    if not reference["bytes"] or line["bytes"] >= reference["bytes"]:
        return f" ({size(line['bytes'])})"
    return f" ({size(line['bytes'])}, {percent(line['bytes'] / reference['bytes'])} of the reference's bytes)"


def verdict_lines(judged: Sequence[dict]) -> list[Line]:
    """The verdicts as cells, a line a model below the heads; "" where nothing was measured."""
    return [("model", "type", "size", "tokens/s", "as fast", "first token", "right", "divergence",
             "verdict", "remarks"),
            *((line["model"], line["quantization"], size(line["bytes"]) if line["bytes"] else "",
               digits_words(line["tokens_per_second"], 1),
               _as_fast(line),
               seconds_words(line["first_seconds"]), _right(line),
               _divergence(line), line["verdict"], ", ".join(remarks(line))) for line in judged)]


def _as_fast(line: Mapping) -> str:
    ratio = line["speed_ratio"]
    return "" if ratio is None or line["verdict"] == REFERENCE else times_words(ratio)


def _right(line: Mapping) -> str:
    if line["pass_rate"] is None:
        return ""
    return f"{percent(line['pass_rate'])} of {counted(line['judged'], 'prompt')}"


def _divergence(line: Mapping) -> str:
    """The mean KL and how much was seen of it, short enough for a cell."""
    if not line["kl"]:
        return line["divergence"] or ""
    mean = sum(line["kl"].values()) / len(line["kl"])
    return f"≥ {number(mean, 2)} nats, {100 * line['coverage']:.0f} % seen"


def prompt_lines(made: "Comparison") -> list[Line]:
    """A line a prompt: what was expected, and which model passed; [] where nobody judges."""
    if not any(made.checks):
        return []
    rows: dict[tuple[int, str], list[dict]] = {}
    for row in made.rows():
        rows.setdefault((row["prompt_number"], row["model"]), []).append(row)
    names = short_names(made.plan.models)
    return [("prompt", "tags", "expected", "right if it", *names.values()),
            *((f"{i + 1}: {' '.join(prompt.text.split())[:MOST_LETTERS]}", ", ".join(prompt.tags),
               prompt.expected[:MOST_LETTERS], check.name if check else "",
               *(passed_words(rows[i, model]) or "no answer" if (i, model) in rows else ""
                 for model in names))
              for i, (prompt, check) in enumerate(zip(made.plan.prompts, made.checks, strict=True)))]


def tag_lines(made: "Comparison") -> list[Line]:
    """A line a tag: of how many prompts with it each model passed how many; [] without tags or judges."""
    tags: dict[str, set[int]] = {}
    for i, prompt in enumerate(made.plan.prompts):
        for tag in prompt.tags:
            tags.setdefault(tag, set()).add(i)
    right, names = passed(made.rows()), short_names(made.plan.models)
    if not tags or not right:
        return []
    return [("tag", *names.values()),
            *((tag, *(_share([said for i, said in right.get(model, {}).items() if i in numbers])
                      for model in names)) for tag, numbers in sorted(tags.items()))]


def _share(said: Sequence[bool]) -> str:
    return f"{sum(said)} of {len(said)}" if said else ""


def digits_words(value: float | None, digits: int) -> str:
    """A measured number, or "" where there is none."""
    return "" if value is None else f"{value:,.{digits}f}"


def seconds_words(seconds: float | None) -> str:
    """A time for a cell: "40 ms", "1.25 s"."""
    if seconds is None:
        return ""
    return f"{1000 * seconds:.0f} ms" if seconds < 0.995 else f"{seconds:.2f} s"
