"""How a comparison is shown: a line a model, the answers side by side, two pictures, and all of it as one
HTML file that needs nothing else.

No request leaves the file, and no word of a model is ever read as HTML.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..canvas.style import Picture
from ..canvas.trade import Series, Spot, draw_drift, draw_trade
from ..models.whole_file import whole_file
from ..words import html_table, percent, size
from .analysis import remarks
from .names import split_name
from .plan import Plan
from .statistics import Interval
from .verdict import GOOD, Metric

if TYPE_CHECKING:
    from .comparison import Comparison

SHORT_ANSWER, LONG_ANSWER = 4000, 20_000        # letters shown of one answer in a notebook and in the report
MOST_DIFFED = 800       # words and spaces of an answer that are compared one by one; the rest is unmarked
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
ins{background:#0a62;text-decoration:underline}del{background:#d522}.flag{color:#b30}"""


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


def answers(made: "Comparison", number: int) -> list[dict]:
    """Each model's first answer to prompt `number` (from 0): name, model (in full), note, flags, and
    `marked`: escaped HTML with the words marked that the reference's answer has not.
    """
    return _answers([row for row in made.rows() if row["prompt_number"] == number], made.plan, SHORT_ANSWER)


def _answers(rows: Sequence[dict], plan: Plan, most: int) -> list[dict]:
    first: dict[str, dict] = {}
    for row in rows:
        first.setdefault(row["model"], row)
    names, wanted = short_names(plan.models), first.get(plan.reference, {}).get("text", "")[:most]
    return [{"name": names[model], "model": model, "flags": row["flags"],
             "note": _beside_it(row, plan.reference),
             "marked": escape(row["error"]) or word_diff(wanted, row["text"][:most])}
            for model in plan.models if model in first for row in [first[model]]]


def _beside_it(row: dict, reference: str) -> str:
    if row["error"]:
        return "no answer"
    if row["model"] == reference:
        return "the reference"
    if row["same_words"] is None:
        return "the reference gave no answer"
    return "the same words" if row["same_words"] else f"first differs at word {row['first_difference']}"


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Forms of one model need no more than the part of their tags that differs; others keep their names."""
    if len({split_name(name)[0] for name in names}) > 1:
        return {name: name for name in names}
    tags = {name: split_name(name)[1] for name in names}
    parts = [tag.split("-") for tag in tags.values()]
    shared = next((i for i, same in enumerate(zip(*parts, strict=False)) if len(set(same)) > 1), 0)
    return {name: "-".join(tag.split("-")[shared:]) for name, tag in tags.items()}


def word_diff(before: str, after: str) -> str:
    """`after` as HTML with words marked that `before` has not; all words escaped."""
    a, b = (re.findall(r"\s+|\S+", text) for text in (before, after))
    rest, a, b, marked = b[MOST_DIFFED:], a[:MOST_DIFFED], b[:MOST_DIFFED], []
    for kind, a0, a1, b0, b1 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        old, new = escape("".join(a[a0:a1])), escape("".join(b[b0:b1]))
        gone, come = f"<del>{old}</del>" if old else "", f"<ins>{new}</ins>" if new else ""
        marked.append(new if kind == "equal" else gone + come)
    return "".join([*marked, escape("".join(rest))])


def _as_ends(found: Interval | None) -> tuple[float, float | None, float | None] | None:
    return None if found is None else (found.mean, found.low, found.high)


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
    up = f"{metric.name}{' (at least)' * metric.lower_bound}, {metric.unit}"
    subtitle = f"margin {metric.margin:g} {metric.unit}; less harm is lower, faster is to the right"
    return draw_trade(spots, finding=finding, subtitle=subtitle, up=up)


def write_report(path: Path, made: "Comparison") -> Path:
    """Write the report, whole or not at all; returns its path.  ValueError or OSError in words where it
    cannot be written.
    """
    with whole_file(path) as write:
        write(report_html(made).encode("utf-8", "replace"))
    return path


def report_html(made: "Comparison") -> str:
    """The report's text: verdicts, noise floor, pictures, settings, answers to each prompt, every call."""
    plan, rows, judged = made.plan, made.rows(), made.judged()
    by_prompt: dict[int, list[dict]] = {}
    for row in rows:
        by_prompt.setdefault(row["prompt_number"], []).append(row)
    pictures = [_with_numbers(trade_chart(plan, made.metric, judged)), _with_numbers(speed_chart(plan, rows))]
    prompts = [_prompt(plan, number, by_prompt.get(number, [])) for number in range(len(plan.prompts))]
    names = dict.fromkeys(check.name for check in made.checks if check)
    right = f" (right: {', '.join(names)})" if names else ""
    body = [f"<h2>Verdict</h2><p>Declared beforehand: {escape(made.metric.name + right)}, margin "
            f"{made.metric.margin:g} {escape(made.metric.unit)}.</p>", html_table(verdict_lines(judged)),
            f"<p>{escape(made.noise_floor())}</p>", *pictures, _how_made(plan, made.records), *prompts,
            _calls(rows)]
    return ('<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f"<title>Comparison of {len(plan.models)} models</title>"
            f'<meta http-equiv="Content-Security-Policy" content="{NOTHING_FROM_OUTSIDE}">'
            f"<style>{STYLE}</style></head><body><h1>{len(plan.prompts)} prompts, {len(plan.models)} models, "
            f"{plan.rounds} rounds</h1>{''.join(body)}</body></html>")


def _with_numbers(picture: Picture | None) -> str:
    """An SVG and its numbers as a table; the canvas escapes the names in it."""
    if picture is None:
        return ""
    return (f"{picture.svg}<details><summary>The numbers of this picture</summary>{html_table(picture.table)}"
            "</details>")


def verdict_lines(judged: Sequence[dict]) -> list[tuple[str, ...]]:
    """The verdicts as cells, a line a model below the heads; "" where nothing was measured."""
    return [("model", "type", "size", "tokens/s", "times as fast", "first token, s", "right", "divergence",
             "verdict", "remarks"),
            *((line["model"], line["quantization"], size(line["bytes"]) if line["bytes"] else "",
               _figure(line["tokens_per_second"], 1), str(line["speed_ratio"] or ""),
               _figure(line["first_seconds"], 2),
               "" if line["pass_rate"] is None else percent(line["pass_rate"]),
               line["divergence"] or "", line["verdict"], ", ".join(remarks(line))) for line in judged)]


def _how_made(plan: Plan, records: Sequence[Mapping]) -> str:
    sessions = [record for record in records if record["kind"] == "session"]
    digests = {name: facts["digest"] for record in sessions for name, facts in record["models"].items()}
    options = ", ".join(f"{name} {value}" for name, value in plan.options.items())
    lines = [("what", "value"), ("options", options), ("think", str(plan.think)),
             *((f"digest of {name}", digests.get(name, "unknown")) for name in plan.models),
             *((f"run of {one['at']}", f"Ollama {one['ollama']}, {one['machine']}, Python {one['python']}")
               for one in sessions)]
    return "<h2>How it was made</h2>" + html_table(lines)


def _prompt(plan: Plan, number: int, rows: Sequence[dict]) -> str:
    """All models' first answers to one prompt, each held against the reference's."""
    cards = []
    for card in _answers(rows, plan, LONG_ANSWER):
        flags = f'<span class="flag">{escape(", ".join(card["flags"]))}</span>' if card["flags"] else ""
        cards.append(f"<div><b>{escape(card['model'])}</b> {card['note']} {flags}"
                     f"<pre>{card['marked']}</pre></div>")
    asked = escape(plan.prompts[number].text[:LONG_ANSWER])
    return f'<h2>Prompt {number + 1}</h2><pre>{asked}</pre><div class="answers">{"".join(cards)}</div>'


def _calls(rows: Sequence[dict]) -> str:
    head = ("at", "round", "model", "prompt", "tokens/s", "first token, s", "load, s", "waited, s",
            "prompt tokens/s", "tokens", "remarks")
    lines = [(row["at"], str(row["round"] + 1), row["model"], str(row["prompt_number"] + 1),
              _figure(row.get("tokens_per_second"), 1),
              *(_figure(row.get(f"{name}_seconds"), 2) for name in ("first", "load", "waited")),
              _figure(row.get("prompt_tokens_per_second"), 0) or row.get("prompt_rate_note", ""),
              str(row.get("eval_count", "")), row["error"] or ", ".join(row["flags"])) for row in rows]
    return (f"<details><summary>All {len(rows)} calls in the order of asking</summary>"
            f"{html_table([head, *lines])}</details>")


def _figure(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"
