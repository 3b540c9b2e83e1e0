"""A declaration is the truth about its block: every bit owned once, pack the inverse of unpack, owners what a
flipped bit says.
"""

import numpy as np
import pytest

from quantlab.formats.layout import Bits, Layout
from quantlab.formats.table import FORMATS
from tests.formats.by_gguf import SIZES

LAYOUTS = {name: form.layout for name, form in FORMATS.items()}


def random_blocks(layout, n: int) -> np.ndarray:
    raw = np.random.default_rng(7).integers(0, 256, (n, layout.type_size), dtype=np.uint8)
    return raw.view(layout.dtype)[:, 0]


def bits_of(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Values as unsigned integers: NaN is not equal to itself, its bits are."""
    return {name: np.ascontiguousarray(v).view(f"u{v.dtype.itemsize}") for name, v in values.items()}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_bit_is_owned_exactly_once(name):
    owners = [owner for byte in LAYOUTS[name].owners for owner in byte]
    assert len(owners) == 8 * LAYOUTS[name].type_size
    assert None not in owners
    assert len(set(owners)) == len(owners)


@pytest.mark.parametrize("name", LAYOUTS)
def test_sizes_are_ggufs(name):
    assert (LAYOUTS[name].block_size, LAYOUTS[name].type_size) == SIZES[name]


# its bytes above 242 stand for nothing: see test_ternary
@pytest.mark.parametrize("name", sorted(set(LAYOUTS) - {"TQ1_0"}))
def test_pack_undoes_unpack_on_random_blocks(name):
    blocks = random_blocks(LAYOUTS[name], 1000)
    values = LAYOUTS[name].unpack(blocks)
    assert {key: v.shape for key, v in values.items()} == {key: (1000, n)
                                                           for key, n in LAYOUTS[name].counts.items()}
    assert LAYOUTS[name].pack(**values).tobytes() == blocks.tobytes()


@pytest.mark.parametrize("name", sorted(set(LAYOUTS) - {"TQ1_0"}))
def test_a_flipped_bit_changes_the_value_that_owns_it_and_no_other(name):
    layout = LAYOUTS[name]
    raw = random_blocks(layout, 1).view(np.uint8).reshape(1, -1)
    before = bits_of(layout.unpack(raw.view(layout.dtype)[:, 0]))
    for byte, owners in enumerate(layout.owners):
        for bit, owner in enumerate(owners):
            flipped = raw.copy()
            flipped[0, byte] ^= 1 << bit
            after = bits_of(layout.unpack(flipped.view(layout.dtype)[:, 0]))
            changed = {(key, int(i)) for key in before for i in np.flatnonzero(before[key] != after[key])}
            assert changed == {(owner.name, owner.index)}
            assert before[owner.name][0, owner.index] ^ after[owner.name][0, owner.index] == 1 << owner.bit


@pytest.mark.parametrize("name", LAYOUTS)
def test_values_of_a_kind_share_the_weights_evenly(name):
    layout = LAYOUTS[name]
    for key, n in layout.counts.items():
        assert [w for i in range(n) for w in layout.weights_of(key, i)] == list(range(layout.block_size))


PAIRS = Layout("PAIRS", 8, [("d", "<f2"), ("qh", "u1"), ("qs", "u1", 4)], Bits("q", "qs", 4, run=4),
               Bits("q", "qh", 1, at=4))


def test_run_says_how_many_neighbours_come_before_the_next_place():
    block = PAIRS.pack(d=np.array([1.0]), q=np.arange(8)[None].astype(np.uint8)
                       + np.array([0] * 7 + [16], np.uint8))
    assert block["qs"][0].tolist() == [0x40, 0x51, 0x62, 0x73] and block["qh"][0] == 0b10000000
    assert PAIRS.unpack(block)["q"].tolist() == [[0, 1, 2, 3, 4, 5, 6, 23]]


def test_values_may_come_in_any_memory_order():
    q = np.random.default_rng(3).integers(0, 32, (100, 8), dtype=np.uint8)
    d = np.ones(100, np.float16)
    by_column, in_fours = np.ascontiguousarray(q.T).T, q.reshape(100, 2, 4)
    assert len({PAIRS.pack(d=d, q=given).tobytes() for given in (q, by_column, in_fours)}) == 1


@pytest.mark.parametrize("name", sorted(set(LAYOUTS) - {"TQ1_0"}))
def test_strided_values_of_every_format_are_packed_alike(name):
    layout = LAYOUTS[name]
    blocks = random_blocks(layout, 50)
    strided = {key: np.repeat(v, 2, axis=1)[:, ::2] for key, v in layout.unpack(blocks).items()}
    turned = {key: np.asfortranarray(v) for key, v in layout.unpack(blocks).items()}
    assert layout.pack(**strided).tobytes() == layout.pack(**turned).tobytes() == blocks.tobytes()


def test_a_value_too_wide_spills_upwards_like_in_c():
    loose = Layout("LOOSE", 2, [("b", "u1")], Bits("low", "b", 4, per=1), Bits("high", "b", 4, shift=4))
    assert loose.pack(low=np.array([[0x5F]], np.uint8), high=np.array([[1]], np.uint8)).tobytes() == b"\x5f"


@pytest.mark.parametrize(("bits", "words"), [
    ((Bits("q", "qs", 4, run=4), Bits("q", "qs", 1)), "32 bits are claimed twice"),
    ((Bits("q", "qs", 3, run=4),), "8 belong to nobody"),
])
def test_a_wrong_declaration_is_refused(bits, words):
    with pytest.raises(ValueError, match=f"WRONG: .*{words}"):
        Layout("WRONG", 8, [("d", "<f2"), ("qs", "u1", 4)], *bits)
