"""From the rules to the types: `choices` walks recipe_rules.py for every tensor of a model.

The position of a matrix is not always its layer. llama.cpp takes the tensors layer by layer and counts how
many of a kind came before; in a model with experts it reads the layer's number from the name instead, except
in its 2-bit mixes. Ollama counts in the order of the file. A layer with two ffn_down (DeepSeek: the experts'
and the shared one) is then counted twice, so the "last eighth" begins in the middle of the model.
"""

from collections import Counter
from functools import lru_cache
from typing import NamedTuple

from ..words import nearest
from .architecture import Architecture
from .families import TensorShape, role_and_layer
from .recipe_rules import CONDITIONS, PROGRAMS, TWO_BITS, VALUES, Place, Program, Rule, is_70b
from .resolve import shape_of
from .source import Model
from .types import block_of

#: Parts of names that make a matrix one of a kind, whatever follows: "ffn_down_exps" is an "ffn_down", too.
KINDS = ("attn_qkv.weight", "attn_kv_b.weight", "attn_v.weight", "attn_k.weight", "attn_q.weight",
         "attn_output.weight", "ffn_up", "ffn_gate", "ffn_down")
LEFT = "too few numbers to be worth it, and too much depends on them"


class Choice(NamedTuple):
    """What a tensor gets: `qtype`, by which `rule` (None: by none), and a `note` where something else
    decided.
    """

    tensor: TensorShape
    qtype: str
    rule: Rule | None = None
    note: str = ""


def program_named(by: str) -> Program:
    """The program of this name, or ValueError."""
    if not isinstance(by, str) or by not in PROGRAMS:
        raise ValueError(
            f"by={by!r} is no program whose rules are known here; known are {', '.join(PROGRAMS)}")
    return PROGRAMS[by]


def usual_type(program: Program, ftype: str) -> str:
    """The usual type of an ftype.  ValueError with the nearest names when the program has no such ftype."""
    if not isinstance(ftype, str) or ftype.upper() not in program.usual:
        raise ValueError(f"{program.name} has no ftype {ftype!r} that is known here"
                         f"{nearest(ftype, program.usual)}; there are {', '.join(program.usual)}")
    return program.usual[ftype.upper()]


def rules_of(program: Program, ftype: str) -> list[Rule]:
    """The rules that matter for an ftype, in order; a file of plain floats has none."""
    if block_of(usual_type(program, ftype))[0] == 1:
        return []
    return [rule for rule in program.rules if rule.ftypes == "*" or ftype.upper() in rule.ftypes.split()]


def pure_type(program: Program, ftype: str) -> str:
    """The one type of all matrices: the usual type of an ftype, or the type of that name."""
    from ..formats.table import FORMATS

    if program.name != "llama.cpp":
        raise ValueError(f"{program.name} makes no pure mixes; llama.cpp does")
    return ftype.upper() if str(ftype).upper() in FORMATS else usual_type(program, ftype)


def choices(ftype: str, model, by: str = "llama.cpp", imatrix: bool = False,
            pure: bool = False) -> list[Choice]:
    """What each tensor of the model gets, in the order of its tensors.  ValueError as `recipe` says."""
    program = program_named(by)
    usual = pure_type(program, ftype) if pure else usual_type(program, ftype)
    rules = [] if pure else rules_of(program, ftype)
    shape = shape_of(model)
    typed = shape.typed() if isinstance(shape, Model) else [(tensor, "F32") for tensor in shape.tensors()]
    tensors, types = [tensor for tensor, _ in typed], {tensor.name: qtype for tensor, qtype in typed}
    places = _places(program, ftype.upper(), shape.architecture, tensors, usual, imatrix)
    tied = not any(tensor.name == "output.weight" for tensor in tensors)
    found: list[Choice] = []
    of_kind: dict[str, list[Rule]] = {}
    for tensor in tensors:
        if tensor.name not in places:
            found.append(Choice(tensor, types[tensor.name], note=LEFT))
            continue
        kind = "output" if tied and tensor.name == "token_embd.weight" else _kind(tensor)
        if kind not in of_kind:
            of_kind[kind] = [rule for rule in rules if rule.roles == "*" or kind in rule.roles.split()]
        rule = next((rule for rule in of_kind[kind] if _fits(rule, places[tensor.name])), None)
        found.append(_fitting(program, Choice(tensor, rule.qtype if rule else usual, rule)))
    return found


def _places(program: Program, ftype: str, a: Architecture, tensors: list[TensorShape], usual: str,
            imatrix: bool) -> dict[str, Place]:
    """Tensor name -> its place, for each matrix that is quantized at all."""
    ollama, values = program.name == "ollama", VALUES.split()
    n_values = sum(_kind(tensor) in values for tensor in tensors)
    n_layer = len({tensor.layer for tensor in tensors} - {None}) if ollama else a.n_layer
    numbered = not ollama and a.n_expert > 1 and ftype not in TWO_BITS.split()
    seen: Counter = Counter()
    places = {}
    for tensor in tensors if ollama else sorted(tensors, key=lambda tensor: by_layer(tensor.name)):
        if _is_left(program.name, tensor):
            continue
        kind = _kind(tensor)
        group = VALUES if kind in values and not ollama else kind
        in_layer = numbered and kind.startswith("ffn")
        nth = tensor.layer if in_layer and tensor.layer is not None else seen[group]
        seen[group] += 1
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
    if program.refuses and qtype not in program.fallbacks:
        raise ValueError(
            f"{program.name} refuses this: the rows of {choice.tensor.name} have {row} weights, no whole "
            f"number of {qtype} blocks of {block}, and nothing takes over for {qtype}")
    other = program.fallbacks.get(qtype, qtype)
    other = other if row % block_of(other)[0] == 0 else "F16"
    return choice._replace(qtype=other, note=f"in place of {qtype}: rows of {row} are no whole number of "
                                             f"blocks of {block}")
