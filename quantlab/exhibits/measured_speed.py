"""Lesson 14: tokens a second as they were measured, here or in the recorded run, beside what the main memory
allows.
"""

from ..lab.names import split_name
from ..lab.records import provenance, recorded
from ..lab.server import LabError, Server
from ..lab.speed import measure_speed
from ..memory.machine import my_machine, read_bandwidth
from ..memory.settings import Settings
from ..memory.speed import EFFICIENCY, bytes_per_token
from ..models.source import open_model
from ..models.tag import quant_of
from ..profile import is_reference, stable
from ..stage.exhibit import Exhibit, show
from ..stage.share import recalled
from .speed import SpeedRow, draw_speeds

MOST = 3                # pulled models that are measured, the smallest ones
LARGEST = 2 * 10**9     # bytes of a file that is measured unasked


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


@recalled
def plot_measured_speed(models: list[str] | None = None) -> Exhibit:
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
