"""The record of the methods: cells of it are measured again, by this package and by llama.cpp, and what
lesson 18 says of it holds.
"""

import numpy as np
import pytest

import quantlab as ql
from quantlab.inference.chunks import tokens_of
from quantlab.inference.quality import Reference
from quantlab.inference.recorded_methods import COLUMNS, MODELS, methods_record
from quantlab.methods.table import METHODS
from quantlab.models.source import BUNDLED
from tests.inference.llama_oracle import LlamaCpp
from tests.inference.perplexity_oracle import printed, scored

RECORD = methods_record("tiny")
SEEN = RECORD["chunks"] * RECORD["n_ctx"]
CHUNKS = 6              # that llama.cpp predicts


def row(ftype: str, method: str, calibration: str) -> dict:
    return next(one for one in RECORD["rows"]
                if (one["ftype"], one["method"], one["calibration"]) == (ftype, method, calibration))


@pytest.fixture(scope="module")
def tokens(tiny, text):
    return tokens_of(tiny, text)


@pytest.fixture(scope="module")
def reference(tiny, tokens):
    return Reference(tiny, tokens[:SEEN], n_ctx=RECORD["n_ctx"])


@pytest.fixture(scope="module")
def files(tiny, tokens, tmp_path_factory):
    """Q4_0 and Q2_K by each method, calibrated as the record says."""
    folder = tmp_path_factory.mktemp("methods")
    known = ql.calibrate("tiny", tokens[SEEN:SEEN + RECORD["calibrated"] * RECORD["n_ctx"]], folder / "known",
                         n_ctx=RECORD["n_ctx"], progress=None)
    return {(ftype, method): ql.quantize_model(
        "tiny", folder / f"{ftype}-{method}.gguf", ftype, pure=True, calibration=known, method=method,
        progress=None) for ftype in ("Q4_0", "Q2_K") for method in ("nearest", "importance", "feedback")}


@pytest.mark.parametrize(("ftype", "method"), [("Q4_0", "feedback"), ("Q2_K", "importance")])
def test_a_cell_is_measured_again(reference, files, ftype, method):
    recorded = row(ftype, method, "scenes")
    assert files[ftype, method].stat().st_size == pytest.approx(recorded["nbytes"], abs=500)
    found = reference.divergence(ql.load_lm(files[ftype, method])).numbers()
    for name in ("kld", "kld_se", "ppl", "ln_ratio", "top1"):
        assert found[name] == pytest.approx(recorded[name], rel=0.02, abs=1e-3), name


def test_llama_cpp_finds_the_same_divergence(tokens, files, tiny):
    """llama.cpp rounds activations to 8 bits, and so disagrees with itself in the original, too, where it
    computes in 16: what it finds for a file is its own divergence from that.
    """
    cut = tokens[:CHUNKS * RECORD["n_ctx"]]
    reference = Reference(tiny, cut, n_ctx=RECORD["n_ctx"])
    with LlamaCpp(BUNDLED["tiny"], n_ctx=RECORD["n_ctx"]) as original:
        bases = scored(original, cut, RECORD["n_ctx"], CHUNKS)
    theirs, ours = {}, {}
    for key, path in files.items():
        with LlamaCpp(path, n_ctx=RECORD["n_ctx"]) as model:
            pairs = zip(bases, scored(model, cut, RECORD["n_ctx"], CHUNKS), strict=True)
            found = printed([(base, other, right) for (base, right), (other, _) in pairs], stored=False)
            theirs[key] = found["kld"]
        ours[key] = reference.divergence(ql.load_lm(path)).numbers()["kld"]
    for key, kld in theirs.items():
        assert kld == pytest.approx(ours[key], rel=0.05, abs=1e-3), key
    for ftype in ("Q4_0", "Q2_K"):
        assert theirs[ftype, "feedback"] < 0.75 * theirs[ftype, "importance"]


@pytest.mark.parametrize("model", MODELS)
def test_each_record_has_the_methods_at_every_type(model):
    table = ql.recorded_methods(model)
    assert list(table.columns) == list(COLUMNS) and not table.isna().any(axis=None)
    in_files = {name for name, method in METHODS.items() if method.in_files}
    for ftype, rows in table.groupby("ftype"):
        assert set(rows[rows.calibration != "code"].method) == in_files, ftype
        assert rows.nbytes.max() < 1.003 * rows.nbytes.min(), "the same bytes, but for the header"
    assert table.attrs["provenance"].startswith("Recorded on ")
    assert min(table.attrs["largest_columns"].values()) > 0


@pytest.mark.parametrize("ftype", ["Q4_0", "Q4_K", "Q3_K", "Q2_K"])
def test_error_feedback_is_a_quarter_below_the_importance_matrix(ftype):
    fed, weighted = (row(ftype, method, "scenes") for method in ("feedback", "importance"))
    assert fed["kld"] < 0.75 * weighted["kld"]


def test_outputs_come_nearer_while_weights_go_away():
    for ftype in ("Q4_0", "Q4_K", "Q3_K", "Q2_K"):
        plain, fed = (np.array([*row(ftype, method, text)["errors"].values()])
                      for method, text in (("nearest", ""), ("feedback", "scenes")))
        assert (fed[:, 0] > plain[:, 0]).all() and (fed[:, 1] < plain[:, 1]).all()


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="smollm2"):
        ql.recorded_methods("smolm2")
