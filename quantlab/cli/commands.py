"""The commands that show what one function returns: `estimate_memory`, `recommend`, a `Comparison` and its
report, `quantize_model`, `doctor`. Each returns the text to print.
"""

import json
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ..words import text_table

# what a command needs is imported by it: `--help` and `lab` shall not wait for pandas and the server's client


def doctor(markdown: bool = False) -> str:
    """What was found on this machine, for you and for a bug report."""
    from .doctor import doctor as examine

    report = examine()
    return report.markdown() if markdown else str(report)


def export(lessons: Sequence[str] = (), to: str = "pages") -> str:
    """Lessons as web pages, as they stand: your copies where there are any, else those of the workbook."""
    from . import workspace
    from .export import export_lessons

    root = workspace.project_root()
    chosen = workspace.of_lessons(root, lessons)
    own = root / workspace.MY_NOTEBOOKS
    found = [own / path.name if (own / path.name).exists() else path for path in chosen]
    pages = export_lessons(found, Path(to))
    return f"{len(pages)} pages in {Path(to)}/; begin with {pages[0].name}"


def estimate(model: str, as_json: bool = False, cpu_moe: bool = False, **settings) -> str:
    """The memory that llama.cpp takes for a model and its settings, part by part."""
    from ..memory.estimate import estimate_memory
    from ..models.resolve import shape_of

    if cpu_moe and "n_cpu_moe" in settings:
        raise ValueError(f"--cpu-moe is for all layers, --n-cpu-moe {settings['n_cpu_moe']} for some: "
                         "give one")
    settings |= {"n_cpu_moe": shape_of(model).architecture.n_layer} if cpu_moe else {}
    found = estimate_memory(model, **settings)
    return _json({**asdict(found), "total": found.total, "needed": found.needed}) if as_json else str(found)


def recommend(model: str, vram_gib: Sequence[float], as_json: bool = False, bandwidth: float = 0,
              host_bandwidth: float | None = None, **settings) -> str:
    """Every type of a model on a card, best first: what fits, how many layers or experts, how fast."""
    from ..memory.fit import recommend as ranked

    settings |= {} if host_bandwidth is None else {"host_bandwidth": host_bandwidth * 1e9}
    found = ranked(model, vram_gib, bandwidth=bandwidth * 1e9, **settings)
    return _json(found.table().to_dict("records")) if as_json else str(found)


def compare(prompts: str, models: Sequence[str], options: Sequence[str] = (), as_json: bool = False,
            **more) -> str | int:
    """Ask models on your Ollama the same prompts, and say which are good enough; goes on where it stopped."""
    from ..lab.comparison import Comparison
    from ..lab.overview import verdict_lines

    if more.get("think") in ("yes", "no"):
        more["think"] = more["think"] == "yes"
    study = Comparison(prompts, models, options=dict(map(_name_and_value, options)), **more)
    if study.missing and (stops := study.preflight().stops):
        raise ValueError("; ".join(stops))
    try:
        study.run(on_progress=_tell_stderr)
        if study.metric.lower_bound and not study.stopped and len(models) > 1:
            study.diverge(on_progress=_tell_stderr)
    except KeyboardInterrupt:
        every = len(study.plan.calls())
        raise KeyboardInterrupt(f"{every - study.missing} of {every} calls are kept in {study.file}: the "
                                "same command goes on from there") from None
    if study.stopped:
        print(f"quantlab: {study.stopped}", file=sys.stderr)
        return 1
    if as_json:
        return _json(study.judged())
    print(f"Every call is in {study.file}; `python -m quantlab report {study.file}` makes a page of it.",
          file=sys.stderr)
    return "\n".join([*_with_verdicts(verdict_lines(study.judged())), study.noise_floor()])


def report(file: str, page: str | None = None, **judged_by) -> Path:
    """The HTML report of a results file: verdicts, answers side by side, speed against time, every call."""
    from ..lab.comparison import Comparison

    return Comparison.from_file(file, **judged_by).report(page or Path(file).with_suffix(".html"))


def quantize(source: str, file: str, ftype: str, patterns: Sequence[str] = (), lines: str | None = None,
             types_of: str | None = None, **how) -> object:
    """Write the quantized file that llama-quantize would write; Ctrl-C leaves nothing behind."""
    from ..models.wishes import read_types, types_in
    from ..models.writer import quantize_model

    types = types_in(patterns, "--tensor-type")
    if lines is not None:
        types |= {pattern: qtype for pattern, qtype in read_types(lines).items() if pattern not in types}
    if types and types_of is not None:
        raise ValueError("--types-of gives every matrix its type: leave --tensor-type and its file out")
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        made = quantize_model(source, file, ftype, types=types_of if types_of is not None else types or None,
                              **how)
    for note in notes:
        print(f"quantlab: {note.message}", file=sys.stderr)
    return made


def _name_and_value(words: str) -> tuple[str, object]:
    """("num_ctx", 2048) from "num_ctx=2048"; a value that is no number, list or truth is a text."""
    name, equals, value = words.partition("=")
    if not equals:
        raise ValueError(f"--option {words}: write NAME=VALUE, such as num_ctx=2048")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _tell_stderr(now) -> None:
    """How far a run is: one line that is written over in a terminal, a line for each call in a log."""
    if sys.stderr.isatty():
        print(f"\r{now.words[:79]:<79}", end="" if now.model else "\n", file=sys.stderr, flush=True)
    else:
        print(now.words, file=sys.stderr, flush=True)


def _with_verdicts(lines: Sequence[Sequence[str]]) -> list[str]:
    """The measured cells of `verdict_lines` under each other, and below each model its verdict in words."""
    columns = [column for column in list(zip(*lines, strict=True))[:7] if any(column[1:])]
    told = text_table(list(zip(*columns, strict=True))).split("\n")
    for number, (*_, verdict, remarks) in enumerate(lines[1:], 1):
        told[number] += f"\n    {verdict}" + (f" ({remarks})" if remarks else "")
    return told


def _json(value) -> str:
    return json.dumps(value, indent=1, default=asdict)
