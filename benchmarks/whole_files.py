"""Whole files against llama.cpp's own `llama_model_quantize`: small models of every family in several orders
x all mixes, with importances and without, and six sets of wishes on three of them. Byte for byte.

    python benchmarks/run.py whole_files
"""

import tempfile
from pathlib import Path

import quantlab as ql
from quantlab.models.recipe_rules import USUAL
from tests.models.quantize_oracle import whole_files
from tests.models.test_wishes import SETS, wished
from tests.models.whole import ORDERS, SOURCES, asked, importances
from tests.models.written import write
from tools.llama_quantize import PACKAGE, VERSION

#: (model, the order of its tensors): what a converter writes, and others.
MODELS = (("llama", "the converter's order"), ("qwen2", "reversed"), ("qwen3", "by name"),
          ("gemma3", "shuffled"), ("phi3", "the converter's order"), ("gpt-oss", "the converter's order"),
          ("deepseek2", "shuffled"), ("one layer", "the converter's order"))
WITH_WISHES = ("llama of 11 layers", "experts", "deepseek2")


def compared(questions: list[tuple], ours: list[dict], folder: Path) -> dict:
    """How many files are equal, how many both refuse, and the names of those that are neither."""
    found: dict = {"equal": 0, "both_refuse": 0, "different": []}
    words = whole_files(*questions)
    for (source, theirs, options), how, refused in zip(questions, ours, words, strict=True):
        try:
            mine = ql.quantize_model(source, folder / "ours.gguf", progress=None, replace=True,
                                     reference="0.26.0", **how).read_bytes()
        except ValueError:
            mine = None
        same = mine is None if refused else mine == theirs.read_bytes()
        theirs.unlink(missing_ok=True)
        if same:
            found["both_refuse" if refused else "equal"] += 1
        else:
            found["different"].append(f"{source.stem} {options['ftype']}")
    return found


def main() -> dict:
    """model -> what was found; the oracle's version beside it."""
    results: dict = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for model, order in MODELS:
            write(source := folder / f"{model}.gguf", SOURCES[model], "F16", order=ORDERS[order])
            imatrix = importances(source)
            ways = [(ftype, given) for ftype in USUAL for given in (None, imatrix)]
            results[f"{model}, {order}"] = compared(
                [(source, folder / f"{n}.gguf", {"ftype": ftype, **(asked(given) if given else {})})
                 for n, (ftype, given) in enumerate(ways)],
                [{"ftype": ftype, "imatrix": given} for ftype, given in ways], folder)
            print(model, order, results[f"{model}, {order}"], flush=True)
        for model in WITH_WISHES:
            write(source := folder / f"{model} with wishes.gguf", SOURCES[model], "F16")
            sets = [wished(model, wish) for wish in SETS]
            results[f"{model}, {len(sets)} sets of wishes"] = compared(
                [(source, folder / f"{n}.gguf", {"ftype": ftype, **theirs})
                 for n, (ftype, _, theirs) in enumerate(sets)],
                [{"ftype": ftype, **ours} for ftype, ours, _ in sets], folder)
            print(model, "wishes", results[f"{model}, {len(sets)} sets of wishes"], flush=True)
    return {"oracle": f"{PACKAGE} {VERSION}: llama.cpp v0.5.0", "mixes": len(USUAL), "files": results}
