"""Weights that stay in the file: the same predictions as from weights kept in memory, in a piece's room."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

import quantlab as ql
from quantlab.inference import stored
from quantlab.inference.families import FAMILIES
from quantlab.inference.mixes import MixBench
from quantlab.inference.quality import divergence, perplexity
from quantlab.inference.sensitivity import collect_imatrix, sensitivity
from quantlab.inference.stored import Stored, can_be_kept, product, rounded
from quantlab.inference.variants import STOPPED
from quantlab.models.progress import Cancelled
from tests.inference.random_models import N_VOCAB, write
from tests.inference.test_compare import folder  # noqa: F401

pytestmark = pytest.mark.usefixtures("folder")
TEXT = "A mix that is written to a file takes a while, and whoever asked for it may change their mind."
TOKENS = np.random.default_rng(2).integers(0, N_VOCAB, 40)


@pytest.fixture
def small_pieces(monkeypatch):
    """So that even the smallest matrix has several."""
    monkeypatch.setattr(stored, "PIECE", 1000)


@pytest.fixture
def nothing_fits(monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=0))


def kinds(lm) -> set[type]:
    return {type(values) for name, values in lm.weights.items() if values.ndim > 1 and "bias" not in name}


@pytest.mark.parametrize("arch", FAMILIES)
def test_every_family_says_the_same_from_the_file(arch, tmp_path, small_pieces):
    file = write(tmp_path / "m.gguf", arch, optional=True)
    kept, left = ql.load_lm(file, keep=True), ql.load_lm(file, keep=False)
    assert kinds(kept) == {np.ndarray} and kinds(left) == {Stored}
    np.testing.assert_allclose(left.logits(TOKENS), kept.logits(TOKENS), atol=1e-4)
    imatrix = collect_imatrix(left, TOKENS, n_ctx=20, progress=None)
    mixes = [ql.load_lm(file, "Q5_0", imatrix=imatrix, pure=True, keep=keep) for keep in (True, False)]
    np.testing.assert_allclose(mixes[1].logits(TOKENS), mixes[0].logits(TOKENS), atol=1e-4)


def test_an_importance_matrix_is_the_same(tiny, text):
    kept, left = (collect_imatrix(lm, text, chunks=1, progress=None).values
                  for lm in (tiny, ql.load_lm("tiny", keep=False)))
    assert kept.keys() == left.keys()
    assert all(np.allclose(kept[name], left[name], rtol=1e-4) for name in kept)


def test_a_mix_is_written_to_a_file_that_is_gone_with_the_model(folder):  # noqa: F811
    """And what a killed run has left is gone, too."""
    folder.mkdir()
    (folder / "0123456789abcdef.gguf.01234567.part").write_bytes(b"half a file")
    kept = ql.load_lm("tiny", "Q4_K_M", prune_layers=[1], keep=True)
    left = ql.load_lm("tiny", "Q4_K_M", prune_layers=[1], keep=False)
    assert not list(folder.iterdir()) and left.name == "tiny" and left.graph.n_layer == kept.graph.n_layer
    assert all(np.array_equal(np.asarray(left.weights[name]), values)
               for name, values in kept.weights.items())


class Stop:
    """Heard as progress, asked as cancel: it says stop when the share is done."""

    def __init__(self, share: float):
        self.share, self.steps = share, []

    def __call__(self, step):
        self.steps.append(step)

    def is_set(self) -> bool:
        return bool(self.steps) and self.steps[-1].done >= self.share * self.steps[-1].total


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("how", [{"ftype": "Q4_K_M"}, {"ftype": "IQ4_NL", "pure": True},
                                 {"ftype": "Q5_0", "prune_layers": [0]}])
def test_quantizing_says_how_far_it_is_and_stops_when_told(keep, how, folder):  # noqa: F811
    whole, half = Stop(2), Stop(0.4)
    ql.load_lm("tiny", **how, keep=keep, progress=whole, cancel=whole)
    shares = [step.done / step.total for step in whole.steps]
    assert shares == sorted(shares) and shares[-1] == 1 and len(shares) > 10
    with pytest.raises(Cancelled):
        ql.load_lm("tiny", **how, keep=keep, progress=half, cancel=half)
    with pytest.raises(Cancelled):
        ql.load_lm("tiny", **how, keep=keep, progress=lambda step: step.done < 1e6)
    assert 0.4 <= half.steps[-1].done / half.steps[-1].total < 0.9
    assert not folder.exists() or not list(folder.iterdir())


def test_a_file_in_its_own_types_has_nothing_to_tell_and_bad_handles_are_words():
    ql.load_lm("tiny", progress=lambda step: pytest.fail(f"nothing is quantized: {step}"))
    for bad in ({"progress": "loud"}, {"cancel": True}):
        with pytest.raises(ValueError, match="cannot be"):
            ql.load_lm("tiny", "Q8_0", **bad)


@pytest.mark.parametrize("types", [["Q4_K_M"], ["Q8_0", "Q4_K_M"]])
def test_a_large_mix_of_a_table_can_be_stopped_while_it_is_written(
        types, smollm_f16, folder, nothing_fits):  # noqa: F811
    said, last = [], "Q4_K_M, 10 % quantized"

    def stop(step):
        said.append((step.tensor, step.unit))
        return step.tensor != last
    table = ql.compare_quality(smollm_f16, types, TEXT, chunks=1, n_ctx=16, progress=stop)
    assert table.error.tolist() == [*[""] * (len(types) - 1), STOPPED] and said[-1] == (last, "tokens")
    left = {path.suffix for path in folder.iterdir()} if folder.exists() else set()
    assert left <= {".json"}                    # what was measured before; no file of weights, and no part


def test_what_takes_more_than_half_of_the_free_memory_stays_in_the_file(monkeypatch):
    weights = ql.open_model("tiny").n_weights
    for available, kind in ((8 * weights, np.ndarray), (8 * weights - 1, Stored)):
        monkeypatch.setattr("psutil.virtual_memory", lambda n=available: SimpleNamespace(available=n))
        assert can_be_kept(weights) == (kind is np.ndarray) and kinds(ql.load_lm("tiny")) == {kind}


def test_a_model_can_be_closed_while_its_weights_are_still_read():
    with ql.open_model("tiny") as model:
        lm = ql.load_lm(model, keep=False)
    np.testing.assert_array_equal(lm.logits([1, 2, 3]), ql.load_lm("tiny").logits([1, 2, 3]))


def test_every_measure_is_the_same(tiny, text, nothing_fits):
    left = ql.load_lm("tiny")
    how = {"chunks": 2, "n_ctx": 64}
    assert perplexity(left, text, **how).ppl == pytest.approx(perplexity(tiny, text, **how).ppl, rel=1e-6)
    table = ql.compare_quality("tiny", ["Q8_0", "Q3_K_M"], text, progress=None, cache=None, **how)
    for row in table.itertuples():
        kept = divergence(tiny, ql.load_lm("tiny", row.ftype, keep=True), text, **how)
        assert row.error == "" and row.kld == pytest.approx(kept.mean_kld, rel=1e-4)


def test_single_tensors_are_rounded_in_their_blocks(tiny, text, nothing_fits):
    how = {"chunks": 1, "n_ctx": 64}
    table = sensitivity("tiny", "Q3_K", text, by="layer", progress=None, cache=None, **how)
    names = [name for name in tiny.weights if name.startswith("blk.2.") and tiny.weights[name].ndim == 2]
    kept = tiny.with_weights({name: rounded(tiny.weights[name], "Q3_K") for name in names})
    assert table.kld[2] == pytest.approx(divergence(tiny, kept, text, **how).mean_kld, rel=1e-4)
    bench = MixBench("tiny", text, chunks=1)
    assert kinds(bench.lm) == {Stored}
    expected = divergence(tiny, ql.load_lm("tiny", "Q2_K", pure=True, keep=True), text, chunks=1).mean_kld
    assert bench.measure(bench.alike("Q2_K")).mean_kld == pytest.approx(expected, rel=1e-4)


def test_only_a_piece_is_in_memory(tmp_path, monkeypatch):
    file = write(tmp_path / "m.gguf", "llama", embedding_length=256, feed_forward_length=4096, block_count=4)
    whole = 4 * ql.open_model(file).n_weights
    monkeypatch.setattr(stored, "PIECE", 1 << 12)
    peaks = []
    for keep in (True, False):
        tracemalloc.start()
        ql.load_lm(file, keep=keep).logits(TOKENS)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] > whole and peaks[1] < 0.2 * whole


def test_rows_and_pieces_of_a_matrix_and_of_experts(small_pieces):
    x = np.random.default_rng(0).standard_normal((3, 50, 32), dtype=np.float32)
    flat = x.reshape(-1, 32)
    matrices = Stored(x.shape, lambda start, stop: flat[start:stop])
    np.testing.assert_array_equal(np.asarray(matrices), x)
    one = matrices[2]
    np.testing.assert_array_equal(one[np.array([4, 0, 49])], x[2][[4, 0, 49]])
    np.testing.assert_allclose(product(x[0], one), x[0] @ x[2].T, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(rounded(matrices, "Q4_0")), ql.quantize(x, "Q4_0").dequantize())
    assert [part.stop - part.start for part, _ in one.pieces()] == [31, 19]
