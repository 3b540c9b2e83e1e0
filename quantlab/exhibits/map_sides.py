"""What can stand on a model map: a shape at any ftype (by llama.cpp's rules or Ollama's), or a file as it is.

The grid of a model map: which tensor stands in which row and layer, from the names alone.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..canvas.answers import printable
from ..models.architecture import MOST_LAYERS, Architecture
from ..models.catalog import MODELS, SHORT_NAMES
from ..models.families import role_and_layer
from ..models.recipe_rules import ALWAYS, PROGRAMS, Rule
from ..models.recipe_walk import Choice, choices, usual_type
from ..models.source import Model, open_model
from ..models.types import tensor_nbytes

AS_IS = "as in the file"
OLLAMA = "Ollama's "                # in front of an ftype: by Ollama's rules
#: Shapes that need no file: Ollama's name -> shape.
SHAPES: dict[str, Architecture] = MODELS


class Tensor(NamedTuple):
    """One tensor of a side: shape in ggml's order, its type, bytes (0 where unknown), why that type, and the
    type it stands in for.
    """

    shape: tuple[int, ...]
    qtype: str
    nbytes: float
    why: str = ""
    instead: str = ""

    @property
    def n_weights(self) -> int:
        return math.prod(self.shape)

    @property
    def is_vector(self) -> bool:
        return max(self.shape[1:], default=1) == 1


@dataclass(frozen=True)
class Side:
    """One model at one mix: its `name` (the mix, or the file's own name), its `tensors` by name, its ftype.
    """

    name: str
    tensors: Mapping[str, Tensor]
    ftype: str
    is_file: bool = False

    @property
    def nbytes(self) -> float:
        return sum(tensor.nbytes for tensor in self.tensors.values())

    @property
    def n_weights(self) -> int:
        return sum(tensor.n_weights for tensor in self.tensors.values())


@dataclass
class Stock:
    """All sides of one model. key -> Side: an ftype, "Ollama's " and an ftype, or AS_IS for a file as it is.

    shape: what the rules are asked about; None when only the file is known.
    """

    name: str
    shape: Architecture | Model | None
    file: Side | None = None
    made: dict[str, Side | None] = field(default_factory=dict)

    def side(self, key: str) -> Side | None:
        """The side called `key`; None when the rules have no answer for this model."""
        if key == AS_IS:
            return self.file
        if key not in self.made:
            self.made[key] = self._make(key)
        return self.made[key]

    def _make(self, key: str) -> Side | None:
        by, ftype = ("ollama", key.removeprefix(OLLAMA)) if key.startswith(OLLAMA) else ("llama.cpp", key)
        if self.shape is None:
            return None
        try:
            found = choices(ftype, self.shape, by, False)
        except ValueError:              # an architecture or rows that the program refuses
            return None
        usual = usual_type(PROGRAMS[by], ftype)
        tensors = {choice.tensor.name: _tensor(choice, ftype, usual) for choice in found}
        return Side(key, tensors, ftype)

    def by_size(self) -> list[str]:
        """The keys that have a side, the file first, then llama.cpp's ftypes from the smallest to the
        largest.
        """
        ftypes = [key for key in PROGRAMS["llama.cpp"].usual if self.side(key)]
        return [AS_IS] * bool(self.file) + sorted(ftypes, key=lambda key: self.side(key).nbytes)

    def key(self, words) -> str | None:
        """The key that `words` means, in any case ("q4_k_m"); None when it is none of this model's."""
        return next((key for key in (*self.by_size(), *self.ollamas()) if key.lower() == str(words).lower()),
                    None)

    def ollamas(self) -> list[str]:
        """The keys of Ollama's own mixes."""
        return [key for ftype in PROGRAMS["ollama"].usual if self.side(key := OLLAMA + ftype)]


def stock_of(source) -> Stock:
    """What `source` names: an Architecture, a known shape ("llama-3.1-8b"), a GGUF file, or a pulled model.

    A model that was pulled goes before a shape of the same name. Raises ValueError in words when there is
    neither.
    """
    if isinstance(source, Architecture):
        return Stock(f"this {source.arch} model", source)
    if isinstance(source, Model):
        return _of_file(source)
    if isinstance(source, str) and source in SHORT_NAMES:
        return Stock(SHORT_NAMES[source], SHAPES[SHORT_NAMES[source]])
    try:
        with open_model(source) as model:
            return _of_file(model)
    except ValueError:
        if isinstance(source, str) and source in SHAPES:
            return Stock(source, SHAPES[source])
        raise


def _of_file(model: Model) -> Stock:
    rows = model.tensors[["name", "shape", "type", "nbytes"]].itertuples(index=False, name=None)
    tensors = {name: Tensor(tuple(shape), printable(qtype), 0 if math.isnan(nbytes) else nbytes)
               for name, shape, qtype, nbytes in rows}
    stock = Stock(model.name, model, Side(model.name, tensors, model.ftype, is_file=True))
    # while the file is open; without a known architecture there is nothing but the file
    stock.by_size()
    return stock


def _tensor(choice: Choice, ftype: str, usual: str) -> Tensor:
    wanted, tensor = choice.rule.qtype if choice.rule else usual, choice.tensor
    in_place = choice.note.startswith("in place of")
    why = choice.note or (_in_words(choice.rule) if choice.rule else f"the usual type of {ftype}")
    return Tensor(tuple(tensor.shape), choice.qtype, tensor_nbytes(tensor.shape, choice.qtype), why, wanted
                  if in_place else "")


def _in_words(rule: Rule) -> str:
    where = rule.where if isinstance(rule.where, str) else ", ".join(rule.where)
    return rule.why if where == ALWAYS else f"{where}: {rule.why}"


#: The way through a layer; what is not listed comes after, in the order of the file.
ORDER = ("token_embd", "attn_norm", "attn_q", "attn_q_a", "attn_q_b", "attn_k", "attn_v", "attn_qkv",
         "attn_kv_a_mqa", "attn_kv_b", "attn_k_b", "attn_v_b", "attn_output", "ffn_norm", "ffn_gate",
         "ffn_up", "ffn_down", "ffn_gate_inp", "ffn_gate_exps", "ffn_up_exps", "ffn_down_exps",
         "ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp", "output_norm", "output")
#: Where a vector stands whose name does not begin with its matrix's.
BESIDE = {"post_attention": "attn_output", "post_ffw": "ffn_down", "attn_kv_a": "attn_kv_a_mqa",
          "attn_sinks": "attn_k"}
MOST_ROWS = 40          # roles that are drawn; the largest are kept


class Line(NamedTuple):
    """One row of the grid: a role, and the tensor's name in each layer (None: this layer has none); alone:
    outside the layers.
    """

    role: str
    names: Sequence[str | None]
    alone: bool


def grid(tensors: Mapping[str, Tensor]) -> tuple[list[Line], int]:
    """(the rows of the grid: the layers' roles first, then what stands outside them; how many roles were left
    out).
    """
    inside: dict[str, dict[int, str]] = {}
    alone = []
    for name in tensors:
        role, layer = _role_and_layer(name)
        if layer is None or layer >= MOST_LAYERS:
            alone.append(Line(role, [name], True))
        else:
            inside.setdefault(role, {})[layer] = name
    n_layer = 1 + max((max(layers) for layers in inside.values()), default=-1)
    lines = [Line(role, [layers.get(i) for i in range(n_layer)], False) for role, layers in inside.items()]
    lines = sorted(lines, key=lambda line: _place(line.role)) + sorted(alone,
                                                                       key=lambda line: _place(line.role))
    if len(lines) <= MOST_ROWS:
        return lines, 0
    weight = {id(line): sum(tensors[name].n_weights for name in line.names if name) for line in lines}
    kept = {id(line) for line in sorted(lines, key=lambda line: -weight[id(line)])[:MOST_ROWS]}
    return [line for line in lines if id(line) in kept], len(lines) - MOST_ROWS


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
