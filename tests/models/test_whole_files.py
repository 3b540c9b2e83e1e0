"""Whole files: every byte that `quantize_model` writes is the one that llama.cpp's own `llama_model_quantize`
writes, whatever the order of the source.
"""

import random
from dataclasses import replace

import gguf
import numpy as np
import pytest

import quantlab as ql
from quantlab.models.source import open_model
from tests.models.quantize_oracle import needs_llama_quantize, whole_file
from tests.models.written import SMALL, write

#: Small, with rows of whole super-blocks; eleven layers, so that "10" is sorted after "2", and an eighth of
#: them is one.
LLAMA = replace(SMALL["llama"], n_layer=11, n_embd=256, n_head=4, n_head_kv=1, head_dim=64, n_ff=256,
                rope_dim=64)
MOE = replace(SMALL["qwen3moe"], n_layer=3, n_embd=256, n_head=4, head_dim=64, n_ff_exp=256)
SOURCES = {**SMALL, "llama of 11 layers": LLAMA, "experts": MOE}
ORDERS = {"the converter's order": None, "reversed": lambda tensors: tensors[::-1],
          "by name": lambda tensors: sorted(tensors, key=lambda tensor: tensor.name),
          "shuffled": lambda tensors: random.Random(5).sample(tensors, len(tensors))}


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    """(model, type of its matrices, order) -> the path of the file, written when it is first asked for."""
    folder, known = tmp_path_factory.mktemp("whole"), {}

    def source(name, qtype="F16", order="the converter's order"):
        if (name, qtype, order) not in known:
            known[name, qtype, order] = path = folder / f"{len(known)}.gguf"
            write(path, SOURCES[name], qtype, order=ORDERS[order])
        return known[name, qtype, order]
    return source


def importances(path, seed=1) -> dict[str, np.ndarray]:
    """Importances for every matrix of a file, (matrices, columns), of very different sizes."""
    rng = np.random.default_rng(seed)
    with open_model(path) as model:
        return {name: np.exp(rng.normal(size=(shape[2] if len(shape) > 2 else 1, shape[0]))).astype("f4")
                for name, (_, shape) in model.types.items() if len(shape) > 1}


def asked(imatrix) -> dict:
    """The options of llama.cpp for importances, with the keys that llama-quantize adds of itself."""
    return {"imatrix": {name: values.reshape(-1).tolist() for name, values in imatrix.items()},
            "kv": [["quantize.imatrix.entries_count", len(imatrix)]]}


def same(source, tmp_path, ftype, options=None, **how):
    """Both write the file; its bytes are equal."""
    theirs = whole_file(source, tmp_path / "theirs.gguf", ftype=ftype, **options or {})
    ours = ql.quantize_model(source, tmp_path / "ours.gguf", ftype, progress=None, replace=True, **how)
    assert ours.read_bytes() == theirs.read_bytes()
    return ours


@needs_llama_quantize
@pytest.mark.parametrize("ftype", ["Q4_K_M", "Q3_K_L", "IQ4_XS", "Q5_0", "MXFP4_MOE", "TQ1_0", "BF16"])
@pytest.mark.parametrize("name", ["llama of 11 layers", "experts"])
def test_a_mix_of_every_kind(sources, tmp_path, name, ftype):
    same(sources(name), tmp_path, ftype)


@needs_llama_quantize
@pytest.mark.parametrize("name", SMALL)
def test_every_family_also_where_rows_fit_no_super_block(sources, tmp_path, name):
    same(sources(name), tmp_path, "Q4_K_S")


@needs_llama_quantize
@pytest.mark.parametrize("order", ORDERS)
def test_any_order_of_the_source(sources, tmp_path, order):
    new = same(sources("llama of 11 layers", order=order), tmp_path, "Q4_K_M")
    names = [tensor.name for tensor in gguf.GGUFReader(new).tensors]
    assert names[:3] == ["output.weight", "output_norm.weight", "rope_freqs.weight"]
    assert names.index("blk.2.attn_q.weight") < names.index("blk.10.attn_k.weight")


@needs_llama_quantize
@pytest.mark.parametrize("qtype", ["BF16", "F32"])
def test_sources_of_other_floats(sources, tmp_path, qtype):
    same(sources("llama of 11 layers", qtype), tmp_path, "Q4_K_M")


@needs_llama_quantize
@pytest.mark.parametrize(("name", "ftype"), [("llama of 11 layers", "Q4_0"), ("experts", "Q2_K_S"),
                                             ("experts", "Q5_K_M"), ("gpt-oss", "IQ2_XS")])
def test_with_importances(sources, tmp_path, name, ftype):
    imatrix = importances(sources(name))
    same(sources(name), tmp_path, ftype, asked(imatrix), imatrix=imatrix)


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
