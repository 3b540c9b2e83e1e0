"""A calibration: second moments of what each matrix is multiplied with, kept on disk, whole and resumable."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from threading import Event

import numpy as np
import pytest

import quantlab as ql
from quantlab.inference import calibrate as module
from quantlab.inference.calibrate import calibrate
from quantlab.inference.quality import divergence
from quantlab.inference.sensitivity import collect_imatrix
from quantlab.models.calibration import as_calibration
from quantlab.models.progress import Cancelled
from quantlab.models.source import BUNDLED
from tests.inference import random_models
from tests.inference.files import copied
from tests.inference.llama_oracle import LlamaCpp

QUIET = {"n_ctx": 256, "progress": None}
METHODS = ("nearest", "importance", "scaling", "feedback")


@pytest.fixture(scope="module")
def scene(tiny, text):
    """Text behind the first 4,096 tokens, on which quality is measured."""
    return tiny.tokenizer.encode(text)[4096:]


@pytest.fixture(scope="module")
def known(tiny, scene, tmp_path_factory):
    place = tmp_path_factory.mktemp("known") / "tiny"
    return calibrate(tiny, scene, place, chunks=8, about="scenes", **QUIET)


@pytest.fixture(scope="module")
def files(known, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    return {method: ql.quantize_model("tiny", folder / f"{method}.gguf", "Q4_0", pure=True, progress=None,
                                      calibration=known, method=method) for method in METHODS}


def test_moments_are_the_mean_products_of_the_inputs(tiny, scene, known):
    inputs: dict[str, list] = {}
    watched = replace(tiny, watch=lambda name, x, expert: inputs.setdefault(name, []).append(x))
    for start in range(0, 8 * 256, 256):
        watched.states(scene[start:start + 256], tiny.new_cache(256))
    assert set(known.inputs) == {name for name in inputs if name.startswith("blk.")}
    assert known.n_tokens == 2048
    for name in known.inputs:
        x = np.concatenate(inputs[name]).astype(np.float64)
        np.testing.assert_allclose(known.moments(name), x.T @ x / len(x), rtol=1e-4,
                                   atol=1e-5 * np.square(x).mean())


def test_the_diagonal_is_llama_cpp_s_importance_matrix(tiny, scene, known):
    theirs = collect_imatrix(tiny, scene, chunks=8, **QUIET)
    ours = known.imatrix()
    assert set(ours.values) == set(theirs.values)
    for name, values in theirs.values.items():
        np.testing.assert_allclose(ours.values[name], values, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_elsewhere_it_is_the_same(tiny, scene, tmp_path, pool):
    here = calibrate(tiny, scene, tmp_path / "here", chunks=3, **QUIET)
    with pool(2) as executor:
        there = calibrate(tiny, scene, tmp_path / "there", chunks=3, executor=executor, **QUIET)
    assert all((here.moments(name) == there.moments(name)).all() for name in here.inputs)


def test_a_stopped_run_goes_on_after_the_last_whole_layer(tiny, scene, tmp_path, monkeypatch):
    whole = calibrate(tiny, scene, tmp_path / "whole", chunks=3, **QUIET)
    told = []
    with pytest.raises(Cancelled):
        calibrate(tiny, scene, tmp_path / "two", chunks=3, n_ctx=256,
                  progress=lambda now: told.append(now.tensor) or now.done < 8 * 256)
    assert told[-1] == "layer 2 of 5, chunk 2 of 3"
    with pytest.raises(ValueError, match="stopped after 2 of 5 layers"):
        as_calibration(tmp_path / "two")
    written = []
    real = module.write_moments

    def told_of(place, name, x):
        written.append(name)
        real(place, name, x)

    monkeypatch.setattr(module, "write_moments", told_of)
    again = calibrate(tiny, scene, tmp_path / "two", chunks=3, **QUIET)
    assert {name.split(".")[1] for name in written} == {"2", "3", "4"}
    assert all((again.moments(name) == whole.moments(name)).all() for name in whole.inputs)
    stop = Event()
    stop.set()
    with pytest.raises(Cancelled):
        calibrate(tiny, scene, tmp_path / "three", chunks=3, cancel=stop, **QUIET)
    with pytest.raises(ValueError, match=r"holds a calibration of another kind: tokens is .* there and"):
        calibrate(tiny, scene[1:], tmp_path / "two", chunks=3, **QUIET)


def test_every_expert_has_moments_of_its_own(tmp_path):
    path = random_models.write(tmp_path / "moe.gguf", "qwen3moe")
    lm, tokens = ql.load_lm(path), np.random.default_rng(0).integers(0, 257, 1200)
    known = calibrate(lm, tokens, tmp_path / "known", n_ctx=100, progress=None)
    theirs = collect_imatrix(lm, tokens, n_ctx=100, progress=None)
    name = "blk.0.ffn_down_exps.weight"
    counts = [known.seen(name, expert) for expert in range(8)]
    assert sum(counts) == 3 * 1200 and counts == theirs.counts[name].tolist()
    np.testing.assert_allclose(known.imatrix().values[name], theirs.values[name], rtol=1e-3, atol=1e-9)
    assert known.inputs["blk.0.attn_k.weight"] == "blk.0.attn_q.weight"


def test_a_text_that_is_too_short_or_repeats_itself_is_refused_with_the_numbers(tiny, scene, tmp_path):
    place = tmp_path / "none"
    with pytest.raises(ValueError, match=r"512 tokens in whole chunks .*768 columns.*rank of 512 at most"):
        calibrate(tiny, scene[:767], place, **QUIET)
    with pytest.raises(ValueError, match=r"of 2,304 tokens only 3 are different.*64 different tokens are"):
        calibrate(tiny, [5, 6, 7] * 800, place, **QUIET)
    with pytest.raises(ValueError, match="has weights that are in no file"):
        calibrate(tiny.with_weights({}), scene, place, **QUIET)
    assert not place.exists()


@pytest.fixture(scope="module")
def broken(tiny, tmp_path_factory):
    """The tiny model with an infinite weight in its fourth layer."""
    weights = tiny.weights["blk.3.attn_norm.weight"].copy()
    weights[7] = np.inf
    return ql.load_lm(copied(BUNDLED["tiny"], tmp_path_factory.mktemp("broken") / "broken.gguf",
                             tensors={"blk.3.attn_norm.weight": weights}))


@pytest.mark.parametrize("place", ["none", "none/of/these", "empty", "full"])
def test_inputs_that_are_not_finite_are_refused_and_leave_nothing(broken, scene, tmp_path, place):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=r"column 7 of blk\.3\.attn_q\.weight gets inputs that"):
        calibrate(broken, scene, tmp_path / place, chunks=4, **QUIET)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_that_goes_on_and_is_refused_leaves_what_it_found(broken, scene, tmp_path):
    with pytest.raises(Cancelled):
        calibrate(broken, scene, tmp_path / "two", chunks=4, n_ctx=256,
                  progress=lambda now: now.done < 9 * 256)
    before = {path: path.read_bytes() for path in (tmp_path / "two").iterdir()}
    with pytest.raises(ValueError, match="column 7"):
        calibrate(broken, scene, tmp_path / "two", chunks=4, **QUIET)
    assert {path: path.read_bytes() for path in (tmp_path / "two").iterdir()} == before


def test_a_folder_that_cannot_be_made_is_told(tiny, scene, tmp_path):
    (tmp_path / "file").write_text("mine")
    for place in tmp_path / "file", tmp_path / "file" / "in":
        with pytest.raises(ValueError, match="is no calibration"):
            calibrate(tiny, scene, place, chunks=3, **QUIET)


def test_a_calibration_of_another_model_is_refused(known, tiny, tmp_path):
    weights = tiny.weights["blk.3.attn_norm.weight"] * 1.5
    other = copied(BUNDLED["tiny"], tmp_path / "other.gguf", tensors={"blk.3.attn_norm.weight": weights})
    out = tmp_path / "out.gguf"
    with pytest.raises(ValueError, match=rf"measured on tiny, .*digest {known.files[:12]}.*calibrate"):
        ql.quantize_model(other, out, "Q4_0", calibration=known, progress=None)
    for how, words in (({"method": "feedback"}, "give calibration="),
                       ({"method": "scaling"}, "give calibration="),
                       ({"method": "magic"}, "magic"), ({"method": "rotation"}, "rotation"),
                       ({"calibration": known, "imatrix": known.imatrix()}, "leave the imatrix out"),
                       ({"calibration": tmp_path}, "there is no calibration in"),
                       ({"calibration": 7}, "a folder that calibrate")):
        with pytest.raises(ValueError, match=words):
            ql.quantize_model("tiny", out, "Q4_0", progress=None, **how)
    with pytest.raises(ValueError, match=r"blk\.\d\.\w+\.weight would be IQ3_S: .*none for a single"):
        ql.quantize_model("tiny", out, "IQ3_S", calibration=known, progress=None)
    assert [path.name for path in tmp_path.iterdir()] == ["other.gguf"]


def test_damaged_moments_are_told_by_their_name(tiny, scene, tmp_path):
    known = calibrate(tiny, scene, tmp_path / "known", chunks=3, **QUIET)
    path = tmp_path / "known" / "blk.2.ffn_down.weight.npy"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"blk\.2\.ffn_down\.weight\.npy cannot be read"):
        ql.quantize_model("tiny", tmp_path / "out.gguf", "Q4_0", calibration=known, progress=None)
    assert [path.name for path in tmp_path.iterdir()] == ["known"]


def test_all_methods_write_the_same_tensors_and_say_which_they_are(files):
    described = {}
    for method, path in files.items():
        with ql.open_model(path) as model:
            described[method] = dict(model.types)
            said = model.metadata.get("quantlab.method", "")
            assert model.metadata.get("quantlab.calibration", "scenes") == "scenes"
        assert ("GPTQ" in said, "AWQ" in said) == (method == "feedback", method == "scaling")
    assert all(types == described["nearest"] for types in described.values())
    assert len({path.read_bytes()[-100_000:] for path in files.values()}) >= 3


def test_llama_cpp_computes_what_we_do_with_each_file(files, scene):
    """llama.cpp rounds activations to int8, which we do not: a file of another method may be no farther
    away than one that was rounded plainly.
    """
    apart = {}
    for method, path in files.items():
        ours = ql.load_lm(path).logits(scene[:64])
        with LlamaCpp(path, n_ctx=64) as theirs:
            apart[method] = np.abs(theirs.logits(scene[:64]) - ours).mean()
    assert max(apart.values()) < 1.5 * apart["nearest"] < 0.5


def test_error_feedback_is_closest_on_text_that_calibration_never_saw(tiny, text, files):
    kld = {method: divergence(tiny, ql.load_lm(path), text, chunks=8, **QUIET).mean_kld
           for method, path in files.items()}
    assert kld["feedback"] < 0.75 * kld["importance"] < kld["nearest"]


@pytest.mark.parametrize(("arch", "moved"), [
    ("llama", 7), ("qwen2", 6), ("qwen3", 7), ("gemma2", 7), ("gemma3", 7), ("phi3", 5), ("olmo2", 4),
    ("smollm3", 7), ("granite", 7), ("qwen3moe", 0), ("gpt-oss", 0)])
def test_scaled_weights_are_the_same_model(tmp_path, monkeypatch, arch, moved):
    """In 32 bits nothing is rounded: folds of any size must leave every logit. moved: matrices of a layer."""
    random = np.random.default_rng(0)

    def any_scales(matrices, moments, qtypes, *, repeats):
        copies, width = repeats
        own = random.lognormal(0, 0.5, (len(moments) // copies // width, 1, width))
        return np.broadcast_to(own, (len(own), copies, width)).reshape(-1).astype(np.float32)

    monkeypatch.setattr("quantlab.models.calibrated.column_scales", any_scales)
    source = random_models.write(tmp_path / "source.gguf", arch, optional=arch == "qwen2")
    lm, tokens = ql.load_lm(source), random.integers(0, 257, 600)
    own = calibrate(lm, tokens, tmp_path / "known", n_ctx=100, progress=None)
    file = ql.quantize_model(source, tmp_path / "new.gguf", "Q8_0", calibration=own, method="scaling",
                             types={"attn_": "F32", "ffn_": "F32"}, embedding_type="F32", output_type="F32",
                             progress=None)
    scaled = ql.load_lm(file)
    changed = {name for name in lm.weights if not np.array_equal(lm.weights[name], scaled.weights[name])}
    in_layer = {name for name in changed if name.startswith("blk.2.") and lm.weights[name].ndim > 1}
    assert len(in_layer) == moved, in_layer
    one, other = lm.logits(tokens[:60]), scaled.logits(tokens[:60])
    np.testing.assert_allclose(other, one, atol=1e-3 * np.abs(one).max())


def test_an_executor_writes_the_same_file(files, known, tmp_path):
    for method in ("feedback", "scaling"):
        with ProcessPoolExecutor(2) as executor:
            path = ql.quantize_model("tiny", tmp_path / f"{method}.gguf", "Q4_0", pure=True, progress=None,
                                     calibration=known, method=method, executor=executor)
        assert path.read_bytes() == files[method].read_bytes()
