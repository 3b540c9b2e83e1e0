"""Measure the methods of rounding once and for all: quantlab/data/methods/{tiny,smollm2,gemma3}.json.

    python -m tools.record_methods tiny             # three minutes on an idle core
    python -m tools.record_methods smollm2          # ten minutes; gemma3: fifteen

Each method writes a file, which is opened and held against the 16-bit weights on scenes that calibration
never saw. Calibration reads other scenes of the same plays; "code" calibrates on quantlab's own Python
source instead, a text of the wrong kind. What was measured is written after each row, and not again.
Calibrations and files are each made in a process of their own, whose time on the processor and largest
memory are the row's. Of the tiny model it is also counted what it still recites, and measured where the error
went: by the role of the matrices, in their weights, and in their outputs on the scenes that are predicted.
"""

import argparse
import json
import platform
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from quantlab.exhibits.methods_facts import by_heart
from quantlab.exhibits.recital import recite
from quantlab.inference.calibrate import calibrate
from quantlab.inference.chunks import HELD_OUT, held_out_text, tokens_of
from quantlab.inference.load import load_lm
from quantlab.inference.quality import Reference
from quantlab.methods.feedback import output_error
from quantlab.models.calibration import Calibration
from quantlab.models.digests import digest, sha256
from quantlab.models.plan import FilePlan
from quantlab.models.source import BUNDLED, DATA
from quantlab.models.writer import quantize_model
from tools.off_the_grid import make
from tools.test_models import GEMMA, Q4_1

FOLDER = DATA / "methods"
NUMBERS = ("kld", "kld_se", "ppl", "ppl_se", "ln_ratio", "ln_ratio_se", "top1")
SAME, CODE, SEEN = "scenes", "code", "predicted"


class Measured(NamedTuple):
    """A model's table.  source: of its weights.  ftypes, pure: what is written.  n_ctx, chunks: what is
    predicted.  calibrated: chunks that calibration reads, behind those.  on_code: methods that calibrate on
    code, too.  closely: passages and errors by role are measured, too.
    """

    source: Path
    ftypes: tuple[str, ...]
    pure: bool
    n_ctx: int
    chunks: int
    calibrated: int
    on_code: tuple[str, ...] = ("feedback",)
    closely: bool = False


CALIBRATED = ("importance", "feedback", "scaling")
MIXES = ("Q4_0", "Q4_K_M", "Q3_K_M", "Q2_K")
MODELS = {"tiny": Measured(BUNDLED["tiny"], ("Q8_0", "Q4_0", "Q4_K", "Q3_K", "Q2_K"), True, 256, 64, 64,
                             CALIBRATED, True),
          "smollm2": Measured(Q4_1, MIXES, False, 512, 4, 12),
          "gemma3": Measured(GEMMA, MIXES, False, 512, 4, 8)}


def code_text() -> str:
    """The package's own source: a text of another kind than plays."""
    files = sorted((DATA.parent / "formats").glob("*.py"))
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def cases(how: Measured) -> Iterator[tuple[str, str, str]]:
    """(ftype, method, what calibration read) of each row."""
    for text, methods in (("", ("nearest",)), (SAME, CALIBRATED), (CODE, how.on_code)):
        yield from ((ftype, method, text) for method in methods for ftype in how.ftypes)


def record(name: str) -> None:
    """Write the table of a model, row by row; rows that are there already stay."""
    how, out = MODELS[name], FOLDER / f"{name}.json"
    with tempfile.TemporaryDirectory() as folder:
        source = how.source if name == "tiny" else make(how.source, Path(folder) / f"{name}.F16.gguf")
        table = json.loads(out.read_text()) if out.exists() else head_of(name, source)
        rows = {(row["ftype"], row["method"], row["calibration"]): row for row in table["rows"]}
        lm = load_lm(source)
        tokens = tokens_of(lm, held_out_text())
        seen = how.chunks * how.n_ctx
        texts = {SAME: tokens[seen:seen + how.calibrated * how.n_ctx],
                 CODE: tokens_of(lm, code_text())[:how.calibrated * how.n_ctx]}
        reference = Reference(lm, tokens[:seen], n_ctx=how.n_ctx)
        known: dict[str, Calibration] = {}
        for case in cases(how):
            if case in rows:
                continue
            ftype, method, text = case
            if text and text not in known:
                known[text], cost = apart(calibrated, source, texts[text], how.n_ctx, text)
                table.setdefault("calibrating", {}).setdefault(text, cost)
                if text == SAME:
                    table["largest_columns"] = largest_columns(known[text])
            file, cost = apart(written, source, Path(folder), how, ftype, method, known.get(text))
            new = load_lm(file)
            found = reference.divergence(new).numbers()
            rows[case] = {"ftype": ftype, "method": method, "calibration": text,
                          "nbytes": file.stat().st_size, **cost,
                          **{key: round(found[key], 6) for key in NUMBERS}}
            if how.closely:
                planned = quantize_model(source, None, ftype, pure=how.pure, calibration=known.get(text),
                                         method=method, progress=None, dry_run=True)
                if SEEN not in known:
                    known[SEEN] = calibrate(lm, tokens[:seen], Path(folder) / SEEN, n_ctx=how.n_ctx,
                                            progress=None)
                rows[case] |= {"passages": [[one.right, "" if one.recited else one.wrote]
                                            for one in recite(new, by_heart())],
                               "errors": errors_by_role(lm, new, planned, known[SEEN])}
            file.unlink()
            table |= {"rows": [rows[one] for one in cases(how) if one in rows]}
            FOLDER.mkdir(exist_ok=True)
            out.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
            print(*case, {key: rows[case][key] for key in ("kld", "kld_se", "ppl", "seconds", "memory_mb")},
                  flush=True)


def apart(work: Callable, *given) -> tuple[Any, dict]:
    """What `work` returns in a new process; its seconds on the processor, and its largest memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(timed, work, *given).result()


def timed(work: Callable, *given) -> tuple[Any, dict]:
    """Runs in the process of `apart`."""
    began = time.process_time()
    found = work(*given)
    status = Path("/proc/self/status").read_text()      # getrusage would count the parent's memory, too
    return found, {"seconds": round(time.process_time() - began, 1),
                   "memory_mb": round(int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024)}


def calibrated(source: Path, text, n_ctx: int, about: str) -> Calibration:
    """Kept in the user's cache folder, where a run that was stopped finds it."""
    return calibrate(load_lm(source), text, n_ctx=n_ctx, about=about, progress=None)


def written(source: Path, folder: Path, how: Measured, ftype: str, method: str,
            known: Calibration | None) -> Path:
    """The file that a method writes."""
    return quantize_model(source, folder / f"{ftype}-{method}.gguf", ftype, pure=how.pure, calibration=known,
                          method=method, progress=None)


def errors_by_role(lm, new, planned: FilePlan, seen: Calibration) -> dict[str, list[float]]:
    """Role -> the error of its matrices as a share of them, and that of their outputs, both as root mean
    squares over all layers.  planned: how the new weights were scaled.  seen: the inputs.
    """
    sums: dict[str, np.ndarray] = {}
    for job in planned.jobs:
        name = job.info.name
        if name not in seen.inputs:
            continue
        true, stored = (np.asarray(one.weights[name], np.float64) for one in (lm, new))
        if job.rounding and job.rounding.columns is not None:
            stored = stored / job.rounding.columns
        if job.rounding and job.rounding.rows is not None:
            stored = stored * job.rounding.rows[:, None]
        off, moments = stored - true, seen.moments(name)
        role = name.split(".")[2]
        sums[role] = sums.get(role, 0) + np.array([(off**2).sum(), (true**2).sum(),
                                                   output_error(off, moments), output_error(true, moments)])
    return {role: [round(float(np.sqrt(one[0] / one[1])), 5), round(float(np.sqrt(one[2] / one[3])), 5)]
            for role, one in sums.items()}


def largest_columns(known: Calibration) -> dict[str, float]:
    """Role -> the share that one column of a hundred, those with the largest inputs, has of the mean square
    of all inputs; the mean over layers.
    """
    shares: dict[str, list[float]] = {}
    for name in known.counts:
        squares = np.sort(np.diag(known.moments(name)))[::-1]
        few = max(len(squares) // 100, 1)
        shares.setdefault(name.split(".")[2], []).append(float(squares[:few].sum() / squares.sum()))
    return {role: round(float(np.mean(found)), 3) for role, found in shares.items()}


def head_of(name: str, source: Path) -> dict:
    """What a table is about."""
    how = MODELS[name]
    return {"about": f"Made by tools/record_methods.py {name}", "sha256": sha256(source),
            "date": datetime.now(UTC).date().isoformat(),
            "machine": f"{platform.machine()}, NumPy on one core; seconds of its time",
            "text": "scenes of Shakespeare (the tiny model's held_out.txt): the first chunks are predicted, "
                    "those behind them calibrate", "text_sha256": sha256(HELD_OUT),
            "code": "the source of quantlab/formats", "code_digest": digest(code_text().encode()),
            "pure": how.pure, "n_ctx": how.n_ctx, "chunks": how.chunks, "calibrated": how.calibrated,
            "predicted": (how.n_ctx // 2 - 1) * how.chunks, "rows": []}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=[*MODELS])
    for name in parser.parse_args().names:
        record(name)


if __name__ == "__main__":
    main()
