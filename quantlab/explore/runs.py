"""Answers side by side, and two recorded experiments as pictures: the noise between seeds, and the two clocks. Lesson 07."""

from collections.abc import Sequence

from ..lab.names import quant_of
from ..lab.records import recorded, seed_scores
from ..profile import stable
from ..views.page import draw_comparison
from ..views.runs import draw_clock, draw_seeds
from .base import Explorer, show


def plot_seeds() -> Explorer:
    """Eight questions, two quantizations, five seeds: who wins each time."""
    scores = seed_scores()
    labels = [quant_of(name) for name in next(iter(scores.values()))]
    return show(draw_seeds(scores, len(recorded("seeds")["rules"]), labels, _short("seeds")))


def plot_clock() -> Explorer:
    """The same answer timed by a stopwatch and by the server, cold and warm."""
    runs = [{**run, "quantization": quant_of(run["quantization"]), "time": stable(run["time"])} for run in recorded("clock")["runs"]]
    return show(draw_clock([run for run in runs if run["turn"] in ("cold", "warm 1")], _short("clock")))


def _short(name: str) -> str:
    run = recorded(name)
    return f"Recorded on {run['date']}, Ollama {run['ollama']}, SmolLM2-135M, one thread of a busy machine without a GPU."


def show_comparison(prompt: str, rows: Sequence[dict]) -> Explorer:
    """The rows of `compare_quantizations` as cards with bars; a recorded run is labelled as one."""
    return show(draw_comparison(prompt, rows, next((row["recorded"] for row in rows if row.get("recorded")), "")))
