"""How fast blocks are written and read here, beside ggml's C in the same run, and beside the other Python
packages that can.

CPU time of one thread (`process_time`), best of several rounds in which the contestants take turns. The C
library is libggml-python's
SSE2 baseline build: a machine's own build of ggml with AVX2 would be faster than the reference column. Peers:
`libgguf`'s NumPy path (which has encoders for all types, without an importance matrix) and `gguf` (which
reads all and writes the plain ones).
"""

import os
import time

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import gguf  # noqa: E402
import numpy as np  # noqa: E402
from libgguf import libgguf_numpy  # noqa: E402

from quantlab.formats.table import FORMATS  # noqa: E402
from quantlab.formats.tensor import quantize  # noqa: E402
from tests.formats import by_gguf  # noqa: E402
from tests.formats import ggml_oracle as ggml  # noqa: E402

WRITTEN = tuple(name for name, form in FORMATS.items() if form.block_size > 1)
#: What issue B asks of each type: our speed as a share of C's, without and with an importance matrix.
GOALS = {"Q4_0": 0.5, "Q4_1": 0.5, "Q5_0": 0.5, "Q5_1": 0.5, "Q8_0": 1, "Q2_K": 1, "Q3_K": (0.5, 0.9),
         "Q4_K": 1, "Q5_K": 1, "Q6_K": 1, "IQ4_NL": 4, "IQ4_XS": 4, "TQ1_0": 0.5, "TQ2_0": 0.5, "MXFP4": 1,
         "NVFP4": 0.3, "IQ2_XS": 0.2, "IQ2_XXS": 0.4, "IQ2_S": 0.4, "IQ3_XXS": 0.4, "IQ3_S": 0.4,
         "IQ1_S": 0.4, "IQ1_M": 0.4, "Q1_0": 0.4, "Q2_0": 0.4}
ROUNDS, PEER_SECONDS = 12, 2.0


def cpu_times(rounds: int, *calls) -> list[float]:
    """The best CPU seconds of each call; the calls take turns, so that a busy moment hits all of them."""
    best = [float("inf")] * len(calls)
    for _ in range(rounds):
        for i, call in enumerate(calls):
            start = time.process_time()
            call()
            best[i] = min(best[i], time.process_time() - start)
    return best


def encoding(qtype: str, x: np.ndarray, imatrix: np.ndarray | None) -> dict[str, float]:
    """Million weights per second of both, and our speed as a share of C's."""
    if quantize(x, qtype, imatrix).tobytes() != ggml.quantize(x, qtype, imatrix).tobytes():
        raise AssertionError(f"{qtype}: bytes differ from ggml's, so their speed is not comparable")
    rounds = ROUNDS if FORMATS[qtype].nonfinite else 3
    ours, theirs = cpu_times(rounds, lambda: quantize(x, qtype, imatrix),
                             lambda: ggml.quantize(x, qtype, imatrix))
    goal = GOALS[qtype]
    wanted = goal[imatrix is not None] if isinstance(goal, tuple) else goal
    return {"ours": rate(x, ours), "c": rate(x, theirs), "ratio": round(theirs / ours, 2), "goal": wanted}


def decoding(qtype: str, x: np.ndarray, imatrix: np.ndarray | None) -> dict[str, float]:
    stored, raw = quantize(x, qtype, imatrix), ggml.quantize(x, qtype, imatrix)
    ours, theirs, peer = cpu_times(ROUNDS, stored.dequantize, lambda: ggml.dequantize(raw, qtype, x.shape[1]),
                                   lambda: by_gguf.dequantize(raw, qtype))
    return {"ours": rate(x, ours), "c": rate(x, theirs), "ratio": round(theirs / ours, 2),
            "gguf_py": rate(x, peer)}


def peers(qtype: str, x: np.ndarray) -> dict[str, float | str]:
    """What `gguf` and libgguf's NumPy path reach when encoding the same weights without imatrix, in million
    weights per second.
    """
    found, part = {}, x[:8]
    for name, package in (("gguf_py", gguf), ("libgguf_numpy", libgguf_numpy)):
        try:
            number = package.GGMLQuantizationType[qtype]
            found[name] = slow_rate(lambda package=package, number=number: package.quantize(part, number),
                                    part)
        except (NotImplementedError, ValueError, KeyError) as error:
            found[name] = f"cannot: {type(error).__name__}"
    return found


def slow_rate(call, x: np.ndarray) -> float:
    """Like `rate`, for what may take minutes for a million weights: repeated only while it is quick."""
    start, best = time.process_time(), float("inf")
    while time.process_time() - start < PEER_SECONDS:
        before = time.process_time()
        call()
        best = min(best, time.process_time() - before)
    return rate(x, best)


def rate(x: np.ndarray, seconds: float) -> float:
    """Million weights per second, three digits."""
    return float(f"{x.size / 1e6 / seconds:.3g}")


def main() -> dict:
    """type -> speeds of encoding without and with imatrix, of decoding, and of the peers (higher is faster).
    """
    if ggml.GGML is None:
        print(ggml.REASON)
        return {"skipped": ggml.REASON}
    rng = np.random.default_rng(0)
    x, imatrix = rng.standard_normal((256, 4096), dtype=np.float32), rng.random(4096, dtype=np.float32) ** 2
    rows = {}
    for qtype in WRITTEN:
        form, part = FORMATS[qtype], x if FORMATS[qtype].nonfinite else x[:32]
        rows[qtype] = row = {}
        if form.imatrix != "needed":
            row["encode"] = encoding(qtype, part, None)
            row["peers"] = peers(qtype, x)
        if form.imatrix != "ignored":
            row["encode_imatrix"] = encoding(qtype, part, imatrix)
        row["decode"] = decoding(qtype, part, imatrix if form.imatrix == "needed" else None)
        print(f"{qtype:7}",
              *(f"{kind} {row[kind]['ours']:6.4g} / C {row[kind]['c']:6.4g} = {row[kind]['ratio']:5.2f}"
                + (";" if row[kind]["ratio"] >= row[kind].get("goal", 0) else f" (goal {row[kind]['goal']});")
                for kind in ("encode", "encode_imatrix", "decode") if kind in row), row.get("peers", ""),
              flush=True)
    return {"unit": "million weights per CPU second, one thread; ratio = ours / C (SSE2 baseline build)",
            "weights": x.size, "missed": [f"{qtype}, {kind}: {row[kind]['ratio']} of {row[kind]['goal']}"
                                          for qtype, row in rows.items()
                                          for kind in ("encode", "encode_imatrix") if kind in row
                                          and row[kind]["ratio"] < row[kind]["goal"]], "types": rows}


if __name__ == "__main__":
    main()
