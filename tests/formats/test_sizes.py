"""The table of block sizes says what the formats declare, and what GGUF's own reader says."""

import gguf

from quantlab.formats.sizes import BLOCKS
from quantlab.formats.table import FORMATS
from quantlab.models.types import TENSOR_TYPES


def test_the_table_is_what_the_formats_declare():
    assert [*BLOCKS.items()] == [(name, (form.block_size, form.type_size)) for name, form in FORMATS.items()]


def test_the_table_is_what_gguf_says():
    """All but the newest types, which this gguf does not list yet."""
    theirs = {TENSOR_TYPES.get(int(qtype)): size for qtype, size in gguf.GGML_QUANT_SIZES.items()}
    known = BLOCKS.keys() & theirs.keys()
    assert {name: BLOCKS[name] for name in known} == {name: theirs[name] for name in known}
    assert BLOCKS.keys() - known <= {"Q1_0", "Q2_0"}
