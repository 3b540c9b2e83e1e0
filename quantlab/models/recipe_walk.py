"""From the rules to the types: `choices` walks recipe_rules.py for every tensor of a model.

The position of a matrix is not always its layer. llama.cpp takes the tensors layer by layer and counts how
many of a kind came before; in a model with experts it reads the layer's number from the name instead, except
in its 2-bit mixes. Ollama counts in the order of the file. A layer with two ffn_down (DeepSeek: the experts'
and the shared one) is then counted twice, so the "last eighth" begins in the middle of the model.
"""

from collections import Counter
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import NamedTuple

from ..formats.sizes import BLOCKS
from ..words import nearest
from .architecture import Architecture
from .families import EMBEDDINGS, OUTPUT, TensorShape, role_and_layer
from .metadata import Counts
from .recipe_rules import (
    ALIASES,
    CONDITIONS,
    COPY,
    GONE,
    PROGRAMS,
    PURE,
    TWO_BITS,
    VALUES,
    Place,
    Program,
    Rule,
    is_70b,
)
from .resolve import shape_of
from .source import Model
from .types import block_of
from .wishes import Wishes

#: Parts of names that make a matrix one of a kind, whatever follows: "ffn_down_exps" is an "ffn_down", too.
KINDS = ("attn_qkv.weight", "attn_kv_b.weight", "attn_v.weight", "attn_k.weight", "attn_q.weight",
         "attn_output.weight", "ffn_up", "ffn_gate", "ffn_down")
NONE = Wishes()
WISHED = "as wished"
LEFT = "too few numbers to be worth it, and too much depends on them"


class Choice(NamedTuple):
    """What a tensor gets: `qtype`, by which `rule` (None: by none), and a `note` where something else
    decided.  The tensor has its name in the new file.
    """

    tensor: TensorShape
    qtype: str
    rule: Rule | None = None
    note: str = ""


class Choices(list[Choice]):
    """What each tensor gets; notes: sentences about the wishes."""

    def __init__(self, found: Iterable[Choice], notes: Iterable[str] = ()):
        super().__init__(found)
        self.notes = list(notes)


def program_named(by: str) -> Program:
    """The program of this name, or ValueError."""
    if not isinstance(by, str) or by not in PROGRAMS:
        raise ValueError(
            f"by={by!r} is no program whose rules are known here; known are {', '.join(PROGRAMS)}")
    return PROGRAMS[by]


def ftype_named(program: Program, ftype: object) -> str:
    """An ftype as its program writes it: "Q4_K_M" for "q4_K_M" and for its other name, "Q4_K".

    Raises ValueError with the nearest names, or with what has become of a name of earlier days.
    """
    name = ftype.upper() if isinstance(ftype, str) else ""
    if program.name == "llama.cpp":
        name = ALIASES.get(name, name)
    if name in program.usual:
        return name
    if name in GONE:
        raise ValueError(f"{name} {GONE[name]}")
    raise ValueError(f"{program.name} has no ftype {ftype!r} that is known here"
                     f"{nearest(ftype, program.usual)}; there are {', '.join(program.usual)}")


def usual_type(program: Program, ftype: str) -> str:
    """The usual type of an ftype.  ValueError as `ftype_named` says."""
    return program.usual[ftype_named(program, ftype)]


def rules_of(program: Program, ftype: str) -> list[Rule]:
    """The rules that matter for an ftype, in order; a file of plain floats has none."""
    name = ftype_named(program, ftype)
    if block_of(program.usual[name])[0] == 1:
        return []
    return [rule for rule in program.rules if rule.ftypes == "*" or name in rule.ftypes.split()]


def pure_type(program: Program, ftype: str) -> str:
    """The one type of all matrices: the usual type of an ftype, or the type of that name."""
    if program.name != "llama.cpp":
        raise ValueError(f"{program.name} makes no pure mixes; llama.cpp does")
    name = str(ftype).upper()
    return name if name in BLOCKS else PURE.get(name) or usual_type(program, ftype)


def choices(ftype: str, model, by: str = "llama.cpp", imatrix: bool = False, pure: bool = False,
            wishes: Wishes = NONE) -> Choices:
    """What each tensor of the model gets, in the order of its tensors, by the names in the new file.
    ValueError as `recipe` says.
    """
    program = program_named(by)
    if wishes and program.name != "llama.cpp":
        raise ValueError(f"{program.name} takes no wishes for single matrices; llama.cpp does")
    shape = shape_of(model)
    typed = shape.typed() if isinstance(shape, Model) else [(tensor, "F32") for tensor in shape.tensors()]
    if program.name == "llama.cpp" and str(ftype).upper() == COPY:
        return _copied(typed, shape, wishes)
    usual = pure_type(program, ftype) if pure else usual_type(program, ftype)
    new = wishes.renamed(tensor.name for tensor, _ in typed)
    typed = [(_called(tensor, new[tensor.name]), qtype) for tensor, qtype in typed if tensor.name in new]
    left = {tensor.name for tensor, _ in typed if _is_left(program.name, tensor)
            or (wishes.leave_output and tensor.name == OUTPUT)}
    free = [tensor for tensor, _ in typed if tensor.name not in left]
    notes = wishes.check({tensor.name: tensor.shape for tensor, _ in typed},
                         [tensor.name for tensor in free], usual)
    notes += wishes.unmet({tensor.name: qtype for tensor, qtype in typed if tensor.name in left})
    walk = _Walk(program, usual, [] if pure else rules_of(program, ftype), wishes,
                 all(tensor.name != OUTPUT for tensor, _ in typed))
    if wishes.output_type and walk.tied and not (walk.ruled or wishes.embedding_type):
        raise ValueError(f"output_type: there is no {OUTPUT}, and llama-quantize gives the word vectors that "
                         f"serve as one the type {usual} here whatever it says; embedding_type changes it")
    places = _places(program, "" if pure else ftype_named(program, ftype), shape.counts,
                     [tensor for tensor, _ in typed], usual, imatrix, left, wishes)
    return Choices([Choice(tensor, qtype, note=LEFT) if tensor.name in left
                    else walk.choice(tensor, places[tensor.name]) for tensor, qtype in typed], notes)


class _Walk:
    """The rules of one mix, with what is wished beside it; tied: the word vectors serve as the output too."""

    def __init__(self, program: Program, usual: str, rules: list[Rule], wishes: Wishes, tied: bool):
        self.program, self.usual, self.wishes, self.tied = program, usual, wishes, tied
        self.rules = cache(lambda kind: [rule for rule in rules
                                         if rule.roles == "*" or kind in rule.roles.split()])
        self.ruled = bool(rules)

    def choice(self, tensor: TensorShape, place: Place) -> Choice:
        """What the tensor gets: by a wish for it, else by the first rule that fits, else the usual type."""
        wishes = self.wishes
        if qtype := wishes.whole_type(tensor.name):
            return _as_wished(tensor, qtype)
        if found := wishes.pattern_of(tensor.name):
            return _fitting(self.program, Choice(tensor, found[1], note=f"by '{found[0].pattern}'"))
        embeddings = EMBEDDINGS if self.program.name == "llama.cpp" else EMBEDDINGS[:1]
        output = self.tied and tensor.name in embeddings
        if output and wishes.output_type and self.ruled:
            return _fitting(self.program, Choice(tensor, wishes.output_type, note=WISHED))
        kind = "output" if output else _kind(tensor)
        rule = next((rule for rule in self.rules(kind) if _fits(rule, place)), None)
        return _fitting(self.program, Choice(tensor, rule.qtype if rule else self.usual, rule))


def _copied(typed: list[tuple[TensorShape, str]], shape, wishes: Wishes) -> Choices:
    """Every tensor as it is, but for the layers that are left out."""
    if not isinstance(shape, Model):
        raise ValueError(f"{COPY} keeps the types of a file, and only a shape is given: name a file")
    if wishes._replace(pruned=()):
        raise ValueError(f"{COPY} keeps every type as it is: name a mix, such as Q8_0, to change some")
    new = wishes.renamed(tensor.name for tensor, _ in typed)
    return Choices(Choice(_called(tensor, new[tensor.name]), qtype, note="copied")
                   for tensor, qtype in typed if tensor.name in new)


def _called(tensor: TensorShape, name: str) -> TensorShape:
    return tensor if name == tensor.name else TensorShape(name, *role_and_layer(name), tensor.shape)


def _as_wished(tensor: TensorShape, qtype: str) -> Choice:
    """A type that no other takes over for: llama-quantize ends in the middle where the rows do not fit."""
    block = block_of(qtype)[0]
    if tensor.shape[0] % block:
        raise ValueError(f"{tensor.name} cannot be {qtype}: its rows of {tensor.shape[0]} weights are no "
                         f"whole number of blocks of {block}")
    return Choice(tensor, qtype, note=WISHED)


def _places(program: Program, ftype: str, a: Architecture | Counts, tensors: list[TensorShape], usual: str,
            imatrix: bool, left: set[str], wishes: Wishes) -> dict[str, Place]:
    """Tensor name -> its place, for each matrix that is quantized at all; what a wish decides is not counted.
    """
    ollama, values = program.name == "ollama", VALUES.split()
    n_values = sum(_kind(tensor) in values for tensor in tensors)
    n_layer = len({tensor.layer for tensor in tensors} - {None}) if ollama else a.n_layer
    numbered = not ollama and a.n_expert > 1 and ftype not in TWO_BITS.split()
    seen: Counter = Counter()
    places = {}
    for tensor in tensors if ollama else sorted(tensors, key=lambda tensor: by_layer(tensor.name)):
        if tensor.name in left:
            continue
        kind = _kind(tensor)
        group = VALUES if kind in values and not ollama else kind
        in_layer = numbered and kind.startswith("ffn")
        nth = tensor.layer if in_layer and tensor.layer is not None else seen[group]
        seen[group] += wishes.pattern_of(tensor.name) is None
        stacked = len(tensor.shape) > 2 and tensor.shape[2] > 1
        places[tensor.name] = Place(nth, n_values if kind in values else n_layer,
                                    tensor.shape[0] % block_of(usual)[0] == 0, stacked,
                                    a.n_head // a.n_head_kv, a.n_expert, is_70b(a), imatrix)
    return places


def by_layer(name: str) -> tuple[int, bytes]:
    """Sorts names of tensors as llama.cpp does (weight_name_comparer): what is in no layer first, then layer
    by layer, by the bytes of the name.
    """
    layer = role_and_layer(name)[1]
    return (-1 if layer is None else layer), name.encode()


@lru_cache(2**16)
def _is_left(by: str, tensor: TensorShape) -> bool:
    """Vectors, biases, norms and the router are never quantized."""
    program, name, matrix = PROGRAMS[by], tensor.name, len(tensor.shape) > 1 and max(tensor.shape[1:]) > 1
    return (not matrix or not name.endswith("weight") or name.startswith(program.left_starts)
            or any(part in name for part in program.left))


@lru_cache(2**16)
def _kind(tensor: TensorShape) -> str:
    if tensor.name in EMBEDDINGS:
        return "token_embd"
    return next((kind.removesuffix(".weight") for kind in KINDS if kind in tensor.name), tensor.role)


def _fits(rule: Rule, place: Place) -> bool:
    if isinstance(rule.where, str):
        return CONDITIONS[rule.where](place)
    return all(CONDITIONS[words](place) for words in rule.where)


def _fitting(program: Program, choice: Choice) -> Choice:
    """The choice itself, or the type that takes over because the tensor's rows are no whole number of blocks.
    """
    row, qtype = choice.tensor.shape[0], choice.qtype
    block = block_of(qtype)[0]
    if row % block == 0:
        return choice
    if program.refuses and block > 32 and qtype not in program.fallbacks:
        raise ValueError(
            f"{program.name} refuses this: the rows of {choice.tensor.name} have {row} weights, no whole "
            f"number of {qtype} blocks of {block}, and nothing takes over for {qtype}")
    other = program.fallbacks.get(qtype, qtype)
    other = other if row % block_of(other)[0] == 0 else "F16"
    wished = f"{choice.note}; " if choice.note else ""
    why = f"{wished}in place of {qtype}: rows of {row} are no whole number of blocks of {block}"
    return choice._replace(qtype=other, note=why)
