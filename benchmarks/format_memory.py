"""How much memory quantizing a hundred million weights takes beyond input and output. Each type in a process
of its own.

The peak is what the operating system counted (ru_maxrss); 400 MB of input are in memory before, the blocks
are what comes out.
"""

import json
import resource
import subprocess
import sys

import numpy as np

from quantlab.formats.table import FORMATS
from quantlab.formats.tensor import quantize

WEIGHTS, GOAL_MB = 100_000_000 // 4096 * 4096, 64
TYPES = ("Q4_0", "Q8_0", "Q2_K", "Q4_K", "Q6_K", "IQ4_XS", "TQ1_0", "MXFP4", "NVFP4")


def peak() -> int:
    """Bytes of memory at the highest point so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(qtype: str, with_imatrix: bool) -> float:
    """MB beyond input and output, in this process."""
    x = np.empty((WEIGHTS // 4096, 4096), np.float32)
    rng = np.random.default_rng(0)
    for start in range(0, len(x), 256):
        rng.standard_normal(out=x[start : start + 256], dtype=np.float32)
    imatrix = rng.random(4096, dtype=np.float32) if with_imatrix else None
    quantize(x[:1], qtype, imatrix)                         # tables and code that stay
    before = peak()
    stored = quantize(x, qtype, imatrix)
    return round((peak() - before - stored.nbytes) / 1e6, 1)


def main() -> dict:
    """type -> MB beyond input and output, without and with imatrix."""
    rows = {}
    for qtype in TYPES:
        kinds = [False] + [True] * (FORMATS[qtype].imatrix != "ignored")
        rows[qtype] = {"imatrix" if kind else "plain": _in_a_process(qtype, kind) for kind in kinds}
        print(qtype, rows[qtype], flush=True)
    return {"unit": "MB of peak memory beyond input and output", "weights": WEIGHTS, "goal": GOAL_MB,
            "types": rows}


def _in_a_process(qtype: str, with_imatrix: bool) -> float:
    code = f"from benchmarks.format_memory import measure; print(measure({qtype!r}, {with_imatrix}))"
    return json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                                     check=True).stdout)
