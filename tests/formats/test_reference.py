"""What is different between ggml 0.20.2 and 0.26.0: the table says it, both are written, and no other type
differs."""

from itertools import product

import numpy as np
import pytest

from quantlab.formats.reference import DIFFERENCES, REFERENCES
from quantlab.formats.table import FORMATS
from quantlab.formats.tensor import quantize
from tests.formats import ggml_oracle as ggml
from tests.formats.adversarial import FINITE, IMATRICES, NONFINITE, aborts
from tests.thinned import WHOLE, some

needs_both = pytest.mark.skipif(None in ggml.LIBRARIES.values(), reason=ggml.REASON)
QUANTIZED = [name for name, form in FORMATS.items() if form.block_size > 1]
STRIDE = 5      # of families under six matrices each fifth, and another fifth for the next type
CLAMPED = [name for name in DIFFERENCES if name != "IQ1_M"]
#: For these each library first works out tables, for 2 to 13 seconds.
TABLES = ("IQ1_S", "IQ2_S", "IQ2_XS", "IQ2_XXS")


def few_and_far(seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """(1000, 256) weights of which one in twenty is not zero, and importances from 2^-60 to 2^60."""
    rng = np.random.default_rng(seed)
    x = np.where(rng.random((1000, 256)) < 0.05, rng.standard_normal((1000, 256)), 0).astype(np.float32)
    return x, np.exp2(np.random.default_rng(3).integers(-60, 61, 256)).astype(np.float32)


def rows_off(ours: np.ndarray, theirs: np.ndarray) -> int:
    return int((ours.reshape(theirs.shape) != theirs).any(axis=1).sum())


@needs_both
def test_the_libraries_are_those_of_the_table():
    assert tuple(ggml.LIBRARIES) == REFERENCES
    assert [library.ggml_version().decode() for library in ggml.LIBRARIES.values()] == list(REFERENCES)


@needs_both
@pytest.mark.parametrize("qtype", CLAMPED)
def test_each_reference_has_the_bytes_of_its_own_library(qtype):
    x, imatrix = few_and_far()
    old, new = (ggml.quantize(x, qtype, imatrix, version) for version in REFERENCES)
    assert 0 < rows_off(new, old) < 10
    for version, theirs in zip(REFERENCES, (old, new), strict=True):
        assert rows_off(quantize(x, qtype, imatrix, reference=version).blocks.view(np.uint8), theirs) == 0
    assert quantize(x, qtype, imatrix).tobytes() == old.tobytes()


@needs_both
@pytest.mark.parametrize("qtype", CLAMPED)
def test_the_newer_reference_is_ggmls_on_adversarial_families(qtype):
    off, families = [], FINITE | NONFINITE
    for name, matrix in some(product(families, IMATRICES), STRIDE, CLAMPED.index(qtype)):
        x, imatrix = families[name](), IMATRICES[matrix]
        ours = quantize(x, qtype, imatrix, allow_nonfinite=True, reference="0.26.0")
        if ours.tobytes() != ggml.quantize(x, qtype, imatrix, "0.26.0").tobytes():
            off.append((name, matrix))
    assert off == []


@needs_both
def test_iq1_m_is_written_as_in_the_newer_one_whatever_is_asked_for():
    x = FINITE["sparse"]()
    new = ggml.quantize(x, "IQ1_M", np.ones(256), "0.26.0")
    for version in REFERENCES:
        assert quantize(x, "IQ1_M", np.ones(256), reference=version).tobytes() == new.tobytes()
    if WHOLE:           # a matter of two pinned libraries
        assert rows_off(new, ggml.quantize(x, "IQ1_M", np.ones(256), "0.20.2")) > 16


@needs_both
@pytest.mark.parametrize("qtype", [name for name in QUANTIZED if name not in DIFFERENCES
                                   and (WHOLE or name not in TABLES)])
def test_all_other_types_have_the_same_bytes_in_both(qtype):
    x, imatrix = few_and_far()
    families = {**FINITE, **(NONFINITE if FORMATS[qtype].nonfinite else {}), "few and far": lambda: x}
    off = []
    for matrix, weights in {**IMATRICES, "far": imatrix}.items():
        if FORMATS[qtype].imatrix == ("needed" if weights is None else "ignored"):
            continue
        for name, make in families.items():
            if not aborts(qtype, make(), weights):
                old, new = (ggml.quantize(make()[:16], qtype, weights, version) for version in REFERENCES)
                off += [(name, matrix)] * (old.tobytes() != new.tobytes())
    assert off == []


@needs_both
@pytest.mark.parametrize("qtype", CLAMPED)
def test_without_importances_both_write_the_same(qtype):
    for make in (FINITE | NONFINITE).values():
        assert ggml.quantize(make(), qtype, None, "0.20.2").tobytes() == ggml.quantize(
            make(), qtype, None, "0.26.0").tobytes()


@pytest.mark.parametrize("qtype", CLAMPED)
def test_a_weight_of_minus_zero_keeps_the_minimums_sign(qtype):
    """ggml's sum starts with its first product, not with +0: the smallest example for Q4_1 and Q5_1."""
    x = np.full(256, -0.0, np.float32)
    x[0] = -0.22565334
    imatrix = np.zeros(256, np.float32)
    imatrix[[3, 6, 9, 12, 15, 18, 21, 22, 24, 30]] = 1
    stored = quantize(x, qtype, imatrix)
    if qtype in ("Q4_1", "Q5_1"):
        assert np.signbit(stored.blocks["m"][0])
    if ggml.GGML is not None:
        assert stored.tobytes() == ggml.quantize(x[None], qtype, imatrix).tobytes()
