"""`recipe`: which tensor gets which type when a model is quantized, as `llama-quantize` and as Ollama decide
it.

    recipe("Q4_K_M", "llama-3.1-8b")["blk.0.attn_v.weight"]     # "Q6_K"

The rules stand in recipe_rules.py, one line each; `explain_recipe` tells those that matter.  Lesson:
05_k_quants.

The tensors of three real models at every ftype, and how many bytes each takes: no download, headers only.

The types follow from llama.cpp's rules (recipes.py), which the tests compare with what `llama-quantize`
itself chose for files that had these models' true headers and empty data. Sizes follow from shape and format.
"""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from .architecture import ALIASES, ARCHITECTURES, Architecture
from .families import TensorShape
from .recipe_rules import ALWAYS, IMATRIX, NO_IMATRIX, USUAL, Rule
from .recipe_walk import LEFT, Choice, choices, program_named, rules_of, usual_type
from .source import Model
from .types import tensor_nbytes


class Line(NamedTuple):
    """One line of a recipe in words: tensors of `role`, in the layers of `where`, get `type`, and `why`."""

    role: str
    where: str
    type: str
    why: str


def recipe(ftype: str, model: Architecture | Model | str, *, by: str = "llama.cpp", imatrix: bool = False,
           pure: bool = False) -> dict[str, str]:
    """Tensor name -> the name of its type, in the order of the model's tensors.

    ftype: "Q4_K_M", as `llama-quantize` names it, in any case.  model: an Architecture, an open model, or one
    of the names "llama-2-7b", "llama-3.1-8b", "smollm2-135m".  by: "llama.cpp", or "ollama" for `ollama
    create --quantize`.
    imatrix: whether there is an importance matrix; llama.cpp then chooses other types in a few mixes.
    pure: every matrix gets the ftype's usual type, without any rule, as with `llama-quantize --pure`; the
    name of a type ("Q3_K") will then do as well. Where a row is no whole number of blocks, on which
    llama-quantize would break off, the usual type takes over. Tensors that are never quantized keep the type
    they have in an open model, and are F32 in an Architecture.
    Raises ValueError for an ftype, a program or a model that is not known, and for rows that llama-quantize
    refuses.
    """
    return {choice.tensor.name: choice.qtype for choice in choices(ftype, model, by, imatrix, pure)}


def explain_recipe(ftype: str, model: Architecture | Model | str | None = None, *, by: str = "llama.cpp",
                   imatrix: bool = False) -> list[Line]:
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


def _line(ftype: str, group: list[Choice], in_role: Counter, whole: bool) -> Line:
    """The line of tensors that got the same type for the same reason; whole: no other tensor has one of their
    roles.
    """
    _, qtype, rule, note = group[0]
    roles = list(dict.fromkeys(choice.tensor.role for choice in group))
    where = _words(rule) if rule else ALWAYS if whole else "the other layers"
    if not whole:
        where += f" ({len(group)} of {sum(in_role[role] for role in roles)})"
    return Line(", ".join(roles), where, qtype, note
                or (rule.why if rule else f"the usual type of {ftype.upper()}"))


def _rules_in_words(ftype: str, by: str, imatrix: bool) -> Iterator[Line]:
    program = program_named(by)
    usual = usual_type(program, ftype)
    given, absent = (IMATRIX, NO_IMATRIX) if imatrix else (NO_IMATRIX, IMATRIX)
    settled: set[str] = set()        # roles for which a rule without a condition has been told
    for rule in rules_of(program, ftype):
        where, roles = {rule.where} if isinstance(rule.where,
                                                  str) else set(rule.where), set(rule.roles.split())
        if absent in where or roles <= settled:
            continue
        if where <= {ALWAYS, given}:
            settled |= roles
        yield Line("all others" if rule.roles == "*" else ", ".join(rule.roles.split()), _words(rule),
                   rule.qtype, rule.why)
    yield Line("all other matrices", ALWAYS, usual, f"the usual type of {ftype.upper()}")
    yield Line("norms, biases, the experts' router", ALWAYS, "F32", LEFT)


def _words(rule: Rule) -> str:
    return rule.where if isinstance(rule.where, str) else ", ".join(rule.where)


COLUMNS = ("name", "role", "layer", "shape", "type", "n_weights", "nbytes", "bpw")


def tensor_list(model: str, ftype: str):
    """A pandas table, one row per tensor in file order: name, role, layer, shape, type, n_weights, nbytes,
    bpw.

    model: "llama-2-7b", "llama-3.1-8b" or "smollm2-135m" (or Ollama's name, "llama3.1:8b").  ftype: as
    llama.cpp writes it, "Q4_K_M"; Ollama's "q4_K_M" is the same.  shape is in ggml's order (row length
    first), nbytes in bytes.
    Raises ValueError for another model or ftype.
    """
    import pandas as pd

    table = pd.DataFrame(tensor_rows(model, ftype), columns=list(COLUMNS))
    return table.astype({"layer": "Int64"})


@cache
def tensor_rows(model: str, ftype: str) -> tuple[tuple, ...]:
    """The rows of `tensor_list` as plain tuples, for callers that redraw often."""
    name = ALIASES.get(model, model)
    if name not in ARCHITECTURES:
        raise ValueError(f"no tensor list of {model!r} here; there are {', '.join(ARCHITECTURES)}")
    if str(ftype).upper() not in USUAL:
        raise ValueError(f"no recorded ftype {ftype!r}; there are {', '.join(recorded_ftypes(name))}")
    types = recipe(ftype, ARCHITECTURES[name])
    return tuple(_row(tensor, types[tensor.name]) for tensor in ARCHITECTURES[name].tensors())


def types_by_role(model: str, *ftypes: str):
    """A pandas table: one row per role of matrix, one column per ftype, "16 × Q4_K, 16 × Q6_K" in the cells.
    """
    import pandas as pd

    columns = {}
    for ftype in ftypes:
        counts: dict[str, Counter] = {}
        for row in tensor_rows(model, ftype):
            if len(row[3]) > 1:
                counts.setdefault(row[1], Counter())[row[4]] += 1
        columns[ftype] = {role: ", ".join(f"{n} × {qtype}" for qtype, n in types.most_common())
                          for role, types in counts.items()}
    return pd.DataFrame(columns).rename_axis("role")


def recorded_ftypes(model: str = "llama-3.1-8b") -> list[str]:
    """The ftypes that `tensor_list` knows, the smallest file of this model first."""
    if ALIASES.get(model, model) not in ARCHITECTURES:
        raise ValueError(f"no tensor list of {model!r} here; there are {', '.join(ARCHITECTURES)}")
    return sorted(USUAL, key=lambda ftype: sum(row[6] for row in tensor_rows(model, ftype)))


def _row(tensor: TensorShape, qtype: str) -> tuple:
    nbytes = tensor_nbytes(tensor.shape, qtype)
    return (*tensor, qtype, tensor.n_weights, nbytes, 8 * nbytes / tensor.n_weights)
