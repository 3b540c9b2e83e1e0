"""Lesson 14: tokens a second from bytes and bandwidth, for a card of your choice; and beside what was
measured here or recorded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ..canvas.plane import Axis
from ..canvas.style import BLUE, INK, MEANING, VERMILION, Picture
from ..canvas.svg import circle, line, page, quiet, rect, swatches, text
from ..lab.names import split_name
from ..lab.records import provenance, recorded
from ..lab.server import LabError, Server
from ..lab.speed import measure_speed
from ..memory.advice import types_of
from ..memory.cards import GPUS
from ..memory.fit import fits
from ..memory.machine import my_machine, read_bandwidth
from ..memory.settings import Settings
from ..memory.speed import EFFICIENCY, bytes_per_token, published_speeds
from ..models.source import open_model
from ..models.tag import quant_of
from ..profile import is_reference, stable
from ..stage.base import Stage, show
from ..stage.handles import menu, slider, stops
from ..stage.share import recalled
from ..words import GIB, number, one_of, wrapped
from .cards import Shapes, billions, with_own

LEFT, RIGHT, TOP, STEP = 170, 500, 96, 30
NOTE_LETTERS = 125      # that a line under the picture has room for


@dataclass(frozen=True)
class SpeedRow:
    """One row: from `low` to `high` tokens a second is expected, more than `limit` is impossible; `measured`:
    what was found.

    split: some layers lie in main memory, so the bar has another colour.  words: stand at the right end.
    """

    label: str
    low: float
    high: float
    limit: float
    words: str
    split: bool = False
    measured: Sequence[float] = ()


FTYPES = ("Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16")
CONTEXTS = (512, 2048, 8192, 32768, 131072)
USUAL = f"{100 * EFFICIENCY[0]:.0f} to {100 * EFFICIENCY[1]:.0f} %"
MOST = 3                # pulled models that are measured, the smallest ones
LARGEST = 2 * 10**9     # bytes of a file that is measured unasked


def _finding(rows: list[SpeedRow]) -> str:
    whole, split = [row for row in rows if not row.split], [row for row in rows if row.split]
    if not whole:
        return (f"None fits whole: {rows[0].label}, split, {_about(rows[0].low)} to {_about(rows[0].high)} "
                "tokens a second")
    best = whole[-1]
    words = f"{best.label}: {_about(best.low)} to {_about(best.high)} tokens a second"
    if not split:
        return f"All types fit; {words}"
    ratio = best.limit / split[0].limit
    return f"{words}; {split[0].label} is split, and {number(ratio, 2)} times slower"


def _about(speed: float) -> str:
    """A speed that is only expected claims no tenths."""
    return f"{speed:.0f}" if speed >= 9.95 else f"{speed:.1f}"


def _measured_finding(rows: list[SpeedRow]) -> str:
    shares = {row.label.replace(", ", " with "): max(row.measured) / row.limit for row in rows}
    best, worst = max(shares, key=shares.__getitem__), min(shares, key=shares.__getitem__)
    return (f"{best} reaches {100 * shares[best]:.0f} % of what memory allows, {worst} only "
            f"{100 * shares[worst]:.0f} %")


def _recorded() -> tuple[list[dict], str]:
    """Rows of the recorded run, each with the bandwidth that as many threads read with; and when it was."""
    run = recorded("speed")
    rows = [row | {"label": f"{quant_of(row['model'])}, {_threads(row['threads'])}",
                   "bandwidth": max(run["read_bandwidth"][str(row["threads"])])} for row in run["runs"]]
    return rows, f"{provenance('speed')} Dots: one answer each."


def _threads(count: int) -> str:
    return f"{count} thread{'s' * (count > 1)}"


def _measured(models: list[str] | None) -> tuple[list[dict], str]:
    """Measured now; the recorded run where there is no server or no model that can be opened."""
    try:
        server = Server()
        small = sorted((entry for entry in server.models() if entry["size"] < LARGEST),
                       key=lambda entry: entry["size"])
        names = models or [entry["name"] for entry in small][:MOST]
        cores = my_machine().cores      # as many threads as Ollama takes
        bandwidth = read_bandwidth(cores)
        rows = [row for row in measure_speed(names, server=server) if "error" not in row] if names else []
    except LabError as error:
        runs, note = _recorded()
        return runs, f"{error} {note}"
    if not rows:
        return _recorded()
    for row in rows:
        with open_model(row["model"]) as opened:
            row["bytes_per_token"] = sum(bytes_per_token(opened, None, Settings(n_ctx=512, n_gpu_layers=0)))
        row |= {"label": split_name(row["model"])[1][-14:], "threads": cores, "bandwidth": bandwidth}
        row["tokens_per_second"] = [stable(speed) for speed in row["tokens_per_second"]]
    return rows, f"Measured now, {len(rows)} models, three rounds each, by the server's own counters."


def _draw(shapes: Shapes, model: str, card: str, n_ctx: int, ram: int) -> Picture:
    rows, shape, gpu = [], shapes[model], GPUS[card]
    layers = shape.architecture.n_layer + 1
    for ftype in types_of(shape, FTYPES):
        fit = fits(shape, gpu.vram_bytes, ftype, Settings(n_ctx=n_ctx))
        best = fit.best(gpu.bandwidth, ram * 1e9)
        words = f"{best.layers} of {layers} layers on the card" if best.layers is not None else (
            best.words.removeprefix("the "))
        rows.append(SpeedRow(ftype, best.speed.low, best.speed.high, best.speed.limit, words, fit.room < 0))
    bandwidth = gpu.bandwidth / 1e9
    numbers = {"bandwidth": bandwidth, "vram": gpu.vram_bytes / GIB, "billions": billions(model, shapes),
               **{f"low_{row.label}": row.low for row in rows}}
    return draw_speeds(rows, finding=_finding(rows),
                       subtitle=f"{model} on a {card} ({bandwidth:,.0f} GB/s), {n_ctx:,} tokens in the "
                                "context, one conversation",
                       note=f"Expected: {USUAL} of what the bandwidth allows, as published runs reach."
                       ).telling(numbers)


def draw_speeds(rows: Sequence[SpeedRow], *, finding: str, subtitle: str, note: str = "") -> Picture:
    """A bar for what is expected, a tick for the limit, dots for what was measured.  The axis is logarithmic:
    equal steps, equal ratios.
    """
    values = [value for row in rows for value in (row.low, row.limit, *row.measured)]
    axis, bottom = Axis(min(values) / 1.25, max(values) * 1.25, LEFT, RIGHT, log=True), TOP + STEP * len(rows)
    body = []
    for value in axis.ticks():
        body += [line(axis(value), TOP - 12, axis(value), bottom),
                 quiet(axis(value), TOP - 18, number(value), anchor="middle")]
    for i, row in enumerate(rows):
        y, tone = TOP + STEP * i, MEANING["split"] if row.split else BLUE
        body += [text(16, y + 16, row.label, bold=True),
                 rect(axis(row.low), y + 4, max(axis(row.high) - axis(row.low), 3), 14, tone,
                      title=row.words), line(axis(row.limit), y + 1, axis(row.limit), y + 21, stroke=INK,
                                             width=2.5), text(RIGHT + 14, y + 16, row.words, size=12)]
        body += [circle(axis(value), y + 11, 4.5, VERMILION, stroke=INK) for value in row.measured]
    body += _legend(rows, bottom + 20)
    notes = wrapped(note, NOTE_LETTERS, 3) if note else []
    body += [quiet(16, bottom + 44 + 18 * i, words) for i, words in enumerate(notes)]
    table = (("what", "expected, tokens/s", "at most", "measured", "remark"),
             *((row.label, f"{number(row.low, 3)} to {number(row.high, 3)}", number(row.limit, 3),
                ", ".join(number(value, 3) for value in row.measured) or "–", row.words) for row in rows))
    height = bottom + (38 + 18 * len(notes) if notes else 34)
    return page(height, body, finding=finding, subtitle=subtitle, table=table)


def _legend(rows: Sequence[SpeedRow], y: float) -> list[str]:
    split = [row.split for row in rows]
    expected = [(BLUE, "expected")] * (not all(split))
    expected += [(MEANING["split"], "expected, some layers in main memory")] * any(split)
    x = 16 + sum(34 + 6.6 * len(words) for _, words in expected)
    shapes = [*swatches(16, y, expected), quiet(x, y, "| more is impossible")]
    if any(row.measured for row in rows):
        shapes += [circle(x + 153, y - 4, 4.5, VERMILION, stroke=INK), quiet(x + 165, y, "measured")]
    return shapes


@recalled
def explore_speed(model="llama3.1:8b", card: str = "GeForce RTX 4060") -> Stage:
    """Every type of a model on a card: what does not fit is read from main memory, and the speed falls off a
    cliff.

    model: whatever `explore_memory` takes; card: a name of GPUS.  Raises ValueError for others.
    """
    (shown, shapes), card = with_own(model), one_of("card", card, GPUS)
    handles = [menu("model", "model", shown, shapes), menu("card", "card", card, GPUS),
               stops("n_ctx", "context, tokens", 8192, [(f"{n:,}", n) for n in CONTEXTS]),
               slider("ram", "main memory, GB/s", 50, 10, 400, 10)]
    large = dict(model="llama3.1:8b", card="GeForce RTX 4090", n_ctx=8192, ram=50)
    presets = {"Many experts": large | dict(model="qwen3:30b"), "A long context": large | dict(n_ctx=131072),
               "Too large for the card": large | dict(model="llama3.1:70b")}
    return Stage(handles, partial(_draw, shapes), presets=presets, width=390, label_width=150,
                 note="Two channels of DDR5-5600, as in many machines, read 90 GB/s at most.")


@recalled
def plot_published_speeds() -> Stage:
    """Runs that others have published, each beside what the card's bandwidth allows."""
    rows = []
    for run in published_speeds():
        speed, share = run.expected, run.share
        rows.append((share, SpeedRow(run.device.removeprefix("GeForce ").removeprefix("Radeon "), speed.low,
                                     speed.high, speed.limit,
                                     f"{100 * share:.0f} %: {run.model.removesuffix('-mla')} {run.ftype}, "
                                     f"{run.where or f'{run.n_ctx:,}'}", bool(run.placed),
                                     measured=[run.tokens_per_second])))
    inside = sum(EFFICIENCY[0] <= share <= EFFICIENCY[1] for share, _ in rows)
    return show(draw_speeds([row for _, row in sorted(rows, key=lambda pair: -pair[0])],
                            finding=f"{inside} of {len(rows)} published runs reach {USUAL} of the limit",
                            subtitle="share of the limit, model, type, tokens in the context or what lies "
                                     "where; one answer at a time"))


@recalled
def plot_measured_speed(models: list[str] | None = None) -> Stage:
    """Measured here beside what the main memory allows, where a server answers; else the recorded run, which
    says so.

    models: names the server has; None takes the smallest up to three.  For a machine without a card: what
    lies on a card is faster.
    """
    runs, note = _recorded() if is_reference() else _measured(models)
    rows, read = [], {}
    for run in runs:
        limit, read[run["threads"]] = run["bandwidth"] / run["bytes_per_token"], run["bandwidth"]
        rows.append(SpeedRow(run["label"], EFFICIENCY[0] * limit, EFFICIENCY[1] * limit, limit,
                             f"{100 * max(run['tokens_per_second']) / limit:.0f} % of the limit",
                             measured=run["tokens_per_second"]))
    memory = ", ".join(f"{speed / 1e9:.0f} GB/s ({_threads(threads)})" for threads, speed in read.items())
    return show(draw_speeds(rows, finding=_measured_finding(rows), note=note,
                            subtitle=f"tokens a second on a processor; its memory was read at {memory}"))
