"""How fast this machine reads its main memory: measured, since no table has it. Like McCalpin's STREAM, but reading only.

    read_bandwidth() / 1e9      # GB/s

Writing a token reads weights and writes next to nothing, so STREAM's copy would be the wrong exercise.  Lesson: 14_speed_and_bandwidth.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

NBYTES = 2**28          # far more than any cache holds
PASSES = 6              # the best one counts: the others were disturbed


def read_bandwidth(threads: int = 1, *, nbytes: int = NBYTES, passes: int = PASSES) -> float:
    """Bytes a second, the best of some passes over `nbytes` of main memory: NumPy's largest of all numbers, which only reads.

    threads: read different parts at the same time (NumPy lets go of Python's lock); one thread may not reach all there is.
    Raises ValueError for counts that cannot be.
    """
    for name, value, least in (("threads", threads, 1), ("nbytes", nbytes, 2**20), ("passes", passes, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name}={value!r} cannot be: give a whole number of at least {least:,}")
    parts = np.array_split(np.ones(nbytes // 4, np.float32), threads)       # ones: pages of zeros may all be the same page
    best = float("inf")
    with ThreadPoolExecutor(threads) as workers:
        for _ in range(passes):
            started = time.perf_counter()
            list(workers.map(np.max, parts))
            best = min(best, time.perf_counter() - started)
    return sum(part.nbytes for part in parts) / best
