"""Every type that is written here is ggml's, byte for byte: a million hard weights with and without an
importance matrix, adversarial families under six matrices, and everywhere else (where there is no libggml)
committed digests of the same bytes.

100 million weights per type: `make bench-truth`.
"""

import hashlib
import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from quantlab.basics.sample import sample_weights
from quantlab.formats.table import FORMATS
from quantlab.formats.tensor import quantize
from tests.formats import ggml_oracle as ggml
from tests.formats.adversarial import FINITE, IMATRICES, NONFINITE, aborts
from tests.formats.hard_weights import FAMILIES, TOO_LARGE, N
from tests.thinned import WHOLE, some

STRIDE = 3      # of families under five matrices each third, without one each second; then others
DIGESTS = Path(__file__).with_name("digests.json")
WRITTEN = [name for name, form in FORMATS.items() if form.block_size > 1]
#: (type, with imatrix) for all that ggml can be asked.
PAIRS = [(name, weighted) for name in WRITTEN for weighted in (False, True)
         if FORMATS[name].imatrix != ("ignored" if weighted else "needed")]
needs_ggml = pytest.mark.skipif(ggml.GGML is None, reason=ggml.REASON)
every_pair = pytest.mark.parametrize(("qtype", "weighted"), PAIRS,
                                     ids=[f"{name}{'-imatrix' * w}" for name, w in PAIRS])


def key(qtype: str, weighted: bool) -> str:
    """A type's name in the file of digests."""
    return f"{qtype}{'+imatrix' * weighted}"


def families(qtype: str) -> dict:
    """The hard weights; for the codebook types those on which ggml does not abort."""
    return {name: make for name, make in FAMILIES.items()
            if FORMATS[qtype].nonfinite or name not in TOO_LARGE}


def importance(n: int) -> np.ndarray:
    """Whole numbers, so the same on every machine."""
    return (np.random.default_rng(50).integers(0, 1 << 12, n).astype(np.float32) / (1 << 10)) ** 2


def test_the_hard_weights_are_a_million():
    assert sum(make().size for make in FAMILIES.values()) == 1 << 20
    assert all(np.isfinite(make()).all() for make in FAMILIES.values())


@every_pair
def test_a_million_hard_weights_get_the_committed_bytes_and_those_are_ggmls(qtype, weighted):
    """The digests hold on every machine; rewrite them with `python -m tests.formats.test_truth`, only where
    libggml agrees.
    """
    imatrix, committed = importance(N) if weighted else None, json.loads(DIGESTS.read_text())
    found, off = {}, []
    for name, make in families(qtype).items():
        ours = quantize(make(), qtype, imatrix).tobytes()
        found[name] = hashlib.sha256(ours).hexdigest()
        if ggml.GGML is not None and ours != ggml.quantize(make(), qtype, imatrix).tobytes():
            off.append(name)
    assert off == [] and found == committed[key(qtype, weighted)]
    assert set(committed) == {key(*pair) for pair in PAIRS}


@needs_ggml
@every_pair
def test_bytes_are_ggmls_on_weights_of_several_shapes(qtype, weighted):
    rng, shape = np.random.default_rng(2026), (16 if WHOLE else 4, 4096)
    imatrix = importance(4096) if weighted else None
    bell = rng.standard_normal(shape, dtype=np.float32)
    heavy = rng.standard_t(3, shape).astype(np.float32)
    pointed = rng.laplace(size=shape).astype(np.float32)
    for x in (bell, bell * np.float32(0.02), heavy, pointed):
        assert quantize(x, qtype, imatrix).tobytes() == ggml.quantize(x, qtype, imatrix).tobytes()


@needs_ggml
@every_pair
def test_bytes_are_ggmls_on_adversarial_families(qtype, weighted):
    off, matrices = [], [name for name, imatrix in IMATRICES.items() if weighted == (imatrix is not None)]
    for name, matrix in some(product(FINITE | NONFINITE, matrices), STRIDE if weighted else 2,
                             WRITTEN.index(qtype)):
        x, imatrix = (FINITE | NONFINITE)[name](), IMATRICES[matrix]
        if aborts(qtype, x, imatrix):
            continue
        ours = quantize(x, qtype, imatrix, allow_nonfinite=True)
        if ours.tobytes() != ggml.quantize(x, qtype, imatrix).tobytes():
            off.append((name, matrix))
    assert off == []


@needs_ggml
@every_pair
def test_a_single_block_is_no_special_case(qtype, weighted):
    """NumPy adds up a single column in another order, unless it is asked not to."""
    size = FORMATS[qtype].block_size
    rows = np.random.default_rng(9).standard_normal((60, size), dtype=np.float32)
    imatrix = importance(size) if weighted else None
    for row in some(rows, 4):
        assert quantize(row, qtype, imatrix).tobytes() == ggml.quantize(row[None], qtype, imatrix).tobytes()


@needs_ggml
@pytest.mark.parametrize("qtype", WRITTEN)
def test_bytes_are_ggmls_on_real_weights(qtype):
    x = sample_weights().reshape(-1, 256)
    imatrix = importance(256) if FORMATS[qtype].imatrix != "ignored" else None
    assert quantize(x, qtype, imatrix).tobytes() == ggml.quantize(x, qtype, imatrix).tobytes()


@needs_ggml
@pytest.mark.parametrize("qtype", [name for name in FORMATS if name != "F32"])
def test_decoding_is_ggmls_bit_by_bit_on_a_million_random_weights(qtype):
    from tests.formats.test_table import random_blocks

    form = FORMATS[qtype]
    blocks = random_blocks(qtype, (1 << 20) // form.block_size)
    theirs = ggml.dequantize(blocks.view(np.uint8), qtype, form.block_size)
    assert np.isfinite(theirs).all()
    np.testing.assert_array_equal(form.decode(blocks).view(np.uint32), theirs.view(np.uint32))


def digest(qtype: str, weighted: bool, family: str) -> str:
    """SHA-256 of the blocks of a family of hard weights."""
    blocks = quantize(FAMILIES[family](), qtype, importance(N) if weighted else None)
    return hashlib.sha256(blocks.tobytes()).hexdigest()


if __name__ == "__main__":
    digests = {key(*pair): {family: digest(*pair, family) for family in families(pair[0])} for pair in PAIRS}
    DIGESTS.write_text(json.dumps(digests, indent=1) + "\n")
