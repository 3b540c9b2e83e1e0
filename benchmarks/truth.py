"""`make bench-truth`: a hundred million weights per type, with and without an importance matrix, held against
ggml byte by byte.

Five distributions in turn, 4 Mi weights a time, each with its own seed; nothing is kept but the counts.
IQ2_XS, whose search is slow on both sides, gets a million. Decoding is compared on the same blocks, bit by
bit. Takes about a quarter of an hour of CPU.

    python benchmarks/truth.py                    all types
    python benchmarks/truth.py Q4_K IQ4_XS        some
    python benchmarks/truth.py --weights 4        millions per type
"""

import argparse
import json

import numpy as np

from quantlab.formats.table import FORMATS
from quantlab.formats.tensor import quantize
from tests.formats import ggml_oracle as ggml

ROWS, N = 1024, 4096
MILLIONS, SLOW_MILLIONS = 100, 1
WRITTEN = tuple(name for name, form in FORMATS.items() if form.encoder and form.block_size > 1)


def distributions(seed: int):
    """Endless (name, (ROWS, N) float32): bell, heavy tails, one outlier a row, sparse, a different size in
    each row.
    """
    while True:
        rng = np.random.default_rng(seed)
        bell = rng.standard_normal((ROWS, N), dtype=np.float32)
        kind = seed % 5
        if kind == 1:
            bell = rng.standard_t(3, (ROWS, N)).astype(np.float32)
        elif kind == 2:
            bell *= np.float32(0.02)
            bell[np.arange(ROWS), rng.integers(0, N, ROWS)] = 3
        elif kind == 3:
            bell[rng.random((ROWS, N), dtype=np.float32) < 0.7] = 0
        elif kind == 4:
            bell *= np.exp2(rng.integers(-20, 12, (ROWS, 1))).astype(np.float32)
        yield ("bell", "heavy tails", "outliers", "sparse", "sizes")[kind], bell
        seed += 1


def truth(qtype: str, weights: int, with_imatrix: bool) -> dict[str, int]:
    """How many weights were compared, how many bytes and how many decoded weights differ."""
    source, done, bytes_off, weights_off = distributions(1000), 0, 0, 0
    while done < weights:
        _, x = next(source)
        x = x[: max(1, min(ROWS, (weights - done) // N))]
        imatrix = np.random.default_rng(done).random(N, dtype=np.float32) ** 2 if with_imatrix else None
        stored, raw = quantize(x, qtype, imatrix), ggml.quantize(x, qtype, imatrix)
        bytes_off += int(np.count_nonzero(stored.blocks.view(np.uint8).ravel() != raw.ravel()))
        theirs = ggml.dequantize(raw, qtype, N)
        weights_off += int(np.count_nonzero(stored.dequantize().view(np.uint32) != theirs.view(np.uint32)))
        done += x.size
    return {"weights": done, "differing_bytes": bytes_off, "differing_decoded_weights": weights_off}


def main(qtypes=WRITTEN, millions: float = MILLIONS) -> dict:
    """type -> {"plain": counts, "imatrix": counts}"""
    if ggml.GGML is None:
        print(ggml.REASON)
        return {"skipped": ggml.REASON}
    rows = {}
    for qtype in qtypes:
        form = FORMATS[qtype]
        size = int(1e6 * min(millions, SLOW_MILLIONS if qtype == "IQ2_XS" else millions))
        kinds = [False] * (form.imatrix != "needed") + [True] * (form.imatrix != "ignored")
        rows[qtype] = {"imatrix" if kind else "plain": truth(qtype, size, kind) for kind in kinds}
        print(qtype, json.dumps(rows[qtype]), flush=True)
    off = sum(counts["differing_bytes"] + counts["differing_decoded_weights"] for row in rows.values()
              for counts in row.values())
    return {"reference": "libggml-python 0.20.2.post1, SSE2 baseline build", "differences": off,
            "types": rows}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("qtypes", nargs="*", default=WRITTEN)
    parser.add_argument("--weights", type=float, default=MILLIONS, help="millions per type")
    options = parser.parse_args()
    print(main(options.qtypes, options.weights)["differences"], "differences")
