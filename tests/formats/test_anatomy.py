"""Every bit of a block belongs to whom the anatomy says: flip it in the bytes, let ggml's decoder say which weights move."""

import gguf
import numpy as np
import pytest

from quantlab.basics.sample import sample_weights
from quantlab.formats.anatomy import ALL, take_apart
from quantlab.formats.table import FORMATS
from quantlab.formats.tensor import quantize

LEGACY = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")


@pytest.fixture
def block(request):
    stored = quantize(sample_weights(), request.param)
    return stored.format, stored.blocks[77]


def decoded(raw: bytes, qtype: str) -> np.ndarray:
    return gguf.dequantize(np.frombuffer(raw, np.uint8)[None], gguf.GGMLQuantizationType[qtype])[0]


@pytest.mark.parametrize("block", LEGACY, indirect=True)
def test_flipping_a_bit_moves_exactly_its_weight(block):
    form, stored = block
    parts = take_apart(form, stored)
    before = decoded(parts.raw, form.name)
    for byte in range(form.type_size):
        for bit in range(8):
            raw = bytearray(parts.raw)
            raw[byte] ^= 1 << bit
            moved = np.flatnonzero(decoded(bytes(raw), form.name) != before)
            owner = parts.weight_of_bit[byte][bit]
            if owner == ALL:
                assert len(moved) > 16, (byte, bit)
            else:
                assert moved.tolist() == [owner], (byte, bit)


@pytest.mark.parametrize("block", LEGACY, indirect=True)
def test_the_formula_gives_the_decoded_weights(block):
    form, stored = block
    parts = take_apart(form, stored)
    by_formula = [parts.d * (code - parts.offset) + parts.m for code in parts.codes]
    np.testing.assert_allclose(by_formula, decoded(parts.raw, form.name), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(parts.decoded, decoded(parts.raw, form.name))
    assert len(parts.owners) == len(parts.raw) == form.type_size
    assert np.isin(np.round(by_formula, 9), np.round(parts.levels, 9)).all()
    assert int(parts.bits_of("d"), 2) == int(np.asarray(stored["d"]).view(np.uint16))


def test_other_formats_are_refused_in_words():
    with pytest.raises(ValueError, match="Q4_K blocks cannot be taken apart yet; Q4_0"):
        take_apart(FORMATS["Q4_K"], np.zeros(1, FORMATS["Q4_K"].dtype))
