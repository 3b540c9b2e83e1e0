"""`make bench-memory`: measure memory_measured.csv again with the pinned llama.cpp, write it, and say what
differs from the estimate.

A number that is not the committed one stops the run before anything is written: then llama.cpp plans
otherwise, and the pin, the walk through the layers and the lessons have to be looked at together.  A section
alone, into the results that are there:

    python -m benchmarks.memory peers       # or elsewhere, experts, layers, other_architectures
"""

import csv
import json
import sys
import time
from datetime import UTC, datetime

from benchmarks.memory_elsewhere import experts, generalization, layer_pairs, other_architectures
from benchmarks.memory_peers import peers
from benchmarks.run import RESULTS
from quantlab.memory.compute import compute_bytes
from quantlab.memory.estimate import estimate_memory
from quantlab.memory.fit import recommend
from quantlab.memory.settings import Settings
from quantlab.models.catalog import DATA, MODELS
from quantlab.models.resolve import shape_of
from quantlab.oracles.llama_library import PINNED
from quantlab.oracles.planner import Planned, measure_all

TABLE = DATA / "memory_measured.csv"
COLUMNS = ("weights_gpu_bytes", "kv_gpu_bytes", "compute_gpu_bytes", "weights_host_bytes",
           "compute_host_bytes")


#: What can be measured alone: name in the results -> what to call with the rows of the table.
SECTIONS = {"elsewhere": lambda _: generalization(), "experts": lambda _: experts(),
            "layers": lambda _: layer_pairs(), "peers": peers,
            "other_architectures": lambda _: other_architectures()}


def settings_of(row: dict[str, str]) -> Settings:
    """The settings of a row of the table."""
    n_ubatch = int(row["n_ubatch"])
    return Settings(n_ctx=int(row["n_ctx"]), n_ubatch=n_ubatch, flash_attention=row["flash_attn"] == "1",
                    type_k=row["type_kv"], type_v=row["type_kv"], n_outputs=n_ubatch
                    if row["n_outputs"] == "n_ubatch" else int(row["n_outputs"]))


def measured_rows(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows again, with what the oracle says now."""
    found: list[dict[str, str]] = []
    for model, ftype in dict.fromkeys((row["model"], row["ftype"]) for row in rows):
        mine = [row for row in rows if (row["model"], row["ftype"]) == (model, ftype)]
        shape = MODELS[model].unnamed               # as llama-quantize writes it
        for row, answer in zip(mine, measure_all(shape, ftype, [settings_of(row) for row in mine]),
                               strict=True):
            found.append(row | dict(zip(COLUMNS, map(str, numbers(answer)), strict=True)))
    return found


def numbers(answer: Planned) -> tuple[int, ...]:
    """The five numbers of a row: three on the card, two beside it."""
    beside = [sizes for name, sizes in answer.buffers.items() if name != "CUDA0"]
    return (*answer[:3], sum(sizes["weights"] for sizes in beside), sum(sizes["compute"] for sizes in beside))


def main() -> dict:
    """Measures, compares, writes; returns the errors of the estimate and its time."""
    committed = committed_rows()
    rows = measured_rows(committed)
    drifted = [row for row, before in zip(rows, committed, strict=True) if row != before]
    if drifted:
        raise SystemExit(
            f"{len(drifted)} of {len(rows)} cases are not what was committed, the first: {drifted[0]}")
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return {"oracle": f"xllamacpp {PINNED}", "cases": len(rows), **_errors(rows), **_time(rows),
            "recommend_seconds": _recommend_time(),
            **{name: section(rows) for name, section in SECTIONS.items()}}


def again(names: list[str]) -> None:
    """Measure these sections only, and put them, with their date, into the results that are there."""
    file = RESULTS / "memory.json"
    found = json.loads(file.read_text())
    for name in names:
        found["results"][name] = SECTIONS[name](committed_rows())
        found["sections_measured_alone"] = found.get("sections_measured_alone",
                                                     {}) | {name: f"{datetime.now(UTC):%Y-%m-%d %H:%M UTC}"}
    file.write_text(json.dumps(found, indent=1) + "\n")


def committed_rows() -> list[dict[str, str]]:
    with TABLE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _errors(rows: list[dict[str, str]]) -> dict:
    off = []
    for row in rows:
        made = estimate_memory(MODELS[row["model"]].unnamed, row["ftype"], **settings_of(row).as_dict())
        off.append([ours - int(row[column])
                    for ours, column in zip((made.weights, made.kv_cache, made.compute), COLUMNS,
                                            strict=False)])
    shares = [abs(compute) / int(row["compute_gpu_bytes"])
              for (_, _, compute), row in zip(off, rows, strict=True)]
    return {"weights_exact": sum(not w for w, _, _ in off), "kv_exact": sum(not kv for _, kv, _ in off),
            "compute_exact": sum(not c for _, _, c in off), "compute_mean_error_percent": 100 * sum(shares)
            / len(shares), "compute_worst_bytes": max(abs(c) for _, _, c in off),
            "lowest_below_truth_bytes": min(sum(parts) for parts in off)}


def _time(rows: list[dict[str, str]]) -> dict:
    taken = []
    for row in rows:
        compute_bytes.cache_clear()
        model, settings = shape_of(row["model"]), settings_of(row).as_dict()
        started = time.perf_counter()
        estimate_memory(model, row["ftype"], **settings)
        taken.append(1000 * (time.perf_counter() - started))
    taken.sort()
    return {"estimate_p50_ms": round(taken[len(taken) // 2], 3),
            "estimate_p95_ms": round(taken[-(-95 * len(taken) // 100) - 1], 3)}


def _recommend_time() -> dict[str, float]:
    """Seconds for all 30 ftypes of a model on a card: the first time, and again with another context."""
    taken = {}
    for turn, n_ctx in (("first", 4096), ("again", 8192)):
        started = time.perf_counter()
        recommend("llama3.1:8b", 8, n_ctx=n_ctx)
        taken[turn] = round(time.perf_counter() - started, 3)
    return taken


if __name__ == "__main__":
    again(sys.argv[1:])
