"""Importance matrices as `llama-imatrix` writes them: how much each column of each matrix matters, measured
on real text.

    write_imatrix("tiny.imatrix.gguf", imatrix), read_imatrix("tiny.imatrix.gguf")

The file is a GGUF file. For a matrix NAME it holds `NAME.in_sum2`, the sums of the squared inputs to its
columns (one row for each expert), and `NAME.counts`, how many tokens were summed; importance is the one
divided by the other (llama.cpp: save_imatrix, load_imatrix).
Lessons: 11, 12.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .families import EMBEDDINGS
from .gguf_cursor import shown
from .gguf_file import GGUFFile
from .gguf_header import header_bytes, padding, pair
from .whole_file import whole_file

SUMS, COUNTS = ".in_sum2", ".counts"
ALIGNMENT = 32      # GGUF_DEFAULT_ALIGNMENT
LONGEST = 127       # bytes that llama-quantize keeps of a name in the metadata


@dataclass(frozen=True, eq=False)
class Imatrix:
    """values: tensor name -> (experts, columns) float32; one row for a matrix without experts.

    file, datasets, chunks, chunk_size: where it comes from, for the new file's metadata; empty and 0 when
    nobody knows.  counts: tensor name -> (experts,) float32, how many tokens were summed; without an entry it
    counts as one.
    """

    values: Mapping[str, np.ndarray]
    file: str = ""
    datasets: tuple[str, ...] = ()
    chunks: int = 0
    chunk_size: int = 0
    counts: Mapping[str, np.ndarray] = field(default_factory=dict)

    def of(self, name: str, shape: tuple[int, ...]) -> np.ndarray | None:
        """(matrices, columns) for a tensor of this shape (ggml's order), or None when the matrix was not
        measured.

        Raises ValueError when it was measured on a tensor of another shape. As in llama.cpp, the word vectors
        may be wrong.
        """
        values = self.values.get(name)
        wanted = (shape[2] if len(shape) > 2 else 1, shape[0])
        if values is None or values.shape == wanted:
            return values
        if name in EMBEDDINGS:
            return None
        why = ("it was measured without telling the experts apart" if values.shape == (1, shape[0])
               else "it belongs to another model")
        raise ValueError(
            f"the imatrix has {values.shape[0]} × {values.shape[1]} numbers for {name}, whose shape {shape} "
            f"needs {wanted[0]} × {wanted[1]}: {why}")

    def metadata(self) -> dict[str, str | int]:
        """The keys that llama-quantize adds to a file made with an imatrix; absent where nothing is known."""
        found: dict[str, str | int] = {
            "file": _cut(self.file), "dataset": _cut(self.datasets[0] if self.datasets else ""),
            "entries_count": len(self.values), "chunks_count": max(self.chunks, 0)}
        return {f"quantize.imatrix.{key}": value for key, value in found.items() if value}


def as_imatrix(given) -> Imatrix | None:
    """An Imatrix from one, from the path of a file, or from {tensor name: numbers, one a column}; None stays
    None.
    """
    if given is None or isinstance(given, Imatrix):
        return given
    if isinstance(given, Mapping):
        return Imatrix({str(name): _checked(name, values) for name, values in given.items()})
    if isinstance(given, str | os.PathLike):
        return read_imatrix(given)
    raise ValueError(f"an imatrix is a file's path or {{tensor name: numbers}}, not {type(given).__name__}")


def read_imatrix(path) -> Imatrix:
    """Read the file that `llama-imatrix` wrote. Raises ValueError, in words, for any other file."""
    path = os.fspath(path)
    try:
        file = GGUFFile(path)
    except ValueError as error:
        raise ValueError(
            f"{error}. An imatrix is read from llama.cpp's GGUF format; `llama-imatrix --in-file OLD "
            "--output-format gguf -o NEW` converts an older .dat file") from None
    with file:
        names = [name.removesuffix(SUMS) for name in file.infos if name.endswith(SUMS)]
        if not names:
            raise ValueError(
                f"{file.path.name} is a GGUF file, but no imatrix: no tensor in it ends in {SUMS}")
        chunks, size, datasets = (file.metadata.get(f"imatrix.{key}", 0)
                                  for key in ("chunk_count", "chunk_size", "datasets"))
        counts = {name: file.tensor(name + COUNTS).reshape(-1) for name in names}
        return Imatrix({name: _importance(file, name) for name in names}, path,
                       tuple(str(text) for text in datasets or ()), chunks if type(chunks) is int else 0,
                       size if type(size) is int else 0, counts)


def write_imatrix(path, imatrix: Imatrix) -> Path:
    """Write the file that `llama-imatrix` would, for llama-quantize and for `read_imatrix`; whole or not at
    all. Returns its path.
    """
    path, tensors, data = Path(path).expanduser(), [], []
    for name in sorted(imatrix.values):
        values = imatrix.values[name]
        counts = np.asarray(imatrix.counts.get(name, np.ones(len(values))), np.float32).reshape(-1, 1)
        for part, array in ((SUMS, values * counts), (COUNTS, counts)):
            raw = array.astype("<f4").tobytes()
            tensors.append((name + part, array.shape[::-1], "F32"))
            data.append(raw + bytes(padding(len(raw), ALIGNMENT)))
    pairs = [pair("general.type", "imatrix"), pair("imatrix.datasets", list(imatrix.datasets)),
             pair("imatrix.chunk_count", imatrix.chunks), pair("imatrix.chunk_size", imatrix.chunk_size)]
    with whole_file(path) as write:
        write(header_bytes(pairs, tensors, ALIGNMENT) + b"".join(data))
    return path


def _importance(file: GGUFFile, name: str) -> np.ndarray:
    """(matrices, columns): sums divided by counts; 1 for an expert that saw no token."""
    for part in (name + SUMS, name + COUNTS):
        if part not in file.infos or file.infos[part].qtype != "F32":
            raise ValueError(f"{file.path.name} is no whole imatrix: it needs {part} as F32")
    sums, counts = file.tensor(name + SUMS), file.tensor(name + COUNTS).reshape(-1, 1)
    sums = sums.reshape(-1, sums.shape[-1])
    if len(sums) != len(counts):
        raise ValueError(
            f"{file.path.name} has sums of {len(sums)} matrices for {name}, but counts of {len(counts)}")
    values = np.divide(sums, counts, out=np.ones_like(sums), where=counts > 0)
    return _checked(name, values)


def _checked(name: str, values) -> np.ndarray:
    try:
        values = np.atleast_2d(np.asarray(values, np.float32))
    except (TypeError, ValueError):     # words, or rows of unequal length
        raise ValueError(f"the importances of {name} must be rows of finite numbers from 0 up, "
                         f"not {shown(values)}") from None
    wrong = np.argwhere(~np.isfinite(values) | (values < 0))
    if values.ndim != 2 or len(wrong):
        found = f"one is {values[tuple(wrong[0])]}" if len(wrong) else f"their shape is {values.shape}"
        raise ValueError(f"the importances of {name} must be rows of finite numbers from 0 up; {found}")
    return values


def _cut(text: str) -> str:
    return text.encode()[:LONGEST].decode(errors="ignore")
