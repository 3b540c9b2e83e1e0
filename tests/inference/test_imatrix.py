"""An imatrix holds what llama.cpp's own forward pass multiplies its matrices with, and travels in llama.cpp's
file.
"""

import gguf
import numpy as np
import pytest

import quantlab as ql
from quantlab.inference.chunks import chunks_of
from quantlab.inference.families import FAMILIES
from quantlab.inference.load import load_lm
from quantlab.inference.sensitivity import collect_imatrix
from quantlab.models.imatrix_file import Imatrix, read_imatrix, write_imatrix
from quantlab.models.progress import Cancelled
from quantlab.models.source import BUNDLED
from tests.inference.files import copied
from tests.inference.imatrix_oracle import Watched
from tests.inference.random_models import N_VOCAB, write


@pytest.fixture(scope="module")
def lm():
    return load_lm("tiny")


@pytest.fixture(scope="module")
def imatrix(lm, text):
    return collect_imatrix(lm, text, n_ctx=64, chunks=2, dataset="held_out.txt", progress=None)


def test_it_is_the_mean_square_of_what_llama_cpp_multiplies_with(lm, text, imatrix, tmp_path):
    with Watched(copied(BUNDLED["tiny"], tmp_path / "f32.gguf", f32=True), 256) as oracle:
        for chunk in chunks_of(lm, text, 64, 2):
            oracle.logits(chunk.tolist())
    assert oracle.sums.keys() == imatrix.values.keys() and all(n == [128] for n in oracle.counts.values())
    assert len(imatrix.values) == 7 * lm.graph.n_layer
    for name, sums in oracle.sums.items():
        np.testing.assert_allclose(imatrix.values[name], sums / 128, rtol=2e-3, atol=1e-9, err_msg=name)
        assert imatrix.values[name].shape == (1, lm.weights[name].shape[1]) and imatrix.counts[name] == 128


@pytest.mark.parametrize("arch", FAMILIES)
def test_it_is_so_in_every_family_and_for_each_expert(arch, tmp_path):
    file = write(tmp_path / "m.gguf", arch, block_count=3)
    model = load_lm(file, reference="llama.cpp")
    tokens = np.random.default_rng(5).integers(0, N_VOCAB, 64)
    found = collect_imatrix(model, tokens, n_ctx=32, progress=None)
    with Watched(file, 256) as oracle:
        for chunk in tokens.reshape(2, 32):
            oracle.logits(chunk.tolist())
    assert found.values.keys() == oracle.sums.keys()
    for name, sums in oracle.sums.items():
        counts = oracle.counts[name]
        np.testing.assert_array_equal(found.counts[name], counts, err_msg=name)
        seen = counts > 0
        np.testing.assert_allclose(found.values[name][seen], sums[seen] / counts[seen, None], rtol=2e-3,
                                   atol=1e-9, err_msg=name)
        assert (found.values[name][~seen] == 1).all()


def test_matrices_with_the_same_input_get_the_same_numbers(imatrix):
    for one, other in (("attn_q", "attn_k"), ("attn_q", "attn_v"), ("ffn_gate", "ffn_up")):
        np.testing.assert_array_equal(imatrix.values[f"blk.2.{one}.weight"],
                                      imatrix.values[f"blk.2.{other}.weight"])


def test_the_file_is_what_llama_imatrix_writes(imatrix, tmp_path):
    file = write_imatrix(tmp_path / "tiny.imatrix.gguf", imatrix)
    reader = gguf.GGUFReader(file)
    facts = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    assert facts == {"general.type": "imatrix", "imatrix.datasets": ["held_out.txt"],
                     "imatrix.chunk_count": 2, "imatrix.chunk_size": 64}
    tensors = {tensor.name: tensor.data for tensor in reader.tensors}
    assert list(tensors) == [name + part for name in sorted(imatrix.values)
                             for part in (".in_sum2", ".counts")]
    for name, values in imatrix.values.items():
        assert tensors[name + ".counts"].tolist() == [[128]]
        np.testing.assert_allclose(tensors[name + ".in_sum2"], values * 128, rtol=1e-7)


def test_what_is_written_is_read_back(imatrix, tmp_path):
    again = read_imatrix(write_imatrix(tmp_path / "tiny.imatrix.gguf", imatrix))
    assert (again.chunks, again.chunk_size, again.datasets) == (2, 64, ("held_out.txt",))
    assert again.values.keys() == imatrix.values.keys() == again.counts.keys()
    for name, values in imatrix.values.items():
        np.testing.assert_allclose(again.values[name], values, rtol=1e-6)


def test_experts_keep_their_own_counts_and_unseen_ones_count_as_one(tmp_path):
    made = Imatrix({"blk.0.ffn_up_exps.weight": np.array([[1, 2], [3, 4], [5, 6]], np.float32)},
                   counts={"blk.0.ffn_up_exps.weight": np.array([10, 0, 4], np.float32)})
    again = read_imatrix(write_imatrix(tmp_path / "experts.gguf", made))
    assert again.values["blk.0.ffn_up_exps.weight"].tolist() == [[1, 2], [1, 1], [5, 6]]
    assert again.counts["blk.0.ffn_up_exps.weight"].tolist() == [10, 0, 4]


def test_it_goes_into_quantize_model_and_load_lm_alike(imatrix, tmp_path):
    file = write_imatrix(tmp_path / "tiny.imatrix.gguf", imatrix)
    with ql.open_model(ql.quantize_model(BUNDLED["tiny"], tmp_path / "q.gguf", "Q4_K_M", imatrix=file,
                                         progress=None)) as model:
        loaded, given = load_lm("tiny", "Q4_K_M", imatrix=file), read_imatrix(file)
        assert model.metadata["quantize.imatrix.chunks_count"] == 2
        for name in given.values:
            np.testing.assert_array_equal(model.tensor(name), loaded.weights[name])


def test_the_model_that_was_watched_is_as_before(lm, text):
    assert lm.watch is None
    before = lm.logits([1, 2, 3])
    collect_imatrix(lm, text, chunks=1, progress=None)
    np.testing.assert_array_equal(lm.logits([1, 2, 3]), before)


def test_it_can_be_stopped_and_refuses_bad_texts(lm, text):
    with pytest.raises(Cancelled, match="stopped after 256 of 512 tokens"):
        collect_imatrix(lm, text, chunks=2, progress=lambda progress: False)
    with pytest.raises(ValueError, match="empty"):
        collect_imatrix(lm, " ", progress=None)
    huge = lm.with_weights({"blk.0.attn_norm.weight": np.full(256, np.inf, np.float32)})
    words = r"blk.0.attn_\w.weight gets inputs that are no finite"
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=words):
        collect_imatrix(huge, text, chunks=1, progress=None)
