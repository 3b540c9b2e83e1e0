"""What quantlab does in another Python, as lines of JSON: `make site-check` runs this in WebAssembly.

    python -m tests.exhibits.elsewhere                          blocks, and the first call of each exhibit
    python -m tests.exhibits.elsewhere blocks "explore_bits()"  blocks, and this call

The line of the blocks is the system with its NumPy, and type -> SHA-256 of the blocks of some weights. The
line of a call: how long it took, and how what it shows differs from the record ([]: it does not) at first,
after its presses, and after some moves.
"""

import hashlib
import json
import platform
import sys
import time

import numpy as np

import quantlab as ql

from . import recording
from .cases import CALLS, VALUES

MOVES = 4
WEIGHTS = 1024


def first_calls() -> list[str]:
    """Of each exhibit that is recorded, the call that stands first in calls.txt."""
    calls = [call for heading, calls in CALLS.items() if not heading.endswith("refused") for call in calls]
    found = {call.partition("(")[0]: call for call in reversed(calls)}
    return [call for call in calls if call in found.values() and call.partition("(")[0] not in VALUES]


def blocks() -> dict[str, str]:
    """Type -> SHA-256 of its blocks of some of the sample's weights, each column as important as another."""
    x = ql.sample_weights().ravel()[:WEIGHTS].reshape(-1, 256)
    return {name: hashlib.sha256(np.ascontiguousarray(_blocks(x, name)).tobytes()).hexdigest()
            for name in ql.FORMATS}


def _blocks(x: np.ndarray, name: str) -> np.ndarray:
    return ql.quantize(x, name, imatrix=[1] * 256 if ql.FORMATS[name].imatrix == "needed" else None).blocks


def shown(call: str) -> dict:
    """How long a call took, and how what it shows differs from the record: a module that is missing, too."""
    old = {key: value[:MOVES] if key == "moves" else value for key, value in recording.load()[call].items()}
    recording.bundle = lambda root: old["bundle"]       # a saved PNG is drawn by compiled code
    start = time.monotonic()
    try:
        differs = recording.differences(old, recording.record(call, old))
    except (ImportError, OSError, RuntimeError, NotImplementedError) as error:
        differs = [f"{type(error).__name__}: {error}"]
    return {"call": call, "seconds": round(time.monotonic() - start, 2),
            "differs": [words[:300] for words in differs[:3]]}


def told(what: str) -> dict:
    """The line of `blocks`, or of a call."""
    if what != "blocks":
        return shown(what)
    return {"system": sys.platform, "python": platform.python_version(), "numpy": np.__version__,
            "blocks": blocks()}


if __name__ == "__main__":
    for what in sys.argv[1:] or ["blocks", *first_calls()]:
        print(json.dumps(told(what)), flush=True)
