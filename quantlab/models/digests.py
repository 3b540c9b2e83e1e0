"""What a thing is, in hexadecimal digits: numbers, arrays, and the files of a model by their SHA-256."""

import hashlib
import json
import os
import re
from functools import cache
from pathlib import Path

import numpy as np


def digest(value) -> str:
    """32 hexadecimal digits for anything JSON can hold, an array, or bytes."""
    if isinstance(value, np.ndarray):
        value = f"{value.dtype} {value.shape}".encode() + np.ascontiguousarray(value).tobytes()
    raw = value if isinstance(value, bytes) else json.dumps(value, sort_keys=True).encode()
    return hashlib.sha256(raw).hexdigest()[:32]


def files_digest(paths) -> str:
    """The digest of a model's files."""
    return digest([sha256(path) for path in paths])


def sha256(path) -> str:
    """A file's SHA-256, 64 hexadecimal digits. A blob of Ollama's store bears them in its name; other files
    are read once a session.
    """
    return _sha256(str(path), os.stat(path).st_size, os.stat(path).st_mtime_ns)


@cache
def _sha256(path: str, _size: int, _changed: int) -> str:
    if named := re.fullmatch(r"sha256[-:]([0-9a-f]{64})", Path(path).name):
        return named[1]
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
