"""Every bit of a block belongs to whom its layout says: flip it in the bytes, let ggml's own reader say which
weights move.
"""

import numpy as np
import pytest

from quantlab.exhibits.block import Blocks
from quantlab.formats.anatomy import anatomy, flipped, moved, with_byte
from quantlab.formats.layout import Owner
from quantlab.formats.table import FORMATS
from tests.formats import by_gguf

#: Weights of a sub-block, from ggml's descriptions of its structs.
GROUPS = {"Q2_K": 16, "Q3_K": 16, "Q4_K": 32, "Q5_K": 32, "Q6_K": 16, "IQ4_XS": 32, "NVFP4": 16,
          "IQ2_XXS": 32, "IQ2_XS": 16, "IQ2_S": 16, "IQ3_XXS": 32, "IQ3_S": 32, "IQ1_S": 32, "IQ1_M": 16,
          "TQ1_0": 256, "TQ2_0": 256, "Q1_0": 128, "Q2_0": 64, "F32": 1, "F16": 1, "BF16": 1}


def real_block(qtype: str, number: int = 1) -> bytes:
    return Blocks(None, qtype).stored(qtype, number)


def all_flips(raw: bytes) -> np.ndarray:
    """(8 bits of every byte, bytes): the block with one bit turned over in each row, lowest bit of the first
    byte first.
    """
    rows = np.repeat(np.frombuffer(raw, np.uint8)[None], 8 * len(raw), axis=0)
    number = np.arange(len(rows))
    rows[number, number // 8] ^= (1 << number % 8).astype(np.uint8)
    return rows


def decoded_by_gguf(rows: np.ndarray, qtype: str) -> np.ndarray:
    """(n, block_size) float32 as bits, so that -0 and NaN are compared as they are."""
    with np.errstate(all="ignore"):
        decoded = by_gguf.dequantize(rows, qtype)
    return decoded.reshape(len(rows), -1).astype(np.float32).view(np.uint32)


@pytest.mark.parametrize("qtype", FORMATS)
def test_a_flipped_bit_moves_only_weights_of_its_owner(qtype):
    parts, size = anatomy(qtype), FORMATS[qtype].type_size
    random = np.random.default_rng(3).integers(0, 256, (6, size), dtype=np.uint8)
    for raw in (real_block(qtype), *(row.tobytes() for row in random)):
        before = decoded_by_gguf(np.frombuffer(raw, np.uint8)[None], qtype)
        changed = decoded_by_gguf(all_flips(raw), qtype) != before
        for place, row in enumerate(changed):
            owner = parts.owner(place // 8, place % 8)
            assert set(np.flatnonzero(row)) <= set(parts.weights(owner)), (owner, place)


@pytest.mark.parametrize("qtype", FORMATS)
def test_a_flipped_bit_of_a_code_moves_its_weight_and_a_flipped_scale_moves_many(qtype):
    parts, raw = anatomy(qtype), real_block(qtype)
    before = decoded_by_gguf(np.frombuffer(raw, np.uint8)[None], qtype)
    changed = decoded_by_gguf(all_flips(raw), qtype) != before
    for (name, index), places in parts.places.items():
        rows = changed[[8 * byte + bit for byte, bit in places]]
        weights = list(parts.weights(Owner(name, index, 0)))
        if name == "q" and not isinstance(index, tuple):
            # their codes 0 and 8
            two_zeros = int(qtype in ("MXFP4", "NVFP4") and parts.decode(raw)[index] == 0)
            assert rows.sum(axis=1).tolist() == [1] * (len(places) - two_zeros) + [0] * two_zeros, index
        elif name in ("d", "e"):
            assert rows.any(axis=0)[weights].mean() > 0.5, index


@pytest.mark.parametrize("qtype", FORMATS)
def test_the_anatomy_decodes_as_gguf_does(qtype):
    raw = real_block(qtype)
    expected = decoded_by_gguf(np.frombuffer(raw, np.uint8)[None], qtype)[0]
    assert np.array_equal(anatomy(qtype).decode(raw).view(np.uint32), expected)


@pytest.mark.parametrize("qtype", FORMATS)
def test_places_hold_each_bit_once_and_in_order(qtype):
    parts = anatomy(qtype)
    places = [place for stands in parts.places.values() for place in stands]
    assert len(places) == len(set(places)) == 8 * FORMATS[qtype].type_size
    for (name, index), stands in parts.places.items():
        owners = [Owner(name, index, bit) for bit in range(len(stands))]
        assert [parts.owner(*place) for place in stands] == owners


@pytest.mark.parametrize("qtype", FORMATS)
def test_a_weight_is_reached_by_the_bits_that_have_a_say_in_it(qtype):
    parts, raw = anatomy(qtype), real_block(qtype)
    size = FORMATS[qtype].block_size
    after, before = FORMATS[qtype].decode(all_flips(raw)), parts.decode(raw)
    touched = (after != before) & ~(np.isnan(after) & np.isnan(before))
    for weight in {0, size // 3, size - 1}:
        said = parts.says(weight)
        assert {divmod(int(place), 8) for place in np.flatnonzero(touched[:, weight])} <= said
        assert parts.code_place(weight) in said and weight in parts.group(weight)
    assert parts.group_size == GROUPS.get(qtype, 32)


@pytest.mark.parametrize("qtype", FORMATS)
def test_the_weights_stand_on_their_levels(qtype):
    parts, raw = anatomy(qtype), real_block(qtype)
    if FORMATS[qtype].block_size == 1:
        assert not len(parts.levels(raw, 0))
        return
    for weight in range(0, FORMATS[qtype].block_size, 7):
        levels, value = parts.levels(raw, weight), parts.decode(raw)[weight]
        assert value in levels
        if parts.layout.counts[parts.code] == FORMATS[qtype].block_size:
            assert levels[int(parts.values(raw)["q"][weight]) % len(levels)] == value


@pytest.mark.parametrize("qtype", [name for name in FORMATS if name.startswith(("IQ1", "IQ2", "IQ3"))])
def test_the_levels_of_a_codebook_are_those_of_all_its_entries(qtype):
    parts, raw = anatomy(qtype), real_block(qtype, 2)
    values = parts.layout.unpack(np.frombuffer(raw, parts.form.dtype))
    values = {name: np.repeat(rows, parts.n_codes, axis=0) for name, rows in values.items()}
    values["grid"][:] = np.arange(parts.n_codes)[:, None]
    every = parts.form.decode(parts.layout.pack(**values))
    for weight in (0, 5, 14, 131, 255):
        column = every[:, weight]
        mirrored = np.concatenate([column, -column]) if "signs" in values else column
        assert np.array_equal(parts.levels(raw, weight), np.unique(mirrored))


def test_a_byte_and_a_bit_can_be_written():
    assert flipped(b"\0\x10", 1, 4) == b"\0\0" and flipped(b"\0\x10", 0, 7) == b"\x80\x10"
    assert with_byte(b"abc", 1, 0xFF) == b"a\xffc"
    nan = np.float32("nan")
    assert moved(np.array([1, nan, 0, 2]), np.array([1, nan, -0.0, nan])).tolist() == [3]


def test_the_four_parts_of_a_scale_come_together():
    raw = real_block("IQ1_M")
    words = np.frombuffer(raw, np.uint8)[48:56].view("<u2") >> 12
    whole = sum(int(word) << 4 * i for i, word in enumerate(words))
    assert anatomy("IQ1_M").values(raw)["d"][0] == np.uint16(whole).view(np.float16)
