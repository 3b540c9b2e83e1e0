"""The bundled file is a real GGUF, holds what its card says, and was written with ggml's own bytes."""

import gguf
import numpy as np
import pytest

from quantlab.basics import sample
from quantlab.basics.sample import given_weights


@pytest.fixture(scope="module")
def tensors():
    return {t.name: t for t in gguf.GGUFReader(sample.PATH).tensors}


def test_sample_weights_are_what_ggufs_reader_finds(tensors):
    np.testing.assert_array_equal(sample.sample_weights(), tensors[sample.NAME].data)
    assert tensors[sample.NAME].data_offset == sample.OFFSET


def test_the_sample_stays_small_and_holds_three_types(tensors):
    assert sample.PATH.stat().st_size < 1_000_000
    assert {name: t.tensor_type.name for name, t in tensors.items()} == {
        "blk.0.attn_q.weight": "F32", "blk.0.attn_k.weight": "Q8_0", "blk.0.attn_v.weight": "Q4_0",
        "blk.0.attn_output_norm.weight": "F32"}


def test_the_weights_are_true_float32_and_not_a_grid():
    bits = sample.sample_weights().view(np.uint32)
    # 13 low mantissa bits: float16 would have them all zero
    assert (bits & 0x1FFF == 0).mean() < 0.001
    assert len(np.unique(bits)) > 0.9 * bits.size


def test_a_changed_file_is_refused_in_words(tmp_path, monkeypatch):
    broken = tmp_path / "sample.gguf"
    broken.write_bytes(b"\0" + sample.PATH.read_bytes())
    monkeypatch.setattr(sample, "PATH", broken)
    with pytest.raises(ValueError, match=r"restore the file from git"):
        sample.sample_weights()


def test_the_learners_own_weights_are_checked_and_the_bundled_ones_stand_in():
    assert given_weights().shape == (384, 384) and given_weights([1, 2, 3]).shape == (1, 3)
    for x, words in ((["a"], "an array of numbers, not list"), ([[1], [1, 2]], "an array of numbers"),
                     ([], "at least 1 weights"), ([1, float("nan")], r"x\[0, 1\] is nan"),
                     ([float("inf")], r"x\[0, 0\] is inf"), ([1e39], r"x\[0, 0\] is inf")):
        with pytest.raises(ValueError, match=words):
            given_weights(x)
    with pytest.raises(ValueError, match="at least 64 weights are wanted, got 63"):
        given_weights([1.0] * 63, 64)
