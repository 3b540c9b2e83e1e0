"""What it costs to measure quality, on the wall: eleven types of the tiny model, a longer text on SmolLM2,
each in a process of its own.

Nothing is remembered from earlier runs. The peak is what the operating system counted, start-up included
(Python, NumPy, pandas).
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import quantlab as ql
from benchmarks.quantize_model import SMOLLM2
from quantlab.inference.chunks import HELD_OUT
from quantlab.inference.quality import perplexity
from quantlab.inference.sensitivity import sensitivity as measure

TYPES = ("F16", "Q8_0", "Q6_K", "Q5_K", "Q5_0", "Q4_K", "IQ4_XS", "IQ4_NL", "Q4_0", "Q3_K", "Q2_K")
TOKENS = 4096
GOALS = {"tiny_11_types_seconds": 30, "smollm2_perplexity_seconds": 15}


def tiny() -> dict:
    """All types against the model's own weights on 4,096 tokens, passages recited."""
    table = ql.compare_quality("tiny", TYPES, pure=True, chunks=TOKENS // 256, cache=None, progress=None)
    if table.error.any():
        raise RuntimeError(f"a type could not be measured: {table.error[table.error != ''].iloc[0]}")
    return {row.ftype: round(row.seconds, 2) for row in table.itertuples()}


def sensitivity() -> dict:
    """One matrix in Q2_K at a time, all matrices of the tiny model, on 2,048 tokens."""
    return {"matrices": len(measure("tiny", "Q2_K", chunks=8, cache=None, progress=None))}


def smollm2() -> dict:
    """Perplexity of SmolLM2 in its own 16 bits on 4,096 tokens in chunks of 512."""
    lm = ql.load_lm(SMOLLM2)
    with Clock() as clock:
        found = perplexity(lm, HELD_OUT.read_text(encoding="utf-8"), n_ctx=512, chunks=TOKENS // 512)
    return {"perplexity_seconds": clock.seconds, "ppl": round(found.ppl, 3)}


class Clock:
    """`seconds` on the wall that a `with` block took."""

    def __enter__(self) -> "Clock":
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_error) -> None:
        self.seconds = round(time.perf_counter() - self._start, 2)


def main() -> dict:
    """name -> seconds, peak memory in MB and what was measured, beside the goals."""
    names = ["tiny", "sensitivity", *(["smollm2"] if SMOLLM2.is_file() else [])]
    return {"tokens": TOKENS, "types": len(TYPES), "goals": GOALS,
            **{name: in_a_process("quality", name) for name in names}}


def in_a_process(benchmark: str, name: str, *arguments: str) -> dict:
    """Seconds, peak memory and what was measured of a function of a benchmark, in a process of its own."""
    code = f"import json; from benchmarks.{benchmark} import {name}; print(json.dumps({name}(*{arguments})))"
    with Clock() as clock:
        run = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
                               cwd=Path(__file__).resolve().parents[1])
        said = run.stdout.read()
        _, status, used = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode:
        raise RuntimeError(f"{name} ended with status {run.returncode}")
    row = {"seconds": clock.seconds, "peak_mb": round(used.ru_maxrss * 1024 / 1e6, 1),
           "measured": json.loads(said)}
    print(name, row, flush=True)
    return row
