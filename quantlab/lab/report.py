"""A comparison as one HTML file that needs nothing else: the answer first, then verdicts, two pictures, and
the answers side by side.

No request leaves the file, and no word of a model is ever read as HTML.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..canvas.style import Picture
from ..canvas.trade import Series, Spot, draw_drift, draw_trade
from ..models.whole_file import whole_file
from ..words import counted, html_table, percent, printable
from .csv_file import pass_words
from .overview import answer_words, digits_words, prompt_lines, seconds_words, tag_lines, verdict_lines
from .plan import Plan
from .side_by_side import LONG_ANSWER, answers_of, expected_words
from .verdict import GOOD, Metric

if TYPE_CHECKING:
    from .comparison import Comparison

MOST_DOTS = 600         # single calls drawn; beyond that only the rounds' means are
NOTHING_FROM_OUTSIDE = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """:root{color-scheme:light dark}
@media (prefers-color-scheme:dark){:root{--jp-content-font-color1:#e8eaed;--jp-content-font-color2:#a8b0bb;
--jp-layout-color0:#121212;--jp-border-color1:#4a515b;--jp-layout-color2:#23272e}}
svg{max-width:100%;height:auto;display:block;margin:1em 0}
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em}
table{border-collapse:collapse}
th,td{text-align:left;padding:.3em .7em;border-bottom:1px solid #8886;vertical-align:top}
.answers{display:grid;grid-template-columns:repeat(auto-fit,minmax(260px,1fr));gap:1em}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#8881;padding:.6em;margin:.3em 0}
pre{max-height:24em;overflow:auto}
.lead{font-size:1.3em}.passed{color:#0a6}.failed{color:#b30}
ins{background:#0a62;text-decoration:underline}del{background:#d522}.flag{color:#b30}"""


def speed_chart(plan: Plan, rows: Sequence[dict]) -> Picture | None:
    """Tokens per second against time, for thermal drift and neighbours; None where no call was timed."""
    timed = [row for row in rows if not row["error"] and row["tokens_per_second"]]
    if not timed:
        return None
    times = [datetime.fromisoformat(row["at"]).timestamp() for row in timed]
    begin = min(times)
    calls: dict[str, dict[int, list]] = {}          # {model: {round: [(minutes, tokens per second)]}}
    for row, at in zip(timed, times, strict=True):
        rounds = calls.setdefault(row["model"], {})
        rounds.setdefault(row["round"], []).append(((at - begin) / 60, row["tokens_per_second"]))
    dots = len(timed) <= MOST_DOTS
    series = [Series(name, [call for block in calls[name].values() for call in block] if dots else [],
                     [tuple(np.mean(calls[name][number], axis=0)) for number in sorted(calls[name])])
              for name in plan.names if name in calls]
    return draw_drift(series, finding=_drift_words(series),
                       subtitle="letters: the mean of a round; dots: single calls; "
                                "lines that fall or rise together are the machine, not the model")


def _drift_words(series: Sequence[Series]) -> str:
    """How far the rounds of one model lie apart at most."""
    apart = {one.name: max(s for _, s in one.blocks) / min(s for _, s in one.blocks) - 1
             for one in series if len(one.blocks) > 1}
    if not apart:
        return "One round each: drift cannot be seen"
    name = max(apart, key=apart.__getitem__)
    return f"From round to round {name} changed its speed by up to {percent(apart[name])}"


def trade_chart(plan: Plan, metric: Metric, summary: Sequence[dict]) -> Picture | None:
    """Harm, speed and bytes of each model; None with fewer than two models that have all three."""
    known = [line for line in summary if line["model"] in plan.models and line["tokens_per_second"]
             and line["bytes"] and (line["harm"] or line["model"] == plan.reference)]
    if len(known) < 2:
        return None
    facts = [(-line["tokens_per_second"], line["bytes"],
              0.0 if line["model"] == plan.reference else line["harm"].mean) for line in known]
    best = [not any(other != mine and all(a <= b for a, b in zip(other, mine, strict=True))
                    for other in facts) for mine in facts]
    spots = [Spot(line["model"], -slowness, harm, nbytes, top)
             for line, (slowness, nbytes, harm), top in zip(known, facts, best, strict=True)]
    good = [line for line in known if line["answer"] == GOOD]
    finding = "No other model is shown to be good enough"
    if good:
        finding = f"The smallest that is good enough: {min(good, key=lambda line: line['bytes'])['model']}"
    up = f"{metric.name}{' (at least)' * metric.lower_bound}, {metric.unit}, against the reference"
    subtitle = (f"margin {metric.told(metric.margin)} {metric.unit}; the reference lies at 0; less harm is "
                "lower, faster is to the right")
    return draw_trade(spots, finding=finding, subtitle=subtitle, up=up, told=metric.told)


def write_report(path: Path, made: "Comparison") -> Path:
    """Write the report, whole or not at all; returns its path.  ValueError or OSError in words where it
    cannot be written.
    """
    with whole_file(path) as write:
        write(report_html(made).encode("utf-8", "replace"))
    return path


def report_html(made: "Comparison") -> str:
    """The report's text: the answer, verdicts, noise floor, pictures, what passed, settings, answers to each
    prompt, every call.
    """
    plan, rows, judged = made.plan, made.rows(), made.judged()
    by_prompt: dict[int, list[dict]] = {}
    for row in rows:
        by_prompt.setdefault(row["prompt_number"], []).append(row)
    pictures = [_with_numbers(trade_chart(plan, made.metric, judged)), _with_numbers(speed_chart(plan, rows))]
    prompts = [_prompt(made, number, by_prompt.get(number, [])) for number in range(len(plan.prompts))]
    names = dict.fromkeys(check.name for check in made.checks if check)
    right = f" (right: {', '.join(names)})" if names else ""
    asked = (f"{counted(len(plan.prompts), 'prompt')}, {counted(len(plan.models), 'model')}, "
             f"{counted(plan.rounds, 'round')}")
    body = [f'<p class="lead">{_shown(answer_words(made))}</p>',
            f"<h2>Verdict</h2><p>Declared beforehand: {_shown(made.metric.name + right)}, margin "
            f"{made.metric.told(made.metric.margin)} {escape(made.metric.unit)}.</p>",
            _table(verdict_lines(judged)), f"<p>{_shown(made.noise_floor())}</p>", *pictures,
            _titled("What passed", prompt_lines(made)), _titled("What passed, by tag", tag_lines(made)),
            _how_made(plan, made.records), *prompts, _calls(rows)]
    return ('<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f"<title>Comparison of {counted(len(plan.models), 'model')}</title>"
            f'<meta http-equiv="Content-Security-Policy" content="{NOTHING_FROM_OUTSIDE}">'
            f"<style>{STYLE}</style></head><body><h1>{asked}</h1>{''.join(body)}</body></html>")


def _shown(words: str) -> str:
    """Words as HTML: escaped, control characters and marks of direction as boxes."""
    return escape(printable(words))


def _table(lines: Sequence[Sequence[str]]) -> str:
    return html_table([[printable(cell) for cell in line] for line in lines])


def _titled(title: str, lines: Sequence[Sequence[str]]) -> str:
    return f"<h2>{title}</h2>{_table(lines)}" if lines else ""


def _with_numbers(picture: Picture | None) -> str:
    """An SVG and its numbers as a table; the canvas escapes the names in it."""
    if picture is None:
        return ""
    return (f"{picture.svg}<details><summary>The numbers of this picture</summary>{html_table(picture.table)}"
            "</details>")


def _how_made(plan: Plan, records: Sequence[Mapping]) -> str:
    sessions = [record for record in records if record["kind"] == "session"]
    digests = {name: facts["digest"] for record in sessions for name, facts in record["models"].items()}
    options = ", ".join(f"{name} {value}" for name, value in plan.options.items())
    form = plan.format if isinstance(plan.format, str | None) else json.dumps(plan.format)
    lines = [("what", "value"), ("options", options), ("think", str(plan.think)),
             *((name, value) for name, value in (("system prompt", plan.system), ("format", form)) if value),
             *((f"digest of {name}", digests.get(name, "unknown")[:12]) for name in plan.models),
             *((f"run of {_when(one['at'])}",
                f"Ollama {one['ollama']}, {one['machine']}, Python {one['python']}") for one in sessions)]
    return "<h2>How it was made</h2>" + _table(lines)


def _when(at: str) -> str:
    """A time as people write it: "2026-11-30 14:05:01 UTC"."""
    return at.replace("T", " ").replace("+00:00", " UTC")


def _prompt(made: "Comparison", number: int, rows: Sequence[dict]) -> str:
    """What was said before, what was expected, and all models' first answers to one prompt, each held against
    the reference's.
    """
    prompt, cards = made.plan.prompts[number], []
    for card in answers_of(rows, made.plan, LONG_ANSWER):
        flags = f'<span class="flag">{_shown(", ".join(card["flags"]))}</span>' if card["flags"] else ""
        tone = {"passed": "passed", "not passed": "failed"}.get(card["passed"], "flag")
        right = f'<b class="{tone}">{card["passed"]}</b>' if any(made.checks) else ""
        cards.append(f"<div><b>{_shown(card['model'])}</b> {card['note']} {right} {flags}"
                     f"<pre>{card['marked']}</pre></div>")
    before = "".join(f"<p>{role}:</p><pre>{_shown(said[:LONG_ANSWER])}</pre>"
                     for role, said in prompt.messages)
    wanted = expected_words(made, number)
    return (f"<h2>Prompt {number + 1}</h2>{before}<pre>{_shown(prompt.text[:LONG_ANSWER])}</pre>"
            + (f"<p>{_shown(wanted)}</p>" if wanted else "") + f'<div class="answers">{"".join(cards)}</div>')


def _calls(rows: Sequence[dict]) -> str:
    head = ("at", "round", "model", "prompt", "expected", "passed", "tokens/s", "first token", "load",
            "waited", "prompt tokens/s", "tokens", "remarks")
    lines = [(_when(row["at"]), str(row["round"] + 1), row["model"], str(row["prompt_number"] + 1),
              row["expected"], pass_words(row), digits_words(row.get("tokens_per_second"), 1),
              *(seconds_words(row.get(f"{name}_seconds")) for name in ("first", "load", "waited")),
              digits_words(row.get("prompt_tokens_per_second"), 0) or row.get("prompt_rate_note", ""),
              str(row.get("eval_count", "")), row["error"] or ", ".join(row["flags"])) for row in rows]
    said = "The one call" if len(rows) == 1 else f"All {counted(len(rows), 'call')} in the order of asking"
    return f"<details><summary>{said}</summary>{_table([head, *lines])}</details>"
