"""The record of the methods: cells of it are measured again, by this package and by llama.cpp, and what
lesson 18 says of it holds.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import quantlab as ql
from quantlab.inference.chunks import tokens_of
from quantlab.inference.quality import Reference
from quantlab.inference.recorded_methods import COLUMNS, MODELS, methods_record
from quantlab.methods.table import METHODS
from quantlab.models.source import BUNDLED
from tests.inference.llama_oracle import F16, ON, LlamaCpp
from tests.inference.perplexity_oracle import log_probabilities, printed, scored
from tools.off_the_grid import make
from tools.record_methods import MIXES

RECORD = methods_record("tiny")
SEEN = RECORD["chunks"] * RECORD["n_ctx"]
CHUNKS = 6              # that llama.cpp predicts
ROOT = Path(__file__).parents[2]
ELSEWHERE, GEMMAS = (json.loads((ROOT / f"benchmarks/results/{name}.json").read_text())["results"]
                     for name in ("methods", "methods_gemma"))


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


@pytest.mark.parametrize(("model", "least", "most"), [("tiny", 0.59, 0.68), ("smollm2", 0.26, 0.37),
                                                      ("gemma3", 0.20, 0.245)])
def test_what_lesson_18_says_error_feedback_leaves(model, least, most):
    """Of what plain rounding loses; calibrated on code more, and always less than plain rounding."""
    rows = ql.recorded_methods(model)
    wide = rows[rows.method.isin(["nearest", "feedback"])].pivot(index="ftype", columns="calibration",
                                                                 values="kld")
    left = wide.div(wide[""], axis=0)
    assert left.scenes.between(least, most).all()
    assert (left.code > left.scenes).all() and (left.code < 1).all()


def test_outputs_come_nearer_while_weights_go_away():
    for ftype in ("Q4_0", "Q4_K", "Q3_K", "Q2_K"):
        plain, fed = (np.array([*row(ftype, method, text)["errors"].values()])
                      for method, text in (("nearest", ""), ("feedback", "scenes")))
        assert (fed[:, 0] > plain[:, 0]).all() and (fed[:, 1] < plain[:, 1]).all()


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="smollm2"):
        ql.recorded_methods("smolm2")


def test_llama_cpp_and_ollama_run_smollm2s_files_as_this_package_does():
    """As `benchmarks/run.py methods` found it for all types and methods."""
    record, goals, found = methods_record("smollm2"), ELSEWHERE["goals"], ELSEWHERE["found"]
    assert found["files"] == 16 and ELSEWHERE["predicted"] == record["predicted"]
    assert found["from_llama_cpp_times_its_own"] <= goals["from_llama_cpp_times_its_own"]
    assert found["same_order"] == found["types"] == goals["same_order"]
    assert found["answers_as_here"] >= goals["answers_as_here"]
    lesson = (ROOT / "notebooks/18_beyond_rounding.ipynb").read_text(encoding="utf-8")
    assert (f"SmolLM2's {found['files']} files" in lesson and ELSEWHERE["ollama"] in lesson
            and f"{found['answers_as_here']} answer a question word for word as they do here" in lesson)
    cost_alike(record, ELSEWHERE)
    files = [file for ftype in MIXES for file in ELSEWHERE[ftype].values()]
    assert len(files) == 16 and all(file["answer"][:12] == file["here"][:12] for file in files)


def test_llama_cpp_and_ollama_run_eight_of_gemmas_files_as_this_package_does():
    found, goals = GEMMAS["found"], GEMMAS["goals"]
    assert found["files"] == 8 and found["same_order"] == found["types"] == goals["same_order"]
    assert found["from_llama_cpp_times_its_own"] <= goals["from_llama_cpp_times_its_own"]
    assert found["answers_as_here"] >= goals["answers_as_here"]
    cost_alike(methods_record("gemma3"), GEMMAS)


def cost_alike(record: dict, elsewhere: dict) -> None:
    """What a file costs here and in llama.cpp is what the record says, but for llama.cpp's own spread."""
    for one in record["rows"]:
        if one["calibration"] != "code" and one["ftype"] in elsewhere:
            file = elsewhere[one["ftype"]][one["method"]]
            assert file["kld"]["quantlab"] == pytest.approx(one["kld"], rel=0.02, abs=1e-3)
            assert file["kld"]["llama_cpp"] == pytest.approx(
                one["kld"], rel=0.05, abs=2 * file["from_llama_cpp"]["llama_cpp_as_usual"])


def test_one_of_smollm2s_files_is_run_again(smollm_q4_1, text, tmp_path):
    """Its Q4_0 by importance, on 256 tokens: quantlab is no farther from llama.cpp than llama.cpp from itself
    with its usual cache.
    """
    source = make(smollm_q4_1, tmp_path / "smollm2.F16.gguf")
    lm = ql.load_lm(source)
    tokens = tokens_of(lm, text)
    known = ql.calibrate(lm, tokens[2048:3584], tmp_path / "known", n_ctx=512, progress=None)
    file = ql.quantize_model(source, tmp_path / "new.gguf", "Q4_0", calibration=known, method="importance",
                             progress=None)
    logits = {"quantlab": ql.load_lm(file).logits(tokens[:256])}
    for name, settings in {"llama_cpp": {}, "as usual": {"flash_attn_type": ON, "type_k": F16, "type_v": F16},
                           }.items():
        with LlamaCpp(file, n_ctx=256, **settings) as theirs:
            logits[name] = theirs.logits(tokens[:256])
    logs = {name: np.array([log_probabilities(one) for one in each[128::8]]) for name, each in logits.items()}
    base = logs["llama_cpp"]
    apart = {name: (np.exp(base) * (base - other)).sum(axis=1).mean() for name, other in logs.items()}
    assert 0 < apart["quantlab"] < 1.5 * apart["as usual"] < 0.02
