"""Measure the methods of rounding once and for all: quantlab/data/methods/{tiny,smollm2_135m}.json.

    python -m tools.record_methods tiny             # three minutes on an idle core
    python -m tools.record_methods smollm2_135m     # an hour

Each method writes a file, which is opened and held against the 16-bit weights on scenes that calibration
never saw. Calibration reads other scenes of the same plays; "code" calibrates on quantlab's own Python
source instead, a text of the wrong kind. What was measured is written after each row, and not again.
"""

import argparse
import json
import platform
import resource
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from quantlab.inference.calibrate import calibrate
from quantlab.inference.chunks import HELD_OUT, held_out_text, tokens_of
from quantlab.inference.load import load_lm
from quantlab.inference.quality import Reference
from quantlab.models.calibration import Calibration
from quantlab.models.digests import digest, sha256
from quantlab.models.source import BUNDLED, DATA
from quantlab.models.writer import quantize_model
from tools.off_the_grid import make
from tools.test_models import GEMMA, Q4_1

FOLDER = DATA / "methods"
NUMBERS = ("kld", "kld_se", "ppl", "ppl_se", "ln_ratio", "ln_ratio_se", "top1")
SAME, CODE = "scenes", "code"


class Measured(NamedTuple):
    """A model's table.  source: of its weights.  ftypes, pure: what is written.  n_ctx, chunks: what is
    predicted.  calibrated: chunks that calibration reads, behind those.
    """

    source: Path
    ftypes: tuple[str, ...]
    pure: bool
    n_ctx: int
    chunks: int
    calibrated: int


MODELS = {"tiny": Measured(BUNDLED["tiny"], ("Q4_0", "Q4_K", "Q3_K", "Q2_K"), True, 256, 64, 64),
          "smollm2_135m": Measured(Q4_1, ("Q4_0", "Q4_K_M", "Q3_K_M"), False, 512, 8, 32),
          "gemma3_270m": Measured(GEMMA, ("Q4_0", "Q4_K_M", "Q3_K_M"), False, 512, 8, 32)}


def code_text() -> str:
    """The package's own source: a text of another kind than plays."""
    files = sorted((DATA.parent / "formats").glob("*.py"))
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def cases(ftypes: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    """(ftype, method, what calibration read) of each row."""
    for ftype in ftypes:
        yield ftype, "nearest", ""
        for text in (SAME, CODE):
            for method in ("importance", "scaling", "feedback"):
                yield ftype, method, text


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
        reference, known = Reference(lm, tokens[:seen], n_ctx=how.n_ctx), {}
        for case in cases(how.ftypes):
            if case in rows:
                continue
            ftype, method, text = case
            if text and text not in known:
                began = time.perf_counter()
                known[text] = calibrate(lm, texts[text], Path(folder) / text, n_ctx=how.n_ctx, about=text,
                                        progress=None)
                table["calibration_seconds"] = round(time.perf_counter() - began, 1)
            file, seconds = written(source, Path(folder), how, ftype, method, known.get(text))
            found = reference.divergence(load_lm(file)).numbers()
            rows[case] = {"ftype": ftype, "method": method, "calibration": text,
                          "nbytes": file.stat().st_size, "seconds": seconds,
                          **{key: round(found[key], 6) for key in NUMBERS}}
            file.unlink()
            table |= {"rows": [rows[one] for one in cases(how.ftypes) if one in rows],
                      "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}
            FOLDER.mkdir(exist_ok=True)
            out.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
            print(*case, {key: rows[case][key] for key in ("kld", "kld_se", "ppl", "seconds")}, flush=True)


def written(source: Path, folder: Path, how: Measured, ftype: str, method: str,
            known: Calibration | None) -> tuple[Path, float]:
    """The file that a method writes, and in how many seconds."""
    began = time.perf_counter()
    path = quantize_model(source, folder / f"{ftype}-{method}.gguf", ftype, pure=how.pure, calibration=known,
                          method=method, progress=None)
    return path, round(time.perf_counter() - began, 1)


def head_of(name: str, source: Path) -> dict:
    """What a table is about."""
    how = MODELS[name]
    return {"about": f"Made by tools/record_methods.py {name}", "sha256": sha256(source),
            "date": datetime.now(UTC).date().isoformat(),
            "machine": f"{platform.machine()}, NumPy on the processor",
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
