"""The formula of each format, worked out with the numbers it names, gives what ggml's own reader decodes."""

import re

import numpy as np
import pytest

from quantlab.exhibits.block import Blocks
from quantlab.formats.anatomy import FORMULAS, anatomy, numbers
from quantlab.formats.table import FORMATS
from tests.formats import by_gguf


def worked_out(formula: str, values: dict[str, float]) -> float:
    filled = re.sub(r"[a-z]+", lambda name: f"({values[name[0]]!r})", formula)
    return eval(filled.replace("·", "*").replace("−", "-").replace("^", "**"))


def test_every_format_with_a_scale_has_a_formula():
    assert set(FORMULAS) == {name for name, form in FORMATS.items() if form.block_size > 1}


@pytest.mark.parametrize("qtype", FORMULAS)
def test_the_formula_gives_the_decoded_weights(qtype):
    bench, parts = Blocks(None, qtype), anatomy(qtype)
    for block in (0, 3):
        raw = bench.stored(qtype, block)
        decoded = by_gguf.dequantize(np.frombuffer(raw, np.uint8)[None], qtype)[0]
        for weight in range(0, parts.form.block_size, 3):
            value = worked_out(FORMULAS[qtype], numbers(parts, raw, weight))
            assert value == pytest.approx(float(decoded[weight]), rel=1e-4,
                                          abs=1e-6 * float(np.abs(decoded).max())), weight


@pytest.mark.parametrize("qtype", [name for name, formula in FORMULAS.items() if "entry" in formula
                                   and "d" in formula.split()])
def test_without_a_scale_there_is_no_entry_to_name(qtype):
    form = FORMATS[qtype]
    assert "entry" not in numbers(anatomy(qtype), bytes(form.type_size), 0)
