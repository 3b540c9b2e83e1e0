"""Measure what "never quantize twice" is about: the Q4_1 file of SmolLM2-135M quantized again, and held
against that file.

    python -m tools.record_requantized      # data/smollm2_q4_1/quality.json; three minutes on two idle cores

The file comes with the package that tools/test_models.py names. Like the tiny model's tables: nothing is
random, and what was measured before is taken from the cache.
"""

import platform
import sys
from datetime import UTC, datetime

from quantlab.inference.chunks import HELD_OUT
from quantlab.inference.compare import QUALITY, compare_quality
from quantlab.models.digests import sha256
from tools.record_tiny_quality import COLUMNS, told, write
from tools.test_models import PACKAGE, Q4_1

FTYPES = ("Q4_1", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_K_S", "Q3_K_M", "Q2_K")
N_CTX, CHUNKS = 512, 8


def main(cache: bool | str = True) -> None:
    """Quantize the Q4_1 file to each type, measure against the Q4_1 file, write the table."""
    table = compare_quality(Q4_1, FTYPES, n_ctx=N_CTX, chunks=CHUNKS, progress=told, cache=cache)
    if table.error.any():
        raise RuntimeError(table.error[table.error != ""].iloc[0])
    columns = [name for name in COLUMNS if name not in ("recited", "passages", "controls")]
    head = {"about": "Made by tools/record_requantized.py", "model": "SmolLM2-135M-Instruct, its Q4_1 file",
            "source": f"{PACKAGE} (PyPI), Apache-2.0", "sha256": sha256(Q4_1),
            "date": datetime.now(UTC).date().isoformat(),
            "machine": f"{platform.machine()}, NumPy on the processor",
            "text": "scenes of Shakespeare (the tiny model's held_out.txt)", "text_sha256": sha256(HELD_OUT),
            "n_ctx": N_CTX, "chunks": CHUNKS, "predicted": (N_CTX // 2 - 1) * CHUNKS, "seed": None}
    write(QUALITY["smollm2_q4_1"], head,
          [{key: row[key] for key in columns} for row in table.to_dict("records")])


if __name__ == "__main__":
    main(*sys.argv[1:])
