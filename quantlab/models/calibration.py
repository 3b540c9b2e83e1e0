"""A calibration on disk: what a model's matrices are multiplied with, as second moments, one file an input.

    known = as_calibration("folder")
    known.moments("blk.0.ffn_down.weight")          the mean of x x^T over all tokens read, (n, n)

The folder holds calibration.json and, for each input, (matrices, n, n) float32 in a NumPy file. Queries, keys
and values are made from one input, so `inputs` says in which file the moments of a matrix are. A calibration
belongs to one file of weights, whose SHA-256 it carries. It is measured by `calibrate` in
inference/calibrate.py, and used by `quantize_model`.
"""

import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .digests import files_digest
from .imatrix_file import Imatrix
from .source import Model
from .whole_file import whole_file

NAME = "calibration.json"


@dataclass(frozen=True, eq=False)
class Calibration:
    """folder: where it is.  model: its name.  files: the digest of the model's files.  text: what was read,
    in words; chunks of n_ctx tokens each.  inputs: matrix -> the one under whose name its input is kept.
    counts: input -> how many tokens each of its matrices got (experts have one each).
    """

    folder: Path
    model: str
    files: str
    text: str
    chunks: int
    n_ctx: int
    inputs: Mapping[str, str]
    counts: Mapping[str, list[int]]

    @property
    def n_tokens(self) -> int:
        return self.chunks * self.n_ctx

    def moments(self, name: str, matrix: int = 0) -> np.ndarray:
        """(n, n) float64: the second moments of the inputs of one matrix of a tensor."""
        return np.asarray(self._stored(name)[matrix], np.float64)

    def seen(self, name: str, matrix: int = 0) -> int:
        """How many tokens that matrix got."""
        return self.counts[self.inputs[name]][matrix]

    def has_rank(self, name: str, matrix: int = 0) -> bool:
        """Whether its inputs can be independent: as many tokens as columns, at least."""
        return self.seen(name, matrix) >= self._stored(name).shape[-1]

    def imatrix(self, model: Model | None = None) -> Imatrix:
        """The importance of each column: the mean of its squared inputs, which is the diagonal; 1 for an
        expert that saw no token.  model: that it is for. ValueError where it was measured on another one.
        """
        if model is not None:
            self._demand(model)
        values, counts = {}, {}
        for name in self.inputs:
            found = np.stack([np.diag(moments) for moments in self._stored(name)])
            counts[name] = np.array(self.counts[self.inputs[name]], np.float32)
            found[counts[name] == 0] = 1
            values[name] = found
        return Imatrix(values, str(self.folder), (self.text,), self.chunks, self.n_ctx, counts)

    def _demand(self, model: Model) -> None:
        """ValueError unless it was measured on these weights."""
        there = files_digest(model.gguf.paths)
        if self.files != there:
            raise ValueError(f"the calibration in {self.folder} was measured on {self.model}, whose files "
                             f"have the digest {self.files[:12]}; {model.name} has {there[:12]}: calibrate "
                             "this model")
        for name in self.inputs:
            n = model.types[name][1][0] if name in model.types else 0
            if self._stored(name).shape[-1] != n:
                raise ValueError(f"the calibration has {self._stored(name).shape[-1]} columns for {name}, "
                                 f"which has {n} in {model.name}: it belongs to another model")

    def _stored(self, name: str) -> np.ndarray:
        path = input_file(self.folder, self.inputs[name])
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ValueError(f"the calibration is damaged: {path.name} cannot be read ({error}); measure it "
                             "again") from None


def input_file(folder: Path, name: str) -> Path:
    """Where the moments of an input are kept."""
    return folder / f"{name}.npy"


def write_moments(folder: Path, name: str, moments: np.ndarray) -> None:
    """(matrices, n, n) of an input, as float32; whole or not at all."""
    with whole_file(input_file(folder, name)) as write:
        write(_npy_header(moments.shape))
        for matrix in moments:
            write(np.ascontiguousarray(matrix, "<f4").tobytes())


def _npy_header(shape: tuple[int, ...]) -> bytes:
    """What stands before the numbers in a NumPy file."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return header.getvalue()


def write_state(folder: Path, state: dict) -> None:
    """calibration.json, whole or not at all."""
    with whole_file(folder / NAME) as write:
        write(json.dumps(state, indent=1).encode())


def read_state(folder: Path) -> dict | None:
    """What calibration.json says; None where there is none. ValueError for a file that is no such thing."""
    try:
        state = json.loads((folder / NAME).read_text(encoding="utf-8"))
        if not isinstance(state["layers"], list):
            raise TypeError
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(f"{folder / NAME} is no calibration: delete the folder, or name another") from None
    return state


def as_calibration(given) -> Calibration:
    """A Calibration, from one or from its folder. ValueError for what is none, and for one that was stopped.
    """
    if isinstance(given, Calibration):
        return given
    if not isinstance(given, str | os.PathLike):
        raise ValueError(f"a calibration is a folder that calibrate() wrote, not {type(given).__name__}")
    folder = Path(given).expanduser()
    state = read_state(folder)
    if state is None:
        raise ValueError(f"there is no calibration in {folder}: no {NAME} there")
    if len(state["layers"]) < state["n_layer"]:
        raise ValueError(f"the calibration in {folder} was stopped after {len(state['layers'])} of "
                         f"{state['n_layer']} layers: call calibrate() with the same text again, and it goes "
                         "on")
    inputs = {name: kept for layer in state["layers"] for name, kept in layer["inputs"].items()}
    counts = {name: count for layer in state["layers"] for name, count in layer["counts"].items()}
    return Calibration(folder, state["model"], state["files"], state["text"], state["chunks"],
                       state["n_ctx"], inputs, counts)
