"""A comparison's numbers made ready for its two pictures (quantlab.canvas.trade).

A comparison as one HTML file that needs nothing else: no request leaves it, and no word of a model is ever
read as HTML.
"""

import difflib
import re
from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path

import numpy as np

from ..canvas.style import Picture
from ..canvas.trade import Series, Spot, draw_drift, draw_trade
from ..models.whole_file import whole_file
from .plan import Plan
from .verdict import GOOD, Metric

MOST_DOTS = 600         # single calls drawn; beyond that only the rounds' means are


def speed_chart(plan: Plan, rows: Sequence[dict]) -> Picture | None:
    """Tokens per second against time, for thermal drift and neighbours; None where no call was timed."""
    timed = [row for row in rows if not row["error"] and row["tokens_per_second"]]
    if not timed:
        return None
    times = [datetime.fromisoformat(row["at"]).timestamp() for row in timed]
    begin, calls = min(times), {}          # calls: {model: {round: [(minutes, tokens per second)]}}
    for row, at in zip(timed, times, strict=True):
        calls.setdefault(row["model"], {}).setdefault(row["round"],
                                                      []).append(((at - begin) / 60,
                                                                  row["tokens_per_second"]))
    series = [Series(name, [] if len(timed) > MOST_DOTS
                     else [call for block in calls[name].values() for call in block],
                     [tuple(np.mean(calls[name][number], axis=0)) for number in sorted(calls[name])])
              for name in plan.names if name in calls]
    return draw_drift(series, finding=_drift_words(series),
                       subtitle="letters: the mean of a round; dots: single calls; "
                       "lines that fall or rise together are the machine, not the model")


def trade_chart(plan: Plan, metric: Metric, summary: Sequence[dict]) -> Picture | None:
    """Harm, speed and bytes of each model; None with fewer than two models that have all three."""
    known = [(row, harm) for row in summary if row["model"] in plan.models and row["tokens_per_second"]
             and row["bytes"] and (harm := _harm(row, plan, metric)) is not None]
    if len(known) < 2:
        return None
    facts = [(-row["tokens_per_second"], harm, row["bytes"]) for row, harm in known]
    best = [not any(other != mine and all(a <= b for a, b in zip(other, mine, strict=True))
                    for other in facts) for mine in facts]
    spots = [Spot(row["model"], row["tokens_per_second"], harm, row["bytes"], top) for (row, harm),
             top in zip(known, best, strict=True)]
    good = [row for row, _ in known if row["answer"] == GOOD]
    finding = f"The smallest that is good enough: {min(good, key=lambda row: row['bytes'])['model']}" if good else "No other model is shown to be good enough"
    up = f"{metric.name}{' (at least)' if metric.lower_bound else ''}, {metric.unit}"
    subtitle = f"margin {metric.margin:g} {metric.unit}; less harm is lower, faster is to the right"
    return draw_trade(spots, finding=finding, subtitle=subtitle, up=up)


def _harm(row: dict, plan: Plan, metric: Metric) -> float | None:
    if not metric.lower_bound:
        return None if row["pass_rate"] is None else 1 - row["pass_rate"]
    return 0.0 if row["model"] == plan.reference else float(np.mean(list(row["kl"].values()))) if row[
        "kl"] else None


def _drift_words(series: Sequence[Series]) -> str:
    """How far the rounds of one model lie apart at most."""
    apart = {one.name: max(s for _, s in one.blocks) / min(s for _, s in one.blocks) - 1 for one in series
             if len(one.blocks) > 1}
    if not apart:
        return "One round each: drift cannot be seen"
    name = max(apart, key=apart.__getitem__)
    return f"From round to round {name} changed its speed by up to {apart[name]:.0%}"


MOST_SHOWN = 20_000         # letters of one answer in the report; the results file has them all
# words and spaces of an answer that are compared one by one; the rest is shown unmarked
MOST_DIFFED = 800
NOTHING_FROM_OUTSIDE = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """:root{color-scheme:light dark}
@media (prefers-color-scheme:dark){:root{--jp-content-font-color1:#e8eaed;--jp-content-font-color2:#a8b0bb;--jp-layout-color0:#121212;
--jp-border-color1:#4a515b;--jp-layout-color2:#23272e}}svg{max-width:100%;height:auto;display:block;margin:1em 0}
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em}
table{border-collapse:collapse}th,td{text-align:left;padding:.3em .7em;border-bottom:1px solid #8886;vertical-align:top}
.answers{display:grid;grid-template-columns:repeat(auto-fit,minmax(260px,1fr));gap:1em}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#8881;padding:.6em;margin:.3em 0;max-height:24em;overflow:auto}
ins{background:#0a62;text-decoration:underline}del{background:#d522}.flag{color:#b30}"""


def write_report(path: Path, plan: Plan, metric: Metric, rows: Sequence[dict], summary: Sequence[dict],
                 records: Sequence[dict], floor: str = "") -> Path:
    """Write the report, whole or not at all; returns its path.  ValueError or OSError in words where it
    cannot be written.
    """
    with whole_file(Path(path)) as write:
        write(report_html(plan, metric, rows, summary, records, floor).encode("utf-8", "replace"))
    return Path(path)


def report_html(plan: Plan, metric: Metric, rows: Sequence[dict], summary: Sequence[dict],
                records: Sequence[dict], floor: str = "") -> str:
    """The report's text.  rows, summary, records: of a `Comparison`; floor: what its `noise_floor` says."""
    pictures = [_picture(trade_chart(plan, metric, summary)), _picture(speed_chart(plan, rows))]
    prompts = [_prompt(plan, number, rows) for number in range(len(plan.prompts))]
    body = [_verdicts(metric, summary), f"<p>{escape(floor)}</p>", *pictures, _settings(plan, records),
            *prompts, _times(rows)]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Comparison of {len(plan.models)} models</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{NOTHING_FROM_OUTSIDE}"><style>{STYLE}</style></head>'
        f"<body><h1>{len(plan.prompts)} prompts, {len(plan.models)} models, {plan.rounds} "
        f"rounds</h1>{''.join(body)}</body></html>")


def word_diff(before: str, after: str) -> tuple[str, int | None]:
    """(`after` as HTML with words marked that `before` has not, number of the first differing word or None);
    all words escaped.
    """
    a, b = (re.findall(r"\s+|\S+", text) for text in (before, after))
    first = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None if len(a) == len(b)
                 else min(len(a), len(b)))
    if first is None:
        return escape(after), None
    place = sum(not word.isspace() for word in a[:first]) + 1
    marked, rest, a, b = [], escape("".join(b[MOST_DIFFED:])), a[:MOST_DIFFED], b[:MOST_DIFFED]
    for kind, a0, a1, b0, b1 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        old, new = escape("".join(a[a0:a1])), escape("".join(b[b0:b1]))
        marked.append(new if kind == "equal" else (f"<del>{old}</del>" if old else "")
                      + (f"<ins>{new}</ins>" if new else ""))
    return "".join([*marked, rest]), place


def _picture(picture: Picture | None) -> str:
    """An SVG and its numbers as a table; views escape the names in it."""
    if picture is None:
        return ""
    return f"{picture.svg}<details><summary>The numbers of this picture</summary>{_table(picture.table[0], picture.table[1:])}</details>"


def _verdicts(metric: Metric, summary: Sequence[dict]) -> str:
    head = ("model", "type", "MB", "tokens/s", "times as fast", "first token, s", "right", "divergence",
            "verdict", "remarks")
    lines = [(row["model"], row["quantization"], _number(row["bytes"] and row["bytes"] / 1e6, 0),
              _number(row["tokens_per_second"], 1), "" if row["speed_ratio"] is None
              else str(row["speed_ratio"]), _number(row["first_seconds"], 2),
              _number(row["pass_rate"] and 100 * row["pass_rate"], 0, " %"), row["divergence"]
              or "", row["verdict"],
              ", ".join([*row["flags"], *([f"{row['errors']} calls failed"] if row["errors"] else [])]))
             for row in summary]
    return (
        f"<h2>Verdict</h2><p>Declared beforehand: {escape(metric.name)}, margin {metric.margin:g} "
        f"{escape(metric.unit)}.</p>"
        + _table(head, lines))


def _settings(plan: Plan, records: Sequence[dict]) -> str:
    sessions = [record for record in records if record["kind"] == "session"]
    digests = {name: facts["digest"] for record in sessions for name, facts in record["models"].items()}
    lines = [("options", ", ".join(f"{name} {value}" for name, value in plan.options.items())),
             ("think", str(plan.think)), *((f"digest of {name}", digests.get(name, "unknown"))
                                           for name in plan.models),
             *((f"run of {record['at']}",
                f"Ollama {record['ollama']}, {record['machine']}, Python {record['python']}")
               for record in sessions)]
    return "<h2>How it was made</h2>" + _table(("what", "value"), lines)


def _prompt(plan: Plan, number: int, rows: Sequence[dict]) -> str:
    """All models' first answers to one prompt, each held against the reference's."""
    first = {}
    for row in rows:
        if row["prompt_number"] == number:
            first.setdefault(row["model"], row)
    wanted, cards = first.get(plan.reference, {}).get("text", ""), []
    for name, row in ((name, first[name]) for name in plan.models if name in first):
        words, place = word_diff(wanted[:MOST_SHOWN], row["text"][:MOST_SHOWN])
        note = "the reference" if name == plan.reference else "the same words" if place is None else f"first differs at word {place}"
        flags = f'<span class="flag">{escape(", ".join(row["flags"]))}</span>' if row["flags"] else ""
        cards.append(
            f"<div><b>{escape(name)}</b> {note} {flags}<pre>{escape(row['error']) or words}</pre></div>")
    asked = escape(plan.prompts[number].text[:MOST_SHOWN])
    return f'<h2>Prompt {number + 1}</h2><pre>{asked}</pre><div class="answers">{"".join(cards)}</div>'


def _times(rows: Sequence[dict]) -> str:
    head = ("at", "round", "model", "prompt", "tokens/s", "first token, s", "load, s", "waited, s",
            "prompt tokens/s", "tokens", "remarks")
    lines = [(row["at"], str(row["round"] + 1), row["model"], str(row["prompt_number"] + 1),
              _number(row.get("tokens_per_second"), 1), _number(row.get("first_seconds"), 2),
              _number(row.get("load_seconds"), 2), _number(row.get("waited_seconds"), 2),
              _number(row.get("prompt_tokens_per_second"), 0) or row.get("prompt_rate_note", ""),
              str(row.get("eval_count", "")), row["error"] or ", ".join(row["flags"])) for row in rows]
    return f"<details><summary>All {len(rows)} calls in the order of asking</summary>{_table(head, lines)}</details>"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in lines)
    return f"<table><tr>{top}</tr>{body}</table>"


def _number(value: float | None, digits: int, unit: str = "") -> str:
    return "" if value is None else f"{value:,.{digits}f}{unit}"
