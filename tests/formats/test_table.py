"""Sizes are gguf's, every type decodes as gguf does, and takes or needs an imatrix where ggml does. (Decoding
against ggml's own C: test_truth.py.)
"""

import gguf
import numpy as np
import pytest

from quantlab.formats.table import FORMATS
from quantlab.formats.tensor import dequantize, get_format
from tests.formats import by_gguf
from tests.formats import ggml_oracle as ggml
from tests.formats.by_gguf import SIZES

#: Integers and doubles are no weight formats; Q8_1 and Q8_K never stand in a file.
OTHERS = {"I8", "I16", "I32", "I64", "F64", "Q8_1", "Q8_K"}


def random_blocks(name: str, n: int) -> np.ndarray:
    """Every byte random, but float16 fields finite: a NaN's payload is nobody's promise."""
    form = FORMATS[name]
    rng = np.random.default_rng(5)
    raw = rng.integers(0, 256, (n, form.type_size), dtype=np.uint8)
    blocks = raw.view(form.dtype)[:, 0]
    for field in {"d", "dmin", "m", "x"} & set(form.dtype.names):
        kind = form.dtype[field]
        if kind.kind == "f":
            blocks[field] = rng.standard_normal(n)
    # its float16 scale lies in the top nibbles of `scales`
    if name == "IQ1_M":
        blocks["scales"][:, 7] &= 0x3F
    if name == "MXFP4":
        blocks["e"] = np.minimum(blocks["e"], 250)        # 2^123; beyond, 12 steps leave float32
    if name == "NVFP4":
        blocks["d"] &= 0x7F
        blocks["d"][blocks["d"] == 0x7F] = 0x7E
    if name == "BF16":
        blocks["x"] = (rng.standard_normal(n).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    return blocks


def test_every_type_of_gguf_is_in_the_table_with_its_size():
    assert set(SIZES) - set(FORMATS) == OTHERS
    assert all((form.block_size, form.type_size) == SIZES[name] for name, form in FORMATS.items())


def test_four_bit_formats_store_more_than_four_bits():
    assert FORMATS["Q4_0"].bpw == 4.5 and FORMATS["Q4_1"].bpw == 5 and FORMATS["Q8_0"].bpw == 8.5
    assert FORMATS["Q4_K"].bpw == 4.5 and FORMATS["Q6_K"].bpw == 6.5625


@pytest.mark.parametrize("name", [n for n in FORMATS if n not in ("F32", "F16")])
def test_random_blocks_decode_as_gguf_does(name):
    blocks = random_blocks(name, 512)
    raw = blocks.view(np.uint8).reshape(512, -1)
    expected = by_gguf.dequantize(raw, name)
    np.testing.assert_array_equal(dequantize(raw, name, (512, FORMATS[name].block_size)), expected)


@pytest.mark.parametrize(("name", "scalar"), [("F32", np.float32), ("F16", np.float16)])
def test_plain_floats_are_numpys(name, scalar):
    x = np.linspace(-3, 3, 64, dtype=np.float32)
    blocks = FORMATS[name].encode(x[:, None])
    assert blocks.tobytes() == x.astype(scalar).tobytes()
    np.testing.assert_array_equal(FORMATS[name].decode(blocks)[:, 0], x.astype(scalar).astype(np.float32))


def test_bf16_is_written_as_gguf_writes_it():
    bits = np.random.default_rng(8).integers(0, 0x7F000000, 4096, dtype=np.uint32)
    bits[::3] = bits[::3] & 0xFFFF0000 | 0x8000                      # ties
    x = bits.view(np.float32)
    expected = gguf.quantize(x[None], gguf.GGMLQuantizationType.BF16)
    assert FORMATS["BF16"].encode(x[:, None]).tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", FORMATS)
def test_no_blocks_are_no_weights_and_no_weights_no_blocks(name):
    form = FORMATS[name]
    assert form.decode(np.empty(0, form.dtype)).shape == (0, form.block_size)
    imatrix = np.ones(form.block_size) if form.imatrix == "needed" else None
    assert form.encode(np.empty((0, form.block_size)), imatrix).tobytes() == b""


def test_rows_are_encoded_one_after_the_other():
    x = np.random.default_rng(1).standard_normal((3, 64), dtype=np.float32)
    imatrix = np.random.default_rng(2).random(64)
    whole = FORMATS["Q4_0"].encode(x, imatrix)
    assert whole.tobytes() == b"".join(FORMATS["Q4_0"].encode(row[None], imatrix).tobytes() for row in x)


@pytest.mark.skipif(ggml.GGML is None, reason=ggml.REASON)
def test_the_table_needs_an_imatrix_where_ggml_does():
    for name, form in FORMATS.items():
        assert (form.imatrix == "needed") == ggml.GGML.ggml_quantize_requires_imatrix(ggml.NUMBER[name])


@pytest.mark.skipif(ggml.GGML is None, reason=ggml.REASON)
@pytest.mark.parametrize("name", [n for n, f in FORMATS.items()
                                  if f.block_size > 1 and f.imatrix != "needed"])
def test_the_table_ignores_an_imatrix_where_ggml_does(name):
    x = np.random.default_rng(3).standard_normal((8, 256), dtype=np.float32)
    ignored = ggml.quantize(x, name, np.linspace(0, 1, 256)).tobytes() == ggml.quantize(x, name).tobytes()
    assert (FORMATS[name].imatrix == "ignored") == ignored


def test_names_may_be_lower_case_and_mixes_are_explained():
    assert get_format("q4_k") is FORMATS["Q4_K"]
    with pytest.raises(ValueError, match=r"'Q4_K_M' is a mix of types.*'Q4_K'"):
        get_format("Q4_K_M")
    with pytest.raises(ValueError, match=r"no tensor type 'int4' here.*; there are F32"):
        get_format("int4")


def test_wrong_block_shapes_are_named():
    with pytest.raises(ValueError, match=r"multiple of 32\), got \(4, 16\)"):
        FORMATS["Q4_0"].encode(np.zeros((4, 16), np.float32))
    with pytest.raises(ValueError, match=r"\(n, 18\) bytes, got uint8 of shape \(2, 17\)"):
        FORMATS["Q4_0"].decode(np.zeros((2, 17), np.uint8))
