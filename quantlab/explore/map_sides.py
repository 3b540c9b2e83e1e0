"""What can stand on a model map: a shape at any ftype (by llama.cpp's rules or Ollama's), or a file as it is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..lab.open import open_model
from ..memory.catalog import MODELS
from ..models.architecture import ALIASES, ARCHITECTURES, Architecture
from ..models.recipe_rules import ALWAYS, PROGRAMS, Rule
from ..models.recipe_walk import Choice, choices, usual_type
from ..models.source import Model
from ..models.types import tensor_nbytes
from ..views.page import printable

AS_IS = "as in the file"
OLLAMA = "Ollama's "                # in front of an ftype: by Ollama's rules
#: Shapes that need no file: Ollama's name -> shape.
SHAPES: dict[str, Architecture] = {name: ARCHITECTURES[short] for name, short in ALIASES.items() if name not in MODELS} | MODELS


class Tensor(NamedTuple):
    """One tensor of a side: shape in ggml's order, its type, bytes (0 where unknown), why that type, and the type it stands in for."""

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
    """One model at one mix: its `name` (the mix, or the file's own name), its `tensors` by name, its ftype."""

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
        """The keys that have a side, the file first, then llama.cpp's ftypes from the smallest to the largest."""
        ftypes = [key for key in PROGRAMS["llama.cpp"].usual if self.side(key)]
        return [AS_IS] * bool(self.file) + sorted(ftypes, key=lambda key: self.side(key).nbytes)

    def key(self, words) -> str | None:
        """The key that `words` means, in any case ("q4_k_m"); None when it is none of this model's."""
        return next((key for key in (*self.by_size(), *self.ollamas()) if key.lower() == str(words).lower()), None)

    def ollamas(self) -> list[str]:
        """The keys of Ollama's own mixes."""
        return [key for ftype in PROGRAMS["ollama"].usual if self.side(key := OLLAMA + ftype)]


def stock_of(source) -> Stock:
    """What `source` names: an Architecture, a known shape ("llama-3.1-8b"), a GGUF file, or a pulled model.

    A model that was pulled goes before a shape of the same name. Raises ValueError in words when there is neither.
    """
    if isinstance(source, Architecture):
        return Stock(f"this {source.arch} model", source)
    if isinstance(source, Model):
        return _of_file(source)
    known = {short: name for name, short in ALIASES.items()}
    if isinstance(source, str) and source in known:
        return Stock(known[source], SHAPES[known[source]])
    try:
        with open_model(source) as model:
            return _of_file(model)
    except ValueError:
        if isinstance(source, str) and source in SHAPES:
            return Stock(source, SHAPES[source])
        raise


def _of_file(model: Model) -> Stock:
    rows = model.tensors[["name", "shape", "type", "nbytes"]].itertuples(index=False, name=None)
    tensors = {name: Tensor(tuple(shape), printable(qtype), 0 if math.isnan(nbytes) else nbytes) for name, shape, qtype, nbytes in rows}
    stock = Stock(model.name, model, Side(model.name, tensors, model.ftype, is_file=True))
    stock.by_size()                     # while the file is open; without a known architecture there is nothing but the file
    return stock


def _tensor(choice: Choice, ftype: str, usual: str) -> Tensor:
    wanted, tensor = choice.rule.qtype if choice.rule else usual, choice.tensor
    in_place = choice.note.startswith("in place of")
    why = choice.note or (_in_words(choice.rule) if choice.rule else f"the usual type of {ftype}")
    return Tensor(tuple(tensor.shape), choice.qtype, tensor_nbytes(tensor.shape, choice.qtype), why, wanted if in_place else "")


def _in_words(rule: Rule) -> str:
    where = rule.where if isinstance(rule.where, str) else ", ".join(rule.where)
    return rule.why if where == ALWAYS else f"{where}: {rule.why}"
