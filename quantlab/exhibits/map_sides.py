"""What a model map shows: a model's tensors as a mix or a file stores them, and the grid of layers and roles
in which they stand.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ..models.architecture import MOST_LAYERS, Architecture
from ..models.catalog import MODELS, catalog_name
from ..models.families import role_and_layer
from ..models.recipe_rules import ALWAYS, PROGRAMS
from ..models.recipe_walk import Choice, choices, usual_type
from ..models.resolve import shape_of
from ..models.source import Model
from ..models.types import bits_per_weight, tensor_nbytes
from ..words import printable

AS_IS = "as in the file"
OLLAMA = "Ollama's "                # in front of an ftype: by Ollama's rules
#: Shapes that need no file: Ollama's name -> shape.
SHAPES: Mapping[str, Architecture] = MODELS
#: The roles on their way through a layer; what is not listed comes after, in the order of the file.
ORDER = ("token_embd", "attn_norm", "attn_q", "attn_q_a", "attn_q_b", "attn_k", "attn_v", "attn_qkv",
         "attn_kv_a_mqa", "attn_kv_b", "attn_k_b", "attn_v_b", "attn_output", "ffn_norm", "ffn_gate",
         "ffn_up", "ffn_down", "ffn_gate_inp", "ffn_gate_exps", "ffn_up_exps", "ffn_down_exps",
         "ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp", "output_norm", "output")
#: Where a vector stands whose name does not begin with its matrix's.
BESIDE = {"post_attention": "attn_output", "post_ffw": "ffn_down", "attn_kv_a": "attn_kv_a_mqa",
          "attn_sinks": "attn_k"}
MOST_ROWS = 40          # roles that are drawn; the largest are kept


class StoredTensor(NamedTuple):
    """A tensor at a mix: shape in ggml's order, its type, bytes (0 where unknown), why that type, and the
    type it stands in for.
    """

    shape: tuple[int, ...]
    qtype: str
    nbytes: int
    why: str = ""
    instead: str = ""

    @property
    def n_weights(self) -> int:
        return math.prod(self.shape)

    @property
    def bpw(self) -> float:
        return bits_per_weight(self.nbytes, self.n_weights)

    @property
    def is_vector(self) -> bool:
        return max(self.shape[1:], default=1) == 1


@dataclass(frozen=True)
class Side:
    """One model at one mix: its `name` (the mix, or the file's own name), its tensors by name, its ftype."""

    name: str
    tensors: Mapping[str, StoredTensor]
    ftype: str
    is_file: bool = False

    @cached_property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.tensors.values())

    @cached_property
    def n_weights(self) -> int:
        return sum(tensor.n_weights for tensor in self.tensors.values())

    @property
    def bpw(self) -> float:
        return bits_per_weight(self.nbytes, self.n_weights)


class Mixes:
    """All mixes of one model.  sides: key -> Side.  ftypes: the keys of the file as it is (AS_IS) and of
    llama.cpp's ftypes, from the smallest to the largest.  ollamas: those of Ollama's own mixes.

    first: the key to begin with.  shape: what the rules are asked about; a mix that they refuse for its rows
    or its architecture is left out.  file: the model as its file has it.
    """

    def __init__(self, name: str, shape: Architecture | Model, file: Side | None = None):
        self.name, self.file = name, file
        self.first = shape.usual_type if isinstance(shape, Architecture) else AS_IS
        llama_cpp, ollama = ([side for ftype in PROGRAMS[by].offered if (side := _side(shape, ftype, by))]
                             for by in ("llama.cpp", "ollama"))
        self.sides: dict[str, Side] = {AS_IS: file} if file else {}
        self.sides |= {side.name: side for side in sorted(llama_cpp, key=lambda side: side.nbytes)}
        self.ftypes, self.ollamas = list(self.sides), [side.name for side in ollama]
        self.sides |= {side.name: side for side in ollama}

    def key(self, words: object) -> str:
        """The key that `words` means, in any case ("q4_k_m"); "" when it is none of this model's."""
        return next((key for key in self.sides if key.lower() == str(words).lower()), "")


def mixes_of(source) -> Mixes:
    """All mixes of what `source` names: an Architecture, a known shape ("llama-3.1-8b"), a GGUF file, or a
    pulled model.

    A model that was pulled goes before a shape of the same name.  Raises ValueError in words when there is
    neither.
    """
    model = shape_of(source, file_first=True)
    if isinstance(model, Architecture):
        named = isinstance(source, str)
        return Mixes(catalog_name(source) or source if named else f"this {model.arch} model", model)
    try:
        return _mixes_of_file(model)
    finally:
        if model is not source:
            model.close()


def _mixes_of_file(model: Model) -> Mixes:
    rows = model.tensors[["name", "shape", "type", "nbytes"]].itertuples(index=False, name=None)
    tensors = {name: StoredTensor(tuple(shape), printable(qtype), 0 if math.isnan(nbytes) else int(nbytes))
               for name, shape, qtype, nbytes in rows}
    return Mixes(model.name, model, Side(model.name, tensors, model.ftype, is_file=True))


def _side(shape: Architecture | Model, ftype: str, by: str) -> Side | None:
    """The model as a program mixes it; None when its rules have no answer for this model."""
    try:
        found = choices(ftype, shape, by, False)
    except ValueError:              # an architecture or rows that the program refuses
        return None
    usual = usual_type(PROGRAMS[by], ftype)
    return Side(OLLAMA * (by == "ollama") + ftype,
                {choice.tensor.name: _stored(choice, ftype, usual) for choice in found}, ftype)


def _stored(choice: Choice, ftype: str, usual: str) -> StoredTensor:
    shape, rule, why = tuple(choice.tensor.shape), choice.rule, choice.note or f"the usual type of {ftype}"
    if rule and not choice.note:
        where = rule.where if isinstance(rule.where, str) else ", ".join(rule.where)
        why = rule.why if where == ALWAYS else f"{where}: {rule.why}"
    wanted = rule.qtype if rule else usual
    return StoredTensor(shape, choice.qtype, tensor_nbytes(shape, choice.qtype), why,
                        wanted if choice.note.startswith("in place of") else "")


# ---- the grid

class GridRow(NamedTuple):
    """A role, and the tensor's name in each layer ("": this layer has none); alone: outside the layers."""

    role: str
    names: list[str]
    alone: bool


class TensorGrid:
    """Tensors by role and layer.  rows: the layers' roles first, then what stands outside them.  left_out:
    how many roles were too many.  walk: all tensors that are drawn, in reading order.  places: tensor name ->
    (row, column).
    """

    def __init__(self, tensors: Mapping[str, StoredTensor]):
        inside: dict[str, dict[int, str]] = {}
        rows = []
        for name in tensors:
            role, layer = _role_and_layer(name)
            if layer is None or layer >= MOST_LAYERS:
                rows.append(GridRow(role, [name], True))
            else:
                inside.setdefault(role, {})[layer] = name
        self.n_layer = 1 + max((max(layers) for layers in inside.values()), default=-1)
        rows += [GridRow(role, [layers.get(i, "") for i in range(self.n_layer)], False)
                 for role, layers in inside.items()]
        rows.sort(key=lambda row: (row.alone, _place(row.role)))
        weights = [sum(tensors[name].n_weights for name in row.names if name) for row in rows]
        kept = sorted(sorted(range(len(rows)), key=lambda i: -weights[i])[:MOST_ROWS])
        self.rows, self.left_out = [rows[i] for i in kept], len(rows) - len(kept)
        self.places = {name: (i, k) for i, row in enumerate(self.rows) for k, name in enumerate(row.names)
                       if name}
        self.walk = list(self.places)

    def near(self, row: int, column: int) -> str:
        """The tensor in a cell, or the nearest one in its row."""
        names = {abs(k - column): name for k, name in reversed([*enumerate(self.rows[row].names)]) if name}
        return names[min(names)]

    def at(self, cell: int) -> str:
        """The tensor nearest to a cell; the last one when there are not so many cells."""
        for i, row in enumerate(self.rows):
            if cell < len(row.names):
                return self.near(i, cell)
            cell -= len(row.names)
        return self.walk[-1]


def _role_and_layer(name: str) -> tuple[str, int | None]:
    """As `role_and_layer`; a second stack, such as the layers of an image encoder ("v.blk.3.attn_q"), has
    rows of its own ("v.attn_q").
    """
    stack = re.fullmatch(r"(\w{1,9})\.(blk\.\d{1,9}\..+)", name)
    role, layer = role_and_layer(stack[2] if stack else name)
    return (f"{stack[1]}.{role}" if stack else role), layer


def _place(role: str) -> tuple[int, int]:
    """Where a role comes in a layer; its norm and its bias after it."""
    start, dot, rest = role.partition(".")
    if dot and rest not in ("bias", "scale"):
        return len(ORDER) + 1 + _place(rest)[0], _place(rest)[1]
    matrix = start if start in ORDER else start.removesuffix("_norm")
    matrix = BESIDE.get(matrix, matrix)
    return (ORDER.index(matrix) if matrix in ORDER else len(ORDER)), bool(rest) + (matrix != start)
