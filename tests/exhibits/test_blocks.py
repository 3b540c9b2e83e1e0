"""The block explorer: every format, every way to choose and to change, its words, its table and its refusals.
"""

import re

import gguf
import numpy as np
import pytest

from quantlab.basics.sample import sample_weights
from quantlab.exhibits.block import Blocks, explore_block
from quantlab.formats.table import FORMATS
from quantlab.formats.tensor import QuantizedTensor, quantize
from quantlab.stage.touchable import png
from quantlab.words import told
from tests.exhibits.edges import faults
from tests.formats import by_gguf
from tests.thinned import some


def decoded(raw: bytes, qtype: str) -> np.ndarray:
    with np.errstate(all="ignore"):
        return by_gguf.dequantize(np.frombuffer(raw, np.uint8)[None], qtype).ravel()


@pytest.mark.parametrize("qtype", FORMATS)
def test_the_bytes_of_every_format_have_pictures_and_sentences_of_their_own(qtype):
    explorer = explore_block(qtype=qtype)
    seen, said, size = set(), set(), FORMATS[qtype].type_size
    height = explorer.picture.height
    bytes_seen = some(range(size), 2 if size < 40 else 9)
    for byte in bytes_seen:
        explorer.set(byte=byte, bit=byte % 8)
        seen.add(explorer.view.value)
        said.add(explorer.finding)
        assert explorer.finding.startswith(f"Byte {byte} of {size}, bit {byte % 8}: ")
        assert explorer.picture.height == height and len(explorer.view.value) < 100_000
        assert byte % 4 or faults(explorer.picture) == []
    assert len(seen) == len(said) == len(bytes_seen)
    png(explorer.picture)


@pytest.mark.parametrize("qtype", FORMATS)
def test_a_flip_moves_the_weights_that_ggmls_reader_moves(qtype):
    explorer = explore_block(qtype=qtype)
    stored, height = explorer.raw, explorer.picture.height
    for place in some(range(0, 8 * len(stored), max(1, len(stored) // 4)), 3):
        explorer.set(byte=place // 8, bit=place % 8)
        explorer.buttons["flip"].click()
        assert explorer.raw == stored[: place // 8] + bytes([stored[place // 8] ^ 1 << place % 8]) + stored[
            place // 8 + 1 :]
        before, after = decoded(stored, qtype), decoded(explorer.raw, qtype)
        which = np.flatnonzero((before != after) & ~(np.isnan(before) & np.isnan(after)))
        words = explorer.finding
        assert "flipped: " in words and explorer.picture.height == height and faults(explorer.picture) == []
        if len(which) == 1:
            assert (
                "weight" in words
                and "moved from" in words
                and ("NaN" in words or str(which[0]) in words or len(before) == 1)
            )
        else:
            assert ("no weight moved" in words) == (len(which) == 0)
        assert "1 bit edited" in explorer.view.value
        explorer.buttons["undo"].click()
        assert explorer.raw == stored and "edited" not in explorer.view.value


def test_the_words_of_a_flipped_code_and_of_flipped_scales():
    explorer = explore_block()
    explorer.set(weight=17)
    byte, code = explorer.raw[3], explorer.raw[3] >> 4
    assert explorer.values()["byte"] == 3 and explorer.values()["bit"] == 4          # the high half of qs[1]
    explorer.set(bit=7)
    explorer.flip()
    was, now = decoded(Blocks(None, "Q4_0").stored("Q4_0", 0), "Q4_0")[17], decoded(explorer.raw, "Q4_0")[17]
    assert explorer.finding.replace("−",
                                    "-") == (f"Bit 3 of weight 17's code flipped: {code} became {code ^ 8}, "
                                             f"weight 17 moved from {was:.4g} to {now:.4g}")
    assert explorer.raw[3] == byte ^ 128
    scale = explore_block(qtype="Q4_1")
    scale.set(byte=1, bit=1)
    scale.flip()
    assert scale.finding.startswith("Bit 9 of the scale d flipped: ") and scale.finding.endswith(
        " of 32 weights moved")
    minimum = explore_block(qtype="Q4_1")
    minimum.set(byte=3, bit=1)
    minimum.flip()
    assert minimum.finding.endswith("all 32 weights moved")


def test_a_sub_scale_moves_its_sub_block():
    explorer = explore_block(qtype="Q4_K")
    explorer.set(byte=4 + 2, bit=3)
    assert "sub-scale 2, now " in explorer.finding and explorer.finding.endswith(
        "shared by weights 64 to 95 (block 0)")
    explorer.flip()
    assert "of sub-block 2 moved" in explorer.finding


def test_a_scale_that_becomes_infinite_is_said_and_drawn():
    explorer = explore_block(qtype="Q4_1")
    explorer.set(byte=1, bit=6)
    for bit in range(2, 7):
        if not explorer.raw[1] >> bit & 1:
            explorer.set(bit=bit)
            explorer.flip()
    assert "none of them is a finite number" in explorer.finding and "32 not finite" in explorer.view.value
    assert faults(explorer.picture) == []
    png(explorer.picture)


@pytest.mark.parametrize(("typed", "value"), [("9e", 0x9E), (" 0x7F ", 0x7F), ("5", 5), ("00", 0),
                                              ("FF", 255)])
def test_a_byte_can_be_written_in_hexadecimal(typed, value):
    explorer = explore_block()
    explorer.set(byte=6)
    before = explorer.raw[6]
    explorer.controls["hex"].value = typed
    assert explorer.raw[6] == value and explorer.controls["hex"].value == f"{value:02X}"
    assert explorer.finding.startswith(f"Byte 6 was {before:02X} and is {value:02X} now: ")
    explorer.set(byte=7)
    assert explorer.controls["hex"].value == f"{explorer.raw[7]:02X}" and explorer.raw[6] == value


@pytest.mark.parametrize("typed", ["9Z", "", "  ", "100", "-1", "0x", "<b>9</b>", "é" * 500, "1 2"])
def test_what_is_no_byte_gets_a_sentence_and_changes_nothing(typed):
    explorer = explore_block()
    stored = explorer.raw
    explorer.controls["hex"].value = typed
    assert explorer.raw == stored and explorer.controls["hex"].value == typed
    assert explorer.finding == f"{typed[:20]!r} is no byte: write two hexadecimal digits, from 00 to FF"
    assert "<b>" not in explorer.view.value and faults(explorer.picture) == []
    explorer.set(bit=2)
    assert explorer.controls[
        "hex"].value == f"{stored[explorer.values()['byte']]:02X}" and "no byte" not in explorer.finding


def test_edits_stay_with_their_block_until_undone():
    explorer = explore_block()
    explorer.flip()
    edited = explorer.raw
    explorer.set(block=1)
    assert "edited" not in explorer.view.value
    explorer.set(block=0)
    assert explorer.raw == edited and "1 bit edited" in explorer.view.value
    explorer.flip()
    explorer.flip()
    explorer.buttons["Reset"].click()
    assert "edited" not in explorer.view.value
    assert explorer.values() == explore_block().values() and explorer.raw == Blocks(None, "Q4_0").stored(
        "Q4_0", 0
    )


def test_the_weight_stays_the_same_in_another_format():
    explorer = explore_block(qtype="Q4_0")
    explorer.set(block=12, weight=9)                                    # weight 393 of the matrix
    for qtype, block, weight in (("Q6_K", 1, 137), ("F16", 393, 0), ("NVFP4", 6, 9), ("Q8_0", 12, 9)):
        explorer.controls["qtype"].value = qtype
        values = explorer.values()
        assert (values["block"], values["weight"]) == (block, weight), qtype
        assert (values["byte"], values["bit"]) == explorer.parts.code_place(weight)
        assert explorer.controls["byte"].max == FORMATS[qtype].type_size - 1


def test_nvfp4s_scale_is_shown_as_the_small_float_it_is():
    explorer = explore_block(qtype="NVFP4")
    explorer.set(byte=2, bit=0)
    scale = gguf.quants.NVFP4.ue4m3_to_fp32(np.array([explorer.raw[2]], np.uint8)).item()
    assert f"scale 2, now {told(scale)}, shared by weights 32 to 47" in explorer.finding
    assert f">scale 2 = {told(scale)}<" in explorer.picture.svg
    assert f"2: d {told(scale)}<" in explorer.picture.svg


def test_byte_and_weight_lead_to_each_other():
    explorer = explore_block(qtype="Q5_0")
    explorer.set(byte=2, bit=5)                                         # the fifth bits of weights 0 to 7
    assert explorer.values()["weight"] == 5
    explorer.set(byte=1)
    assert explorer.values()["weight"] == 5                             # the scale moves weight 5, too
    explorer.set(weight=20)
    assert explorer.values()["byte"] == 6 + 4 and explorer.values()["bit"] == 4
    explorer.set(qtype="Q8_0", byte=33)
    assert explorer.values()["byte"] == 33 and explorer.values()["weight"] == 31


def test_keys_walk_flip_and_write():
    explorer = explore_block()
    stored = explorer.raw
    explorer.set(byte=5, bit=0)

    def press(*keys):
        for key in keys:
            explorer.touched({"key": key})
        return explorer.values()["byte"], explorer.values()["bit"]

    assert press("ArrowRight") == (6, 7) and press("ArrowLeft", "ArrowLeft") == (5, 1)
    assert press("Shift+ArrowRight") == (6, 1) and press("Shift+ArrowLeft", "Shift+ArrowLeft") == (4, 1)
    assert press("ArrowUp") == (1, 1) and press("ArrowUp") == (1, 1) and press("ArrowDown") == (3, 1)
    assert press("Home") == (0, 7) and press("ArrowLeft") == (0, 7)
    assert press("End") == (17, 0) and press("ArrowRight") == (17, 0) and explorer.raw == stored
    press(" ")
    assert explorer.raw[17] == stored[17] ^ 1
    press("Enter")
    assert explorer.raw == stored
    press("9")
    assert "byte 17 = 9_" in explorer.view.value and explorer.raw == stored
    press("e")
    assert explorer.raw[17] == 0x9E
    press("4", "ArrowLeft", "d")
    assert "byte 17 = D_" in explorer.view.value and explorer.raw[17] == 0x9E
    press("Backspace")
    assert explorer.raw == stored and press("q", "F5", "Unidentified") == (17, 1)


def test_clicks_choose_and_a_second_click_on_a_bit_flips():
    explorer = explore_block(qtype="Q4_K")
    stored = explorer.raw
    explorer.touched({"spot": 8 * 53 + 2, "single": False})
    assert (explorer.values()["byte"], explorer.values()["bit"], explorer.values()["weight"]) == (53, 5, 101)
    explorer.touched({"spot": 8 * 53 + 2, "single": False})
    assert explorer.raw == stored
    explorer.touched({"spot": 8 * 53 + 2, "single": True})
    assert explorer.raw[53] == stored[53] ^ 32
    explorer.touched({"weight": 200})
    assert explorer.values()["weight"] == 200
    for odd in ({}, {"spot": -5, "single": False}, {"spot": 10**9, "single": True}, {"weight": 10**9},
                {"weight": -1}, {"key": ""}):
        explorer.touched(odd)
    assert explorer.values()["weight"] == 0


def test_the_picture_says_where_a_click_goes():
    svg = explore_block(qtype="Q4_K").picture.svg
    rows = re.findall(r'data-first="(\d+)" data-bits="(\d+)"', svg)
    whole = [(int(first), int(bits)) for first, bits in rows if int(bits) > 1]
    assert whole == [(0, 16), (16, 16), (32, 96), (128, 256), (384, 256), (640, 256), (896, 256)]
    # the bits of the chosen byte, and of its code
    assert len(rows) - len(whole) == 8 + 4
    assert re.findall(r'data-weight="(\d+)" data-weights="32"', svg) == ["0"]
    assert 'id="here"' in svg and 'role="group"' in svg


def test_blocks_differ_and_the_table_says_what_the_picture_shows():
    explorer = explore_block()
    pictures = {explorer.view.value}
    for block in (1, 2, 100, 4607):
        explorer.set(block=block)
        pictures.add(explorer.view.value)
        assert f"Block {block:,} of 4,608" in explorer.view.value
    assert len(pictures) == 5
    explorer.flip()
    head, *rows = explorer.picture.table
    assert len(rows) == 8 + (1 + 32) + 32 and all(len(row) == len(head) == 5 for row in rows)
    bits = "".join(row[2] for row in rows[:8])
    assert int(bits, 2) == explorer.raw[explorer.values()["byte"]]
    weight = explorer.values()["weight"]
    name, _, now, stored, before = rows[8 + 33 + weight]
    assert name == f"weight {weight}" and now != stored
    assert float(now.replace("−", "-")) == pytest.approx(float(decoded(explorer.raw, "Q4_0")[weight]),
                                                         rel=1e-3)
    assert float(before.replace("−", "-")) == pytest.approx(sample_weights().ravel()[4607 * 32 + weight],
                                                            rel=1e-3)
    explorer.buttons["As table"].value = True
    assert "bit 3 of weight" in explorer.words.value


def test_buttons_find_the_scale_and_the_block_with_the_outlier():
    explorer = explore_block()
    explorer.buttons["outlier"].click()
    blocks = np.abs(sample_weights().reshape(-1, 32))
    block = int((blocks.max(1) / blocks.mean(1)).argmax())
    assert explorer.values()["block"] == block and explorer.values()["weight"] == blocks[block].argmax()
    for qtype in FORMATS:
        explorer.set(qtype=qtype)
        explorer.buttons["even"].click()
        explorer.buttons["scale"].click()
        words = "the exponent, now" if FORMATS[qtype].block_size == 1 else "scale"
        assert words in explorer.finding, qtype


def test_a_quantized_tensor_is_shown_as_it_is():
    stored = quantize(sample_weights()[:1, :64], "Q5_0")
    explorer = explore_block(stored)
    assert explorer.controls["qtype"].options == ("Q5_0",) and explorer.controls["block"].max == 1
    assert ">before" not in explorer.view.value and "even" not in explorer.buttons
    explorer.set(block=1)
    assert explorer.raw == stored.tobytes()[22:]
    random = np.random.default_rng(0).integers(0, 256, (3, FORMATS["IQ1_S"].type_size), dtype=np.uint8)
    odd = explore_block(QuantizedTensor(FORMATS["IQ1_S"], (768,), random.view(FORMATS["IQ1_S"].dtype)[:, 0]))
    for block in range(3):
        odd.set(block=block)
        assert faults(odd.picture) == []


@pytest.mark.parametrize("x", [np.zeros(256), np.full(512, 1e5), np.full(256, 1e-42), np.eye(256)[:2],
                               np.full(256, 3e38)])
def test_extreme_weights_still_draw(x):
    explorer = explore_block(x, "Q4_1")
    assert len(explorer.controls["qtype"].options) > 7
    for qtype in explorer.controls["qtype"].options:
        explorer.set(qtype=qtype)
        explorer.flip()
        assert faults(explorer.picture) == [], qtype


def test_what_cannot_be_shown_is_refused_with_the_number():
    with pytest.raises(ValueError, match="row of 33 weights is no whole number of Q4_0 blocks of 32"):
        explore_block(np.zeros(33))
    with pytest.raises(ValueError, match="blocks of 256; it fits F32, F16"):
        explore_block(np.zeros(64), "Q4_K")
    with pytest.raises(ValueError, match="at least 1 weights are wanted, got 0"):
        explore_block(np.zeros(0))
    with pytest.raises(ValueError, match=r"x\[0, 3\] is nan"):
        explore_block(np.array([0, 1, 2, np.nan] * 8))
    with pytest.raises(ValueError, match="no tensor type 'Q9'"):
        explore_block(qtype="Q9")


def test_every_type_can_be_shown():
    assert list(explore_block().controls["qtype"].options) == list(FORMATS)
