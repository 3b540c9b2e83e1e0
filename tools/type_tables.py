"""Write docs/types.md: every tensor type and every mix, what is read, written, told and drawn of it.

    python tools/type_tables.py             write it
    python tools/type_tables.py --check     only say whether it is what the tables of the package say
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from quantlab.exhibits.map_sides import Mixes
from quantlab.formats.anatomy import FORMULAS
from quantlab.formats.reference import DIFFERENCES
from quantlab.formats.table import FORMATS
from quantlab.models.catalog import MODELS
from quantlab.models.plan import NEED_IMATRIX
from quantlab.models.recipe_rules import ALIASES, COPY, GONE, PROGRAMS
from quantlab.models.recipes import explain_recipe, recipe
from quantlab.models.types import FTYPES, REMOVED_TENSOR_TYPES, TENSOR_TYPES, tensor_nbytes
from quantlab.words import bits

PAGE = Path(__file__).resolve().parent.parent / "docs" / "types.md"
MODEL = "llama3.1:8b"
IMPORTANCES = {"ignored": "make no difference", "used": "used", "used by row": "used", "needed": "needed",
               "refused without": "needed by llama-quantize"}
HEAD = """# Types and mixes

Made from the package's own tables by `python tools/type_tables.py`: change those. A *type* is the form of one
tensor's blocks, a *mix* (ftype) says which matrix of a file gets which type.

## Types

Each is read (`dequantize`), written byte for byte as ggml 0.20.2 writes it, IQ1_M as 0.26.0 does
(`quantize`), and drawn. The number is ggml's.

"""
MIXES = f"""
## Mixes

All 36 that llama-quantize lists are told (`recipe`, `explain_recipe`) and written (`quantize_model`), each
file byte for byte as `llama_model_quantize` of llama.cpp v0.5.0 writes it (`benchmarks/whole_files.py`). The
size is that of {MODEL}. "In the map": `explore_model_map` shows it beside the others.

"""


def types() -> list[tuple]:
    """A row for each tensor type."""
    number = {name: count for count, name in TENSOR_TYPES.items()}
    return [("type", "number", "weights in a block", "bytes", "bits a weight", "importances", "read",
             "written", "picture", "ggml 0.26.0 writes"),
            *((name, number[name], form.block_size, form.type_size, bits(form.bpw),
               IMPORTANCES["refused without" if name in NEED_IMATRIX else form.imatrix], "yes",
               "yes" if form.encoder else "no", f"`explore_{'block' if name in FORMULAS else 'float'}`",
               _newer(name)) for name, form in FORMATS.items())]


def _newer(name: str) -> str:
    """How the bytes of ggml 0.26.0 differ from those that are written here."""
    changed = DIFFERENCES.get(name, "")
    same = not changed or "Always written as in 0.26.0" in changed
    return "the same" if same else "other bytes in rare blocks, for `reference=`"


def mixes() -> list[tuple]:
    """A row for each mix, and one for COPY."""
    program, shape = PROGRAMS["llama.cpp"], MODELS[MODEL]
    number = {name: count for count, name in FTYPES.items()}
    shown, aliases = Mixes(MODEL, shape).ftypes, {mix: name for name, mix in ALIASES.items()}
    rows: list[tuple] = [("mix", "number", "usual type", "bits a weight", "rules", "importances",
                          "other name", "in the map")]
    for ftype, usual in program.usual.items():
        chosen = recipe(ftype, MODEL)
        nbytes = sum(tensor_nbytes(tensor.shape, chosen[tensor.name]) for tensor in shape.tensors())
        needed = NEED_IMATRIX & set(chosen.values()) or ftype == "Q2_K_S"
        rows.append((ftype, number[ftype], usual, f"{8 * nbytes / shape.n_params:.2f}",
                     len(explain_recipe(ftype)) - 2, "needed" if needed else "", aliases.get(ftype, ""),
                     "yes" if ftype in shown else ""))
    return [*rows, (COPY, "", "as in the file", "", "", "", "", "")]


def gone() -> list[tuple]:
    """A row for each name that people still meet."""
    types = set(REMOVED_TENSOR_TYPES.values())
    return [("name", "what happened"), *((f"{name}{' (a type, too)' if name in types else ''}", words)
                                         for name, words in GONE.items())]


def table(rows: Sequence[Iterable[object]]) -> str:
    """Rows as a Markdown table, the first one its header."""
    head, *body = [[str(cell) for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def page() -> str:
    """The whole page."""
    return (f"{HEAD}{table(types())}{MIXES}{table(mixes())}\n## Names of earlier days\n\n{table(gone())}")


def main(arguments: list[str]) -> int:
    if "--check" not in arguments:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page():
        return 0
    print("docs/types.md is not what the tables say: run `make api`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
