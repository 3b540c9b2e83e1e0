"""Whole files: every byte that `quantize_model` writes is the one that llama.cpp's own `llama_model_quantize`
writes, whatever the order of the source.
"""

from itertools import product

import gguf
import pytest

import quantlab as ql
from quantlab.models.metadata import RECIPES_ONLY
from quantlab.models.recipe_rules import USUAL
from quantlab.models.source import open_model
from tests.inference.random_models import write as random_model
from tests.models.quantize_oracle import needs_llama_quantize, whole_file, whole_files
from tests.models.whole import ORDERS, asked, importances, same
from tests.models.written import SMALL, write
from tests.thinned import some

#: Keys of a random model whose rows are whole super-blocks.
WIDE = {"block_count": 9, "embedding_length": 256, "feed_forward_length": 512, "attention.key_length": 64,
        "attention.value_length": 64}


@needs_llama_quantize
@pytest.mark.parametrize(("name", "ftype"), some(product(["llama of 11 layers", "experts"], [
    "Q4_K_M", "Q3_K_L", "IQ4_XS", "Q5_0", "MXFP4_MOE", "TQ1_0", "BF16"]), 2))
def test_a_mix_of_every_kind(source_of, tmp_path, name, ftype):
    same(source_of(name), tmp_path, ftype)


@needs_llama_quantize
@pytest.mark.parametrize("name", SMALL)
def test_every_family_also_where_rows_fit_no_super_block(source_of, tmp_path, name):
    same(source_of(name), tmp_path, "Q4_K_S")


@needs_llama_quantize
@pytest.mark.parametrize(("arch", "ftype"), [(arch, ftype) for i, arch in enumerate(RECIPES_ONLY)
                                             for ftype in some(["Q4_K_M", "Q3_K_L", "Q2_K", "IQ4_XS"], 2, i)])
def test_families_of_which_only_the_recipes_know(tmp_path, arch, ftype):
    same(random_model(tmp_path / "in.gguf", arch, tied=arch == "smollm3", **WIDE), tmp_path, ftype)


@needs_llama_quantize
def test_all_35_mixes_with_importances_and_without(source_of, tmp_path):
    """Both write the same bytes, or both say that importances are needed."""
    source = source_of("qwen2")
    for imatrix in (importances(source), None):
        theirs = [tmp_path / f"{ftype}.gguf" for ftype in USUAL]
        words = whole_files(*((source, path, {"ftype": ftype, **(asked(imatrix) if imatrix else {})})
                              for ftype, path in zip(USUAL, theirs, strict=True)))
        for ftype, path, refused in zip(USUAL, theirs, words, strict=True):
            if refused:
                with pytest.raises(ValueError, match=r"needs an imatrix|nothing takes over for Q1_0"):
                    ql.quantize_model(source, tmp_path / "ours.gguf", ftype, replace=True)
                continue
            ours = ql.quantize_model(source, tmp_path / "ours.gguf", ftype, imatrix, progress=None,
                                     replace=True, reference="0.26.0")
            assert ours.read_bytes() == path.read_bytes(), ftype


@needs_llama_quantize
@pytest.mark.parametrize("ftype", some(["IQ3_XS", "IQ2_M"], 2))
def test_mixes_that_need_importances_in_whole_blocks(source_of, tmp_path, ftype):
    imatrix = importances(source_of("one layer"))
    same(source_of("one layer"), tmp_path, ftype, asked(imatrix), imatrix=imatrix)


@needs_llama_quantize
@pytest.mark.parametrize("order", ORDERS)
def test_any_order_of_the_source(source_of, tmp_path, order):
    new = same(source_of("llama of 11 layers", order=order), tmp_path, "Q4_K_M")
    names = [tensor.name for tensor in gguf.GGUFReader(new).tensors]
    assert names[:3] == ["output.weight", "output_norm.weight", "rope_freqs.weight"]
    assert names.index("blk.2.attn_q.weight") < names.index("blk.10.attn_k.weight")


@needs_llama_quantize
@pytest.mark.parametrize("qtype", ["BF16", "F32"])
def test_sources_of_other_floats(source_of, tmp_path, qtype):
    same(source_of("llama of 11 layers", qtype), tmp_path, "Q4_K_M")


@needs_llama_quantize
@pytest.mark.parametrize(("name", "ftype"), [("llama of 11 layers", "Q4_0"), ("experts", "Q2_K_S"),
                                             ("experts", "Q5_K_M"), ("gpt-oss", "IQ2_XS")])
def test_with_importances(source_of, tmp_path, name, ftype):
    imatrix = importances(source_of(name))
    same(source_of(name), tmp_path, ftype, asked(imatrix), imatrix=imatrix)


@needs_llama_quantize
def test_a_source_in_parts_becomes_one_file(tmp_path):
    write(tmp_path / "in.gguf", SMALL["qwen3moe"], "F16", split_max_tensors=7)
    parts = sorted(tmp_path.glob("in-*.gguf"))
    assert len(parts) == 4
    same(parts[0], tmp_path, "Q4_K_M")


@needs_llama_quantize
def test_where_llama_cpp_writes_a_file_that_nobody_can_open(tmp_path):
    """A source aligned to 128 bytes: llama.cpp v0.5.0 copies `general.alignment`, and aligns the new file to
    32. Ours is aligned as it says.
    """
    write(tmp_path / "in.gguf", SMALL["llama"], "F16", alignment=128)
    theirs = whole_file(tmp_path / "in.gguf", tmp_path / "theirs.gguf", ftype="Q8_0")
    with pytest.raises(ValueError, match="no multiple of 128"):
        open_model(theirs)
    ours = ql.quantize_model(tmp_path / "in.gguf", tmp_path / "ours.gguf", "Q8_0", progress=None)
    offsets = [tensor.data_offset for tensor in gguf.GGUFReader(ours).tensors]
    assert offsets == sorted(offsets) and not any(offset % 128 for offset in offsets)
