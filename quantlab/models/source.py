"""`Model`, an open model, and `open_model`, which opens a GGUF file, a model that Ollama has pulled, or one
of those that come with quantlab: "sample", the "tiny" Llama, "tiny-qat" (trained on for Q2_K) and "tiny-moe"
(with experts).

    with open_model("llama3.2:3b") as model:
        model.tensors, model.tensor("blk.0.attn_q.weight")

Where the store's files cannot be read (a Linux service, Docker, WSL, another computer) a server may still
tell the tensor table. This room never talks to one itself: it asks through `profile.ask_server`.
"""

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from html import escape
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from .. import profile
from ..profile import is_reference
from ..words import nearest
from .architecture import Architecture
from .catalog import DATA, MODELS, catalog_name, library_name
from .families import FAMILIES, TensorShape, role_and_layer
from .gguf_cursor import GGUFArray, shown
from .gguf_file import GGUFFile
from .gguf_split import open_gguf
from .loadable import demand_metadata
from .metadata import Counts, architecture_of, counts_of
from .no_model import NoModel, why_none
from .ollama_blobs import architecture_name, in_encoder, llama_cpp_metadata, llama_cpp_name
from .store import StoreError, find_model, pulled_models
from .types import ARRAY, bits_per_weight, ftype_name, tensor_nbytes
from .wiring import demand_wiring, is_unused

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

BUNDLED = {"sample": DATA / "sample.gguf",
           **{name: DATA / "tiny" / f"{name}.gguf" for name in ("tiny", "tiny-qat", "tiny-moe")}}
COLUMNS = ("name", "role", "layer", "shape", "type", "n_weights", "nbytes", "bpw")
A_MODEL_IS = ('a model is a name of MODELS such as "llama3.1:8b", the name of a pulled model, the path of a '
              'GGUF file, "tiny" or "sample", an Architecture, or an open model')


class Model:
    """An open model: what it says about itself, its tensors, and (when there is a file) its weights.

    name: as it was asked for.  metadata: GGUF key -> value.  types: tensor name -> (type, shape in ggml's
    order), in file order: the table without pandas, which takes a second to load.  file: the GGUFFile, or
    None when only a server's table is known; `why` then says why.  projector: the file of a pulled model's
    picture encoder, if it has one of its own.  Use it in a `with` block or call `close()`.
    """

    def __init__(self, name: str, metadata: Mapping[str, object],
                 types: Mapping[str, tuple[str, tuple[int, ...]]], file: GGUFFile | None = None,
                 why: str = "", projector: Path | None = None):
        self.name, self.metadata, self.file, self.why, self.projector = name, metadata, file, why, projector
        self.types = dict(types)

    def typed(self) -> list[tuple[TensorShape, str]]:
        """Every tensor and the type it has, in file order."""
        return [(TensorShape(name, *role_and_layer(name), shape), qtype)
                for name, (qtype, shape) in self.types.items()]

    @cached_property
    def tensors(self) -> "pd.DataFrame":
        """The tensors as a pandas table, see `tensor_table`."""
        return tensor_table(self.typed())

    def tensor(self, name: str) -> "np.ndarray":
        """The weights of one tensor as float32, shape (rows, row length). Raises ValueError when there is
        none.
        """
        return self.gguf.tensor(name)

    @property
    def gguf(self) -> GGUFFile:
        """The file with the weights.  Raises ValueError where only a server's table is known."""
        if self.file is None:
            raise ValueError(f"the weights of {self.name} are not at hand: {self.why}")
        return self.file

    def demand_model(self) -> None:
        """Raises NoModel, in a sentence, for a LoRA, a projector, an embedding model and the like."""
        if (self.types or self.file) and (why := why_none(self.metadata, self.types)):
            raise NoModel(f"{self.name} is {why}")

    @cached_property
    def architecture(self) -> Architecture:
        """The model's shape. Raises ValueError ("unknown architecture") where its numbers would be a guess,
        and NoModel where it is no language model.
        """
        self.demand_model()
        return architecture_of(self.metadata, {name: shape for name, (_, shape) in self.types.items()})

    @property
    def counts(self) -> Architecture | Counts:
        """What the recipes ask of the model's shape, for which fewer numbers will do."""
        return counts_of(self.metadata) or self.architecture

    @cached_property
    def wired(self) -> Architecture:
        """The architecture of a file that has what its graph needs. Raises ValueError that says what is
        missing, or contradicts.
        """
        shapes = {name: shape for name, (_, shape) in self.types.items()}
        demand_wiring(self.name, self.metadata, self.architecture, shapes)
        said = llama_cpp_metadata(self.metadata, shapes)

        def value_type(key: str) -> int | None:
            """GGUF's number of a value's type in the file; None where a list became one number.  key: in
            llama.cpp's spelling.
            """
            spelled, arch = self.metadata.get("general.architecture"), self.architecture.arch
            own = key.replace(f"{arch}.", f"{spelled}.", 1) if key.startswith(f"{arch}.") else key
            number = self.gguf.value_types.get(own)
            return None if number == ARRAY and not isinstance(said.get(key), GGUFArray) else number

        demand_metadata(self.name, said, self.architecture, value_type if self.file else None)
        return self.architecture

    @cached_property
    def unusual(self) -> str:
        """The first tensor that a model of this architecture need not have and the plan does not count, ""
        for none.
        """
        usual = {tensor.name for tensor in self.architecture.tensors()}
        spelled = self.metadata.get("general.architecture")
        return next((name for name, (_, shape) in self.types.items()
                     if prod(shape) and llama_cpp_name(name, spelled) not in usual
                     and not is_unused(name, self.architecture)), "")

    @property
    def sees(self) -> bool:
        """Whether an encoder of pictures or sound lies in the same file."""
        return any(in_encoder(name, self.metadata.get("general.architecture")) for name in self.types)

    @property
    def ftype(self) -> str:
        """The file's mix, as its header says it: "Q4_K_M"; "unknown" when it says nothing known."""
        return ftype_name(self.metadata.get("general.file_type"))

    @property
    def n_weights(self) -> int:
        return sum(prod(shape) for _, shape in self.types.values())

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors (the file is larger by its header). Raises ValueError for a type not known
        here.
        """
        return sum(tensor_nbytes(shape, qtype) for qtype, shape in self.types.values())

    @property
    def bpw(self) -> float:
        """Bits per weight over the whole model; NaN for a file without weights."""
        return bits_per_weight(self.nbytes, self.n_weights)

    def close(self) -> None:
        """Let go of the file."""
        if self.file is not None:
            self.file.close()

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *_error) -> None:
        self.close()

    def facts(self) -> list[tuple[str, str]]:
        """The model in a few rows of words, for `repr` and for pictures."""
        n_files = 1 if self.file is None else len(self.file.paths)
        files = [("files", f"{n_files}")] if n_files > 1 else []
        return [("architecture", self._architecture_in_words()), ("ftype", self.ftype), *files,
                ("tensors", f"{len(self.types)}"), ("weights", _in_words(self.n_weights)), *self._size()]

    def _architecture_in_words(self) -> str:
        name = architecture_name(self.metadata)
        return name if name in FAMILIES else f"{shown(name)} (unknown architecture)" if name else "unknown"

    def _size(self) -> list[tuple[str, str]]:
        try:
            return [("size", f"{_in_words(self.nbytes)}B"), ("bits per weight", f"{self.bpw:.2f}")]
        except ValueError:
            return [("size", "unknown")]

    def __repr__(self) -> str:
        return f"<{self.name}: {', '.join(f'{key} {value}' for key, value in self.facts())}>"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{escape(key)}</td><td>{escape(value)}</td></tr>"
                       for key, value in self.facts())
        note = f"<p>No weights: {escape(self.why)}.</p>" if self.file is None else ""
        return f"<table><caption>{escape(self.name)}</caption>{rows}</table>{note}"


def open_model(source) -> Model:
    """Open a GGUF file by path, a pulled Ollama model by name (`llama3.2:3b`), or a bundled one ("tiny",
    "sample").

    A model split over several files opens by its first (`-00001-of-00003.gguf`), the others beside it. When
    no local store can give the file, the server that OLLAMA_HOST names is asked for the tensor table (not
    under the reference profile); such a model has `.tensors`, `.architecture`, `.ftype` and sizes, but no
    weights (`.why` says why).  Raises ValueError that says what was tried, the nearest names, and what would
    be right.
    """
    if not isinstance(source, str | os.PathLike):
        raise ValueError(f"{shown(source)} is no model: {A_MODEL_IS}")
    text = os.path.expanduser(os.fspath(source))
    if not isinstance(text, str) or "\0" in text:
        raise ValueError(f"{shown(text)} cannot be the name of a model or a file")
    if text not in BUNDLED and (isinstance(source, Path) or text.lower().endswith(".gguf")
                                or os.path.isfile(text)):
        return _from_file(Path(text).name, text)
    if (bundled := text.strip().lower()) in BUNDLED:
        return _from_file(bundled, BUNDLED[bundled])
    text = library_name(text)
    try:
        stored = find_model(text)
    except StoreError as error:
        return _from_server(text, str(error))
    except ValueError as error:             # no name that a store could have
        raise _refusal(text, str(error)) from None
    return _from_file(text, stored.blob, stored.projector)


def _from_server(name: str, why: str) -> Model:
    """The model as a server tells it; why: what the stores said."""
    if profile.ask_server is None or is_reference():
        raise _refusal(name, why)
    try:
        return from_show(profile.ask_server(name), name, why)
    except ValueError as error:
        raise _refusal(name, f"{why}. {str(error).rstrip('.')}") from None


def _refusal(name: str, why: str) -> StoreError:
    if known := catalog_name(name):
        return StoreError(f"of {known} only the shape is known here, and its file is needed: "
                          f"`ollama pull {known}` gets it ({why})")
    pulled = [] if is_reference() else [stored.name for stored in pulled_models()]
    return StoreError(f"no model {shown(name)} here: {why}{nearest(name, [*MODELS, *pulled, *BUNDLED])}; "
                      f"{A_MODEL_IS}")


def from_show(answer: Mapping[str, object], name: str = "model", why: str = "a server told it") -> Model:
    """The model that /api/show with `verbose` describes: its tensor table and metadata, without weights.

    Raises ValueError when the answer has no table of tensors (Ollama sends it since 0.5.8, and only if
    asked).
    """
    listed = answer.get("tensors")
    if not isinstance(listed, list) or not listed:
        raise ValueError(
            f"the server's answer about {name} has no tensors; /api/show gives them when asked `verbose`")
    types: dict[str, tuple[str, tuple[int, ...]]] = {}
    for tensor in listed:
        try:
            shape = tuple(int(n) for n in tensor["shape"]) or (1,)      # a single number has no dimension
            types[str(tensor["name"])] = (str(tensor["type"]), shape)
        except (TypeError, KeyError, ValueError, OverflowError):
            raise ValueError(
                f"the server's answer about {name} has a tensor like {str(tensor)[:80]!r}") from None
        if min(shape, default=0) < 0:
            raise ValueError(f"the server's answer about {name} has a tensor of shape {shape}")
    metadata = answer.get("model_info")
    return Model(name, metadata if isinstance(metadata, Mapping) else {}, types, why=why)


def _from_file(name: str, path, projector: Path | None = None) -> Model:
    file = open_gguf(path)
    types = {info.name: (info.qtype, info.shape) for info in file.infos.values()}
    return Model(name, file.metadata, types, file, projector=projector)


def tensor_table(typed: Iterable[tuple[TensorShape, str]]) -> "pd.DataFrame":
    """A pandas table, one row per tensor: name, role, layer, shape, type, n_weights, nbytes, bpw.

    shape is in ggml's order (row length first); nbytes and bpw are missing (NaN) for a type that is not known
    here.
    """
    import pandas as pd

    return pd.DataFrame([tensor_row(*one) for one in typed], columns=list(COLUMNS)).astype({"layer": "Int64"})


def tensor_row(tensor: TensorShape, qtype: str) -> tuple:
    """One row of `tensor_table`, without pandas."""
    try:
        nbytes: float = tensor_nbytes(tensor.shape, qtype)
    except ValueError:
        nbytes = float("nan")
    return *tensor, qtype, tensor.n_weights, nbytes, bits_per_weight(nbytes, tensor.n_weights)


def _in_words(count: float) -> str:
    """4912898304 is "4.91 G"."""
    for unit in ("", "k", "M", "G", "T"):
        if count < 999.5 or unit == "T":
            return f"{count:.3g} {unit}".rstrip()
        count /= 1000
    return str(count)
