"""How fast the five plain formats are encoded and decoded here, beside ggml's C in the same run.

CPU time of one thread (`process_time`), a million weights, best of several. The C library is libggml-python's SSE2
baseline build, so a machine's own build of ggml with AVX2 would be faster than the reference column.
"""

import os
import time

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import numpy as np  # noqa: E402

from quantlab.formats.tensor import quantize  # noqa: E402
from tests.formats import ggml_oracle as ggml  # noqa: E402

TYPES = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")
ROUNDS = 15


def cpu_times(*calls) -> list[float]:
    """The best CPU seconds of each call; the calls take turns, so that a busy moment hits all of them."""
    best = [float("inf")] * len(calls)
    for _ in range(ROUNDS):
        for i, call in enumerate(calls):
            start = time.process_time()
            call()
            best[i] = min(best[i], time.process_time() - start)
    return best


def measure(qtype: str, x: np.ndarray) -> dict[str, float]:
    """Million weights per second of both, and our speed as a share of C's, for encoding and decoding."""
    stored, n = quantize(x, qtype), x.shape[1]
    raw = ggml.quantize(x, qtype)
    if stored.tobytes() != raw.tobytes():
        raise AssertionError(f"{qtype}: bytes differ from ggml's, so their speed is not comparable")
    ours, theirs, ours_back, theirs_back = cpu_times(
        lambda: quantize(x, qtype), lambda: ggml.quantize(x, qtype), stored.dequantize, lambda: ggml.dequantize(raw, qtype, n))
    rate = x.size / 1e6
    return {"encode": round(rate / ours, 1), "encode_c": round(rate / theirs, 1), "encode_ratio": round(theirs / ours, 2),
            "decode": round(rate / ours_back, 1), "decode_c": round(rate / theirs_back, 1),
            "decode_ratio": round(theirs_back / ours_back, 2)}


def main() -> dict:
    """Print the table and return it: type -> million weights per second and ratios (higher is faster)."""
    if ggml.GGML is None:
        print(ggml.REASON)
        return {"skipped": ggml.REASON}
    x = np.random.default_rng(0).standard_normal((256, 4096), dtype=np.float32)
    rows = {qtype: measure(qtype, x) for qtype in TYPES}
    print("million weights per CPU second, one thread   (C: ggml, SSE2 baseline build)")
    print(f"{'type':6}{'encode':>9}{'C':>8}{'ratio':>7}{'decode':>10}{'C':>8}{'ratio':>7}")
    for qtype, row in rows.items():
        print(f"{qtype:6}{row['encode']:9.0f}{row['encode_c']:8.0f}{row['encode_ratio']:7.2f}"
              f"{row['decode']:10.0f}{row['decode_c']:8.0f}{row['decode_ratio']:7.2f}")
    return {"unit": "million weights per CPU second, one thread; ratio = ours / C (SSE2 baseline)", "weights": x.size, "types": rows}


if __name__ == "__main__":
    main()
