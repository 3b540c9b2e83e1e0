"""`recipe`: which tensor gets which type when a model is quantized, as `llama-quantize` decides it, and as
Ollama did before 0.30; and, from that, the list of all tensors with their bytes (`tensor_list`), from the
headers alone.

    recipe("Q4_K_M", "llama3.1:8b")["blk.0.attn_v.weight"]     # "Q6_K"

The rules stand in recipe_rules.py, one line each; `explain_recipe` tells those that matter. The tests compare
the types with what `llama-quantize` itself chose for files of true headers and empty data.  Lesson:
05_k_quants.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from ..words import Tabled
from .architecture import Architecture
from .families import TensorShape, role_and_layer
from .library import UNTIED, library_mix
from .recipe_rules import ALWAYS, IMATRIX, NO_IMATRIX, Rule
from .recipe_walk import LEFT, Choice, choices, program_named, rules_of, usual_type
from .resolve import shape_of
from .source import Model, tensor_row, tensor_table
from .wishes import wishes_of


class RecipeLine(NamedTuple):
    """One line of a recipe in words: tensors of `role`, in the layers of `where`, get `type`, and `why`."""

    role: str
    where: str
    type: str
    why: str


class Recipe(Tabled, dict):
    """Tensor name -> the name of its type; shown as a table, a row per role.  notes: sentences about wishes
    that contradict each other.
    """

    def __init__(self, types: Mapping[str, str], notes: Sequence[str] = ()):
        super().__init__(types)
        self.notes = list(notes)

    def rows(self) -> list[tuple]:
        counted = counted_types((role_and_layer(name)[0], qtype) for name, qtype in self.items())
        return [("role", "types"), *counted.items(), *(("note", note) for note in self.notes)]


def recipe(ftype: str, model, *, by: str = "llama.cpp", imatrix: bool = False, pure: bool = False, types=None,
           output_type: str | None = None, embedding_type: str | None = None, leave_output: bool = False,
           prune_layers: Iterable[int] = ()) -> Recipe:
    """Tensor name -> the name of its type, in the order of the model's tensors.

    ftype: "Q4_K_M", as `llama-quantize` names it, in any case; "COPY" for the types of the file.  model: a
    catalog or pulled name, a path, an Architecture, or an open model.  by: "llama.cpp", or "ollama" for
    `ollama create --quantize` before 0.30. imatrix: whether there is an importance matrix; llama.cpp then
    chooses other types in a few mixes.  pure: every matrix gets the ftype's usual type, without any rule, as
    with `llama-quantize --pure`; the name of a type ("Q3_K") will then do as well.
    types: the types of chosen matrices, which stand above the rules: {pattern: type}, a file of lines
    `PATTERN=TYPE` as `--tensor-type-file` takes, or a GGUF file (a path, a pulled name, an open model) whose
    types are wanted.  A pattern is a regular expression found anywhere in a name; the first that is found
    decides.  As in llama.cpp a matrix that it names is not counted by the rules for "every third layer".
    output_type, embedding_type: of output.weight and of the word vectors.  leave_output: output.weight keeps
    its type.  prune_layers: layers that are left out; the others are numbered anew.
    Where a row is no whole number of blocks, on which llama-quantize would break off, the usual type takes
    over. Tensors that are never quantized keep the type they have in a file, and are F32 where only a shape
    is known.
    Raises ValueError for an ftype, a program or a model that is not known, for rows that llama-quantize
    refuses, and for wishes that change nothing or cannot be met.
    """
    wishes = wishes_of(types, output_type, embedding_type, leave_output, prune_layers)
    found = choices(ftype, model, by, imatrix, pure, wishes)
    return Recipe({choice.tensor.name: choice.qtype for choice in found}, found.notes)


def typed_tensors(model, ftype: str | None = None) -> Sequence[tuple[TensorShape, str]]:
    """Every tensor of a model and its type at an ftype; without one as a file has it, a shape's usual one. A
    row of MODELS has the tensors of the Ollama library's file, where that has the ftype and others than
    llama-quantize would write; a file at its own ftype is as it is, and an open one is taken whatever it
    holds.
    """
    shape = model if isinstance(model, Model) else shape_of(model)
    if isinstance(shape, Architecture):
        ftype = ftype or shape.usual_type
        return _typed(shape, ftype, library_mix(shape, ftype))
    return shape.typed() if ftype in (None, shape.ftype) else [pair[:2] for pair in choices(ftype, shape)]


@lru_cache(64)
def _typed(shape: Architecture, ftype: str, mix: str) -> tuple[tuple[TensorShape, str], ...]:
    words = mix.split()
    other = dict(word.split("=") for word in words if word != UNTIED)
    shape = replace(shape, tied_embeddings=shape.tied_embeddings and UNTIED not in words)
    return tuple((tensor, other.get(tensor.role, other.get(qtype, qtype)))
                 for tensor, qtype, *_ in choices(ftype, shape))


def tensor_list(model, ftype: str | None = None):
    """A pandas table, one row per tensor in file order: name, role, layer, shape, type, n_weights, nbytes,
    bpw.

    model: as in `recipe`; a name of MODELS means the Ollama library's file of that name, where it has this
    ftype (that of qwen3:32b keeps attn_v in F16, which no recipe does).  ftype: as llama.cpp writes it,
    "Q4_K_M"; Ollama's "q4_K_M" is the same; None for a file as it is, Q4_K_M where only a shape is known.
    shape is in ggml's order (row length first), nbytes in bytes.  Raises ValueError for another model or
    ftype; of a file that is no model that writes, `open_model(...).tensors` has the table.
    """
    return tensor_table(typed_tensors(shape_of(model), ftype))


def tensor_rows(model, ftype: str | None = None) -> list[tuple]:
    """The rows of `tensor_list` as plain tuples, for callers that redraw often."""
    return [tensor_row(*one) for one in typed_tensors(model, ftype)]


def types_by_role(model, *ftypes: str):
    """A pandas table: a row per role of matrix, a column per ftype, "16 × Q4_K, 16 × Q6_K" in the cells."""
    import pandas as pd

    columns = {ftype: counted_types((tensor.role, qtype) for tensor, qtype in typed_tensors(model, ftype)
                                    if len(tensor.shape) > 1) for ftype in ftypes}
    return pd.DataFrame(columns).rename_axis("role")


def counted_types(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Role -> "16 × Q4_K, 16 × Q6_K", the most frequent type first.  pairs: (role, type) of each tensor."""
    counts: dict[str, Counter] = {}
    for role, qtype in pairs:
        counts.setdefault(role, Counter())[qtype] += 1
    return {role: ", ".join(f"{n} × {qtype}" for qtype, n in types.most_common())
            for role, types in counts.items()}


def explain_recipe(ftype: str, model=None, *, by: str = "llama.cpp",
                   imatrix: bool = False) -> list[RecipeLine]:
    """The recipe in words, a line per rule: role, where, type, why.  The arguments are those of `recipe`.

    Without a model: all rules of the ftype, of which the first that fits decides.  With one: the rules that
    it meets, with the number of tensors, and the types that take over where rows do not fit.
    """
    if model is None:
        return list(_rules_in_words(ftype, by, imatrix))
    found = choices(ftype, model, by, imatrix)
    in_role = Counter(choice.tensor.role for choice in found)
    alike = Counter((choice.tensor.role, choice[1:]) for choice in found)
    groups: dict[tuple, list[Choice]] = {}
    for choice in found:
        role = choice.tensor.role
        groups.setdefault((choice[1:], alike[role, choice[1:]] == in_role[role]), []).append(choice)
    return [_line(ftype, group, in_role, whole) for (_, whole), group in groups.items()]


def _line(ftype: str, group: list[Choice], in_role: Counter, whole: bool) -> RecipeLine:
    """The line of tensors that got the same type for the same reason; whole: no other tensor has one of their
    roles.
    """
    _, qtype, rule, note = group[0]
    roles = list(dict.fromkeys(choice.tensor.role for choice in group))
    where = _words(rule) if rule else ALWAYS if whole else "the other layers"
    if not whole:
        where += f" ({len(group)} of {sum(in_role[role] for role in roles)})"
    why = note or (rule.why if rule else f"the usual type of {ftype.upper()}")
    return RecipeLine(", ".join(roles), where, qtype, why)


def _rules_in_words(ftype: str, by: str, imatrix: bool) -> Iterator[RecipeLine]:
    program = program_named(by)
    usual = usual_type(program, ftype)
    given, absent = (IMATRIX, NO_IMATRIX) if imatrix else (NO_IMATRIX, IMATRIX)
    settled: set[str] = set()        # roles for which a rule without a condition has been told
    for rule in rules_of(program, ftype):
        where = {rule.where} if isinstance(rule.where, str) else set(rule.where)
        roles = set(rule.roles.split())
        if absent in where or roles <= settled:
            continue
        if where <= {ALWAYS, given}:
            settled |= roles
        yield RecipeLine("all others" if rule.roles == "*" else ", ".join(rule.roles.split()), _words(rule),
                   rule.qtype, rule.why)
    yield RecipeLine("all other matrices", ALWAYS, usual, f"the usual type of {ftype.upper()}")
    yield RecipeLine("norms, biases, the experts' router", ALWAYS, "F32", LEFT)


def _words(rule: Rule) -> str:
    return rule.where if isinstance(rule.where, str) else ", ".join(rule.where)
