"""The verdict on several quants as one picture: how much worse than the reference, how sure that is, and
where the margin lies.
"""

from collections.abc import Sequence
from math import ceil, floor

from .answers import printable, shown
from .style import GREEN, GREY, MUTE, ORANGE, SOFT, VERMILION, Picture, Table
from .svg import circle, line, page, rect, text

LEFT, RIGHT, STEP = 230, 530, 52
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)        # between the ticks of a linear scale
LOOKS = {"good enough": (GREEN, "✓ good enough"), "worse": (VERMILION, "✗ worse"),
         "cannot tell": (ORANGE, "? cannot tell")}


def draw_verdict(rows: Sequence[dict], metric: str, unit: str, margin: float, notice: str = "") -> Picture:
    """A line a model: bytes and speed, a dot with its 95 % interval on the scale of the metric, the verdict.

    rows: of quantlab.lab.report.overview.  notice: what must be said with it, such as when a run was
    recorded.
    """
    if not rows:
        return page(90, [], finding="Nothing was compared yet",
                    subtitle="Choose models, write prompts, press Run.")
    body, top = [text(16, 72, shown(notice, 120), size=11,
                      fill=MUTE)] if notice else [], 104 if notice else 86
    scale = _scale(rows, margin)
    bottom = top + STEP * len(rows)
    good = scale(max(margin, scale.low)) if margin else LEFT
    body += [rect(LEFT, top - 6, good - LEFT, bottom - top, SOFT),
             line(good, top - 6, good, bottom - 6, stroke=GREY, width=1, dash="4 3"),
             text(good, top - 11, f"margin {margin:g}", size=11, fill=MUTE, anchor="middle")]
    for i, row in enumerate(rows):
        body += _model(row, top + STEP * i, scale)
    body += [part for value in scale.ticks
             for part in (line(scale(value), bottom - 6, scale(value), bottom - 2),
                          text(scale(value), bottom + 11, f"{value:g}", size=11, fill=MUTE, anchor="middle"))]
    body.append(text((LEFT + RIGHT) / 2, bottom + 30, f"{metric}, {unit}: further right is worse", size=11,
                     fill=MUTE, anchor="middle"))
    subtitle = "against the reference, paired by prompt; the line is the 95 % interval, the shaded side is good enough"
    return page(int(bottom + 44), body, finding=finding(rows), subtitle=subtitle, table=_table(rows))


def finding(rows: Sequence[dict]) -> str:
    """One sentence: who is good enough, who is worse, and what is open."""
    by_answer = {answer: [shown(row["name"], 60) for row in rows if row["answer"] == answer]
                 for answer in LOOKS}
    parts = [f"{_listed(names)} {'is' if len(names) == 1 else 'are'} {answer}" for answer,
             names in by_answer.items() if names and answer != "cannot tell"]
    if by_answer["cannot tell"]:
        parts.append(f"cannot tell about {_listed(by_answer['cannot tell'])}")
    words = "; ".join(parts) or "One model answered: there is nothing to hold it against"
    return words[0].upper() + words[1:] if words.startswith("cannot") else words


class _Linear:
    """A scale from 0 (or below, where something came out better) to the largest harm."""

    def __init__(self, low: float, high: float):
        self.low, self.high = low, high
        step = next((step for step in STEPS if (high - low) / step <= 6), high - low)
        self.ticks = [round(i * step, 6) for i in range(ceil(low / step), floor(high / step) + 1)]

    def __call__(self, value: float) -> float:
        return LEFT + (RIGHT - LEFT) * (min(max(value, self.low), self.high) - self.low) / (self.high
                                                                                            - self.low)


class _Root(_Linear):
    """The same by square roots: KL runs from a hundred-thousandth to one, and both ends shall be seen."""

    def __init__(self, high: float):
        super().__init__(0.0, high)
        steps = [step for step in (0, 0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5) if step <= high]
        self.ticks = [step for i, step in enumerate(steps) if not i or self(step) - self(steps[i - 1]) > 24]

    def __call__(self, value: float) -> float:
        return LEFT + (RIGHT - LEFT) * (min(max(value, 0.0), self.high) / self.high) ** 0.5


def _scale(rows: Sequence[dict], margin: float) -> _Linear:
    ends = [end for row in rows if row["harm"] for end in row["harm"] if end is not None]
    high, low = max([*ends, 2 * margin, 1e-6]) * 1.05, min([*ends, 0.0])
    return _Linear(low, high) if low < -0.01 * high else _Root(high)


def _model(row: dict, y: float, scale: _Linear) -> list[str]:
    tone, words = LOOKS.get(row["answer"], (GREY, "reference"))
    facts = [f"{row['bytes'] / 1e6:,.1f} MB" if row["bytes"] else "", f"{row['speed']:,.0f} tokens/s"
             if row["speed"] else ""]
    body = [text(16, y + 16, shown(row["name"], 24), bold=True),
            text(16, y + 32, ", ".join(fact for fact in facts if fact), size=11, fill=MUTE),
            text(RIGHT + 30, y + 16, words, bold=True)]
    if not row["reference"]:
        body.append(text(RIGHT + 30, y + 32, _times(row, "speed × "), size=11, fill=MUTE))
    if row.get("more"):
        body.append(text(RIGHT + 30, y + 46, f"add about {row['more']} prompts", size=11, fill=MUTE))
    if row["harm"]:
        mean, low, high = row["harm"]
        if low is not None:
            body.append(line(scale(low), y + 16, scale(high), y + 16, stroke=tone, width=3))
        body.append(circle(scale(mean), y + 16, 6, tone))
    else:
        body.append(text(LEFT + 8, y + 20, "not measured", size=11, fill=MUTE))
    return body


def _times(row: dict, before: str = "") -> str:
    """How many times as fast as the reference, with its interval where there is one."""
    if row["times_as_fast"] is None:
        return ""
    mean, low, high = row["times_as_fast"]
    return f"{before}{mean:.2f}" + ("" if low is None else f" ({low:.2f} to {high:.2f})")


def _table(rows: Sequence[dict]) -> Table:
    head = ("model", "type", "bytes", "tokens/s", "times as fast", "verdict", "remarks")
    return (head,
            *((shown(row["name"], 80), row["quantization"], f"{row['bytes']:,}", f"{row['speed']:.1f}",
               _times(row), printable(row["verdict"]), printable(", ".join(row["remarks"]))) for row in rows))


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
