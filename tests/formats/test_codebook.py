"""The codebook formats decode to ggml's bits, and a block made by hand to what the formula says."""

import subprocess
import sys

import gguf
import numpy as np
import pytest

from quantlab.formats import codebook as formats
from quantlab.formats.grid import codebook
from tests.formats import ggml_oracle as ggml

POINTS = {"IQ2_XXS": (256, 8), "IQ2_XS": (512, 8), "IQ2_S": (1024, 8), "IQ3_XXS": (256, 4), "IQ3_S": (512, 4),
          "IQ1_S": (2048, 8), "IQ1_M": (2048, 8)}


def layout_of(name: str):
    return getattr(formats, name)


def decode(name: str, blocks: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return getattr(formats, f"decode_{name.lower()}")(blocks)


def random_blocks(name: str, n: int) -> np.ndarray:
    """Random bytes, and every float16 as a scale, infinities and both zeros too, but for NaN, whose payload
    is nobody's promise.
    """
    layout = layout_of(name)
    raw = np.random.default_rng(12).integers(0, 256, (n, layout.type_size), np.uint8)
    blocks = raw.view(layout.dtype)[:, 0]
    if name == "IQ1_M":                                   # its float16 lies in the top quarters of `scales`
        blocks["scales"][:, 7] &= 0xBF
        return blocks
    blocks["d"][np.isnan(blocks["d"])] = np.inf
    blocks["d"][:6] = [0, -0.0, np.inf, -np.inf, 6e-8, 65504]
    return blocks


@pytest.mark.skipif(ggml.GGML is None, reason=ggml.REASON)
@pytest.mark.parametrize("name", POINTS)
def test_a_million_random_weights_decode_to_ggmls_bits(name):
    blocks = random_blocks(name, 4096)
    theirs = ggml.dequantize(blocks.view(np.uint8), name, 256)
    np.testing.assert_array_equal(decode(name, blocks).view(np.uint32), theirs.view(np.uint32))


@pytest.mark.parametrize("name", POINTS)
def test_random_blocks_decode_as_gguf_does(name):
    blocks = random_blocks(name, 64)
    with np.errstate(all="ignore"):
        expected = gguf.dequantize(blocks.view(np.uint8).reshape(64, -1), gguf.GGMLQuantizationType[name])
    np.testing.assert_array_equal(decode(name, blocks), expected)


@pytest.mark.parametrize("name", POINTS)
def test_pack_is_the_inverse_of_unpack(name):
    blocks, layout = random_blocks(name, 100), layout_of(name)
    assert layout.pack(**layout.unpack(blocks)).tobytes() == blocks.tobytes()


@pytest.mark.parametrize(("name", "shape"), POINTS.items())
def test_a_codebook_has_as_many_points_as_its_bits_can_say_and_none_twice(name, shape):
    points = codebook(name)
    assert points.shape == shape == (2 ** layout_of(name).widths["grid"],
                                     256 // layout_of(name).counts["grid"])
    assert len(np.unique(points, axis=0)) == len(points)


def test_a_block_made_by_hand_decodes_as_the_formula_says():
    """Entry 0 of IQ2_XS is eight times 8; with d = 2 a weight is  2 * (2 * sc + 1) / 8 * 8."""
    zero = np.zeros((1, 32), np.uint16)
    blocks = formats.IQ2_XS.pack(d=np.float16([2]), grid=zero, signs=zero,
                                 sc=np.arange(16, dtype=np.uint8)[None])
    assert codebook("IQ2_XS")[0].tolist() == [8] * 8
    assert decode("IQ2_XS", blocks)[0].tolist() == [2.0 * (2 * sc + 1) for sc in range(16) for _ in range(16)]


def test_seven_bits_say_eight_signs():
    assert formats.EVEN_SIGNS[0b0000001].tolist() == [-1, 1, 1, 1, 1, 1, 1, -1]
    assert formats.EVEN_SIGNS[0b1000001].tolist() == [-1, 1, 1, 1, 1, 1, -1, 1]
    assert (formats.EVEN_SIGNS.prod(axis=1) == 1).all()


def test_no_weight_of_a_1_bit_format_is_zero():
    blocks = random_blocks("IQ1_S", 64)
    blocks["d"] = 1
    assert np.abs(decode("IQ1_S", blocks)).min() == 1 / 8


def test_the_codebooks_are_read_when_first_needed():
    code = "import sys; from quantlab.formats import codebook, grid_search; print('gguf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          check=True).stdout.strip() == "False"
