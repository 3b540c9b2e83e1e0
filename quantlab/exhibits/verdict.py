"""The picture of a comparison: how much worse each model is than the reference, how sure that is, and where
the margin lies.
"""

from collections.abc import Mapping, Sequence
from math import ceil, floor

from ..canvas.style import GREY, MEANING, SOFT, Picture
from ..canvas.svg import circle, line, page, quiet, rect, text
from ..lab.verdict import GOOD, OPEN, WORSE, Metric
from ..words import clipped, counted, listed, printable, size

LEFT, RIGHT, STEP = 230, 530, 52
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)        # between the ticks of a linear scale
LOOKS = {GOOD: (MEANING["good"], "✓ good enough"), WORSE: (MEANING["worse"], "✗ worse"),
         OPEN: (MEANING["unsure"], "? cannot tell")}


def _finding(rows: Sequence[Mapping]) -> str:
    """One sentence: who is good enough, who is worse, what is open, and what was not measured yet."""
    if not any(row["answer"] or row["speed"] or row["harm"] or row["remarks"] for row in rows):
        return "Nothing is measured yet; Run goes on from here"
    by_answer = {answer: [clipped(row["name"], 60) for row in rows if row["answer"] == answer]
                 for answer in LOOKS}
    unsure = by_answer.pop(OPEN)
    parts = [f"{listed(names)} {'is' if len(names) == 1 else 'are'} {answer}"
             for answer, names in by_answer.items() if names]
    if unsure:
        parts.append(f"{'cannot' if parts else 'Cannot'} tell about {listed(unsure)}")
    if waiting := [clipped(row["name"], 60) for row in rows if not row["reference"] and not row["answer"]]:
        parts.append(f"{'no' if parts else 'No'} verdict yet on {listed(waiting)}")
    return "; ".join(parts) or "One model answered: there is nothing to hold it against"


def _times(row: Mapping) -> str:
    """How many times as fast as the reference, with its interval where there is one."""
    if row["times_as_fast"] is None:
        return ""
    mean, low, high = row["times_as_fast"]
    return f"{mean:.2f}" + ("" if low is None else f" ({low:.2f} to {high:.2f})")


class HarmScale:
    """From 0, or below where something came out better, to the largest harm: value -> pixels.

    Linear where something came out better; else by square roots, for KL runs from a hundred-thousandth to one
    and both ends shall be seen.
    """

    def __init__(self, rows: Sequence[Mapping], margin: float):
        ends = [end for row in rows if row["harm"] for end in row["harm"] if end is not None]
        self.high, self.low = 1.05 * max([*ends, 2 * margin, 1e-6]), min([*ends, 0.0])
        self.power = 1.0 if self.low < -0.01 * self.high else 0.5
        if self.power == 1:
            width = self.high - self.low
            step = next((step for step in STEPS if width / step <= 6), width)
            first, last = ceil(self.low / step), floor(self.high / step)
            self.ticks = [round(i * step, 6) for i in range(first, last + 1)]
        else:
            self.low, self.ticks = 0.0, [0.0]
            for tick in STEPS:
                if tick <= self.high and self(tick) - self(self.ticks[-1]) > 24:
                    self.ticks.append(tick)

    def __call__(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return LEFT + (RIGHT - LEFT) * share**self.power


def draw_verdict(rows: Sequence[Mapping], metric: Metric, notice: str = "") -> Picture:
    """A line a model: bytes and speed, a dot with its 95 % interval on the scale of the metric, the verdict.

    rows: of quantlab.lab.overview.overview.  notice: what must be said with it, such as when a run was
    recorded.
    """
    if not rows:
        return page(90, [], finding="Nothing was compared yet",
                    subtitle="Choose models, write prompts, press Run.")
    margin = metric.margin
    scale, top = HarmScale(rows, margin), 104 if notice else 86
    bottom, middle = top + STEP * len(rows), (LEFT + RIGHT) / 2
    good = scale(max(margin, scale.low)) if margin else LEFT
    body = [quiet(16, 72, clipped(notice, 120))] if notice else []
    body += [rect(LEFT, top - 6, good - LEFT, bottom - top, SOFT),
             line(good, top - 6, good, bottom - 6, stroke=GREY, dash="4 3"),
             quiet(good, top - 11, f"margin {metric.told(margin)}", anchor="middle"),
             quiet(middle, bottom + 30, f"{metric.name}, {metric.unit}: further right is worse",
                   anchor="middle")]
    for value in scale.ticks:
        body += [line(scale(value), bottom - 6, scale(value), bottom - 2),
                 quiet(scale(value), bottom + 11, metric.told(value), anchor="middle")]
    for i, row in enumerate(rows):
        body += _model(row, top + STEP * i, scale)
    table = (("model", "type", "bytes", "tokens/s", "times as fast", "verdict", "remarks"),
             *((clipped(row["name"], 80), row["quantization"], f"{row['bytes']:,}", f"{row['speed']:.1f}",
                _times(row), printable(row["verdict"]), printable(", ".join(row["remarks"])))
               for row in rows))
    found = {name: sum(row["answer"] == answer for row in rows)
             for name, answer in (("good", GOOD), ("worse", WORSE), ("open", OPEN))}
    return page(bottom + 44, body, finding=_finding(rows), table=table,
                subtitle="against the reference, paired by prompt; the line is the 95 % interval, the shaded "
                         "side is good enough").telling(found)


def _model(row: Mapping, y: float, scale: HarmScale) -> list[str]:
    neither = MEANING["original"], "reference" if row["reference"] else "no verdict yet"
    tone, words = LOOKS.get(row["answer"], neither)
    facts, times = [size(row["bytes"])] if row["bytes"] else [], _times(row)
    facts += [f"{row['speed']:,.0f} tokens/s"] if row["speed"] else []
    body = [text(16, y + 16, clipped(row["name"], 24), bold=True), text(RIGHT + 30, y + 16, words, bold=True),
            quiet(16, y + 32, ", ".join(facts))]
    if times and not row["reference"]:
        body.append(quiet(RIGHT + 30, y + 32, f"speed × {times}"))
    if row.get("more"):
        body.append(quiet(RIGHT + 30, y + 46, f"add about {counted(row['more'], 'prompt')}"))
    if not row["harm"]:
        return [*body, quiet(LEFT + 8, y + 20, "not measured")]
    mean, low, high = row["harm"]
    if low is not None:
        body.append(line(scale(low), y + 16, scale(high), y + 16, stroke=tone, width=3))
    return [*body, circle(scale(mean), y + 16, 6, tone)]
