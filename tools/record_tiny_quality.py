"""Measure the tiny model once and for all: quantlab/data/tiny/{quality,sensitivity,budget}.json.

    python tools/record_tiny_quality.py                 # all three; about ten minutes on two idle cores
    python tools/record_tiny_quality.py budget          # one of them

What was measured before is taken from the user's cache (quantlab.inference.variants), so that an interrupted
run goes on where it was.
Nothing is random: the text is the beginning of held_out.txt, the recital takes the likeliest token. The field
"seed" says so.
"""

import argparse
import json
import platform
import sys
from datetime import UTC, datetime
from math import isnan
from pathlib import Path

from quantlab.exhibits.quality import wanted
from quantlab.inference.chunks import HELD_OUT, held_out_text, tokens_of
from quantlab.inference.compare import FOLDER, RECORDED, compare_quality
from quantlab.inference.load import load_lm
from quantlab.inference.mixes import READ, TYPES, MixBench
from quantlab.inference.sensitivity import collect_imatrix, sensitivity
from quantlab.inference.variants import USUAL_CHUNKS
from quantlab.models.digests import sha256
from quantlab.models.imatrix_file import Imatrix
from quantlab.models.progress import Progress

COLUMNS = ("ftype", "nbytes", "bpw", "ppl", "ppl_se", "kld", "kld_se", "kld99", "top1", "ln_ratio",
           "ln_ratio_se", "recited", "passages", "controls")
SENSITIVE = ("Q2_K", "Q3_K", "Q4_K")
IMATRIX_CHUNKS = 32     # of 256 tokens, behind those that are predicted
TEXT = "scenes of Shakespeare that the model never saw (held_out.txt)"


def imatrix_behind() -> Imatrix:
    """The importances of the tiny model's columns, on the text behind the one that is predicted."""
    lm = load_lm("tiny")
    behind = tokens_of(lm, held_out_text())[USUAL_CHUNKS * 256 :]
    return collect_imatrix(lm, behind, chunks=IMATRIX_CHUNKS, progress=None)


def record_quality() -> list[dict]:
    """Every mix of llama.cpp, then every type for all matrices alike; with an importance matrix those that
    are of use with one only.
    """
    imatrix, rows = imatrix_behind(), []
    for pure in (False, True):
        for weighted in (False, True):
            names = [*([] if pure or weighted else ["F16"]), *wanted(pure, weighted)]
            table = compare_quality("tiny", names, pure=pure, imatrix=imatrix if weighted else None,
                                    progress=told)
            rows += [{"pure": pure, "imatrix": weighted} | {key: row[key] for key in COLUMNS}
                     for row in table.to_dict("records") if not row["error"]]
    return rows


def record_sensitivity() -> list[dict]:
    """Each matrix alone in each of three types; then each role, all its matrices together."""
    rows = []
    for by in ("tensor", "role"):
        for qtype in SENSITIVE:
            table = sensitivity("tiny", qtype, by=by, progress=told)
            rows += [{"by": by, "layer": None if by == "role" or table.layer.isna()[i] else int(row["layer"]),
                      **{key: row[key] for key in ("role", "qtype", "n_weights", "saved", "kld", "kld_se")}}
                     for i, row in enumerate(table.to_dict("records"))]
    return rows


def record_budget() -> list[dict]:
    """The mixes to beat in "Spend your bits", on the text of that game."""
    bench, rows = MixBench("tiny", HELD_OUT.read_text(encoding="utf-8")), []
    marks = [("mix", ftype, bench.mix(ftype))
             for ftype in bench.budgets()] + [("alike", name, bench.alike(name)) for name in TYPES[:-1]]
    for kind, name, types in marks:
        found = bench.measure(types)
        rows.append({"kind": kind, "name": name, "nbytes": bench.nbytes(types), "kld": found.mean_kld,
                     "kld_se": found.kld_se})
        print(f"{kind} {name}: {rows[-1]['kld']:.3g}", flush=True)
    return rows


def told(progress: Progress) -> None:
    if sys.stderr.isatty() or progress.done == progress.total:
        print(f"\r{str(progress)[:110]:<110}", end="" if progress.done < progress.total else "\n",
              file=sys.stderr, flush=True)


def plain(value):
    """A number as JSON keeps it: six digits, NaN as null, NumPy's as Python's."""
    if value is None or isinstance(value, str | bool):
        return value
    if float(value) == int(value) if not isnan(float(value)) else False:
        return int(value)
    return None if isnan(float(value)) else float(f"{float(value):.6g}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Measure the tiny model and write the tables that ship with it.")
    parser.add_argument("names", nargs="*", choices=[*RECORDED, []], help="which tables (all)")
    for name in parser.parse_args().names or RECORDED:
        rows = {"quality": record_quality, "sensitivity": record_sensitivity, "budget": record_budget}[name]()
        chunks = READ // 256 if name == "budget" else USUAL_CHUNKS
        table = {"about": f"Made by tools/record_tiny_quality.py {name}",
                 "sha256": sha256(FOLDER / "tiny.gguf"), "date": datetime.now(UTC).date().isoformat(),
                 "machine": f"{platform.machine()}, NumPy on the processor", "text": TEXT,
                 "text_sha256": sha256(HELD_OUT), "n_ctx": 256, "chunks": chunks, "predicted": 127 * chunks,
                 "seed": None}
        table |= {"imatrix": f"of the {IMATRIX_CHUNKS} chunks behind"} if name == "quality" else {}
        write(FOLDER / f"{name}.json", table, rows)


def write(path: Path, head: dict, rows: list[dict]) -> None:
    """A recorded table: what it is about, and below it a row a line."""
    lines = [json.dumps({key: plain(value) for key, value in row.items()}) for row in rows]
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(head, indent=1)[:-2] + ',\n "rows": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n",
                    encoding="utf-8")
    print(f"{path.name}: {len(lines)} rows", flush=True)


if __name__ == "__main__":
    main()
