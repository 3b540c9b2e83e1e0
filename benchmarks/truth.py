"""`make bench-truth`: a hundred million weights per type, with and without an importance matrix, held against
ggml byte by byte, and 47 adversarial families under six matrices.

Five distributions in turn, 4 Mi weights a time, each with its own seed; nothing is kept but the counts.
IQ1 and IQ2, whose search is slow on both sides, get a million. Decoding is compared on the same blocks, bit
by bit. Takes about a quarter of an hour of CPU.

    python benchmarks/truth.py                              all types
    python benchmarks/truth.py --types Q4_K IQ3_S           some
    python benchmarks/truth.py --types Q4_K --weights 4     millions per type, whatever the type
    python benchmarks/truth.py --jobs 16 --write            16 processes share the work; the result is kept
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from benchmarks.run import run
from quantlab.formats.table import FORMATS
from quantlab.formats.tensor import quantize
from tests.formats import ggml_oracle as ggml
from tests.formats.adversarial import FINITE, IMATRICES, NONFINITE, aborts

ROWS, N = 1024, 4096
MILLIONS, SLOW, SLOW_MILLIONS = 100, ("IQ1", "IQ2"), 1
WRITTEN = tuple(name for name, form in FORMATS.items() if form.block_size > 1)
Piece = tuple[str, bool, int, int]      # type, whether with an imatrix, number of the piece, rows


def weights(number: int) -> np.ndarray:
    """(ROWS, N) float32: a bell, heavy tails, one outlier a row, sparse, a different size in each row."""
    seed = 1000 + number
    rng, kind = np.random.default_rng(seed), seed % 5
    bell = rng.standard_normal((ROWS, N), dtype=np.float32)
    if kind == 1:
        bell = rng.standard_t(3, (ROWS, N)).astype(np.float32)
    elif kind == 2:
        bell *= np.float32(0.02)
        bell[np.arange(ROWS), rng.integers(0, N, ROWS)] = 3
    elif kind == 3:
        bell[rng.random((ROWS, N), dtype=np.float32) < 0.7] = 0
    elif kind == 4:
        bell *= np.exp2(rng.integers(-20, 12, (ROWS, 1))).astype(np.float32)
    return bell


def pieces(qtype: str, millions: float | None) -> Iterator[Piece]:
    """Five pieces at least, so that each distribution is among them; a family of 64 rows is a piece, too."""
    form = FORMATS[qtype]
    wanted = int(1e6 * (millions or (SLOW_MILLIONS if qtype.startswith(SLOW) else MILLIONS))) // N
    rows = min(ROWS, -(-wanted // 5))
    for weighted in (False, True):
        if form.imatrix != ("ignored" if weighted else "needed"):
            yield from ((qtype, weighted, number, min(rows, wanted - number * rows))
                        for number in range(-(-wanted // rows)))
            yield qtype, weighted, -1, 0


def compared(piece: Piece) -> tuple[Piece, Counter]:
    """How many weights were compared, how many bytes and how many decoded weights differ."""
    qtype, weighted, number, rows = piece
    if number < 0:
        found = Counter(differing_bytes=0)
        for imatrix in IMATRICES.values():
            for make in (FINITE | NONFINITE).values():
                if weighted == (imatrix is not None) and not aborts(qtype, make(), imatrix):
                    found.update(_counts(qtype, make(), imatrix))
        return piece, found
    imatrix = np.random.default_rng(number).random(N, dtype=np.float32) ** 2 if weighted else None
    return piece, _counts(qtype, weights(number)[:rows], imatrix)


def _counts(qtype: str, x: np.ndarray, imatrix: np.ndarray | None) -> Counter:
    stored, raw = quantize(x, qtype, imatrix, allow_nonfinite=True), ggml.quantize(x, qtype, imatrix)
    ours, theirs = stored.dequantize(), ggml.dequantize(raw, qtype, x.shape[1])
    off = (ours.view(np.uint32) != theirs.view(np.uint32)) & ~(np.isnan(ours) & np.isnan(theirs))
    bytes_off = stored.blocks.view(np.uint8).ravel() != raw.ravel()
    return Counter(weights=x.size, differing_bytes=int(bytes_off.sum()),
                   differing_decoded_weights=int(off.sum()))


def main(qtypes=WRITTEN, millions: float | None = None, jobs: int = 1) -> dict:
    """type -> {"plain": counts, "imatrix": counts}; `families`: the weights of the adversarial ones."""
    if ggml.GGML is None:
        print(ggml.REASON)
        return {"skipped": ggml.REASON}
    work = [piece for qtype in qtypes for piece in pieces(qtype, millions)]
    rows: dict[str, dict[str, Counter]] = {qtype: {} for qtype in qtypes}
    with ProcessPoolExecutor(jobs) as pool:
        for (qtype, weighted, number, _), counts in pool.map(compared, work):
            if number < 0:
                counts["families"] = counts.pop("weights", 0)
            rows[qtype].setdefault("imatrix" if weighted else "plain", Counter()).update(counts)
            if number < 0:
                print(qtype, json.dumps(rows[qtype]), flush=True)
    off = sum(counts["differing_bytes"] + counts["differing_decoded_weights"] for row in rows.values()
              for counts in row.values())
    return {"reference": "libggml-python 0.20.2.post1, SSE2 baseline build; IQ1_M: ggml 0.26.0 in xllamacpp",
            "differences": off, "types": rows}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--types", nargs="+", default=WRITTEN, choices=WRITTEN, metavar="TYPE")
    parser.add_argument("--weights", type=float, help="millions per type")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/results")
    options = parser.parse_args()
    asked = {"qtypes": options.types, "millions": options.weights, "jobs": options.jobs}
    found = run("truth", **asked) if options.write else main(**asked)
    print(found["differences"], "differences")
