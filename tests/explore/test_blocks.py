"""The block explorer: every format, every byte, its words and its refusals."""

import re

import numpy as np
import pytest

from quantlab.basics.sample import sample_weights
from quantlab.explore.blocks import FORMATS, explore_block
from quantlab.formats.table import FORMATS as TABLE
from quantlab.formats.tensor import quantize


@pytest.mark.parametrize("qtype", FORMATS)
def test_every_byte_of_every_format_has_its_own_picture_and_sentence(qtype):
    explorer = explore_block(qtype=qtype)
    seen, said = set(), set()
    for byte in range(TABLE[qtype].type_size):
        explorer.set(byte=byte)
        seen.add(explorer.view.value)
        said.add(explorer.finding)
        assert f"Byte {byte} of {TABLE[qtype].type_size}" in explorer.finding
        assert len(explorer.view.value) < 100_000
    assert len(seen) == len(said) == TABLE[qtype].type_size


def test_the_words_name_the_codes_that_stand_in_the_bytes():
    x = sample_weights()
    raw = quantize(x, "Q4_0").tobytes()
    explorer = explore_block()
    explorer.set(block=12, byte=6)                       # qs[4]: weights 4 and 20
    byte = raw[12 * 18 + 6]
    assert explorer.finding == f"Byte 6 of 18 holds two weights: code {byte & 15} for weight 4, code {byte >> 4} for weight 20"
    assert f"byte 6 = {byte:02X} hex = {byte}" in explorer.view.value


def test_blocks_differ_and_the_table_lists_32_weights():
    explorer = explore_block()
    pictures = {explorer.view.value}
    for block in (1, 2, 100, 4607):
        explorer.set(block=block)
        pictures.add(explorer.view.value)
        assert f"Block {block:,} of 4,608" in explorer.view.value
    assert len(pictures) == 5 and len(explorer.picture.table) == 33


def test_a_shorter_format_pulls_the_byte_back_into_the_block():
    explorer = explore_block(qtype="Q8_0")
    explorer.controls["byte"].value = 33
    explorer.controls["qtype"].value = "Q4_0"
    assert explorer.controls["byte"].max == explorer.controls["byte"].value == 17
    explorer.controls["qtype"].value = "Q5_1"
    assert explorer.controls["byte"].max == 23


def test_presets_find_the_block_with_the_outlier():
    explorer = explore_block()
    explorer.buttons["A block with an outlier"].click()
    blocks = np.abs(sample_weights().reshape(-1, 32))
    assert explorer.values()["block"] == (blocks.max(1) / blocks.mean(1)).argmax()
    explorer.buttons["The scale"].click()
    assert "half of the scale d" in explorer.finding


def test_a_quantized_tensor_is_shown_as_it_is():
    stored = quantize(sample_weights()[:1, :64], "Q5_0")
    explorer = explore_block(stored)
    assert explorer.controls["qtype"].options == ("Q5_0",) and explorer.controls["block"].max == 1
    assert "before" not in explorer.view.value


def test_weights_beyond_float16_are_said_to_decode_to_infinity():
    explorer = explore_block(np.full(64, 3e38), "Q4_0")
    assert explorer.finding.startswith("Block 0 decodes to infinity")


@pytest.mark.parametrize("x", [np.zeros(32), np.full(64, 1e5), np.full(32, 1e-42), np.eye(32)])
def test_extreme_weights_still_draw(x):
    explorer = explore_block(x, "Q4_1")
    for qtype in FORMATS:
        explorer.set(qtype=qtype)
        drawn = explorer.view.value
        assert not re.search(r'="[^"]*\b(nan|inf)\b', drawn), qtype


def test_what_cannot_be_shown_is_refused_with_the_number():
    with pytest.raises(ValueError, match="row of 33"):
        explore_block(np.zeros(33))
    with pytest.raises(ValueError, match="not yet: Q4_K"):
        explore_block(np.zeros(256), "Q4_K")
    with pytest.raises(ValueError, match="F16 blocks cannot be taken apart"):
        explore_block(np.zeros(32), "F16")
