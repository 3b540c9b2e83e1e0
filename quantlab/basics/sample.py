"""Real weights that ship with the workbook: one attention matrix of all-MiniLM-L6-v2 in true float32.

The file is a real GGUF (data/sample.md says what is in it); this reads the one tensor by its known place and
checks it.
"""

import hashlib
from pathlib import Path

import numpy as np

PATH = Path(__file__).parent.parent / "data" / "sample.gguf"
NAME, SHAPE = "blk.0.attn_q.weight", (384, 384)
OFFSET, DIGEST = 896, "37cd347d0b4299ae014caff80bbd196d9f597b14548b26027f800e300128486c"


def sample_weights() -> np.ndarray:
    """(384, 384) float32: the query weights of layer 0 of all-MiniLM-L6-v2, a fresh copy; rows are outputs.

    Raises ValueError when the bundled file is not the one that belongs to this version.
    """
    with PATH.open("rb") as file:
        file.seek(OFFSET)
        data = file.read(4 * SHAPE[0] * SHAPE[1])
    if hashlib.sha256(data).hexdigest() != DIGEST:
        raise ValueError(f"{PATH.name} was changed: the {len(data):,} bytes at {OFFSET} are not {NAME}; "
                         "restore the file from git")
    return np.frombuffer(data, "<f4").astype(np.float32).reshape(SHAPE)


def given_weights(x=None, least: int = 1) -> np.ndarray:
    """(rows, columns) float32: the learner's own weights, one row for a flat list; the bundled ones for None.

    Raises ValueError for what is no array of numbers, for fewer than `least` of them, and for one that is not
    finite.
    """
    if x is None:
        return sample_weights()
    try:
        with np.errstate(over="ignore"):
            weights = np.atleast_2d(np.asarray(x, np.float32))
    except (TypeError, ValueError):
        raise ValueError(f"weights are an array of numbers, not {type(x).__name__}") from None
    if weights.size < least:
        raise ValueError(f"at least {least:,} weights are wanted, got {weights.size:,}")
    bad = np.argwhere(~np.isfinite(weights))
    if len(bad):
        raise ValueError(f"weights must be finite: x{bad[0].tolist()} is {weights[tuple(bad[0])]}")
    return weights
